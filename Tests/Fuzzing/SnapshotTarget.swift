// Snapshot files: any change is found out, and a file whose checksums are right holds what it says or is refused.
import Model
import SnapshotStore
import Worker

extension FuzzTarget {
    /// The first byte is even: a file, whose checksums are put right before it is read. Else: what a file is made of, and a change.
    static let snapshot = FuzzTarget(
        "snapshot", words: ["RFMDSNAP", "RFMDSEND", "rfmd", "shop.events"],
        check: { bytes throws(Finding) in
            var choices = Choices(bytes)
            if choices.byte() & 1 == 0 {
                try SnapshotCheck().readRepaired([UInt8](choices.remaining))
            } else {
                try SnapshotCheck().changeOne(&choices)
            }
        })
}

struct SnapshotCheck {
    private let disk = MemoryDisk()
    private let vault: FileSnapshotVault

    init() { vault = disk.vault() }

    private func load(_ identity: SnapshotIdentity) -> Result<[[UInt8]], SnapshotFailure> {
        var chunks: [[UInt8]] = []
        do throws(SnapshotFailure) {
            try vault.load(identity) { (bytes) throws(SnapshotFailure) in chunks.append([UInt8](bytes)) }
        } catch { return .failure(error) }
        return .success(chunks)
    }

    // MARK: A change

    func changeOne(_ choices: inout Choices) throws(Finding) {
        let identity = SnapshotIdentity(
            group: choices.text(), topics: (0..<choices.byte() % 4).map { _ in choices.text() },
            shard: choices.number() & .max,
            batch: choices.number(), chain: choices.digest(), journalRecord: [UInt8](choices.piece()))
        let chunks = (0..<choices.byte() % 4).map { _ in [UInt8](choices.piece()) }
        guard let name = disk.publish(identity, chunks, in: vault), let bytes = disk.files[name] else {
            throw Finding("\(identity) cannot be written")
        }
        let read = load(identity)
        try Finding.require(read == .success(chunks), "what was written is read as \(read)")
        let listed = vault.list(group: identity.group, shard: identity.shard)
        try Finding.require(listed.usable == [identity] && listed.damaged.isEmpty, "it is not listed: \(listed)")

        var changed = bytes
        let place = Int(choices.number(UInt16.self)) % bytes.count
        switch choices.byte() % 4 {
        case 0: changed[place] ^= max(1, choices.byte())
        case 1: changed.removeSubrange(place...)
        case 2: changed.insert(choices.byte(), at: place)
        default: changed.remove(at: place)
        }
        disk.files[name] = changed
        switch load(identity) {
        case .success: throw Finding("a change at byte \(place) of \(bytes.count) is not found")
        case .failure(.damaged(_, let reason)): try Finding.require(!reason.isEmpty, "damage without a reason")
        // Another version, with its check put right by the change: two checks of 32 bits would have to meet.
        case .failure(let failure): throw Finding("no damage, but: \(failure.text)")
        }
    }

    // MARK: A file

    func readRepaired(_ bytes: [UInt8]) throws(Finding) {
        guard let (file, identity) = SnapshotRepair.repaired(bytes) else { return }
        guard let name = disk.publish(identity, [], in: vault) else { throw Finding("\(identity) cannot be written") }
        disk.files[name] = file
        let chunks: [[UInt8]]
        switch load(identity) {
        case .success(let read): chunks = read
        case .failure(.io(_, let reason)): throw Finding("no damage, but: \(reason)")
        case .failure: return
        }
        // What was read can be written, and is read again.
        disk.files[name] = nil
        guard disk.publish(identity, chunks, in: vault) == name else { throw Finding("it cannot be written again") }
        let again = load(identity)
        try Finding.require(again == .success(chunks), "what was read is written otherwise: \(again)")
    }
}

/// docs/formats/snapshot.md, read by itself and written anew with checksums that are right.
enum SnapshotRepair {
    private static let identityBegins = 20
    private static let footerBytes = 64

    /// nil if there is no identity in it.
    static func repaired(_ bytes: [UInt8]) -> ([UInt8], SnapshotIdentity)? {
        var file = bytes
        guard file.count >= identityBegins + 16 + footerBytes else { return nil }
        file.replaceSubrange(0..<8, with: Array("RFMDSNAP".utf8))
        let check = UInt32(truncatingIfNeeded: Digest(of: Array(file[..<12])).low)
        put(check, at: 12, in: &file)
        let length = Int(number(UInt32.self, at: 16, in: file))
        let chunksBegin = identityBegins + length + 16
        guard chunksBegin + footerBytes <= file.count,
            let identity = identity(Array(file[identityBegins..<identityBegins + length]))
        else { return nil }
        var digest = Digest(of: Array(file[..<(identityBegins + length)]))
        put(digest, at: identityBegins + length, in: &file)
        let end = file.count - footerBytes
        var at = chunksBegin
        var index: UInt64 = 0
        var contentBytes: UInt64 = 0
        while end - at >= 24 {
            let stored = Int(number(UInt32.self, at: at + 16, in: file))
            guard stored <= end - at - 24 else { break }
            let one = Digest(of: Array(file[(at + 16)..<(at + 24 + stored)]), seed: index + 1)
            put(one, at: at, in: &file)
            digest = Digest(of: bytesOf(digest) + bytesOf(one))
            contentBytes += UInt64(number(UInt32.self, at: at + 20, in: file))
            index += 1
            at += 24 + stored
        }
        file.replaceSubrange(end..<end + 8, with: Array("RFMDSEND".utf8))
        put(index, at: end + 8, in: &file)
        put(UInt64(file.count), at: end + 16, in: &file)
        put(contentBytes, at: end + 24, in: &file)
        put(digest, at: end + 32, in: &file)
        put(Digest(of: Array(file[end..<end + 48])), at: end + 48, in: &file)
        return (file, identity)
    }

    private static func identity(_ bytes: [UInt8]) -> SnapshotIdentity? {
        bytes.withUnsafeBytes { raw in
            do throws(ByteReader.Damaged) {
                var reader = ByteReader(raw)
                let batch: UInt64 = try reader.read()
                let chain = try reader.readDigest()
                let shard: Int32 = try reader.read()
                let group = try reader.readText()
                var topics: [String] = []
                for _ in 0..<(try reader.read(UInt32.self)) { topics.append(try reader.readText()) }
                return SnapshotIdentity(
                    group: group, topics: topics, shard: shard, batch: batch, chain: chain,
                    journalRecord: [UInt8](try reader.readCounted()))
            } catch { return nil }
        }
    }

    private static func number<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int, in file: [UInt8])
        -> Number
    {
        (0..<MemoryLayout<Number>.size).reduce(0) { $0 | Number(file[offset + $1]) << (8 * $1) }
    }

    private static func put<Number: FixedWidthInteger>(_ value: Number, at offset: Int, in file: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { file.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }

    private static func put(_ digest: Digest, at offset: Int, in file: inout [UInt8]) {
        file.replaceSubrange(offset..<offset + 16, with: bytesOf(digest))
    }

    private static func bytesOf(_ digest: Digest) -> [UInt8] {
        let buffer = ByteBuffer()
        buffer.append(digest)
        return buffer.array
    }
}
