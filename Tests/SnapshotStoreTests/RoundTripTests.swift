// What is written is what is read, under the name and in the order that were promised.
import Glibc
import Model
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

@Suite struct RoundTripTests {
    let folder: TestFolder
    let vault: FileSnapshotVault

    init() throws {
        folder = try TestFolder()
        vault = try FileSnapshotVault(folder: folder.path, instance: "one")
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func chunksComeBack(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        // Nothing, little, what compresses well and what does not.
        let chunks = (0..<20).map { index -> [UInt8] in
            switch index % 4 {
            case 0: return []
            case 1: return random.bytes(Int.random(in: 1...300, using: &random))
            case 2: return [UInt8](repeating: UInt8(index), count: 400_000)
            default: return random.bytes(20_000)
            }
        }
        let original = identity(batch: 42)
        try vault.publish(original, chunks)
        #expect(vault.list(group: "rfmd", shard: 3).usable == [original])
        #expect(try vault.chunks(of: original) == chunks)
        #expect(folder.openDescriptors == 0)
    }

    @Test func withoutChunks() throws {
        try vault.publish(identity(batch: 1), [])
        #expect(try vault.chunks(of: identity(batch: 1)) == [])
    }

    @Test func listsNewestFirstAndOneShardOfOneGroup() throws {
        for batch: UInt64 in [9, 100, 10, 18_446_744_073_709_551_615, 99] {
            try vault.publish(identity(batch: batch), [[1]])
        }
        let others = [
            identity(batch: 1, shard: 4), identity(batch: 1, group: "rfmd."), identity(batch: 1, group: "顾客/../分析"),
            identity(batch: 1, group: String(repeating: "g", count: 249)),
        ]
        for other in others { try vault.publish(other, [[2]]) }
        #expect(vault.batches() == [18_446_744_073_709_551_615, 100, 99, 10, 9])
        for other in others {
            #expect(vault.list(group: other.group, shard: other.shard).usable == [other])
            #expect(try vault.chunks(of: other) == [[2]])
        }
        #expect(vault.list(group: "rfm", shard: 3).usable == [])
        let own = folder.snapshots.filter {
            $0.hasPrefix(SnapshotName.part(ofGroup: "rfmd")) && $0.contains(".0000000003.")
        }
        #expect(own.count == 5)
        #expect(
            own.map { SnapshotName($0)?.batch } == [9, 10, 99, 100, 18_446_744_073_709_551_615], "names sort by batch")
    }

    @Test func nothingIsVisibleBeforePublish() throws {
        let sink = try vault.beginFile(identity(batch: 5))
        sink.write(chunk([1, 2, 3]))
        sink.settle()
        #expect(!sink.isDurable && sink.pending == 0)
        sink.finish()
        sink.settle()
        #expect(sink.isDurable && !sink.isPublished)
        #expect(vault.batches() == [] && folder.snapshots == [])
        sink.publish()
        sink.settle()
        #expect(sink.isPublished && vault.batches() == [5])
        #expect(folder.names == folder.snapshots, "the temporary file has become the snapshot")
    }

    @Test func publishOutlivesTheSinkAndDrop() throws {
        do {
            let sink = try vault.beginFile(identity(batch: 5))
            sink.finish()
            sink.settle()
            sink.publish()
            sink.drop()
        }
        vault.settle()
        #expect(vault.batches() == [5])
    }

    @Test func theSameSnapshotTwiceIsOne() throws {
        try vault.publish(identity(batch: 5), [[1]])
        try vault.publish(identity(batch: 5), [[2]])
        #expect(folder.snapshots.count == 1)
        #expect(try vault.chunks(of: identity(batch: 5)) == [[2]])
    }

    @Test func aFailureOfTheReaderEndsTheLoad() throws {
        try vault.publish(identity(batch: 5), [[1], [2], [3]])
        var seen = 0
        let failure = SnapshotFailure.damaged(file: "state", reason: "a customer is cut off")
        #expect(throws: failure) {
            try vault.load(identity(batch: 5)) { (_) throws(SnapshotFailure) in
                seen += 1
                if seen == 2 { throw failure }
            }
        }
        #expect(seen == 2)
    }

    // MARK: The folder

    @Test func makesTheFolderForTheOwnerAlone() throws {
        let path = folder.file("a/b//c/")
        let deep = try FileSnapshotVault(folder: path, instance: "one")
        try deep.publish(identity(batch: 1), [[1]])
        #expect(deep.batches() == [1])
        for part in ["a", "a/b", "a/b/c"] {
            var status = stat()
            #expect(stat(folder.file(part), &status) == 0 && status.st_mode & 0o777 == 0o700)
        }
        for name in TestFolder.names(path) {
            var status = stat()
            #expect(stat(path + name, &status) == 0 && status.st_mode & 0o777 == 0o600)
            unlink(path + name)
        }
        for part in ["a/b/c", "a/b", "a"] { #expect(rmdir(folder.file(part)) == 0) }
    }

    @Test func theFolderMayBeALink() throws {
        #expect(mkdir(folder.file("real"), 0o700) == 0 && symlink("real", folder.file("link")) == 0)
        let linked = try FileSnapshotVault(folder: folder.file("link"), instance: "one")
        try linked.publish(identity(batch: 1), [[1]])
        #expect(linked.batches() == [1])
        for name in TestFolder.names(folder.file("real")) { unlink(folder.file("real/\(name)")) }
        #expect(rmdir(folder.file("real")) == 0)
    }

    @Test func saysWhyThereIsNoFolder() throws {
        try folder.write("file", [])
        for (path, reason) in [
            (folder.file("file"), "this is no folder"),
            (folder.file("file/below"), "the folder cannot be created: Not a directory"),
            ("", "the folder cannot be created: No such file or directory"),
            ("/proc/snapshots", "the folder cannot be created: No such file or directory"),
        ] {
            #expect(throws: SnapshotFailure.io(file: path, reason: reason)) {
                _ = try FileSnapshotVault(folder: path, instance: "one")
            }
        }
    }

    @Test func aFolderThatIsGoneIsReported() throws {
        #expect(rmdir(folder.path) == 0)
        #expect(throws: SnapshotFailure.self) { _ = try vault.begin(identity(batch: 1)) }
        let listed = vault.list(group: "rfmd", shard: 3)
        #expect(listed.usable == [])
        #expect(
            listed.damaged == [.io(file: folder.path, reason: "the folder cannot be listed: No such file or directory")]
        )
        #expect(vault.prune(group: "rfmd", shard: 3, keep: 1) { _ in true } == nil)
    }

    @Test func whatIsMissingIsReported() {
        let path = folder.file(SnapshotName(identity(batch: 8)).text)
        #expect(throws: SnapshotFailure.io(file: path, reason: "there is no such snapshot")) {
            _ = try vault.chunks(of: identity(batch: 8))
        }
    }
}
