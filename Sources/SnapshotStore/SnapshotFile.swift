// A snapshot file, open for reading. Nothing that it says is believed before a checksum has confirmed it.
import Glibc
import Model
import Worker

final class SnapshotFile {
    let identity: SnapshotIdentity
    private let source: PlacedReader
    private let footer: SnapshotFooter
    /// Where the chunks begin and end, and the digest of what is before.
    private let content: Range<Int>
    private let headerDigest: Digest

    /// Verifies header and footer; nil if there is no such file (any more).
    init?(_ path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        guard let source = try PlacedReader(path, calls) else { return nil }
        self.source = source
        let start: Int
        (identity, headerDigest, start) = try SnapshotFile.readHeader(source)
        let end = max(start, source.size - SnapshotFormat.footerBytes)
        let buffer = ByteBuffer(capacity: SnapshotFormat.footerBytes)
        try source.read(end, SnapshotFormat.footerBytes, into: buffer)
        footer = try source.checked { () throws(Damage) in try SnapshotFooter(buffer.bytes, size: source.size) }
        content = start..<end
    }

    private static func readHeader(_ source: PlacedReader) throws(SnapshotFailure) -> (SnapshotIdentity, Digest, Int) {
        let buffer = ByteBuffer(capacity: 4_096)
        try source.read(0, SnapshotFormat.headBytes, into: buffer)
        let prelude = try source.checked { () throws(Damage) in
            try SnapshotFormat.prelude(
                UnsafeRawBufferPointer(rebasing: buffer.bytes.prefix(SnapshotFormat.preludeBytes)))
        }
        if case .newer(let version) = prelude { throw .tooNew(file: source.path, version: version) }
        let length = PlacedReader.length(buffer, at: SnapshotFormat.preludeBytes)
        guard length <= Limits.snapshotIdentityBytes else {
            throw source.damaged("the length of the header is out of range", at: SnapshotFormat.preludeBytes)
        }
        let whole = SnapshotFormat.headBytes + length + SnapshotFormat.digestBytes
        try source.read(0, whole, into: buffer)
        let (identity, digest) = try source.checked { () throws(Damage) in try SnapshotFormat.identity(buffer.bytes) }
        return (identity, digest, whole)
    }

    /// Verifies everything as it is stored, without unpacking it.
    func verify() throws(SnapshotFailure) {
        try eachChunk { (_, _) throws(SnapshotFailure) in }
    }

    /// Verifies everything; calls `body` with each chunk once that chunk is verified.
    func load(_ body: (UnsafeRawBufferPointer) throws(SnapshotFailure) -> Void) throws(SnapshotFailure) {
        guard let decompressor = Decompressor() else {
            throw .io(file: source.path, reason: "there is no memory to unpack it")
        }
        try eachChunk { (chunk, at) throws(SnapshotFailure) in
            let length = PlacedReader.length(chunk, at: 20)
            let stored = UnsafeRawBufferPointer(rebasing: chunk.bytes.dropFirst(SnapshotFormat.chunkHeadBytes))
            guard length <= Limits.snapshotChunkBytes, let content = decompressor.content(stored, length: length) else {
                throw source.damaged("a chunk cannot be unpacked", at: at)
            }
            try body(content)
        }
    }

    /// Calls `body` with each chunk as it is stored, head included, once its digest is verified, and where it lies.
    private func eachChunk(_ body: (ByteBuffer, Int) throws(SnapshotFailure) -> Void) throws(SnapshotFailure) {
        let chunk = ByteBuffer(capacity: 1 << 16)
        var at = content.lowerBound
        var index: UInt64 = 0
        var contentBytes: UInt64 = 0
        var digest = headerDigest
        while at < content.upperBound {
            let left = content.upperBound - at
            guard left >= SnapshotFormat.chunkHeadBytes else { throw source.damaged("a chunk is cut off", at: at) }
            try source.read(at, SnapshotFormat.chunkHeadBytes, into: chunk)
            let stored = PlacedReader.length(chunk, at: SnapshotFormat.digestBytes)
            // No more memory is taken than the file has bytes, nor than the largest chunk needs.
            guard stored <= min(left - SnapshotFormat.chunkHeadBytes, Compressor.largest) else {
                throw source.damaged("the length of a chunk is out of range", at: at)
            }
            try source.read(at, SnapshotFormat.chunkHeadBytes + stored, into: chunk)
            let expected = Digest(high: PlacedReader.number(chunk, at: 0), low: PlacedReader.number(chunk, at: 8))
            guard expected == SnapshotFormat.chunkDigest(chunk.bytes, index: index) else {
                throw source.damaged("a chunk is not what was written", at: at)
            }
            try body(chunk, at)
            digest = SnapshotFormat.chain(digest, expected)
            contentBytes += UInt64(PlacedReader.length(chunk, at: 20))
            index += 1
            at += chunk.count
        }
        guard footer.chunks == index, footer.contentBytes == contentBytes, footer.digest == digest else {
            throw source.damaged("the chunks are not those that were written", at: content.upperBound)
        }
    }
}

/// Reads at given places of a file whose size may be a lie by the time it is read.
final class PlacedReader {
    let path: String
    let size: Int
    private let descriptor: Descriptor
    private let calls: FileCalls

    /// nil if there is no such file.
    init?(_ path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        guard let descriptor = Descriptor(path, O_RDONLY, calls) else {
            if errno == ENOENT { return nil }
            throw .failed("cannot be opened", path)
        }
        guard let status = descriptor.status else { throw .failed("cannot be opened", path) }
        guard status.isFile else { throw .damaged(file: path, reason: "this is no regular file") }
        self.path = path
        self.descriptor = descriptor
        self.calls = calls
        size = status.size
        calls.advise(descriptor.number, POSIX_FADV_SEQUENTIAL)
    }

    /// Puts exactly `length` bytes from `offset` on in place of what is in `buffer`.
    func read(_ offset: Int, _ length: Int, into buffer: ByteBuffer) throws(SnapshotFailure) {
        guard length <= size - offset else { throw damaged("the file is cut off", at: size) }
        buffer.removeAll()
        while buffer.count < length {
            let done = buffer.count
            let count = buffer.appendBytes(atMost: length - done) {
                calls.pread(descriptor.number, $0, length - done, offset + done)
            }
            if count == 0 { throw damaged("the file is cut off", at: offset + done) }
            if count < 0 && errno != EINTR { throw .failed("cannot be read", path) }
        }
    }

    /// A length of four bytes that was just read.
    static func length(_ buffer: ByteBuffer, at offset: Int) -> Int { Int(number(buffer, at: offset) as UInt32) }

    static func number<Number: FixedWidthInteger & BitwiseCopyable>(_ buffer: ByteBuffer, at offset: Int) -> Number {
        precondition(offset + MemoryLayout<Number>.size <= buffer.count)
        return Number(littleEndian: buffer.bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    func damaged(_ reason: String, at offset: Int) -> SnapshotFailure {
        .damaged(file: path, reason: "\(reason) (byte \(offset) of \(size))")
    }

    func checked<Result>(_ body: () throws(Damage) -> Result) throws(SnapshotFailure) -> Result {
        do throws(Damage) { return try body() } catch { throw damaged(error.reason, at: error.offset) }
    }
}
