// The committed journal of one shard, as recovery reads it.
import Codec
import Model

/// Records of the newest genesis, in order, and where they lie.
struct JournalHistory {
    struct Entry {
        var record: JournalRecord
        var bytes: [UInt8]
        var offset: Int64
    }

    /// Nothing was ever committed: what was written was aborted, and nothing was deleted.
    private(set) var wasNeverCommitted = false
    private(set) var entries: [Entry] = []
    /// The high watermark up to which it was read.
    private(set) var end: Int64 = 0

    var last: Entry? { entries.last }

    /// Reads everything up to the high watermark: all that was ever committed, also what is only just becoming visible. Refuses the journal
    /// of another group. Two that begin at once both write a genesis: the first one has the journal, and the other's is passed over.
    static func read(
        _ partition: TopicPartition, of group: String, _ reader: any LogReader,
        progress: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) -> JournalHistory {
        var history = JournalHistory()
        var damaged: Int64?
        var otherGroup: String?
        do throws(TransportFailure) {
            let (first, end) = try reader.range(of: partition)
            history.end = end
            var isEmpty = true
            try reader.read(partition, from: first, end: end, progress: progress) {
                (raw: RawRecord) throws(TransportFailure) in
                isEmpty = false
                guard let value = raw.value, let record = JournalRecord(value), record.shard == partition.partition
                else {
                    damaged = damaged ?? raw.offset
                    return
                }
                if record.genesis.group != group {
                    if record.batch > 0 || history.entries.isEmpty { otherGroup = record.genesis.group }
                    return
                }
                if record.genesis.id != history.last?.record.genesis.id { history.entries = [] }
                history.entries.append(Entry(record: record, bytes: [UInt8](value), offset: raw.offset))
            }
            // A first genesis may have been aborted: its records and markers lie there, and nobody can read them.
            history.wasNeverCommitted = isEmpty && first == 0
        } catch { throw .transport(error) }
        if let damaged {
            throw .refused(
                "\(partition), offset \(damaged): this is no journal record of this rfmd; the topic must be rfmd's own")
        }
        if let otherGroup {
            throw .refused(
                "\(partition) is the journal of the group '\(otherGroup)', and this is the group '\(group)': give each group a journal of its own "
                    + "(outputs.topics.journal), or set kafka.group to '\(otherGroup)' to go on with its state")
        }
        try history.checkChain(partition)
        return history
    }

    private func checkChain(_ partition: TopicPartition) throws(WorkerFailure) {
        for (before, entry) in zip(entries, entries.dropFirst()) {
            if entry.record.batch == before.record.batch + 1 && entry.record.follows(before.record.chain) { continue }
            throw .refused(
                "\(partition), offset \(entry.offset): batch \(entry.record.batch) does not follow batch \(before.record.batch): "
                    + "somebody else wrote to the journal or deleted from it. \(Worker.howToBeginAnew)")
        }
    }

    /// The record that a snapshot names, if the committed journal holds the same one.
    func index(of identity: SnapshotIdentity) -> Int? {
        entries.firstIndex {
            $0.record.batch == identity.batch && $0.record.chain == identity.chain && $0.bytes == identity.journalRecord
        }
    }
}
