// Waiting for a condition, with a limit that says what did not come.
import Foundation
import Worker

/// Something that a test relied on did not happen.
struct Missing: Error, CustomStringConvertible {
    var description: String

    init(_ what: String) {
        description = "\(what)\nTo run it again: KAFKA_HOME=… swift test --no-parallel --filter BrokerTests"
    }
}

/// Asks again and again until `condition` holds. `context` is added to the message if it never does.
func wait(
    for what: String, seconds: Double = 60, context: @autoclosure () -> String = "", until condition: () throws -> Bool
) throws {
    let limit = Date().addingTimeInterval(seconds)
    while !(try condition()) {
        if Date() > limit { throw Missing("waited \(Int(seconds)) s for \(what)\n\(context())") }
        usleep(15_000)
    }
}

extension LogReader {
    /// Where a partition begins and ends, asked again while its leader moves.
    func rangeWhenLed(of partition: TopicPartition) throws -> (first: Int64, end: Int64) {
        var answer: (first: Int64, end: Int64)?
        var problem: TransportFailure?
        try wait(for: "a leader of \(partition)", seconds: 30, context: "\(String(describing: problem))") {
            do throws(TransportFailure) { answer = try range(of: partition) } catch {
                guard case .retriable = error else { throw error }
                problem = error
            }
            return answer != nil
        }
        guard let answer else { throw Missing("an answer for \(partition)") }
        return answer
    }
}

/// ms since 1970.
func machineTime() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
