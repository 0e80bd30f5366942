// What one shard has applied since it was last sealed: its part of the batch to come.
import Codec
import Model

/// A letter for a record that could not be used, copied before the record is released.
package struct DeadLetter {
    /// Of the headers that rfmd adds to a record: after Kafka Connect's `__connect.errors.`.
    package static let headerPrefix = "__rfmd.errors."

    var source: TopicPartition
    var offset: Int64
    var timestamp: Int64?
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [RecordHeader]
    var rejection: Rejection
}

/// What a batch holds of one shard.
struct ShardBatch {
    var slices: [Slice] = []
    /// Effects of the engine, and which version's they are from each place on.
    var effects = ByteBuffer(capacity: 1 << 14)
    var sections: [(from: Int, version: Digest)] = []
    var letters: [DeadLetter] = []
    /// What else the digest of the effects covers: rejections and counts.
    var marks = ByteBuffer(capacity: 256)
    var records = 0

    var isEmpty: Bool { slices.isEmpty }

    /// Bytes that are held for the committer.
    var bytes: Int { effects.count + letterBytes }
    private(set) var letterBytes = 0

    mutating func add(_ letter: DeadLetter) {
        letters.append(letter)
        letterBytes += (letter.value?.count ?? 0) + (letter.key?.count ?? 0) + 512
    }

    var digest: Digest {
        let both = ByteBuffer(capacity: 64)
        both.append(Digest(of: effects.bytes))
        both.append(Digest(of: marks.bytes))
        return Digest(of: both.bytes)
    }
}
