// Calendar arithmetic and RFC 3339: instants are Int64 milliseconds since 1970-01-01T00:00:00Z, days are numbers since 1970-01-01.

public enum CivilTime {
    public static let millisecondsPerDay: Int64 = 86_400_000

    /// Quotient rounded towards minus infinity; `divisor` is positive.
    @inlinable @inline(__always)
    public static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    /// Day number of a date of the proleptic Gregorian calendar. Source: Howard Hinnant,
    /// "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
    public static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = floorDivide(y, 400)
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// Inverse of `day(year:month:day:)`; source as there, civil_from_days.
    public static func date(ofDay number: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let z = number + 719_468
        let era = floorDivide(z, 146_097)
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    public static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 2: return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }

    /// Milliseconds of an RFC 3339 date-time (`2026-11-23T10:00:00.123Z`, `2026-11-23T18:00:00+08:00`), or nil.
    /// Digits after the third of a fraction are cut off; second 60 is the first of the next minute.
    public static func parse(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count != 24 else { return parseUsual(text) ?? parseAny(text) }
        return parseAny(text)
    }

    /// As most programs write it, with three digits of fraction in UTC; nil for any other form, also a wrong one. `text` has 24 bytes.
    @inline(__always)
    private static func parseUsual(_ text: UnsafeRawBufferPointer) -> Int64? {
        // Eight bytes at a time, compared bit by bit with the form: a digit leaves 0 to 9, a sign that is the form's leaves 0.
        func part(_ at: Int, _ form: UInt64, _ digits: UInt64) -> UInt64? {
            let bytes = UInt64(littleEndian: text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) ^ form
            let aboveNine = (bytes | (bytes &+ 0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080
            return aboveNine == 0 && bytes & ~digits == 0 ? bytes : nil
        }
        func two(_ bytes: UInt64, _ at: UInt64) -> Int64 {
            Int64((bytes >> (8 * at) & 0xFF) * 10 + bytes >> (8 * at + 8) & 0xFF)
        }
        guard let first = part(0, 0x2D30_302D_3030_3030, 0x00FF_FF00_FFFF_FFFF),  // 0000-00-
            let second = part(8, 0x3030_3A30_3054_3030, 0xFFFF_00FF_FF00_FFFF),  // 00T00:00
            let third = part(16, 0x5A30_3030_2E30_303A, 0x00FF_FFFF_00FF_FF00)  // :00.000Z
        else { return nil }
        return instant(
            year: two(first, 0) * 100 + two(first, 2), month: two(first, 5), day: two(second, 0),
            hour: two(second, 3), minute: two(second, 6), second: two(third, 1),
            milliseconds: two(third, 4) * 10 + Int64(third >> 48 & 0xFF))
    }

    @inline(__always)
    private static func instant(
        year: Int64, month: Int64, day: Int64, hour: Int64, minute: Int64, second: Int64, milliseconds: Int64
    ) -> Int64? {
        guard month >= 1, month <= 12, day >= 1, day <= daysInMonth(year: year, month: month),
            hour <= 23, minute <= 59, second <= 60
        else { return nil }
        let days = CivilTime.day(year: year, month: month, day: day)
        return days * millisecondsPerDay + ((hour * 60 + minute) * 60 + second) * 1_000 + milliseconds
    }

    private static func parseAny(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count >= 20 else { return nil }
        var at = 0
        func digit(_ index: Int) -> Int64? {
            let byte = text[index]
            return byte >= 0x30 && byte <= 0x39 ? Int64(byte &- 0x30) : nil
        }
        func number(_ length: Int) -> Int64? {
            guard at + length <= text.count else { return nil }
            var value: Int64 = 0
            for _ in 0..<length {
                guard let next = digit(at) else { return nil }
                value = value &* 10 &+ next
                at += 1
            }
            return value
        }
        func take(_ byte: UInt8) -> Bool {
            guard at < text.count, text[at] == byte else { return false }
            at += 1
            return true
        }
        guard let year = number(4), take(0x2D), let month = number(2), take(0x2D), let day = number(2),
            take(0x54) || take(0x74) || take(0x20), let hour = number(2), take(0x3A), let minute = number(2),
            take(0x3A), let second = number(2)
        else { return nil }
        var milliseconds: Int64 = 0
        if take(0x2E) {
            var scale: Int64 = 100
            let start = at
            while at < text.count, let next = digit(at) {
                milliseconds += next * scale
                scale /= 10
                at += 1
            }
            guard at > start else { return nil }
        }
        var offset: Int64 = 0
        if !(take(0x5A) || take(0x7A)) {
            let sign: Int64
            if take(0x2B) { sign = 1 } else if take(0x2D) { sign = -1 } else { return nil }
            guard let hours = number(2), take(0x3A), let minutes = number(2), hours <= 23, minutes <= 59 else {
                return nil
            }
            offset = sign * (hours * 60 + minutes) * 60_000
        }
        guard at == text.count else { return nil }
        let local = instant(
            year: year, month: month, day: day, hour: hour, minute: minute, second: second, milliseconds: milliseconds)
        return local.map { $0 - offset }
    }

    public static func parse(_ text: String) -> Int64? {
        var copy = text
        return copy.withUTF8 { parse(UnsafeRawBufferPointer($0)) }
    }

    /// RFC 3339 in UTC with three digits of fraction, 24 bytes: `2026-11-23T10:00:00.123Z`.
    public static func append(_ instant: Int64, to buffer: ByteBuffer) {
        let days = floorDivide(instant, millisecondsPerDay)
        let date = date(ofDay: days)
        let remainder = instant % millisecondsPerDay
        let rest = remainder < 0 ? remainder + millisecondsPerDay : remainder
        if date.year >= 0 && date.year <= 9_999 {
            ByteBuffer.write(UInt64(date.year), digits: 4, to: buffer.extend(4))
        } else {
            buffer.appendDecimal(date.year, digits: 4)
        }
        let form: StaticString = "-00-00T00:00:00.000Z"
        let to = buffer.extend(20)
        to.copyMemory(from: form.utf8Start, byteCount: 20)
        let (minutes, milliseconds) = UInt64(rest).quotientAndRemainder(dividingBy: 60_000)
        ByteBuffer.write(UInt64(date.month), digits: 2, to: to + 1)
        ByteBuffer.write(UInt64(date.day), digits: 2, to: to + 4)
        ByteBuffer.write(minutes / 60, digits: 2, to: to + 7)
        ByteBuffer.write(minutes % 60, digits: 2, to: to + 10)
        ByteBuffer.write(milliseconds / 1_000, digits: 2, to: to + 13)
        ByteBuffer.write(milliseconds % 1_000, digits: 3, to: to + 16)
    }

    public static func text(_ instant: Int64) -> String {
        let buffer = ByteBuffer(capacity: 32)
        append(instant, to: buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}
