// Many snapshots in one folder: which are kept, what a crash leaves, and several processes at once.
import Dispatch
import Glibc
import Model
import Testing
import Worker

@testable import SnapshotStore

@Suite struct VaultTests {
    let folder: TestFolder
    let vault: FileSnapshotVault

    init() throws {
        folder = try TestFolder()
        vault = try FileSnapshotVault(folder: folder.path, instance: "one")
    }

    private func prune(keep: Int, isCurrent: (SnapshotIdentity) -> Bool = { _ in true }) -> UInt64? {
        vault.prune(group: "rfmd", shard: 3, keep: keep, isCurrent: isCurrent)
    }

    // MARK: Pruning

    @Test func keepsTheNewest() throws {
        #expect(prune(keep: 2) == nil)
        try vault.publish(identity(batch: 10), [[1]])
        #expect(prune(keep: 2) == nil, "with fewer than are to be kept the journal is the other way back")
        #expect(prune(keep: 1) == 10)
        for batch: UInt64 in [40, 20, 30] { try vault.publish(identity(batch: batch), [[1]]) }
        #expect(prune(keep: 4) == 10 && vault.batches() == [40, 30, 20, 10])
        #expect(prune(keep: 2) == 30 && vault.batches() == [40, 30])
        #expect(prune(keep: 1) == 40 && vault.batches() == [40])
    }

    @Test func leavesOtherShardsAndGroups() throws {
        let others = [
            identity(batch: 1, shard: 33), identity(batch: 1, group: "rfmd2"), identity(batch: 1, group: "rfmd.x"),
        ]
        for other in others { try vault.publish(other, [[1]]) }
        // The same shard with another set of inputs is the same shard.
        try vault.publish(identity(batch: 5, topics: ["shop.events"]), [[1]])
        for batch: UInt64 in [6, 7] { try vault.publish(identity(batch: batch), [[1]]) }
        try folder.write("notes.txt", [1])
        try folder.write(".rfmd-x.tmp", [1])
        #expect(prune(keep: 1) == 7)
        for other in others { #expect(vault.list(group: other.group, shard: other.shard).usable == [other]) }
        #expect(vault.batches() == [7])
        #expect(folder.names.contains("notes.txt") && folder.names.contains(".rfmd-x.tmp"))
    }

    @Test func aSnapshotOfANewerVersionStaysAndDoesNotCount() throws {
        for batch: UInt64 in [10, 20, 30, 40] { try vault.publish(identity(batch: batch), [[1]]) }
        for batch: UInt64 in [10, 40] {
            let name = SnapshotName(identity(batch: batch)).text
            var bytes = try folder.read(name)
            bytes[8] = 9
            let check = Digest(of: Array(bytes[..<12])).low
            for byte in 0..<4 { bytes[12 + byte] = UInt8(truncatingIfNeeded: check >> UInt64(8 * byte)) }
            try folder.write(name, bytes)
        }
        #expect(prune(keep: 1) == 30)
        #expect(vault.batches() == [30])
        #expect(folder.snapshots.map { SnapshotName($0)?.batch } == [10, 30, 40])
    }

    @Test func aDamagedOneIsNotCountedAndGoesOnlyWhenThereAreEnoughBehindIt() throws {
        for batch: UInt64 in [10, 20, 30, 40] { try vault.publish(identity(batch: batch), [[1]]) }
        for batch: UInt64 in [20, 40] {
            let name = SnapshotName(identity(batch: batch)).text
            try folder.write(name, Array(try folder.read(name).dropLast()))
        }
        #expect(prune(keep: 3) == nil)
        #expect(folder.snapshots.count == 4, "there are only two good ones: nothing is removed")
        #expect(prune(keep: 1) == 30)
        #expect(
            folder.snapshots.map { SnapshotName($0)?.batch } == [30, 40], "a damaged one that is newer is evidence")
    }

    @Test func theGenesisBeforeARebuildDoesNotPushOutTheNewOne() throws {
        // Before the rebuild batches 100 and 200, after it 50 and 150.
        for batch: UInt64 in [100, 200] { try vault.publish(identity(batch: batch, chain: 1), [[1]]) }
        for batch: UInt64 in [50, 150] { try vault.publish(identity(batch: batch, chain: 2), [[1]]) }
        let isCurrent = { (identity: SnapshotIdentity) in identity.chain.low == 2 }
        #expect(prune(keep: 2, isCurrent: isCurrent) == 50)
        #expect(vault.batches() == [200, 150, 100, 50])
        try vault.publish(identity(batch: 160, chain: 2), [[1]])
        #expect(prune(keep: 2, isCurrent: isCurrent) == 150)
        #expect(vault.batches() == [200, 160, 150])
        for batch: UInt64 in [300, 400] { try vault.publish(identity(batch: batch, chain: 2), [[1]]) }
        #expect(prune(keep: 2, isCurrent: isCurrent) == 300)
        #expect(vault.batches() == [400, 300])
    }

    // MARK: After a crash

    private func temporary(_ instance: String, _ process: String, _ number: UInt64) -> String {
        TemporaryName(owner: TemporaryName.owner(group: "rfmd", instance: instance), process: process, number: number)
            .text
    }

    /// As a crash between fsync and rename leaves it: whole, under its temporary name, locked by nobody.
    @Test func whatACrashLeftIsIgnoredAndCleared() throws {
        try vault.publish(identity(batch: 10), [[1]])
        let whole = try folder.read(folder.snapshots[0])
        let own = temporary("one", "abc", 1)
        try folder.write(own, whole)
        #expect(vault.batches() == [10])
        #expect(prune(keep: 1) == 10 && folder.names.contains(own))
        try vault.publish(identity(batch: 11), [[1]])
        #expect(!folder.names.contains(own))
        #expect(vault.batches() == [11, 10])
    }

