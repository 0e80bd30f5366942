// The records of one input of a shard, between the client that read them and the engine.
import Model

/// Records of one input that were read and not yet applied.
struct InputBuffer {
    let partition: TopicPartition
    var records: [RawRecord] = []
    /// Records before it are applied.
    var head = 0
    /// The next offset to apply.
    var position: Int64
    /// Where reading has come to, control records included.
    var readUpTo: Int64

    init(_ partition: TopicPartition, from position: Int64) {
        self.partition = partition
        self.position = position
        readUpTo = position
    }

    var waiting: Int { records.count - head }

    /// After more was read: `end` is the end of the partition if that was reached.
    mutating func noteRead(end: Int64?) {
        if waiting > 0, let last = records.last { readUpTo = max(readUpTo, last.offset + 1) }
        if let end { readUpTo = max(readUpTo, end) }
    }

    /// Forgets what was read and not applied: reading is to go on from `position`.
    mutating func forgetRecords(_ release: (ArraySlice<RawRecord>) -> Void) {
        release(records[head...])
        self = InputBuffer(partition, from: position)
    }

    /// Everything that was read is applied, and that is all there was when the broker was last asked. nil: not so.
    func endedAt(_ answer: EndAnswer?) -> Int64? {
        guard let answer, readUpTo >= answer.offset else { return nil }
        return answer.askedAt
    }
}
