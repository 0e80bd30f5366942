// How a shard applies a slice: its records in their order, then what is due; or a new version.
import CMemory
import Codec
import Engine
import Model

extension Shard {
    /// Applies a slice that `cut` made or the journal names, and adds it to the pending batch. `headers` reads a record's headers.
    /// What could not be used becomes a dead letter of that batch. Applied records are handed to `release`.
    func apply(_ slice: Slice, headers: (RawRecord) -> [RecordHeader], release: (ArraySlice<RawRecord>) -> Void) {
        beginSection()
        var counts = RecordCounts()
        let starts = inputs.map(\.head)
        // Records are in offset order; those of the slice come first.
        let ends = zip(inputs, slice.ranges).map { input, range in
            range.isEmpty
                ? input.head : input.head + input.records[input.head...].prefix { $0.offset < range.upperBound }.count
        }
        var places = inputs.indices.map { Place(at: starts[$0], end: ends[$0], sentUpTo: sentUpTo(inputs[$0])) }
        if inputs.count == 1 {
            apply(upTo: ends[0], of: 0, &places[0], slice.reading, &counts, headers)
        } else {
            var at = starts
            while let input = next(at, ends, slice.reading) {
                at[input] += 1
                apply(upTo: at[input], of: input, &places[input], slice.reading, &counts, headers)
            }
        }
        engine.finishSlice(advancingTo: slice.endedAt)
        for index in inputs.indices {
            release(inputs[index].records[starts[index]..<ends[index]])
            inputs[index].head = ends[index]
            inputs[index].position = slice.ranges[index].upperBound
            if inputs[index].head == inputs[index].records.count {
                inputs[index].records.removeAll(keepingCapacity: true)
                inputs[index].head = 0
            } else if inputs[index].head > inputs[index].waiting {
                // No sooner, or with every slice all that wait would be moved.
                inputs[index].records.removeSubrange(..<inputs[index].head)
                inputs[index].head = 0
            }
        }
        finish(slice, counts)
    }

    /// How far a slice has come in the records of an input.
    private struct Place {
        var at: Int
        let end: Int
        /// Records before this offset were committed before a rebuild.
        let sentUpTo: Int64
        /// Records before it were announced to the engine, and read ahead by the decoder.
        var announced: Int
        var readAhead: Int

        init(at: Int, end: Int, sentUpTo: Int64) {
            (self.at, self.end, self.sentUpTo) = (at, end, sentUpTo)
            (announced, readAhead) = (at, at)
        }
    }

    /// Applies the next records of an input, those before `last`.
    private func apply(
        upTo last: Int, of input: Int, _ place: inout Place, _ reading: Int64, _ counts: inout RecordCounts,
        _ headers: (RawRecord) -> [RecordHeader]
    ) {
        let (applier, engine, decoder) = (applier, engine, applier.decoders[input])
        let lookahead = Engine.lookahead
        inputs[input].records.withUnsafeBufferPointer { records in
            while place.at < last {
                let at = place.at
                if place.readAhead == at {
                    place.readAhead += decoder.readAhead(place.end - at) { records[at + $0].value }
                }
                announce(to: engine, records, &place.announced, upTo: min(place.end, at + 1 + lookahead))
                place.at += 1
                let record = records[at]
                var context = RecordContext(
                    input: input, key: record.key, timestamp: record.timestamp, reading: reading)
                context.wasSentBefore = record.offset < place.sentUpTo
                let texts = headers(record)
                if !texts.isEmpty { context.take(texts, decoder.mapping) }
                let disposition = applier.apply(record.value, context, decoder)
                counts.count(disposition)
                if case .rejected(let rejection) = disposition { reject(record, input, rejection, headers) }
            }
        }
    }

    /// The key of a usable record is its customer's id.
    @inline(__always)
    private func announce(
        to engine: Engine, _ records: UnsafeBufferPointer<RawRecord>, _ announced: inout Int, upTo end: Int
    ) {
        while announced < end {
            if announced + Shard.fetchedAhead < records.count { Shard.fetch(records[announced + Shard.fetchedAhead]) }
            if let key = records[announced].key { engine.announce(key) }
            announced += 1
        }
    }

    /// How many records before it is announced a record is best fetched: another thread wrote it, some time ago.
    private static let fetchedAhead = 8
    /// Of a record's value.
    private static let mostLinesAhead = 4

    @inline(__always)
    private static func fetch(_ record: RawRecord) {
        guard let key = record.key, let value = record.value else { return }
        rfmd_prefetch_to_read(key.baseAddress)
        rfmd_prefetch_lines_to_read(value.baseAddress, value.count, mostLinesAhead)
    }

    /// Where the records of an input end that were committed before a rebuild.
    private func sentUpTo(_ input: InputBuffer) -> Int64 { genesis.rebuiltPositions[input.partition.topic] ?? .min }

    private func reject(
        _ record: RawRecord, _ input: Int, _ rejection: Rejection, _ headers: (RawRecord) -> [RecordHeader]
    ) {
        let source = inputs[input].partition
        pending.marks.append(UInt8(input))
        pending.marks.append(record.offset)
        pending.marks.append(rejection.reason.rawValue)
        // Letters are sent for backfill too; what was committed before a rebuild has its letter.
        if record.offset < sentUpTo(inputs[input]) { return }
        if isReplaying { return }
        pending.add(
            DeadLetter(
                source: source, offset: record.offset, timestamp: record.timestamp, key: record.key.map { [UInt8]($0) },
                value: record.value.map { [UInt8]($0) }, headers: headers(record), rejection: rejection))
    }

    private func beginSection() {
        if pending.sections.last?.version != versionDigest {
            pending.sections.append((pending.effects.count, versionDigest))
        }
    }

    private func finish(_ slice: Slice, _ counts: RecordCounts) {
        pending.slices.append(slice)
        pending.effects.append(contentsOf: engine.effects.bytes)
        engine.effects.removeAll()
        engine.effectCount = 0
        for count in [counts.accepted, counts.duplicates, counts.skipped, counts.rejected] {
            pending.marks.append(count)
        }
        pending.records += Int(counts.consumed)
        self.counts.add(counts)
    }

    /// Puts a version in force, as a slice of its own. Inputs that it adds begin where `removed` or `starts` says.
    func install(_ known: KnownVersion, slice: Slice) {
        engine.install(known.rules, limits: known.version.limits)
        applier = RecordApplier(engine: engine, version: known.version)
        (versionBefore, versionDigest) = (versionDigest, known.digest)
        for input in inputs { removed[input.partition.topic] = input }
        inputs = known.version.mappings.map { mapping in
            if let input = removed.removeValue(forKey: mapping.topic) { return input }
            guard let start = starts[mapping.topic] else {
                preconditionFailure("an input that is added has a place where it begins")
            }
            return InputBuffer(TopicPartition(topic: mapping.topic, partition: index), from: start)
        }
        beginSection()
        engine.finishSlice(advancingTo: nil)
        finish(slice, RecordCounts())
    }
}
