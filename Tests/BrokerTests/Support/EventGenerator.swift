// Believable records from one number: purchases, refunds, clicks, duplicates, late ones, and some that cannot be used.
import Foundation
import Model
import TestSupport
import Worker

struct EventGenerator {
    private var dice: SplitMix64
    private let customers: Int
    /// ms between two events on the average; nil: events happen now.
    private let step: Int64?
    private var time: Int64
    private var count = 0
    private var recent: [(customer: String, order: String, json: String)] = []

    /// Event time begins with 2025.
    init(seed: UInt64, customers: Int, step: Int64?) {
        dice = SplitMix64(seed: seed)
        self.customers = customers
        self.step = step
        time = 1_735_689_600_000
    }

    private mutating func random(_ limit: Int) -> Int { Int(dice.next() % UInt64(limit)) }

    mutating func next() -> NewRecord {
        count += 1
        if let step { time += Int64(random(Int(2 * step) + 1)) } else { time = machineTime() }
        // Few customers do most of it.
        let customer = "c\(min(random(customers), random(customers)))"
        let kind = random(100)
        switch kind {
        case 0..<45: return purchase(customer, late: kind < 4)
        case 45..<52 where !recent.isEmpty: return refund()
        case 52..<55 where !recent.isEmpty:
            let old = recent[random(recent.count)]
            return NewRecord(old.customer, old.json, timestamp: timestamp)
        case 55: return unusable(customer)
        case 56:
            return NewRecord(
                customer, "{\"type\":\"newsletter\",\"customer_id\":\"\(customer)\"}", timestamp: timestamp)
        default:
            return NewRecord(
                customer,
                "{\"type\":\"click\",\"event_id\":\"e\(count)\",\"customer_id\":\"\(customer)\",\"occurred_at\":\"\(text(time))\"}",
                timestamp: timestamp)
        }
    }

    private var timestamp: Int64? { step == nil ? nil : time }

    private func text(_ instant: Int64) -> String { CivilTime.text(instant) }

    private mutating func purchase(_ customer: String, late: Bool) -> NewRecord {
        let occurred = late ? time - Int64(random(30 * 86_400)) * 1_000 : time
        let json =
            "{\"type\":\"purchase\",\"event_id\":\"e\(count)\",\"customer_id\":\"\(customer)\",\"order_id\":\"o\(count)\",\"amount\":\"\(random(300)).\(10 + random(90))\",\"occurred_at\":\"\(text(occurred))\"}"
        if recent.count < 500 {
            recent.append((customer, "o\(count)", json))
        } else {
            recent[random(500)] = (customer, "o\(count)", json)
        }
        return NewRecord(customer, json, timestamp: timestamp)
    }

    private mutating func refund() -> NewRecord {
        let old = recent[random(recent.count)]
        let amount = random(2) == 0 ? "" : "\"amount\":\"\(random(100)).00\","
        return NewRecord(
            old.customer,
            "{\"type\":\"refund\",\"event_id\":\"e\(count)\",\"customer_id\":\"\(old.customer)\",\"order_id\":\"\(old.order)\",\(amount)\"occurred_at\":\"\(text(time))\"}",
            timestamp: timestamp)
    }

    private mutating func unusable(_ customer: String) -> NewRecord {
        switch random(3) {
        case 0: return NewRecord(customer, "{\"type\":\"purchase\",", timestamp: timestamp)
        case 1:
            return NewRecord(
                customer,
                "{\"type\":\"purchase\",\"event_id\":\"e\(count)\",\"customer_id\":\"\(customer)\",\"amount\":\"-1\",\"occurred_at\":\"\(text(time))\"}",
                timestamp: timestamp, headers: [RecordHeader(name: "trace", value: Array("t\(count)".utf8))])
        default:
            return NewRecord(
                customer,
                "{\"type\":\"click\",\"event_id\":\"e\(count)\",\"customer_id\":\"x\(customer)\",\"occurred_at\":\"\(text(time))\"}",
                timestamp: timestamp)
        }
    }
}

/// Sends records at a rate from a thread of its own: the load under which things fail.
final class Load: @unchecked Sendable {
    private let progress = NSCondition()
    private var isDone = false
    private var stops = false
    private var failure: (any Error)?

    /// Makes another producer when one cannot go on, and is told why; nil: that is a failure.
    private let renew: (@Sendable (_ reason: String) throws -> TestProducer)?

    /// `count` records, spread over `topics`, `perSecond`.
    init(
        _ generator: EventGenerator, _ producer: TestProducer, topics: [String], count: Int, perSecond: Int,
        renew: (@Sendable (_ reason: String) throws -> TestProducer)? = nil
    ) {
        self.renew = renew
        Thread.detachNewThread { self.work(generator, producer, topics, count, perSecond) }
    }

    private func work(
        _ generator: EventGenerator, _ producer: TestProducer, _ topics: [String], _ count: Int, _ perSecond: Int
    ) {
        var generator = generator
        var producer = producer
        let began = Date()
        do {
            for number in 0..<count {
                if progress.withLock({ stops }) { break }
                if let renew, !producer.fatalReason.isEmpty { producer = try renew(producer.fatalReason) }
                // One customer's events stay in one topic, so that their order is the generator's.
                let record = generator.next()
                let topic = topics[Int((record.key?.last ?? 0)) % topics.count]
                try producer.send(record, to: topic)
                let ahead = Double(number) / Double(perSecond) - Date().timeIntervalSince(began)
                if ahead > 0.02 { usleep(UInt32(ahead * 1_000_000)) }
            }
            // What a producer that cannot go on has in hand is lost: what counts is what the topic holds.
            if renew == nil || producer.fatalReason.isEmpty { try producer.flush() }
        } catch { progress.withLock { failure = error } }
        progress.withLock { isDone = true }
    }

    var isOver: Bool { progress.withLock { isDone } }

    /// Sends nothing more.
    func stop() throws {
        progress.withLock { stops = true }
        try finish()
    }

    func finish(seconds: Double = 180) throws {
        try wait(for: "the load to be sent", seconds: seconds) { isOver }
        if let failure = progress.withLock({ failure }) { throw failure }
    }
}