    @Test func onlyWhatIsSurelyAbandonedIsCleared() throws {
        let (own, locked, other, old) = (
            temporary("one", "abc", 1), temporary("one", "abc", 2), temporary("two", "abc", 3),
            temporary("two", "abc", 4)
        )
        for name in [own, locked, other, old] { try folder.write(name, [1]) }
        let holder = try #require(Descriptor(folder.file(locked), O_RDONLY, .system))
        #expect(flock(holder.number, LOCK_EX | LOCK_NB) == 0)
        var times = [timespec(), timespec()]
        #expect(clock_gettime(CLOCK_REALTIME, &times[0]) == 0)
        times[0].tv_sec -= Limits.snapshotAbandonedSeconds + 60
        times[1] = times[0]
        #expect(utimensat(AT_FDCWD, folder.file(old), times, 0) == 0)
        try vault.publish(identity(batch: 1), [[1]])
        #expect(folder.names.filter { $0.hasSuffix(".tmp") } == [locked, other].sorted())
        withExtendedLifetime(holder) {}
    }

    @Test func unfinishedOnesOfThisProcessAreLeftAlone() throws {
        let first = try vault.beginFile(identity(batch: 1))
        let twin = try FileSnapshotVault(folder: folder.path, instance: "one")
        try twin.publish(identity(batch: 2), [[2]])
        first.write(chunk([1]))
        first.finish()
        first.settle()
        first.publish()
        first.settle()
        #expect(first.failure == nil)
        #expect(vault.batches() == [2, 1])
    }

    @Test func everyWayOutRemovesTheTemporaryFile() throws {
        let early = try vault.beginFile(identity(batch: 1))
        early.write(chunk([1]))
        early.drop()
        early.write(chunk([1]))
        #expect(early.pending == 0)
        early.settle()
        #expect(folder.names == [])
        let late = try vault.beginFile(identity(batch: 1))
        late.finish()
        late.settle()
        #expect(late.isDurable && folder.names.count == 1)
        late.drop()
        late.drop()
        late.settle()
        #expect(folder.names == [] && late.failure == nil)
        do { try vault.beginFile(identity(batch: 1)).write(chunk([1])) }
        vault.settle()
        #expect(folder.names == [] && folder.openDescriptors == 0)
    }

    @Test func evidenceLiesBesideTheSnapshotsAndStays() throws {
        try vault.publish(identity(batch: 8), [[1]])
        let path = try vault.keepEvidence(group: "rfmd", shard: 3, batch: 7, bytes: [1, 2, 3])
        let again = try vault.keepEvidence(group: "rfmd", shard: 3, batch: 7, bytes: [4, 5])
        #expect(path == again && path.hasPrefix(folder.path + "/evidence-rfmd."))
        #expect(prune(keep: 1) == 8 && vault.list(group: "rfmd", shard: 3).damaged == [])
        #expect(try folder.read(String(path.dropFirst(folder.path.count + 1))) == [4, 5])
        #expect(folder.openDescriptors == 0)
    }

    // MARK: Several at once

    @Test func vaultsShareAFolder() throws {
        let (shards, rounds) = (6, 12)
        let path = folder.path
        let problems = Problems()
        DispatchQueue.concurrentPerform(iterations: shards) { shard in
            do {
                let vault = try FileSnapshotVault(folder: path, instance: "process \(shard)")
                for round in 1...rounds {
                    let own = identity(batch: UInt64(round), shard: Int32(shard))
                    try vault.publish(own, [[UInt8(shard)], [UInt8](repeating: UInt8(round), count: 50_000)])
                    // The neighbour's shard is being written and pruned meanwhile: whatever is listed is whole.
                    let neighbour = vault.list(group: "rfmd", shard: Int32((shard + 1) % shards))
                    for failure in neighbour.damaged { problems.add("\(failure)") }
                    if vault.prune(group: "rfmd", shard: Int32(shard), keep: 2, isCurrent: { _ in true })
                        != (round == 1 ? nil : UInt64(round - 1))
                    {
                        problems.add("shard \(shard), round \(round): pruned to another batch")
                    }
                    if try vault.chunks(of: own).first != [UInt8(shard)] {
                        problems.add("shard \(shard) has another's content")
                    }
                }
            } catch { problems.add("shard \(shard): \(error)") }
        }
        #expect(problems.all == [])
        #expect(folder.names.count == 2 * shards && folder.snapshots.count == 2 * shards)
        #expect(folder.openDescriptors == 0)
    }

    /// Two vaults with one snapshot each way: the last rename wins, and it is whole whoever it was.
    @Test func twoWritersOfOneSnapshot() throws {
        let path = folder.path
        let problems = Problems()
        DispatchQueue.concurrentPerform(iterations: 2) { writer in
            do {
                let vault = try FileSnapshotVault(folder: path, instance: "one")
                for _ in 0..<20 {
                    try vault.publish(identity(batch: 1), [[UInt8](repeating: 3, count: 10_000)])
                    if try vault.chunks(of: identity(batch: 1)).count != 1 { problems.add("not whole") }
                }
            } catch { problems.add("writer \(writer): \(error)") }
        }
        #expect(problems.all == [])
        #expect(folder.names.count == 1)
    }
}

/// What went wrong on other threads.
final class Problems: @unchecked Sendable {
    private let monitor = Monitor()
    private var texts: [String] = []

    func add(_ text: String) { monitor.locked { texts.append(text) } }

    var all: [String] { monitor.locked { texts } }
}
