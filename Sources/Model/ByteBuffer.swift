// A growing run of bytes, kept and reused: what effects, journal records and snapshot chunks are written into.

/// Numbers are little-endian. Only its owner may touch it; it is handed over whole. What is appended one number or literal at a time is `public`:
/// `package` is not inlined in other modules (docs/decisions/0003).
public final class ByteBuffer {
    @usableFromInline var start: UnsafeMutableRawPointer
    @usableFromInline var used = 0
    @usableFromInline var capacity: Int

    public init(capacity: Int = 256) {
        self.capacity = max(capacity, 16)
        start = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { start.deallocate() }

    @inlinable public var base: UnsafeMutableRawPointer { start }

    @inlinable public var count: Int { used }

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    public var array: [UInt8] { [UInt8](bytes) }

    public func removeAll() { used = 0 }

    /// Forgets what was written behind the first `count` bytes.
    public func cut(to count: Int) {
        precondition(count >= 0 && count <= used)
        used = count
    }

    @inlinable @inline(__always)
    public func reserve(_ more: Int) {
        if count + more > capacity { grow(more) }
    }

    @inline(never)
    @usableFromInline func grow(_ more: Int) {
        let wanted = max(capacity * 2, count + more)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
        larger.copyMemory(from: start, byteCount: count)
        start.deallocate()
        start = larger
        capacity = wanted
    }

    @inlinable @inline(__always)
    public func append<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        start.storeBytes(of: value.littleEndian, toByteOffset: count, as: T.self)
        used += MemoryLayout<T>.size
    }

    @inlinable @inline(__always)
    public func append(_ value: Digest) {
        append(value.high)
        append(value.low)
    }

    @inlinable @inline(__always)
    public func append(contentsOf more: UnsafeRawBufferPointer) {
        guard let from = more.baseAddress, more.count > 0 else { return }
        reserve(more.count)
        (start + count).copyMemory(from: from, byteCount: more.count)
        used += more.count
    }

    @inlinable
    public func append(contentsOf more: [UInt8]) {
        more.withUnsafeBytes { append(contentsOf: $0) }
    }

