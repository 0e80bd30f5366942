// Journal records: what is written is read back, and what is read has only the one form in which it would be written.
import Codec
import Model

extension FuzzTarget {
    /// The first byte is even: a record's bytes. Else: what a record is made of.
    static let journal = FuzzTarget(
        "journal",
        check: { bytes throws(Finding) in
            var choices = Choices(bytes)
            if choices.byte() & 1 == 0 {
                try JournalCheck.read(choices.remaining)
            } else {
                try JournalCheck.write(&choices)
            }
        })
}

private enum JournalCheck {
    static func read(_ bytes: UnsafeRawBufferPointer) throws(Finding) {
        guard let record = JournalRecord(bytes) else { return }
        var copy = record
        let written = copy.seal(after: .zero)
        // The chain at the end is made of the record before, which is not here.
        try Finding.require(
            written.dropLast(16).elementsEqual(bytes.dropLast(16)), "another form is taken for the same: \(record)")
        copy.chain = record.chain
        try Finding.require(copy == record, "sealing changed more than the chain")
    }

    static func write(_ choices: inout Choices) throws(Finding) {
        let previous = choices.digest()
        var record = made(&choices)
        let bytes = record.seal(after: previous)
        let read = bytes.withUnsafeBytes { JournalRecord($0) }
        try Finding.require(read == record, "written \(record), read \(read.map { "\($0)" } ?? "nothing")")
        try Finding.require(record.follows(previous), "it does not follow the record before")
        let other = Digest(high: previous.high, low: previous.low &+ 1)
        try Finding.require(!record.follows(other), "it follows any record")
        // No beginning of it is taken for a record.
        let length = Int(choices.number(UInt16.self)) % bytes.count
        let beginning = bytes[..<length].withUnsafeBytes { JournalRecord($0) }
        try Finding.require(beginning == nil, "\(length) of \(bytes.count) bytes are taken for a record")
    }

    private static func made(_ choices: inout Choices) -> JournalRecord {
        var genesis = Genesis(
            id: choices.digest(), group: choices.text(), at: choices.number(), emitFrom: choices.number(),
            starts: positions(&choices))
        genesis.rebuiltPositions = positions(&choices)
        genesis.rebuiltUpTo = choices.number()
        var slices: [Slice] = []
        for _ in 0..<choices.byte() % 5 {
            var slice = Slice(
                version: choices.digest(), reading: choices.number(), endedAt: choices.optional { $0.number() },
                ranges: [])
            slice.installs = choices.byte() & 1 == 1
            for _ in 0..<choices.byte() % 4 {
                let (one, other) = (choices.number(Int64.self), choices.number(Int64.self))
                slice.ranges.append(min(one, other)..<max(one, other))
            }
            slices.append(slice)
        }
        return JournalRecord(
            genesis: genesis, shard: choices.number(), batch: choices.number(), slices: slices,
            positions: positions(&choices), version: choices.digest(), clock: choices.optional { $0.number() },
            effects: choices.digest())
    }

    private static func positions(_ choices: inout Choices) -> [String: Int64] {
        var positions: [String: Int64] = [:]
        for _ in 0..<choices.byte() % 4 { positions[choices.text()] = choices.number() }
        return positions
    }
}
