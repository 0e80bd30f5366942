// What shops send in a run: purchases, refunds, clicks, duplicates, late ones, unusable ones, and silence.
import Model
import Worker

final class Workload {
    private let world: World
    private let dice: Dice
    private var sent = 0
    private var made = 0
    private var isOver = false
    /// Event time of replays, ms.
    private var eventTime: Int64
    private var recent: [(customer: String, order: String, json: String, topic: String)] = []

    init(_ world: World, dice: Dice) {
        self.world = world
        self.dice = dice
        eventTime = world.schedule.now - 400 * CivilTime.millisecondsPerDay
        next(after: dice.int64(0...3_000))
    }

    /// Nothing more is sent, but what is under way.
    func stop() { isOver = true }

    /// Transactions of shops that are open.
    private(set) var open = 0

    private func next(after milliseconds: Int64) {
        world.schedule.after(milliseconds) { [unowned self] in
            if isOver || sent >= world.options.records { return }
            burst()
            let pace = world.options.chaosMilliseconds / Int64(max(1, world.options.records / 4))
            // Now and then long silence, so that deadlines fire without an input.
            next(after: dice.one(in: 20) ? dice.int64(2_000...8_000) : dice.int64(0...2 * pace))
        }
    }

    private func burst() {
        let records = (0..<dice.int(1...6)).map { _ in makeRecord() }
        sent += records.count
        if world.options.isTransactionalUpstream && dice.one(in: 3) { return sendTransaction(records) }
        for record in records { append(record, producer: 0) }
    }

    private struct Record {
        var topic: String
        var key: String?
        var value: String?
        var headers: [RecordHeader] = []
    }

    /// A shop's own transaction: open for a while, then committed or aborted.
    private func sendTransaction(_ records: [Record]) {
        let producer = world.cluster.newProducer()
        let logs = records.map { append($0, producer: producer) }
        let fate: LogEntry.Fate = dice.one(in: 3) ? .aborted : .committed
        open += 1
        world.schedule.after(dice.delay(1_500)) { [unowned self] in
            open -= 1
            for log in logs { log.mark(producer, fate, at: world.schedule.now) }
        }
    }

    @discardableResult
    private func append(_ record: Record, producer: Int) -> PartitionLog {
        // FNV-1a: the same in every process.
        var hash: UInt32 = 2_166_136_261
        for byte in (record.key ?? "").utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let log = world.cluster.log(
            TopicPartition(topic: record.topic, partition: Int32(hash % UInt32(world.options.shards))))
        // Nobody finds a topic that was made anew.
        if !log.past.isEmpty { return log }
        var timestamp = world.schedule.now
        if world.options.hasCreateTime { timestamp += dice.int64(-3_000...300) }
        let arena = world.cluster.arena
        log.append(
            LogEntry(
                timestamp: timestamp, key: record.key.map { arena.keep(Array($0.utf8)) },
                value: record.value.map { arena.keep(Array($0.utf8)) },
                headers: record.headers), producer: producer)
        return log
    }

    // MARK: Records

    private func makeRecord() -> Record {
        made += 1
        let number = made
        let customer = "c\(min(dice.int(1...world.options.customers), dice.int(1...world.options.customers)))"
        let topic = dice.pick(world.options.topics)
        if world.options.isEventClock {
            eventTime += dice.int64(0...dice.pick([3_600_000, 40 * 3_600_000, 900 * 3_600_000]))
        }
        let now = world.options.isEventClock ? eventTime : world.schedule.now - dice.int64(0...dice.pick([20, 2_000]))
        switch dice.int(0...99) {
        case 0..<40: return purchase(topic, customer, number, at: now)
        case 40..<45:
            return purchase(topic, customer, number, at: now - dice.int64(0...100 * CivilTime.millisecondsPerDay))
        case 45..<55 where !recent.isEmpty: return refund(number, at: now)
        case 55..<62 where !recent.isEmpty:
            let old = dice.pick(recent)
            return Record(topic: old.topic, key: old.customer, value: old.json)
        case 62..<70: return unusable(topic, customer, number, at: now)
        default:
            var record = Record(
                topic: topic, key: customer,
                value:
                    "{\"type\":\"click\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(customer)\",\"occurred_at\":\"\(CivilTime.text(now))\"}"
            )
            if dice.one(in: 12) { record.headers = [RecordHeader(name: "rfm-backfill", value: nil)] }
            return record
        }
    }

    private func purchase(_ topic: String, _ customer: String, _ number: Int, at occurred: Int64) -> Record {
        let order = dice.one(in: 8) && !recent.isEmpty ? dice.pick(recent).order : "o\(number)"
        let currency = dice.one(in: 10) ? "\"currency\":\"USD\"," : ""
        let json =
            "{\"type\":\"purchase\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(customer)\",\"order_id\":\"\(order)\",\(currency)"
            + "\"amount\":\"\(dice.int(0...300)).\(dice.int(10...99))\",\"occurred_at\":\"\(CivilTime.text(occurred))\"}"
        if recent.count < 40 {
            recent.append((customer, order, json, topic))
        } else {
            recent[dice.int(0...39)] = (customer, order, json, topic)
        }
        return Record(topic: topic, key: customer, value: json)
    }

    private func refund(_ number: Int, at occurred: Int64) -> Record {
        let old = dice.pick(recent)
        let order = dice.one(in: 5) ? "o\(number)" : old.order
        let amount = dice.one(in: 2) ? "" : "\"amount\":\"\(dice.int(0...200)).00\","
        return Record(
            topic: dice.one(in: 3) ? dice.pick(world.options.topics) : old.topic, key: old.customer,
            value:
                "{\"type\":\"refund\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(old.customer)\",\"order_id\":\"\(order)\",\(amount)"
                + "\"occurred_at\":\"\(CivilTime.text(occurred))\"}")
    }

    private func unusable(_ topic: String, _ customer: String, _ number: Int, at occurred: Int64) -> Record {
        let click = { (id: String, at: Int64, more: String) in
            "{\"type\":\"click\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(id)\",\(more)\"occurred_at\":\"\(CivilTime.text(at))\"}"
        }
        switch dice.int(0...6) {
        case 0: return Record(topic: topic, key: customer, value: "{\"type\":\"purchase\",")
        case 1: return Record(topic: topic, key: customer, value: nil)
        case 2:
            return Record(
                topic: topic, key: customer, value: "{\"type\":\"newsletter\",\"customer_id\":\"\(customer)\"}")
        case 3: return Record(topic: topic, key: customer, value: click("x" + customer, occurred, ""))
        case 4:
            return Record(
                topic: topic, key: customer, value: click(customer, world.schedule.now + 86_400_000, ""),
                headers: [RecordHeader(name: "trace", value: Array("t\(number)".utf8))])
        case 5: return Record(topic: topic, key: nil, value: click(customer, occurred, ""))
        default:
            return Record(
                topic: topic, key: customer,
                value: click(customer, occurred, "\"note\":\"\(String(repeating: "x", count: 2_000))\",") + "}")
        }
    }
}
