// What was lost, doubled or moved, with its offset: the decisions of each customer on each partition of two runs.
import Foundation
import Testing
import Worker

enum ChaosComparison {
    private struct Decision {
        var decision: String
        var place: String
    }

    /// One line for each decision that is in one run only, or at another place.
    static func differences(
        _ records: [StoredRecord], of name: String, from expected: [StoredRecord], of expectedName: String
    ) -> [String] {
        let with = byCustomer(records, name)
        let without = byCustomer(expected, expectedName)
        var lines: [String] = []
        for key in Set(with.keys).union(without.keys).sorted() {
            let (actual, expected) = (with[key] ?? [], without[key] ?? [])
            for change in actual.map(\.decision).difference(from: expected.map(\.decision)) {
                switch change {
                case .remove(let place, let decision, _):
                    lines.append("\(key): lost, at \(expected[place].place) of an uninterrupted run: \(decision)")
                case .insert(let place, let decision, _):
                    lines.append("\(key): doubled, moved or wrong, at \(actual[place].place): \(decision)")
                }
            }
        }
        return lines
    }

    /// In their order, without what names the run.
    private static func byCustomer(_ records: [StoredRecord], _ run: String) -> [String: [Decision]] {
        var result: [String: [Decision]] = [:]
        for record in records {
            let text = record.valueText
            let from = text.range(of: "\"type\":")?.lowerBound ?? text.startIndex
            let topic = record.partition.topic.dropFirst(run.count + 1)
            let key = "\(topic) \(record.partition.partition) \(String(decoding: record.key ?? [], as: UTF8.self))"
            result[key, default: []].append(
                Decision(decision: String(text[from...]), place: "\(record.partition) offset \(record.offset)"))
        }
        return result
    }
}

/// The comparison notices what chaos must not do.
@Suite struct ChaosComparisonTests {
    private func record(_ offset: Int64, _ customer: String, _ decision: String, _ run: String) -> StoredRecord {
        StoredRecord(
            partition: TopicPartition(topic: "\(run).tier", partition: 1), offset: offset, timestamp: nil,
            key: Array(customer.utf8),
            value: Array("{\"id\":\"\(run)-\(offset)\",\"type\":\"\(decision)\"}".utf8), headers: [])
    }

    private func differences(_ change: (inout [StoredRecord]) -> Void) -> [String] {
        let decisions = [("ann", "up"), ("bob", "up"), ("ann", "down"), ("ann", "up")]
        let calm = decisions.enumerated().map { record(Int64($0.offset), $0.element.0, $0.element.1, "calm") }
        var stormy = decisions.enumerated().map { record(Int64(2 * $0.offset), $0.element.0, $0.element.1, "storm") }
        change(&stormy)
        return ChaosComparison.differences(stormy, of: "storm", from: calm, of: "calm")
    }

    @Test func tellsWhatWasLostDoubledOrMoved() {
        #expect(differences { _ in } == [])
        #expect(differences { $0.swapAt(0, 1) } == [], "the order between customers is not promised")
        #expect(differences { $0.remove(at: 1) }.map { $0.hasPrefix("tier 1 bob: lost, at calm.tier") } == [true])
        let doubled = differences { $0.append($0[1]) }
        #expect(doubled.count == 1 && doubled[0].contains("tier 1 bob: doubled") && doubled[0].contains("offset 2"))
        #expect(differences { $0.swapAt(0, 2) }.count >= 2)
        #expect(differences { $0[3].partition.partition = 2 }.count == 2)
    }
}
