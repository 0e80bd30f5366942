// How a shard fixes its next slice, from what is in hand and what is known of its inputs' ends.
import Codec
import Engine
import Model

extension Shard {
    /// Fixes the next slice from what is in hand, or nil if there is nothing to do. `answers` tell per input where it ends.
    func cut(reading: Int64, answers: [EndAnswer?]) -> Slice? {
        let ended = zip(inputs, answers).map { $0.endedAt($1) }
        let taken = available(reading: reading, ended: ended)
        let ranges = inputs.indices.map { index -> Range<Int64> in
            let input = inputs[index]
            return input
                .position..<(taken[index] == 0
                ? input.position : input.records[input.head + taken[index] - 1].offset + 1)
        }
        var endedAt: Int64?
        let isAtEnd = inputs.indices.allSatisfy { inputs[$0].waiting == taken[$0] && ended[$0] != nil }
        // In event mode only records move the clock.
        if isAtEnd && applier.version.clockMode == .wall { endedAt = ended.compactMap { $0 }.min() }
        let slice = Slice(version: versionDigest, reading: reading, endedAt: endedAt, ranges: ranges)
        if taken.contains(where: { $0 > 0 }) { return slice }
        guard let clock = engine.clock else { return nil }
        return engine.hasDue(at: max(clock, endedAt ?? clock)) ? slice : nil
    }

    /// How many records of each input may be applied now: a record waits until every other input has one in hand or is at its end.
    private func available(reading: Int64, ended: [Int64?]) -> [Int] {
        let isDue = engine.clock.map { engine.hasDue(at: $0) } ?? false
        let most = isDue ? min(bounds.recordsPerSlice, Limits.recordsPerSliceWhileDue) : bounds.recordsPerSlice
        if inputs.count == 1 { return [min(inputs[0].waiting, most)] }
        var at = inputs.map(\.head)
        let ends = inputs.map(\.records.count)
        var left = most
        while left > 0, inputs.indices.allSatisfy({ at[$0] < ends[$0] || ended[$0] != nil }),
            let next = next(at, ends, reading)
        {
            at[next] += 1
            left -= 1
        }
        return inputs.indices.map { at[$0] - inputs[$0].head }
    }

    /// The input whose head is applied next: by Kafka timestamp, ties by topic name. nil if none has a record.
    func next(_ at: [Int], _ ends: [Int], _ reading: Int64) -> Int? {
        var first: Int?
        var earliest = Int64.max
        for index in inputs.indices where at[index] < ends[index] {
            let timestamp = inputs[index].records[at[index]].timestamp ?? reading
            if first == nil || timestamp < earliest { (first, earliest) = (index, timestamp) }
        }
        return first
    }

    /// True if everything that the slice names was read.
    func holds(_ slice: Slice) -> Bool {
        zip(inputs, slice.ranges).allSatisfy { input, range in
            range.isEmpty || input.readUpTo >= range.upperBound
        }
    }
}
