// What a SnapshotVault promises (Sources/Worker/SnapshotPort.swift).
import Model
import Worker

/// An empty folder, for one clause.
package protocol VaultBench: AnyObject {
    /// The folder as the process `name` sees it.
    func vault(_ name: String) throws -> any SnapshotVault
    /// Lets a little time pass.
    func pause()
}

extension VaultBench {
    func identity(_ batch: UInt64, shard: Int32 = 0, group: String = "g") -> SnapshotIdentity {
        SnapshotIdentity(
            group: group, topics: ["a", "b"], shard: shard, batch: batch,
            chain: Digest(high: batch, low: UInt64(shard)), journalRecord: [UInt8]("record \(batch)".utf8))
    }

    func waitFor(_ what: String, _ condition: () throws -> Bool) throws {
        for _ in 0..<10_000 {
            if try condition() { return }
            pause()
        }
        throw Broken("waited in vain for \(what)")
    }

    /// The bytes of a snapshot, in chunks of different sizes.
    func chunks(_ batch: UInt64) -> [[UInt8]] {
        [1, 70_000, 13].map { count in (0..<count).map { UInt8(truncatingIfNeeded: $0 &* Int(batch &+ 7)) } }
    }

    func write(_ identity: SnapshotIdentity, to vault: any SnapshotVault) throws -> any SnapshotSink {
        let sink = try vault.begin(identity)
        for chunk in chunks(identity.batch) {
            let buffer = ByteBuffer()
            buffer.append(contentsOf: chunk)
            sink.write(buffer)
        }
        sink.finish()
        try waitFor("the file to be on disk") {
            if let failure = sink.failure { throw failure }
            return sink.isDurable
        }
        return sink
    }

    func publish(_ identity: SnapshotIdentity, to vault: any SnapshotVault) throws {
        let sink = try write(identity, to: vault)
        sink.publish()
        try waitFor("the name to be on disk") {
            if let failure = sink.failure { throw failure }
            return sink.isPublished
        }
    }

    func batches(_ vault: any SnapshotVault, shard: Int32 = 0, group: String = "g") throws -> [UInt64] {
        let (usable, damaged) = vault.list(group: group, shard: shard)
        if let first = damaged.first { throw first }
        return usable.map(\.batch)
    }
}

package let vaultContract: [Clause<any VaultBench>] = [
    Clause("what is published is listed, and holds what was written, for every process") { bench in
        let vault = try bench.vault("a")
        let identity = bench.identity(5)
        try bench.publish(identity, to: vault)
        for vault in [vault, try bench.vault("b")] {
            let (usable, damaged) = vault.list(group: "g", shard: 0)
            try require(usable == [identity] && damaged.isEmpty, "\(usable), \(damaged)")
            var bytes: [[UInt8]] = []
            try vault.load(identity) { (chunk: UnsafeRawBufferPointer) throws(SnapshotFailure) in
                bytes.append([UInt8](chunk))
            }
            try require(bytes == bench.chunks(5), "other chunks than were written")
        }
    },
    Clause("what is not published is not listed, and a dropped one is gone") { bench in
        let vault = try bench.vault("a")
        let sink = try bench.write(bench.identity(5), to: vault)
        try require(!sink.isPublished && sink.pending == 0, "published by itself")
        try require(try bench.batches(vault).isEmpty, "listed before it was published")
        sink.drop()
        try bench.publish(bench.identity(6), to: vault)
        try require(try bench.batches(vault) == [6], "not the published one alone")
    },
    Clause("the newest comes first, and each shard and group has its own") { bench in
        let vault = try bench.vault("a")
        for batch in [5, 9, 7] { try bench.publish(bench.identity(UInt64(batch)), to: vault) }
        try bench.publish(bench.identity(6, shard: 1), to: vault)
        try bench.publish(bench.identity(8, group: "h"), to: vault)
        try require(try bench.batches(vault) == [9, 7, 5], "\(try bench.batches(vault))")
        try require(try bench.batches(vault, shard: 1) == [6], "the other shard")
        try require(try bench.batches(vault, group: "h") == [8], "the other group")
    },
    Clause("pruning keeps the newest, and removes nothing while there are fewer") { bench in
        let vault = try bench.vault("a")
        try bench.publish(bench.identity(5), to: vault)
        try require(vault.prune(group: "g", shard: 0, keep: 2) { _ in true } == nil, "one of two is enough")
        for batch in [7, 9] { try bench.publish(bench.identity(UInt64(batch)), to: vault) }
        try bench.publish(bench.identity(6, shard: 1), to: vault)
        try require(vault.prune(group: "g", shard: 0, keep: 2) { _ in true } == 7, "not behind the oldest kept")
        try require(try bench.batches(vault) == [9, 7], "\(try bench.batches(vault))")
        try require(try bench.batches(vault, shard: 1) == [6], "another shard's was pruned")
    },
    Clause("snapshots of another journal do not push out those of the present one") { bench in
        let vault = try bench.vault("a")
        for batch in [3, 4, 90, 95] { try bench.publish(bench.identity(UInt64(batch)), to: vault) }
        try require(vault.prune(group: "g", shard: 0, keep: 2) { $0.batch < 90 } == 3, "not behind batch 3")
        try require(try bench.batches(vault).suffix(2) == [4, 3], "\(try bench.batches(vault))")
    },
    Clause("evidence is kept beside, and is no snapshot") { bench in
        let vault = try bench.vault("a")
        let path = try vault.keepEvidence(group: "g", shard: 0, batch: 5, bytes: [1, 2, 3])
        try require(!path.isEmpty, "no path")
        try require(try bench.batches(vault).isEmpty, "listed as a snapshot")
    },
]
