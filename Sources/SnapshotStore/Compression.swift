// zstd, as snapshots use it: each owner keeps one context for as long as a file is written or read.
import CZstd
import Model

/// Makes chunks as they lie in the file.
final class Compressor {
    /// A fast level, for the state is mostly numbers, and the writer must keep up with the worker: against level 1 it takes half the time to
    /// pack and two thirds to unpack, and a tenth more of the disk (docs/performance.md).
    private static let level: Int32 = -2
    /// Of a chunk as it is stored, in bytes.
    static let largest = ZSTD_compressBound(Limits.snapshotChunkBytes)
    private let context: OpaquePointer
    private var room: UnsafeMutableRawBufferPointer

    /// nil if there is no memory for it.
    init?() {
        guard let context = ZSTD_createCCtx() else { return nil }
        self.context = context
        room = .allocate(byteCount: 1 << 16, alignment: 16)
    }

    deinit {
        ZSTD_freeCCtx(context)
        room.deallocate()
    }

    /// The chunk with its head, and its digest; valid until the next call. nil if zstd refuses.
    func chunk(_ content: UnsafeRawBufferPointer, index: UInt64) -> (bytes: UnsafeRawBufferPointer, digest: Digest)? {
        let head = SnapshotFormat.chunkHeadBytes
        let bound = ZSTD_compressBound(content.count)
        if head + bound > room.count {
            room.deallocate()
            room = .allocate(byteCount: head + bound, alignment: 16)
        }
        let target = UnsafeMutableRawBufferPointer(rebasing: room[head...])
        let stored = ZSTD_compressCCtx(
            context, target.baseAddress, target.count, content.baseAddress, content.count, Compressor.level)
        guard ZSTD_isError(stored) == 0 else { return nil }
        room.storeBytes(of: UInt32(stored).littleEndian, toByteOffset: 16, as: UInt32.self)
        room.storeBytes(of: UInt32(content.count).littleEndian, toByteOffset: 20, as: UInt32.self)
        let bytes = UnsafeRawBufferPointer(rebasing: room[..<(head + stored)])
        let digest = SnapshotFormat.chunkDigest(bytes, index: index)
        room.storeBytes(of: digest.high.littleEndian, toByteOffset: 0, as: UInt64.self)
        room.storeBytes(of: digest.low.littleEndian, toByteOffset: 8, as: UInt64.self)
        return (bytes, digest)
    }
}

/// Makes chunks what they were.
final class Decompressor {
    private let context: OpaquePointer

    /// nil if there is no memory for it.
    init?() {
        guard let context = ZSTD_createDCtx() else { return nil }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Puts exactly `length` bytes in place of what is in `content`; false if these are not what is stored.
    func unpack(_ stored: UnsafeRawBufferPointer, length: Int, into content: ByteBuffer) -> Bool {
        precondition(length <= Limits.snapshotChunkBytes, "the caller bounds it")
        content.removeAll()
        // Asked first, so that a length that lies costs no memory.
        guard ZSTD_getFrameContentSize(stored.baseAddress, stored.count) == UInt64(length) else { return false }
        let made = ZSTD_decompressDCtx(context, content.extend(length), length, stored.baseAddress, stored.count)
        return ZSTD_isError(made) == 0 && made == length
    }
}
