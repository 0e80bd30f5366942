// A snapshot file that is not what was written is found out, wherever it was changed, and never trusted for a length.
import Glibc
import Model
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

@Suite struct DamageTests {
    let folder: TestFolder
    let vault: FileSnapshotVault
    let original = identity(batch: 12)
    let name: String
    let bytes: [UInt8]

    init() throws {
        folder = try TestFolder()
        vault = try FileSnapshotVault(folder: folder.path, instance: "one")
        var random = RandomSource(seed: 99)
        try vault.publish(original, [random.bytes(40), [UInt8](repeating: 7, count: 3_000), [], random.bytes(70)])
        name = SnapshotName(original).text
        bytes = try folder.read(name)
    }

    /// The file is refused as damaged: by `list` too, unless only a chunk is wrong, which `list` does not read.
    private func expectRefused(_ changed: [UInt8], _ what: String) throws {
        try folder.write(name, changed)
        let failure = #expect(throws: SnapshotFailure.self, "\(what)") { _ = try vault.chunks(of: original) }
        guard case .damaged(let file, let reason) = failure else {
            Issue.record("\(what): \(String(describing: failure))")
            return
        }
        #expect(file == folder.file(name))
        #expect(reason.contains("(byte ") && reason.contains(" of \(changed.count))"), "\(what): \(reason)")
        let listed = vault.list(group: "rfmd", shard: 3)
        #expect(listed.usable.count + listed.damaged.count == 1, "\(what)")
        #expect(listed.usable.allSatisfy { $0 == original }, "\(what)")
    }

    @Test func cutAtEveryLength() throws {
        for length in 0..<bytes.count {
            try expectRefused(Array(bytes[..<length]), "cut to \(length) bytes")
            #expect(vault.batches() == [], "cut to \(length) bytes")
        }
    }

    /// Every bit of what comes before the first checksum, two of every other byte.
    @Test func bitsFlippedInEveryByte() throws {
        for byte in bytes.indices {
            for bit in byte < SnapshotFormat.headBytes ? Array(0..<8) : [byte % 8, (byte + 3) % 8] {
                var changed = bytes
                changed[byte] ^= 1 << bit
                try expectRefused(changed, "bit \(bit) of byte \(byte)")
            }
        }
    }

    @Test func everyByteRunZeroed() throws {
        for start in stride(from: 0, to: bytes.count, by: 16) {
            var changed = bytes
            for byte in start..<min(start + 64, bytes.count) { changed[byte] = 0 }
            try expectRefused(changed, "zeros from byte \(start)")
        }
    }

    @Test func somethingBehindTheEnd() throws {
        try expectRefused(bytes + [0], "one more byte")
        try expectRefused(bytes + bytes, "twice the file")
    }

    @Test func chunksExchangedOrLeftOut() throws {
        let size = SnapshotFormat.headBytes + Int(bytes[16]) + Int(bytes[17]) << 8 + SnapshotFormat.digestBytes
        var starts: [Int] = []
        var at = size
        while at < bytes.count - SnapshotFormat.footerBytes {
            starts.append(at)
            at += SnapshotFormat.chunkHeadBytes + Int(bytes[at + 16]) + Int(bytes[at + 17]) << 8
        }
        try #require(starts.count == 4 && at == bytes.count - SnapshotFormat.footerBytes)
        let (first, second, third) = (bytes[starts[0]..<starts[1]], bytes[starts[1]..<starts[2]], bytes[starts[2]...])
        try expectRefused(Array(bytes[..<starts[0]] + second + first + third), "first two exchanged")
        try expectRefused(Array(bytes[..<starts[0]] + second + third), "first left out")
        try expectRefused(Array(bytes[..<starts[2]] + second + third), "second twice")
    }

    /// The file with another version, and the check of it put right.
    private func bytes(ofVersion version: UInt8) -> [UInt8] {
        var changed = bytes
        changed[8] = version
        let check = Digest(of: Array(changed[..<12])).low
        for byte in 0..<4 { changed[12 + byte] = UInt8(truncatingIfNeeded: check >> UInt64(8 * byte)) }
        return changed
    }

