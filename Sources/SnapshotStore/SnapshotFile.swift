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
        switch prelude {
        case .current: break
        case .newer(let version): throw .tooNew(file: source.path, version: version)
        case .older(let version): throw source.damaged("its format \(version) is older than this rfmd reads", at: 8)
        }
        let length = PlacedReader.length(buffer, at: SnapshotFormat.preludeBytes)
        guard length <= Limits.snapshotIdentityBytes else {
            throw source.damaged("the length of the header is out of range", at: SnapshotFormat.preludeBytes)
        }
        let whole = SnapshotFormat.headBytes + length + SnapshotFormat.digestBytes
        try source.read(0, whole, into: buffer)
        let (identity, digest) = try source.checked { () throws(Damage) in try SnapshotFormat.identity(buffer.bytes) }
        return (identity, digest, whole)
    }

    var path: String { source.path }

    /// Verifies everything as it is stored, without unpacking it.
    func verify() throws(SnapshotFailure) {
        var walk = walk()
        let chunk = ByteBuffer(capacity: 1 << 16)
        while try walk.next(into: chunk) != nil {}
    }

    /// From its first chunk on.
    func walk() -> ChunkWalk { ChunkWalk(source, footer, content, headerDigest) }
}

/// Goes through the chunks of a file as they are stored. One thread at a time uses it.
struct ChunkWalk {
    private let source: PlacedReader
    private let footer: SnapshotFooter
    private let end: Int
    private var at: Int
    private var index: UInt64 = 0
    private var contentBytes: UInt64 = 0
    private var digest: Digest

    init(_ source: PlacedReader, _ footer: SnapshotFooter, _ content: Range<Int>, _ headerDigest: Digest) {
        self.source = source
        self.footer = footer
        at = content.lowerBound
        end = content.upperBound
        digest = headerDigest
    }

    /// A chunk that was read.
    struct Found {
        /// Where it lies in the file.
        var at: Int
        /// Bytes before it was compressed, as the chunk says.
        var length: Int
    }

    /// Puts the next chunk, head included, in place of what is in `chunk`, with its digest verified; nil once all are through, and are
    /// those that the footer names.
    mutating func next(into chunk: ByteBuffer) throws(SnapshotFailure) -> Found? {
        if at >= end {
            guard footer.chunks == index, footer.contentBytes == contentBytes, footer.digest == digest else {
                throw source.damaged("the chunks are not those that were written", at: end)
            }
            return nil
        }
        let left = end - at
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
        let found = Found(at: at, length: PlacedReader.length(chunk, at: 20))
        digest = SnapshotFormat.chain(digest, expected)
        contentBytes += UInt64(found.length)
        index += 1
        at += chunk.count
        return found
    }

    /// Puts what `chunk`, which `next` found, was before it was compressed in place of what is in `content`.
    func unpack(
        _ chunk: ByteBuffer, _ found: Found, with decompressor: Decompressor, into content: ByteBuffer
    ) throws(SnapshotFailure) {
        let stored = UnsafeRawBufferPointer(rebasing: chunk.bytes.dropFirst(SnapshotFormat.chunkHeadBytes))
        guard found.length <= Limits.snapshotChunkBytes,
            decompressor.unpack(stored, length: found.length, into: content)
        else { throw source.damaged("a chunk cannot be unpacked", at: found.at) }
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
