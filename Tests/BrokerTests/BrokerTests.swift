// Tests against real brokers: what cannot be shown in any other way. One broker serves most of them; each has its own topics and group.
import Foundation
import TestSupport
import Testing
import Worker

/// Everything here runs one after the other: the machine has few cores, and time limits must mean something.
@Suite(.serialized, .enabled(if: Kafka.home != nil, Comment(rawValue: Kafka.howToEnable))) struct BrokerTests {}

/// `{"type":"purchase",…}`.
func purchase(_ customer: String, _ event: String, _ amount: String, _ at: String, more: String = "") -> String {
    "{\"type\":\"purchase\",\"event_id\":\"\(event)\",\"customer_id\":\"\(customer)\",\"amount\":\"\(amount)\",\"occurred_at\":\"\(at)\"\(more)}"
}

func click(_ customer: String, _ event: String, _ at: String) -> String {
    "{\"type\":\"click\",\"event_id\":\"\(event)\",\"customer_id\":\"\(customer)\",\"occurred_at\":\"\(at)\"}"
}

/// Events of each customer in each topic, in order, without what names the run (id and source).
func decisions(_ records: [StoredRecord], topic: (String) -> String) -> [String: [String]] {
    var result: [String: [String]] = [:]
    for record in records {
        let text = record.valueText
        let from = text.range(of: "\"type\":")?.lowerBound ?? text.startIndex
        result["\(topic(record.partition.topic)) \(String(decoding: record.key ?? [], as: UTF8.self))", default: []]
            .append(String(text[from...]))
    }
    return result
}

/// The first difference between two runs, in words.
func difference(_ one: [String: [String]], _ other: [String: [String]]) -> String? {
    for key in Set(one.keys).union(other.keys).sorted() {
        let (left, right) = (one[key] ?? [], other[key] ?? [])
        if left == right { continue }
        let place =
            zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(left.count, right.count)
        return
            "\(key): \(left.count) and \(right.count) events; at \(place):\n  \(place < left.count ? left[place] : "-")\n  \(place < right.count ? right[place] : "-")"
    }
    return nil
}
