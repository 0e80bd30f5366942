// A sink that shows what it was given.
import Model
import Worker

/// Keeps copies of what it is given, and answers as it was told.
final class KeepingSink: TransactionSink {
    struct Kept: Equatable {
        var topic: String
        var key: [UInt8]?
        /// Its digest, which a failure can show.
        var value: Digest?
        var headers: [RecordHeader]
        var isTracked: Bool
    }

    var kept: [Kept] = []
    var runBytes: [Int] = []
    var outcomes: [CommitOutcome] = []
    var onRest: () -> Void = {}

    func initialize(cancelled: () -> Bool) {}

    func produce(_ run: MessageRun) {
        runBytes.append(run.bytes.count)
        kept += run.messages.map { message in
            Kept(
                topic: run.topics[message.topic], key: message.key.map { [UInt8](run.bytes[$0]) },
                value: message.value.map { Digest(of: [UInt8](run.bytes[$0])) }, headers: run.headers[message.headers],
                isTracked: message.isTracked)
        }
    }

    func commit(_ inputs: InputPositions) -> CommitOutcome { outcomes.removeFirst() }

    func abort(_ inputs: InputPositions) { kept = [] }

    func rest() { onRest() }

    func close() {}
}
