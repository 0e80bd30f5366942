// A growing run of bytes, kept and reused: what effects, journal records and snapshot chunks are written into.

/// Numbers are little-endian. Only its owner may touch it; it is handed over whole.
package final class ByteBuffer {
    // Usable from inline: what is appended one number at a time must not cost a call (docs/decisions/0003).
    @usableFromInline var start: UnsafeMutableRawPointer
    @usableFromInline var used = 0
    @usableFromInline var capacity: Int

    package init(capacity: Int = 256) {
        self.capacity = max(capacity, 16)
        start = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { start.deallocate() }

    @inlinable package var base: UnsafeMutableRawPointer { start }

    @inlinable package var count: Int { used }

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    package var array: [UInt8] { [UInt8](bytes) }

    package func removeAll() { used = 0 }

    @inlinable @inline(__always)
    package func reserve(_ more: Int) {
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
    package func append<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        reserve(MemoryLayout<T>.size)
        start.storeBytes(of: value.littleEndian, toByteOffset: count, as: T.self)
        used += MemoryLayout<T>.size
    }

    @inlinable @inline(__always)
    package func append(_ value: Digest) {
        append(value.high)
        append(value.low)
    }

    @inlinable @inline(__always)
    package func append(contentsOf more: UnsafeRawBufferPointer) {
        guard let from = more.baseAddress, more.count > 0 else { return }
        reserve(more.count)
        (start + count).copyMemory(from: from, byteCount: more.count)
        used += more.count
    }

    package func append(contentsOf more: [UInt8]) {
        more.withUnsafeBytes { append(contentsOf: $0) }
    }

    /// Literals are bytes of the binary: nothing is counted or checked.
    @inlinable @inline(__always)
    package func append(contentsOf text: StaticString) {
        append(contentsOf: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package func append(text: String) {
        var copy = text
        copy.withUTF8 { append(contentsOf: UnsafeRawBufferPointer($0)) }
    }

    /// A number in decimal digits, at least `digits` of them (at most 20) with zeros before.
    package func appendDecimal(_ value: Int64, digits: Int = 1) {
        if value < 0 { append(UInt8(0x2D)) }
        // Written from the last digit on behind the room that they need at most, and moved there.
        let most = 20
        reserve(2 * most)
        let to = start + used
        var at = 2 * most
        var rest = value.magnitude
        while rest >= 10 {
            let (left, pair) = rest.quotientAndRemainder(dividingBy: 100)
            at -= 2
            (to + at).copyMemory(from: ByteBuffer.pairs.utf8Start + 2 * Int(pair), byteCount: 2)
            rest = left
        }
        // The first pair of an odd number of digits ends above; a zero stands only where nothing else does.
        if rest > 0 || at == 2 * most {
            at -= 1
            (to + at).storeBytes(of: 0x30 + UInt8(rest), as: UInt8.self)
        }
        while 2 * most - at < digits {
            at -= 1
            (to + at).storeBytes(of: 0x30, as: UInt8.self)
        }
        to.copyMemory(from: to + at, byteCount: 2 * most - at)
        used += 2 * most - at
    }

    /// "00" to "99".
    private static let pairs: StaticString = """
        00010203040506070809101112131415161718192021222324252627282930313233343536373839\
        40414243444546474849505152535455565758596061626364656667686970717273747576777879\
        8081828384858687888990919293949596979899
        """

    /// Two lower-case hexadecimal digits.
    package func appendHexadecimal(_ byte: UInt8) {
        for digit in [byte >> 4, byte & 15] { append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
    }

    /// Length (4 bytes), then the bytes.
    package func appendCounted(_ more: UnsafeRawBufferPointer) {
        append(UInt32(more.count))
        append(contentsOf: more)
    }

    package func appendCounted(_ text: String) {
        var copy = text
        copy.withUTF8 { appendCounted(UnsafeRawBufferPointer($0)) }
    }

    /// Lets `fill` write up to `limit` bytes at the end and say how many it wrote; a negative answer is of no bytes, and is returned.
    package func appendBytes(atMost limit: Int, fill: (UnsafeMutableRawPointer) -> Int) -> Int {
        reserve(limit)
        let filled = fill(base + count)
        precondition(filled <= limit)
        used += max(0, filled)
        return filled
    }

    /// Overwrites a number written before.
    package func replace<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, with value: T) {
        precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
        start.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
    }
}

/// Reads what `ByteBuffer` wrote, from bytes that may be damaged: every read is checked.
package struct ByteReader {
    /// The bytes end before the value does, or the value is out of its range.
    package struct Damaged: Error {
        package var offset: Int

        @inlinable package init(offset: Int) { self.offset = offset }
    }

    package let bytes: UnsafeRawBufferPointer
    @usableFromInline var at = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    @inlinable package var offset: Int { at }

    @inlinable package var remaining: Int { bytes.count - at }

    @inlinable
    package mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type = T.self) throws(Damaged) -> T {
        guard remaining >= MemoryLayout<T>.size else { throw Damaged(offset: offset) }
        let value = bytes.loadUnaligned(fromByteOffset: offset, as: T.self)
        at += MemoryLayout<T>.size
        return T(littleEndian: value)
    }

    package mutating func readDigest() throws(Damaged) -> Digest {
        Digest(high: try read(), low: try read())
    }

    package mutating func readBytes(_ length: Int) throws(Damaged) -> UnsafeRawBufferPointer {
        guard length >= 0, remaining >= length else { throw Damaged(offset: offset) }
        defer { at += length }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
    }

    package mutating func readCounted() throws(Damaged) -> UnsafeRawBufferPointer {
        try readBytes(Int(try read(UInt32.self)))
    }

    package mutating func readText() throws(Damaged) -> String {
        let start = offset
        guard let text = String(validating: try readCounted(), as: UTF8.self) else { throw Damaged(offset: start) }
        return text
    }
}