    @Test func aNewerVersionIsNotCalledDamaged() throws {
        let changed = bytes(ofVersion: 3)
        for content in [changed, Array(changed[..<20])] {
            try folder.write(name, content)
            let failure = SnapshotFailure.tooNew(file: folder.file(name), version: 3)
            #expect(throws: failure) { _ = try vault.chunks(of: original) }
            #expect(vault.list(group: "rfmd", shard: 3).damaged == [failure])
        }
    }

    @Test func anOlderVersionIsNamed() throws {
        try folder.write(name, bytes(ofVersion: 1))
        let failure = SnapshotFailure.damaged(
            file: folder.file(name), reason: "its format 1 is older than this rfmd reads (byte 8 of \(bytes.count))")
        #expect(throws: failure) { _ = try vault.chunks(of: original) }
    }

    @Test func underAnotherName() throws {
        for other in [
            identity(batch: 13), identity(batch: 12, shard: 4), identity(batch: 12, group: "x"),
            identity(batch: 12, chain: 8),
        ] {
            let otherName = SnapshotName(other).text
            try folder.write(otherName, bytes)
            #expect(throws: SnapshotFailure.self) { _ = try vault.chunks(of: other) }
            #expect(!vault.list(group: other.group, shard: other.shard).usable.contains { $0 != original })
            unlink(folder.file(otherName))
        }
        var otherRecord = original
        otherRecord.journalRecord.append(1)
        #expect(throws: SnapshotFailure.self) { _ = try vault.chunks(of: otherRecord) }
    }

    @Test func whatIsNoFileIsNotRead() throws {
        unlink(folder.file(name))
        #expect(mkfifo(folder.file(name), 0o600) == 0)
        #expect(throws: SnapshotFailure.damaged(file: folder.file(name), reason: "this is no regular file")) {
            _ = try vault.chunks(of: original)
        }
        unlink(folder.file(name))
        #expect(symlink("/dev/zero", folder.file(name)) == 0)
        #expect(vault.list(group: "rfmd", shard: 3).damaged.count == 1)
        #expect(folder.openDescriptors == 0)
    }

    /// Files whose checksums are right and whose lengths lie.
    @Test(arguments: [(0, 128 << 20 + 1), (0, 1 << 30), (0, 1), (4_000_000_000, 40), (1, 40)])
    func lengthsThatLie(storedMore: Int, length: Int) throws {
        let compressor = try #require(Compressor())
        let content = [UInt8](repeating: 5, count: 40)
        let made = try #require(content.withUnsafeBytes { compressor.chunk($0, index: 0) })
        let forged = chunk(Array(made.bytes))
        let stored = forged.count - SnapshotFormat.chunkHeadBytes
        forged.replace(at: 16, with: UInt32(stored + storedMore))
        forged.replace(at: 20, with: UInt32(length))
        let digest = SnapshotFormat.chunkDigest(forged.bytes, index: 0)
        forged.replace(at: 0, with: digest.high)
        forged.replace(at: 8, with: digest.low)
        let file = try #require(SnapshotFormat.header(original))
        let headerDigest = Digest(of: Array(file.array.dropLast(SnapshotFormat.digestBytes)))
        file.append(contentsOf: forged.bytes)
        let footer = SnapshotFooter(
            chunks: 1, fileBytes: UInt64(file.count + SnapshotFormat.footerBytes), contentBytes: UInt64(length),
            digest: SnapshotFormat.chain(headerDigest, digest))
        file.append(contentsOf: footer.encoded.array)
        try expectRefused(file.array, "stored \(stored + storedMore), length \(length)")
    }

    @Test func aHeaderThatLies() throws {
        var changed = bytes
        for byte in 16..<20 { changed[byte] = 0xFF }
        try expectRefused(changed, "length of the header 4 GiB")
    }
}
