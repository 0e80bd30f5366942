// The journal: one small record per shard and batch, from which everything can be applied again.
import Model

/// How a shard began. Every journal record repeats it.
package struct Genesis: Sendable, Equatable {
    /// Random; part of every event's id, and the key of the state's hashes.
    package var id: Digest
    /// The consumer group whose journal it is.
    package var group: String
    /// The machine's clock when it was written, ms.
    package var at: Int64
    /// Records and deadlines before it emit nothing; ms, .min for none.
    package var emitFrom: Int64
    /// Where each input begins, by topic.
    package var starts: [String: Int64]
    /// After `--rebuild`: what was committed before it and emits nothing again.
    package var rebuiltPositions: [String: Int64] = [:]
    /// Deadlines due at or before it emit nothing again; ms, .min for none.
    package var rebuiltUpTo: Int64 = .min

    package init(id: Digest, group: String, at: Int64, emitFrom: Int64, starts: [String: Int64]) {
        self.id = id
        self.group = group
        self.at = at
        self.emitFrom = emitFrom
        self.starts = starts
    }
}

/// What was applied in one go, fixed before its first record was.
package struct Slice: Sendable, Equatable {
    /// The version in force, or with which it comes into force.
    package var version: Digest
    /// It holds no record and puts `version` in force.
    package var installs = false
    /// The machine's clock, ms.
    package var reading: Int64
    /// The instant by which every input was known to be read to its end, ms; nil if one was not.
    package var endedAt: Int64?
    /// Per input of the version, by topic name: offsets from ..< to.
    package var ranges: [Range<Int64>]

    package init(version: Digest, reading: Int64, endedAt: Int64?, ranges: [Range<Int64>]) {
        self.version = version
        self.reading = reading
        self.endedAt = endedAt
        self.ranges = ranges
    }
}

package struct JournalRecord: Sendable, Equatable {
    package var genesis: Genesis
    package var shard: Int32
    /// 0 is the genesis itself.
    package var batch: UInt64
    package var slices: [Slice]
    /// The next offset of every input after the batch, by topic.
    package var positions: [String: Int64]
    /// The version in force after the batch.
    package var version: Digest
    /// The shard's clock after the batch; nil before the first accepted record.
    package var clock: Int64?
    /// Of everything that the batch sent.
    package var effects: Digest
    /// Over all records of this genesis up to this one.
    package var chain: Digest = .zero

    package init(
        genesis: Genesis, shard: Int32, batch: UInt64, slices: [Slice], positions: [String: Int64], version: Digest,
        clock: Int64?,
        effects: Digest
    ) {
        self.genesis = genesis
        self.shard = shard
        self.batch = batch
        self.slices = slices
        self.positions = positions
        self.version = version
        self.clock = clock
        self.effects = effects
    }

    // Format 2: docs/formats/journal.md.
    private static let format: UInt8 = 2

    /// Sets `chain` from that of the record before (zero for a genesis) and returns the record's bytes.
    package mutating func seal(after previous: Digest) -> [UInt8] {
        let buffer = ByteBuffer(capacity: 512)
        buffer.append(previous)
        appendBody(to: buffer)
        chain = Digest(of: buffer.bytes)
        buffer.append(chain)
        return Array(buffer.array[16...])
    }

    private func appendBody(to buffer: ByteBuffer) {
        buffer.append(JournalRecord.format)
        buffer.append(genesis.id)
        buffer.appendCounted(genesis.group)
        buffer.append(genesis.at)
        buffer.append(genesis.emitFrom)
        buffer.appendPositions(genesis.starts)
        buffer.appendPositions(genesis.rebuiltPositions)
        buffer.append(genesis.rebuiltUpTo)
        buffer.append(shard)
        buffer.append(batch)
        buffer.appendPositions(positions)
        buffer.append(version)
        buffer.append(clock == nil ? UInt8(0) : 1)
        buffer.append(clock ?? 0)
        buffer.append(effects)
        buffer.append(UInt32(slices.count))
        for slice in slices {
            buffer.append(slice.version)
            buffer.append(UInt8((slice.installs ? 1 : 0) | (slice.endedAt == nil ? 0 : 2)))
            buffer.append(slice.reading)
            buffer.append(slice.endedAt ?? 0)
            buffer.append(UInt16(slice.ranges.count))
            for range in slice.ranges {
                buffer.append(range.lowerBound)
                buffer.append(range.upperBound)
            }
        }
    }

    /// nil if the bytes are no whole record.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        do {
            var reader = ByteReader(bytes)
            guard try reader.read(UInt8.self) == JournalRecord.format else { return nil }
            var genesis = Genesis(
                id: try reader.readDigest(), group: try reader.readText(), at: try reader.read(),
                emitFrom: try reader.read(), starts: try reader.readPositions())
            genesis.rebuiltPositions = try reader.readPositions()
            genesis.rebuiltUpTo = try reader.read()
            let shard: Int32 = try reader.read()
            let batch: UInt64 = try reader.read()
            let positions = try reader.readPositions()
            let version = try reader.readDigest()
            let hasClock: UInt8 = try reader.read()
            let clock: Int64 = try reader.read()
            // One record has one form: what is not used is 0.
            guard hasClock <= 1, hasClock == 1 || clock == 0 else { return nil }
            let effects = try reader.readDigest()
            var slices: [Slice] = []
            for _ in 0..<(try reader.read(UInt32.self)) {
                let version = try reader.readDigest()
                let flags: UInt8 = try reader.read()
                let reading: Int64 = try reader.read()
                let endedAt: Int64 = try reader.read()
                guard flags <= 3, flags & 2 != 0 || endedAt == 0 else { return nil }
                var slice = Slice(
                    version: version, reading: reading, endedAt: flags & 2 == 0 ? nil : endedAt, ranges: [])
                slice.installs = flags & 1 != 0
                for _ in 0..<(try reader.read(UInt16.self)) {
                    let from: Int64 = try reader.read()
                    let to: Int64 = try reader.read()
                    guard from <= to else { return nil }
                    slice.ranges.append(from..<to)
                }
                slices.append(slice)
            }
            self.init(
                genesis: genesis, shard: shard, batch: batch, slices: slices, positions: positions, version: version,
                clock: hasClock == 1 ? clock : nil, effects: effects)
            chain = try reader.readDigest()
            guard reader.remaining == 0 else { return nil }
        } catch { return nil }
    }

    /// True if the record follows one whose chain is `previous`.
    package func follows(_ previous: Digest) -> Bool {
        var copy = self
        _ = copy.seal(after: previous)
        return copy.chain == chain
    }
}

extension ByteBuffer {
    fileprivate func appendPositions(_ positions: [String: Int64]) {
        append(UInt32(positions.count))
        for (topic, offset) in positions.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
            appendCounted(topic)
            append(offset)
        }
    }
}

extension ByteReader {
    fileprivate mutating func readPositions() throws(Damaged) -> [String: Int64] {
        var positions: [String: Int64] = [:]
        var last: String?
        for _ in 0..<(try read(UInt32.self)) {
            let damaged = Damaged(offset: offset)
            let topic = try readText()
            // One record has one form: names ascend.
            if let last, !last.utf8.lexicographicallyPrecedes(topic.utf8) { throw damaged }
            guard positions.updateValue(try read(), forKey: topic) == nil else { throw damaged }
            last = topic
        }
        return positions
    }
}
