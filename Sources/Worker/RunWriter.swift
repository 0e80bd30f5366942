// The messages of one transaction on their way into a sink, a run at a time, through memory that is used again.
import Model

package final class RunWriter {
    /// A run is handed on when it has so many bytes or messages: then it is worth the call, and still lies in the processor's cache.
    private static let fullBytes = 128 << 10
    private static let fullMessages = 1_024

    private let sink: any TransactionSink
    /// What the next message is written into.
    package private(set) var bytes = RunWriter.buffer()
    private var topics: [String] = []
    private var messages: [OutputMessage] = []
    /// The list that a message without headers has, and those of every run, come first.
    private var headers: [[RecordHeader]]
    private let sharedHeaders: Int
    private var before = 0

    private static func buffer() -> ByteBuffer { ByteBuffer(capacity: 2 * fullBytes) }

    /// `shared`: header lists that messages of every run may have, numbered from 1. 0 is the empty one.
    package init(_ sink: any TransactionSink, shared: [[RecordHeader]] = []) {
        self.sink = sink
        headers = [[]] + shared
        sharedHeaders = headers.count
    }

    /// Begins a transaction anew: what was not handed on is forgotten.
    package func removeAll() {
        topics = []
        before = 0
        forgetRun()
    }

    private func forgetRun() {
        messages.removeAll(keepingCapacity: true)
        headers.removeSubrange(sharedHeaders...)
        // One huge message is no reason to hold its memory for ever.
        if bytes.count > 4 * RunWriter.fullBytes { bytes = RunWriter.buffer() } else { bytes.removeAll() }
    }

    /// The number of the next message in its transaction.
    package var number: Int { before + messages.count }

    /// The same number for a topic in the whole transaction.
    package func topicNumber(_ name: String) -> Int {
        if let known = topics.firstIndex(of: name) { return known }
        topics.append(name)
        return topics.count - 1
    }

    /// A list of headers for the next message.
    package func headersNumber(_ list: [RecordHeader]) -> Int {
        headers.append(list)
        return headers.count - 1
    }

    /// Adds a message whose key was written to `bytes` from `keyStart` on, and its value from `valueStart` to the end.
    func add(topic: Int, partition: Int32, keyStart: Int, valueStart: Int, headers: Int) throws(TransportFailure) {
        try add(
            OutputMessage(
                topic: topic, partition: partition, key: keyStart..<valueStart, value: valueStart..<bytes.count,
                headers: headers))
    }

    package func add(
        topic: Int, partition: Int32, key: [UInt8]?, value: [UInt8]?, headers: Int = 0, timestamp: Int64? = nil,
        isTracked: Bool = false
    ) throws(TransportFailure) {
        try add(
            OutputMessage(
                topic: topic, partition: partition, key: key.map(append), value: value.map(append), headers: headers,
                timestamp: timestamp, isTracked: isTracked))
    }

    private func append(_ part: [UInt8]) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: part)
        return start..<bytes.count
    }

    private func add(_ message: OutputMessage) throws(TransportFailure) {
        messages.append(message)
        if bytes.count >= RunWriter.fullBytes || messages.count >= RunWriter.fullMessages { try handOn() }
    }

    private func handOn() throws(TransportFailure) {
        try sink.produce(MessageRun(topics: topics, bytes: bytes.bytes, messages: messages, headers: headers))
        before += messages.count
        forgetRun()
    }

    /// Hands on the rest and commits.
    package func commit(_ inputs: InputPositions) throws(TransportFailure) -> CommitOutcome {
        if !messages.isEmpty { try handOn() }
        return try sink.commit(inputs)
    }

    /// Hands on the rest and aborts.
    func abort(_ inputs: InputPositions) throws(TransportFailure) {
        if !messages.isEmpty { try handOn() }
        try sink.abort(inputs)
    }
}