    /// Literals are bytes of the binary: nothing is counted or checked.
    @inlinable @inline(__always)
    public func append(contentsOf text: StaticString) {
        append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public func append(text: String) {
        var copy = text
        copy.withUTF8 { append(contentsOf: UnsafeRawBufferPointer($0)) }
    }

    /// Repeats bytes that stand in this buffer already.
    @inlinable
    public func appendAgain(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let to = extend(range.count)
        to.copyMemory(from: start + range.lowerBound, byteCount: range.count)
    }

    /// Room for `more` bytes at the end, which the caller fills.
    @inlinable @inline(__always)
    public func extend(_ more: Int) -> UnsafeMutableRawPointer {
        precondition(more >= 0)
        reserve(more)
        used += more
        return start + (used - more)
    }

    /// A number in decimal digits, at least `digits` of them with zeros before.
    @inlinable @inline(__always)
    public func appendDecimal(_ value: Int64, digits: Int = 1) {
        // Most are small.
        if value >= 0 && value < 10 && digits == 1 { return append(0x30 + UInt8(truncatingIfNeeded: value)) }
        appendLong(value, digits)
    }

    @usableFromInline func appendLong(_ value: Int64, _ digits: Int) {
        if value < 0 { append(UInt8(0x2D)) }
        let count = max(digits, ByteBuffer.digits(value.magnitude))
        ByteBuffer.write(value.magnitude, digits: count, to: extend(count))
    }

    /// `value` × 10^-`places` with exactly so many digits after the point: `123.45`, `-0.05`, `7`.
    public func appendDecimal(_ value: Int64, places: Int) {
        if places == 0 { return appendDecimal(value) }
        if value < 0 { append(UInt8(0x2D)) }
        var unit: UInt64 = 1
        for _ in 0..<places { unit *= 10 }
        let (whole, fraction) = value.magnitude.quotientAndRemainder(dividingBy: unit)
        let count = ByteBuffer.digits(whole)
        let to = extend(count + 1 + places)
        ByteBuffer.write(whole, digits: count, to: to)
        to.storeBytes(of: 0x2E, toByteOffset: count, as: UInt8.self)
        ByteBuffer.write(fraction, digits: places, to: to + count + 1)
    }

    private static func digits(_ value: UInt64) -> Int {
        var (rest, count) = (value, 1)
        while rest >= 10_000 { (rest, count) = (rest / 10_000, count + 4) }
        return rest >= 1_000 ? count + 3 : rest >= 100 ? count + 2 : rest >= 10 ? count + 1 : count
    }

    /// Writes a number's last `digits` digits, two at a time.
    static func write(_ value: UInt64, digits: Int, to: UnsafeMutableRawPointer) {
        var (rest, at) = (value, digits)
        while at >= 2 {
            at -= 2
            let (left, pair) = rest.quotientAndRemainder(dividingBy: 100)
            (to + at).copyMemory(from: pairs.utf8Start + 2 * Int(pair), byteCount: 2)
            rest = left
        }
        if at == 1 { to.storeBytes(of: 0x30 + UInt8(rest % 10), as: UInt8.self) }
    }

    /// "00" to "99".
    private static let pairs: StaticString = """
        00010203040506070809101112131415161718192021222324252627282930313233343536373839\
        40414243444546474849505152535455565758596061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899
        """

    /// Two lower-case hexadecimal digits.
    public func appendHexadecimal(_ byte: UInt8) {
        for digit in [byte >> 4, byte & 15] { append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }

    /// Length (4 bytes), then the bytes.
    public func appendCounted(_ more: UnsafeRawBufferPointer) {
        append(UInt32(more.count))
        append(contentsOf: more)
    }

    public func appendCounted(_ text: String) {
        var copy = text
        copy.withUTF8 { appendCounted(UnsafeRawBufferPointer($0)) }
    }

    /// Lets `fill` write up to `limit` bytes at the end and say how many it wrote; a negative answer is of no bytes, and is returned.
    public func appendBytes(atMost limit: Int, fill: (UnsafeMutableRawPointer) -> Int) -> Int {
        reserve(limit)
        let filled = fill(base + count)
        precondition(filled <= limit)
        used += max(0, filled)
        return filled
    }

    /// Overwrites a number written before.
    public func replace<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, with value: T) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
        start.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

/// Reads what `ByteBuffer` wrote, from bytes that may be damaged: every read is checked.
public struct ByteReader {
    /// The bytes end before the value does, or the value is out of its range.
    public struct Damaged: Error {
        public var offset: Int

        @inlinable public init(offset: Int) { self.offset = offset }
    }

    public let bytes: UnsafeRawBufferPointer
    @usableFromInline var at = 0

    public init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inlinable public var offset: Int { at }

    @inlinable public var remaining: Int { bytes.count - at }

    @inlinable @inline(__always)
    public mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) throws(Damaged) -> T {
        guard remaining >= MemoryLayout<T>.size else { throw Damaged(offset: offset) }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
        at += MemoryLayout<T>.size
        return T(littleEndian: value)
    }

    public mutating func readDigest() throws(Damaged) -> Digest {
        Digest(high: try read(), low: try read())
    }

    @inlinable @inline(__always)
    public mutating func readBytes(_ length: Int) throws(Damaged) -> UnsafeRawBufferPointer {
        guard length >= 0, remaining >= length else { throw Damaged(offset: offset) }
        defer { at += length }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    public mutating func readCounted() throws(Damaged) -> UnsafeRawBufferPointer {
        try readBytes(Int(try read(UInt32.self)))
    }

    public mutating func readText() throws(Damaged) -> String {
        let start = offset
        guard let text = String(validating: try readCounted(), as: UTF8.self) else { throw Damaged(offset: start) }
        return text
    }
}
