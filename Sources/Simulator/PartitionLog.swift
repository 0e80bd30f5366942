// One partition as a broker keeps it: records, markers of transactions, and how far it is stable.
import Model
import Worker

/// A record, or a marker that ends a transaction.
struct LogEntry {
    enum Fate: UInt8 { case open, committed, aborted }

    var isMarker = false
    /// Who wrote it; 0 without a transaction.
    var producer = 0
    var fate = Fate.committed
    /// The Kafka timestamp, ms.
    var timestamp: Int64
    /// These bytes lie in the arena of the run.
    var key: UnsafeRawBufferPointer?
    var value: UnsafeRawBufferPointer?
    var headers: [RecordHeader] = []

    init(timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, headers: [RecordHeader] = []) {
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.headers = headers
    }

    var isVisible: Bool { !isMarker && fate == .committed }
}

/// Nothing is ever forgotten: what retention deletes lies below `start`, and what was in a topic before it was made anew in `past`, for
/// the auditor.
final class PartitionLog {
    let partition: TopicPartition
    private(set) var entries: [LogEntry] = []
    /// What it held each time that somebody deleted the topic and made it anew.
    private(set) var past: [[LogEntry]] = []
    /// First offset that can be read.
    private(set) var start: Int64 = 0
    /// Every value that `start` had.
    private(set) var starts: Set<Int64> = [0]
    /// The first offset of each open transaction, by producer.
    private var open: [Int: Int64] = [:]
    /// The last stable offset: what readers of committed records can come to.
    private(set) var stable: Int64 = 0
    /// Called when `stable` grows.
    var onStable: () -> Void = {}

    init(_ partition: TopicPartition) { self.partition = partition }

    /// The high watermark.
    var end: Int64 { Int64(entries.count) }

    /// Appends a record; `producer` 0 is one without a transaction. Returns its offset.
    @discardableResult
    func append(_ entry: LogEntry, producer: Int = 0) -> Int64 {
        var entry = entry
        entry.producer = producer
        if producer != 0 {
            entry.fate = .open
            if open[producer] == nil { open[producer] = end }
        }
        entries.append(entry)
        updateStable()
        return end - 1
    }

    /// Ends the transaction of a producer here.
    func mark(_ producer: Int, _ fate: LogEntry.Fate, at now: Int64) {
        guard let first = open.removeValue(forKey: producer) else { return }
        for offset in Int(first)..<entries.count
        where entries[offset].producer == producer && entries[offset].fate == .open {
            entries[offset].fate = fate
        }
        var marker = LogEntry(timestamp: now, key: nil, value: nil)
        marker.isMarker = true
        marker.producer = producer
        marker.fate = fate
        entries.append(marker)
        updateStable()
    }

    private func updateStable() {
        let stable = open.values.min() ?? end
        if stable == self.stable { return }
        self.stable = stable
        onStable()
    }

    /// Somebody deletes the topic and makes it anew: offsets begin with 0 again.
    func renew() {
        past.append(entries)
        (entries, open, start, stable) = ([], [:], 0, 0)
        starts.insert(0)
    }

    /// True if no transaction is open.
    var isSettled: Bool { open.isEmpty }

    /// What it held at first, which is what it holds unless it was made anew.
    var original: [LogEntry] { past.first ?? entries }

    /// Deletes what is before `offset`, never behind the high watermark.
    func delete(before offset: Int64) {
        start = max(start, min(offset, end))
        starts.insert(start)
    }

    /// Committed records from `offset` on, deleted ones too, up to `limit`.
    func committed(from offset: Int64 = 0, below limit: Int64 = .max) -> [(offset: Int64, entry: LogEntry)] {
        PartitionLog.committed(entries, from: offset, below: limit)
    }

    /// The same of what it held at first.
    func originallyCommitted(from offset: Int64, below limit: Int64) -> [(offset: Int64, entry: LogEntry)] {
        PartitionLog.committed(original, from: offset, below: limit)
    }

    /// Everything that was ever committed to it.
    func everCommitted() -> [(offset: Int64, entry: LogEntry)] {
        (past + [entries]).flatMap { PartitionLog.committed($0, from: 0, below: .max) }
    }

    private static func committed(_ entries: [LogEntry], from offset: Int64, below limit: Int64)
        -> [(offset: Int64, entry: LogEntry)]
    {
        var found: [(offset: Int64, entry: LogEntry)] = []
        let end = Int(min(limit, Int64(entries.count)))
        for at in Int(offset)..<max(Int(offset), end) where entries[at].isVisible {
            found.append((Int64(at), entries[at]))
        }
        return found
    }

    /// Where the first committed record at or after `offset` lies; nil if there is none.
    func next(from offset: Int64) -> Int64? {
        var at = Int(offset)
        while at < entries.count {
            if entries[at].isVisible { return Int64(at) }
            at += 1
        }
        return nil
    }
}

/// Memory for the bytes of records, freed when the run ends.
final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = []
    private var used = 0
    private var room = 0

    deinit { for block in blocks { block.deallocate() } }

    func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        if bytes.count > room - used {
            room = max(1 << 16, bytes.count)
            blocks.append(.allocate(byteCount: room, alignment: 16))
            used = 0
        }
        let start = blocks[blocks.count - 1] + used
        if let from = bytes.baseAddress { start.copyMemory(from: from, byteCount: bytes.count) }
        used += bytes.count
        return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }

    func keep(_ bytes: [UInt8]) -> UnsafeRawBufferPointer { bytes.withUnsafeBytes { keep($0) } }
}
