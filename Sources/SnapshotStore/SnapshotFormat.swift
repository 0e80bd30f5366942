// The bytes of a snapshot file but for its chunks' contents: docs/formats/snapshot.md.
import Model
import Worker

/// What is wrong with the bytes, and where.
struct Damage: Error {
    var reason: String
    var offset: Int
}

enum SnapshotFormat {
    static let version: UInt32 = 2
    /// Magic, version and their check: the same in every version, so that an older rfmd knows what it cannot read.
    static let preludeBytes = 16
    /// Prelude and length of the identity.
    static let headBytes = preludeBytes + 4
    static let digestBytes = 16
    /// Digest, stored length and length.
    static let chunkHeadBytes = digestBytes + 8
    static let footerBytes = 64

    // As little-endian numbers these are the texts "RFMDSNAP" and "RFMDSEND".
    static let magic: UInt64 = 0x5041_4E53_444D_4652
    static let footerMagic: UInt64 = 0x444E_4553_444D_4652

    enum Prelude: Equatable {
        case current
        case newer(UInt32)
        case older(UInt32)
    }

    // MARK: Header

    /// The whole header of a file; nil if the identity is longer than Limits.snapshotIdentityBytes.
    static func header(_ identity: SnapshotIdentity) -> ByteBuffer? {
        let buffer = ByteBuffer(capacity: 4_096)
        buffer.append(magic)
        buffer.append(version)
        buffer.append(check(buffer.bytes))
        buffer.append(UInt32(0))
        buffer.append(identity.batch)
        buffer.append(identity.chain)
        buffer.append(identity.shard)
        buffer.appendCounted(identity.group)
        buffer.append(UInt32(identity.topics.count))
        for topic in identity.topics { buffer.appendCounted(topic) }
        identity.journalRecord.withUnsafeBytes { buffer.appendCounted($0) }
        let length = buffer.count - headBytes
        guard length <= Limits.snapshotIdentityBytes else { return nil }
        buffer.replace(at: preludeBytes, with: UInt32(length))
        buffer.append(Digest(of: buffer.bytes))
        return buffer
    }

    private static func check(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        UInt32(truncatingIfNeeded: Digest(of: UnsafeRawBufferPointer(rebasing: bytes.prefix(12))).low)
    }

    /// Reads the first `preludeBytes` of a file.
    static func prelude(_ bytes: UnsafeRawBufferPointer) throws(Damage) -> Prelude {
        do throws(ByteReader.Damaged) {
            var reader = ByteReader(bytes)
            let found: UInt64 = try reader.read()
            let version: UInt32 = try reader.read()
            let check: UInt32 = try reader.read()
            guard found == magic else { throw ByteReader.Damaged(offset: 0) }
            guard check == SnapshotFormat.check(bytes), version > 0 else { throw ByteReader.Damaged(offset: 8) }
            if version > SnapshotFormat.version { return .newer(version) }
            if version < SnapshotFormat.version { return .older(version) }
            return .current
        } catch { throw Damage(reason: "this is not the beginning of a snapshot", offset: error.offset) }
    }

    /// Reads a whole header, whose prelude was read before.
    static func identity(_ header: UnsafeRawBufferPointer) throws(Damage) -> (SnapshotIdentity, digest: Digest) {
        do throws(ByteReader.Damaged) {
            let covered = UnsafeRawBufferPointer(rebasing: header.dropLast(digestBytes))
            var digestReader = ByteReader(UnsafeRawBufferPointer(rebasing: header.suffix(digestBytes)))
            let digest = try digestReader.readDigest()
            guard digest == Digest(of: covered) else { throw ByteReader.Damaged(offset: 0) }
            var reader = ByteReader(covered)
            _ = try reader.readBytes(headBytes)
            let batch: UInt64 = try reader.read()
            let chain = try reader.readDigest()
            let shard: Int32 = try reader.read()
            let group = try reader.readText()
            var topics: [String] = []
            for _ in 0..<(try reader.read(UInt32.self)) { topics.append(try reader.readText()) }
            let record = [UInt8](try reader.readCounted())
            guard reader.remaining == 0 else { throw ByteReader.Damaged(offset: reader.offset) }
            return (
                SnapshotIdentity(
                    group: group, topics: topics, shard: shard, batch: batch, chain: chain, journalRecord: record),
                digest
            )
        } catch { throw Damage(reason: "the header is not what was written", offset: error.offset) }
    }

    // MARK: Chunks

    /// The digest of a chunk: of everything behind it up to the next, with its place in the file, so that none can be exchanged.
    static func chunkDigest(_ bytes: UnsafeRawBufferPointer, index: UInt64) -> Digest {
        Digest(of: UnsafeRawBufferPointer(rebasing: bytes.dropFirst(digestBytes)), seed: index + 1)
    }

    /// Adds one more digest to the one that covers the header and all chunks.
    static func chain(_ digest: Digest, _ next: Digest) -> Digest {
        withUnsafeBytes(
            of: (digest.high.littleEndian, digest.low.littleEndian, next.high.littleEndian, next.low.littleEndian)
        ) {
            Digest(of: $0)
        }
    }
}

/// The end of a file: what there must be before it.
struct SnapshotFooter: Equatable {
    var chunks: UInt64
    /// Of the whole file, this footer included.
    var fileBytes: UInt64
    /// Of all chunks before they were compressed.
    var contentBytes: UInt64
    /// Over the digests of the header and of all chunks.
    var digest: Digest

    init(chunks: UInt64, fileBytes: UInt64, contentBytes: UInt64, digest: Digest) {
        self.chunks = chunks
        self.fileBytes = fileBytes
        self.contentBytes = contentBytes
        self.digest = digest
    }

    var encoded: ByteBuffer {
        let buffer = ByteBuffer(capacity: SnapshotFormat.footerBytes)
        buffer.append(SnapshotFormat.footerMagic)
        buffer.append(chunks)
        buffer.append(fileBytes)
        buffer.append(contentBytes)
        buffer.append(digest)
        buffer.append(Digest(of: buffer.bytes))
        return buffer
    }

    /// Reads the last bytes of a file of `size` bytes.
    init(_ bytes: UnsafeRawBufferPointer, size: Int) throws(Damage) {
        do throws(ByteReader.Damaged) {
            var reader = ByteReader(bytes)
            let magic: UInt64 = try reader.read()
            chunks = try reader.read()
            fileBytes = try reader.read()
            contentBytes = try reader.read()
            digest = try reader.readDigest()
            let covered = Digest(of: UnsafeRawBufferPointer(rebasing: bytes.prefix(reader.offset)))
            guard magic == SnapshotFormat.footerMagic, try reader.readDigest() == covered, fileBytes == UInt64(size)
            else {
                throw ByteReader.Damaged(offset: 0)
            }
        } catch {
            throw Damage(reason: "the end of the snapshot is missing", offset: size - bytes.count + error.offset)
        }
    }
}
