// Waiting for brokers.
import Foundation
import TestSupport
import Worker

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
