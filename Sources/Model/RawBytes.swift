// Bytes that lie anywhere, compared.

extension UnsafeRawBufferPointer {
    /// `public`, for it runs for every record: `package` is not inlined in other modules (docs/decisions/0003).
    @inlinable @inline(__always)
    public func isSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        var at = 0
        while at + 8 <= count {
            let (one, another) = (
                loadUnaligned(fromByteOffset: at, as: UInt64.self),
                other.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            )
            if one != another { return false }
            at += 8
        }
        while at < count {
            if self[at] != other[at] { return false }
            at += 1
        }
        return true
    }
}
