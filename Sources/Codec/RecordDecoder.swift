// One record in, one event out: or a reason why not, or that it is none of rfmd's business.
import CSimdJSON
import Model

/// An event as it stands in a record. Texts are valid until the decoder's next call.
package struct DecodedEvent {
    package var kind: Mapping.Kind
    package var customer: UnsafeRawBufferPointer
    package var event: UnsafeRawBufferPointer
    package var order: UnsafeRawBufferPointer
    package var occurredAt: Int64
    package var amount: Int64?
    package var isBackfill: Bool
}

package enum Decoded {
    /// `RecordDecoder.event` has it.
    case event
    /// A tombstone, or a kind that the mapping does not name.
    case skipped
    case rejected(Rejection)
}

/// Decodes the records of one topic. Not for two threads at once.
package final class RecordDecoder {
    package let mapping: Mapping
    /// What was decoded if `decode` has just said `.event`; valid until the next call of it or of `readAhead`. It is read where it was
    /// written, for a copy of it waits (docs/performance.md).
    package let event: UnsafePointer<DecodedEvent>
    private let writableEvent: UnsafeMutablePointer<DecodedEvent>
    private let money: MoneyRules
    private let plan: OpaquePointer
    private let parser: OpaquePointer
    private let values: UnsafeMutablePointer<csj_value>
    /// Records that were read ahead and not yet decoded, those without a value aside.
    private var added = 0
    // What every record needs is plain memory, in which no reference is counted.
    private let slots: UnsafeMutablePointer<Int>
    private let kindSlots: SlotRange
    private let backfillSlots: SlotRange
    private let skippedSlots: SlotRange
    private let fieldSlots: UnsafeMutablePointer<SlotRange>
    /// Owned copies, so that a constant is handed out like a text of the record.
    private let constants: UnsafeMutablePointer<UnsafeRawBufferPointer?>
    private let kindNames: UnsafeMutableBufferPointer<KindName>
    /// The kind of every record; nil if records say it themselves, or say nothing that is of use.
    private let constantKind: Mapping.Kind?
    private let kindIsConstant: Bool
    /// Per field, the slot of an attribute of CloudEvents; -1 if it has none.
    private let attributeSlots: [Int]
    /// Per field, the attribute's header in binary mode.
    private var attributes: [UnsafeRawBufferPointer?]
    private let attributeBytes = ByteBuffer()
    private var isBinary = false
    private let currencyName: UnsafeRawBufferPointer
    private let rates: [(name: [UInt8], rate: MoneyRules.Rate)]

    /// `mapping`'s pointers are valid JSON pointers (the configuration checks them).
    package init(_ mapping: Mapping, money: MoneyRules) {
        self.mapping = mapping
        self.money = money
        let plan: OpaquePointer = csj_plan_new()
        var numbers: [Int] = []
        func range(_ source: Mapping.Source?) -> SlotRange {
            let first = numbers.count
            if case .pointers(let pointers)? = source {
                for pointer in pointers {
                    let slot = Int(csj_plan_add(plan, pointer, pointer.utf8.count))
                    precondition(slot >= 0, "'\(pointer)' is no JSON pointer")
                    numbers.append(slot)
                }
            }
            return SlotRange(first: first, end: numbers.count)
        }
        kindSlots = range(mapping.kindAt)
        let fields = Field.allCases.map { range(mapping.fields[$0]) }
        skippedSlots = range(.pointers(mapping.skippedAt))
        backfillSlots = range(.pointers(mapping.backfillPointers))
        precondition(numbers.count <= Mapping.mostPointers, "more pointers than slots")
        slots = RecordDecoder.memory(numbers)
        fieldSlots = RecordDecoder.memory(fields)
        attributeSlots = Field.allCases.map { field in
            guard mapping.readsCloudEventHeaders, case .pointers(let pointers)? = mapping.fields[field] else {
                return -1
            }
            let place = pointers.firstIndex { $0 == CloudEventAttributes.pointer(field) }
            return place.map { numbers[fields[field.rawValue].first + $0] } ?? -1
        }
        attributes = Field.allCases.map { _ in nil }
        constants = RecordDecoder.memory(
            Field.allCases.map { field in
                guard case .constant(let text)? = mapping.fields[field] else { return nil }
                return RecordDecoder.copy(text)
            })
        if case .constant(let name) = mapping.kindAt {
            (kindIsConstant, constantKind) = (true, mapping.kinds[name])
        } else {
            (kindIsConstant, constantKind) = (false, nil)
        }
        let names = mapping.kinds.map { KindName(name: RecordDecoder.copy($0.key), kind: $0.value) }
        kindNames = UnsafeMutableBufferPointer(start: RecordDecoder.memory(names), count: names.count)
        currencyName = RecordDecoder.copy(money.currency)
        rates = money.rates.map { (Array($0.key.utf8), $0.value) }
        self.plan = plan
        parser = csj_parser_new(UInt32(Limits.jsonDepth))
        values = .allocate(capacity: Mapping.mostPointers)
        values.initialize(repeating: csj_value(), count: Mapping.mostPointers)
        writableEvent = .allocate(capacity: 1)
        event = UnsafePointer(writableEvent)
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        writableEvent.initialize(
            to: DecodedEvent(
                kind: .click, customer: nothing, event: nothing, order: nothing, occurredAt: 0, amount: nil,
                isBackfill: false))
    }

    deinit {
        csj_plan_free(plan)
        csj_parser_free(parser)
        values.deallocate()
        event.deallocate()
        slots.deallocate()
        fieldSlots.deallocate()
        for field in Field.allCases { constants[field.rawValue]?.deallocate() }
        constants.deallocate()
        for name in kindNames { name.name.deallocate() }
        kindNames.deallocate()
        currencyName.deallocate()
    }

    /// Places in `slots` of what one thing is looked for at, in their order.
    private struct SlotRange: BitwiseCopyable {
        var first: Int
        var end: Int
    }

    private struct KindName {
        var name: UnsafeRawBufferPointer
        var kind: Mapping.Kind
    }

    private static func memory<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
        memory.initialize(from: elements, count: elements.count)
        return memory
    }

    private static func copy(_ text: String) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        copy.copyBytes(from: text.utf8)
        return UnsafeRawBufferPointer(copy)
    }

    /// Records at most that are read ahead, and bytes after which no more are.
    package static let mostAhead = 8
    private static let mostBytesAhead = 16_384

    /// Reads records ahead, which is faster than one by one: `value` gives the first `count`. As many as it says
    /// are then to be decoded before any other, in their order.
    @inline(__always)
    package func readAhead(_ count: Int, _ value: (Int) -> UnsafeRawBufferPointer?) -> Int {
        precondition(added == 0, "what was read ahead before is decoded first")
        var (read, bytes) = (0, 0)
        while read < min(count, RecordDecoder.mostAhead), bytes < RecordDecoder.mostBytesAhead {
            if let value = value(read), value.count > 0 {
                csj_add(parser, value.baseAddress, value.count)
                added += 1
                bytes += value.count
            }
            read += 1
        }
        return read
    }

    /// Reads one record. `headers` are those of CloudEvents, if it has any.
    package func decode(_ value: UnsafeRawBufferPointer?, headers: CloudEventAttributes? = nil) -> Decoded {
        guard let value, let base = value.baseAddress, value.count > 0 else {
            return value == nil ? .skipped : .rejected(Rejection(.notJSON))
        }
        if added == 0 { csj_add(parser, base, value.count) } else { added -= 1 }
        guard csj_next(parser, plan, base, values) else {
            return .rejected(Rejection(.notJSON))
        }
        let headers = mapping.readsCloudEventHeaders ? headers : nil
        if isBinary || headers != nil { keep(headers) }
        do throws(Rejection) {
            guard let kind = try kind(headers?.type) else { return .skipped }
            try readEvent(kind)
            return .event
        } catch {
            return .rejected(error)
        }
    }

    /// Keeps the attributes of a record in binary mode until the next one.
    private func keep(_ headers: CloudEventAttributes?) {
        isBinary = headers?.isBinary ?? false
        for field in Field.allCases { attributes[field.rawValue] = nil }
        guard isBinary, let headers else { return }
        attributeBytes.removeAll()
        for field in Field.allCases { attributeBytes.append(contentsOf: headers[field] ?? []) }
        var start = 0
        for field in Field.allCases {
            guard let header = headers[field] else { continue }
            let end = start + header.count
            attributes[field.rawValue] = UnsafeRawBufferPointer(rebasing: attributeBytes.bytes[start..<end])
            start = end
        }
    }

    private func kind(_ header: [UInt8]?) throws(Rejection) -> Mapping.Kind? {
        if let value = first(skippedSlots), value.type == CSJ_STRING.rawValue,
            mapping.skippedValues.contains(String(decoding: RecordDecoder.text(value), as: UTF8.self))
        {
            return nil
        }
        if let header { return header.withUnsafeBytes { kind(named: $0) } }
        if kindIsConstant { return constantKind }
        guard let value = first(kindSlots) else { throw Rejection(.missingField, field: "type") }
        guard value.type == CSJ_STRING.rawValue else { throw Rejection(.wrongField, field: "type", expected: "a text") }
        return kind(named: RecordDecoder.text(value))
    }

    private func kind(named text: UnsafeRawBufferPointer) -> Mapping.Kind? {
        for place in kindNames.indices where kindNames[place].name.isSame(as: text) { return kindNames[place].kind }
        if mapping.kindsAreLoose {
            let loose = RecordDecoder.lowercasedAndTrimmed(text)
            return kindNames.first { $0.name.elementsEqual(loose) }?.kind
        }
        if mapping.readsCloudEventHeaders, let point = text.lastIndex(of: 0x2E) {
            let last = text[(point + 1)...]
            return kindNames.first { $0.name.elementsEqual(last) }?.kind
        }
        return nil
    }

    static func lowercasedAndTrimmed(_ text: some BidirectionalCollection<UInt8>) -> [UInt8] {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        return text.drop(while: isSpace).reversed().drop(while: isSpace).reversed().map {
            $0 >= 0x41 && $0 <= 0x5A ? $0 + 32 : $0
        }
    }

    private func readEvent(_ kind: Mapping.Kind) throws(Rejection) {
        writableEvent.pointee.kind = kind
        writableEvent.pointee.isBackfill = isBackfill
        let customer = try identifier(.customerID, required: true)
        guard customer.count >= 1, customer.count <= Limits.customerIDBytes else {
            throw Rejection(.customerIDLength, field: Field.customerID.name)
        }
        writableEvent.pointee.customer = customer
        let id = try eventIdentifier(.eventID, required: true)
        writableEvent.pointee.event = id
        let order = kind == .click ? id : try eventIdentifier(.orderID, required: kind == .refund)
        writableEvent.pointee.order = order.count == 0 ? id : order
        writableEvent.pointee.occurredAt = try time()
        writableEvent.pointee.amount = kind == .click ? nil : try amount(required: kind == .purchase)
    }

    private var isBackfill: Bool {
        guard let value = first(backfillSlots), value.type == CSJ_STRING.rawValue else { return false }
        return mapping.backfillValues.contains(String(decoding: RecordDecoder.text(value), as: UTF8.self))
    }

    // MARK: Values

    @inline(__always)
    private func first(_ range: SlotRange) -> csj_value? {
        var at = range.first
        while at < range.end {
            let value = values[slots[at]]
            if value.type > CSJ_NULL.rawValue { return value }
            at += 1
        }
        return nil
    }

    @inline(__always)
    private static func text(_ value: csj_value) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: value.bytes, count: Int(value.length))
    }

    /// The field's text or digits; nil when it is absent.
    @inline(__always)
    private func scalar(_ field: Field) throws(Rejection) -> (text: UnsafeRawBufferPointer, isNumber: Bool)? {
        if isBinary && attributeSlots[field.rawValue] >= 0 { return try attributeOrScalar(field) }
        guard let value = first(fieldSlots[field.rawValue]) else {
            return constants[field.rawValue].map { ($0, false) }
        }
        return try scalar(value, field)
    }

    private func wrong(_ field: Field) -> Rejection {
        let expected =
            switch field {
            case .eventID, .customerID, .orderID: "a text, or a whole number by its digits"
            case .amount: "a decimal such as \"12.50\""
            case .currency: "a currency's code as a text"
            case .occurredAt:
                switch mapping.timeUnit {
                case .rfc3339: "an RFC 3339 time with its zone, such as \"2026-11-23T10:00:00Z\""
                case .seconds: "a number of seconds since 1970"
                case .milliseconds: "a number of milliseconds since 1970"
                case .microseconds: "a number of microseconds since 1970"
                }
            }
        return Rejection(.wrongField, field: field.name, expected: expected)
    }

    /// In binary mode the header takes the attribute's place.
    private func attributeOrScalar(_ field: Field) throws(Rejection) -> (text: UnsafeRawBufferPointer, isNumber: Bool)?
    {
        let range = fieldSlots[field.rawValue]
        for at in range.first..<range.end {
            if slots[at] != attributeSlots[field.rawValue] {
                if let value = first(SlotRange(first: at, end: at + 1)) { return try scalar(value, field) }
            } else if let text = attributes[field.rawValue] {
                guard String(validating: text, as: UTF8.self) != nil else {
                    throw wrong(field)
                }
                return (text, false)
            }
        }
        return nil
    }

    @inline(__always)
    private func scalar(_ value: csj_value, _ field: Field) throws(Rejection) -> (
        text: UnsafeRawBufferPointer, isNumber: Bool
    ) {
        guard value.type == CSJ_STRING.rawValue || value.type == CSJ_NUMBER.rawValue else {
            throw wrong(field)
        }
        return (RecordDecoder.text(value), value.type == CSJ_NUMBER.rawValue)
    }

    /// A string, or an integer by its digits.
    private func identifier(_ field: Field, required: Bool) throws(Rejection) -> UnsafeRawBufferPointer {
        guard let (text, isNumber) = try scalar(field) else {
            if required { throw Rejection(.missingField, field: field.name) }
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        if isNumber {
            for byte in text where byte == 0x2E || byte == 0x65 || byte == 0x45 {
                throw wrong(field)
            }
        }
        return text
    }

    private func eventIdentifier(_ field: Field, required: Bool) throws(Rejection) -> UnsafeRawBufferPointer {
        let text = try identifier(field, required: required)
        if text.baseAddress == nil && !required { return text }
        guard text.count >= 1, text.count <= Limits.eventIDBytes else {
            throw Rejection(.eventIDLength, field: field.name)
        }
        return text
    }

    private func time() throws(Rejection) -> Int64 {
        let field = Field.occurredAt
        guard let (text, isNumber) = try scalar(field) else { throw Rejection(.missingField, field: field.name) }
        let instant: Int64?
        // CloudEvents' own `time` is always RFC 3339.
        let isAttribute = isBinary && text.baseAddress == attributes[field.rawValue]?.baseAddress
        if mapping.timeUnit == .rfc3339 || isAttribute {
            instant = isNumber ? nil : CivilTime.parse(text)
        } else {
            instant = RecordDecoder.instant(text, unit: mapping.timeUnit)
        }
        guard let instant else { throw wrong(field) }
        guard instant >= Limits.earliestTime, instant < Limits.latestTime else {
            throw Rejection(.timeOutOfRange, field: field.name)
        }
        return instant
    }

    /// Milliseconds of a number in `unit`; what is finer is cut off.
    private static func instant(_ text: UnsafeRawBufferPointer, unit: TimeUnit) -> Int64? {
        // At most 15 digits: no unit takes them out of Int64.
        if text.count <= 15, let number = Decimal.wholeNumber(text) {
            switch unit {
            case .seconds: return number * 1_000
            case .milliseconds: return number
            case .microseconds: return number / 1_000
            case .rfc3339: break
            }
        }
        let decimal: Decimal
        do throws(Decimal.Failure) { decimal = try Decimal.shortened(text) } catch { return nil }
        var value = Int128(decimal.coefficient)
        var shift = (unit == .seconds ? 3 : unit == .milliseconds ? 0 : -3) - decimal.scale
        while shift > 0 && value != 0 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return .max }
            value = product
            shift -= 1
        }
        while shift < 0 && value != 0 && value != -1 {
            let (quotient, remainder) = value.quotientAndRemainder(dividingBy: 10)
            value = remainder < 0 ? quotient - 1 : quotient
            shift += 1
        }
        return Int64(exactly: value) ?? .max
    }

    private func amount(required: Bool) throws(Rejection) -> Int64? {
        let field = Field.amount.name
        guard let (text, _) = try scalar(.amount) else {
            if required { throw Rejection(.missingField, field: field) }
            return nil
        }
        let decimal: Decimal
        do throws(Decimal.Failure) { decimal = try Decimal(text) } catch {
            if error == .notANumber { throw wrong(.amount) }
            // More digits than any amount has: the point tells whether they are too many or too large.
            let places = Decimal.places(text)
            throw Rejection(places > Decimal.mostPlaces ? .tooManyDigits : .amountOutOfRange, field: field)
        }
        if decimal.coefficient < 0 { throw Rejection(.negativeAmount, field: field) }
        let minorUnits: Int64
        do throws(ConversionFailure) {
            minorUnits = try converted(decimal, places: Decimal.places(text))
        } catch {
            switch error {
            case .money(let failure):
                throw Rejection(failure == .tooManyDigits ? .tooManyDigits : .amountOutOfRange, field: field)
            case .rejected(let rejection): throw rejection
            }
        }
        guard minorUnits <= Limits.amountMinorUnits else { throw Rejection(.amountOutOfRange, field: field) }
        return minorUnits
    }

    private enum ConversionFailure: Error {
        case money(Decimal.MoneyFailure)
        case rejected(Rejection)
    }

    /// `places` are the digits after the point that the record writes: more than the currency has are refused, be they zeros.
    private func converted(_ amount: Decimal, places: Int) throws(ConversionFailure) -> Int64 {
        func minorUnits(_ exponent: Int) throws(Decimal.MoneyFailure) -> Int64 {
            if places > exponent { throw .tooManyDigits }
            return try amount.minorUnits(exponent: exponent)
        }
        do {
            guard let (text, isNumber) = try scalar(.currency) else { return try minorUnits(money.exponent) }
            if isNumber { throw wrong(.currency) }
            if currencyName.isSame(as: text) { return try minorUnits(money.exponent) }
            guard let (_, rate) = rates.first(where: { $0.name.elementsEqual(text) }) else {
                throw Rejection(.unknownCurrency, field: Field.currency.name)
            }
            _ = try minorUnits(rate.exponent)
            return try amount.converted(rate: rate.rate, exponent: money.exponent)
        } catch let error as Rejection {
            throw .rejected(error)
        } catch let error as Decimal.MoneyFailure {
            throw .money(error)
        } catch {
            preconditionFailure("no other error is thrown")
        }
    }
}
