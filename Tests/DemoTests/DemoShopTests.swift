// The demo's broker, producer and subscriber with each other.
import CRDKafka
import Foundation
import Testing

@testable import Demo

@Suite struct DemoShopTests {
    private static let watched = ["rfm.tier-changes", "rfm.churn-warnings"]

    /// Everything in `topic`: partition, offset, key, value and timestamp, read by a client that shares no code with the demo.
    private struct Reader {
        struct Message: Equatable {
            var partition: Int32
            var offset: Int64
            var key: String
            var value: String
            var timestamp: Int64
        }

        static func read(_ topic: String, ends: [Int64], bootstrap: String) throws -> [Message] {
            let conf = rd_kafka_conf_new()
            for (name, value) in [
                ("bootstrap.servers", bootstrap), ("group.id", "test"), ("auto.offset.reset", "earliest"),
            ] {
                try #require(rd_kafka_conf_set(conf, name, value, nil, 0) == RD_KAFKA_CONF_OK)
            }
            let client = try #require(rd_kafka_new(RD_KAFKA_CONSUMER, conf, nil, 0))
            defer { rd_kafka_destroy(client) }
            rd_kafka_poll_set_consumer(client)
            let list = rd_kafka_topic_partition_list_new(Int32(ends.count))
            defer { rd_kafka_topic_partition_list_destroy(list) }
            for partition in 0..<ends.count {
                rd_kafka_topic_partition_list_add(list, topic, Int32(partition)).pointee.offset = 0
            }
            try #require(rd_kafka_assign(client, list) == RD_KAFKA_RESP_ERR_NO_ERROR)
            var messages: [Message] = []
            while Int64(messages.count) < ends.reduce(0, +) {
                let message = try #require(
                    rd_kafka_consumer_poll(client, 30_000), "only \(messages.count) of \(ends) came")
                defer { rd_kafka_message_destroy(message) }
                try #require(message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR)
                func text(_ base: UnsafeMutableRawPointer?, _ count: Int) -> String {
                    String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
                }
                messages.append(
                    Message(
                        partition: message.pointee.partition, offset: message.pointee.offset,
                        key: text(message.pointee.key, message.pointee.key_len),
                        value: text(message.pointee.payload, message.pointee.len),
                        timestamp: rd_kafka_message_timestamp(message, nil)))
            }
            return messages
        }
    }

    @Test func whatIsSentIsInTheTopicWhole() throws {
        let cluster = try MockCluster()
        try cluster.createTopics(["shop.events"], partitions: 4)
        let producer = try DemoProducer(cluster, topic: "shop.events", partitions: 4)
        var generator = ShopperGenerator(seed: 7, shoppers: 50, start: 1_767_225_600_000)
        let records = (0..<20).flatMap { _ in generator.nextDay() }
        try producer.send(records)
        try producer.finish()
        let sent = producer.sent
        #expect(
            sent.events == records.count
                && sent.events == sent.purchases + sent.refunds + sent.clicks + sent.duplicates + sent.bad)
        #expect(sent.customers == Set(records.filter { $0.kind != .bad }.map(\.key)).count)
        let messages = try Reader.read("shop.events", ends: sent.ends, bootstrap: cluster.bootstrap)
        for partition in 0..<Int32(4) {
            let expected = records.filter { $0.partition(of: 4) == partition }
            let found = messages.filter { $0.partition == partition }
            #expect(found.map(\.offset) == (0..<sent.ends[Int(partition)]).map { $0 })
            #expect(found.map { Array($0.value.utf8) } == expected.map(\.value))
            #expect(found.map { Array($0.key.utf8) } == expected.map(\.key))
            #expect(found.map(\.timestamp) == expected.map(\.occurredAt))
        }
    }

    @Test func theShopSendsForItsDurationAndTheWatcherTells() throws {
        let shop = try DemoShop(
            duration: 500, inputTopic: "shop.events", watched: DemoShopTests.watched, others: [("rfm.versions", 1)])
        var shown: [String] = []
        try shop.run(isCancelled: { false }, show: { shown.append($0) })
        #expect(shop.sent.events > 100 && shop.sent.ends.reduce(0, +) == Int64(shop.sent.events))
        #expect(shown == [] && shop.changes == DemoChanges())

        // In rfmd's place: a few events into the output topics.
        let decided = "\"decided_at\":\"2026-02-04T00:00:00.000Z\""
        let events = [
            (
                "rfm.tier-changes",
                "{\"type\":\"rfm.tier.changed.v1\",\"data\":{\"customer_id\":\"a\",\"from\":null,\"to\":\"potential\",\(decided)}}"
            ),
            (
                "rfm.tier-changes",
                "{\"type\":\"rfm.tier.changed.v1\",\"data\":{\"customer_id\":\"a\\\"x\",\"from\":\"potential\",\"to\":\"lost\",\(decided)}}"
            ),
            (
                "rfm.churn-warnings",
                "{\"type\":\"rfm.churn.warning.raised.v1\",\"data\":{\"customer_id\":\"b\",\"warning\":\"overdue\",\"severity\":\"medium\",\(decided)}}"
            ),
            (
                "rfm.churn-warnings",
                "{\"type\":\"rfm.churn.warning.resolved.v1\",\"data\":{\"customer_id\":\"b\",\"warning\":\"overdue\",\"cause\":{\"event_id\":\"e1\"},\(decided)}}"
            ),
        ]
        for (topic, event) in events {
            let producer = try DemoProducer(shop.cluster, topic: topic, partitions: 4)
            try producer.send([DemoRecord(kind: .click, key: Array("k".utf8), value: Array(event.utf8), occurredAt: 0)])
            try producer.finish()
        }
        for _ in 0..<60 where shop.changes.tierChanges + shop.changes.warningsRaised + shop.changes.warningsResolved < 4
        {
            shop.watch(milliseconds: 500) { shown.append($0) }
        }
        #expect(shop.changes.tierChanges == 2 && shop.changes.warningsRaised == 1 && shop.changes.warningsResolved == 1)
        #expect(
            Set(shown) == [
                "2026-02-04  a\\\"x: tier potential -> lost  (nothing happened, and it was due)",
                "2026-02-04  b: warning overdue, medium  (nothing happened, and it was due)",
                "2026-02-04  b: warning overdue is over  (by an event)",
            ])
    }

    @Test func aFloodShowsAFewLines() throws {
        let cluster = try MockCluster()
        try cluster.createTopics(["rfm.tier-changes"], partitions: 1)
        let watcher = try DemoWatcher(cluster, topics: ["rfm.tier-changes"], partitions: 1)
        let producer = try DemoProducer(cluster, topic: "rfm.tier-changes", partitions: 1)
        let event = "{\"type\":\"rfm.tier.changed.v1\",\"data\":{\"customer_id\":\"a\",\"from\":\"x\",\"to\":\"y\"}}"
        try producer.send(
            (0..<5_000).map { _ in DemoRecord(kind: .click, key: [97], value: Array(event.utf8), occurredAt: 0) })
        try producer.finish()
        let clock = ContinuousClock()
        let began = clock.now
        var shown = 0
        for _ in 0..<150 where watcher.changes.tierChanges < 5_000 { shown += watcher.watch(milliseconds: 200).count }
        #expect(watcher.changes.tierChanges == 5_000)
        #expect(shown >= 1 && shown <= 2 + Int((clock.now - began).components.seconds))
    }

    @Test func aDemoThatIsCancelledEnds() throws {
        let shop = try DemoShop(
            duration: 3_600_000, inputTopic: "shop.events", watched: DemoShopTests.watched, others: [])
        var left = 3
        try shop.run(
            isCancelled: {
                left -= 1
                return left < 0
            }, show: { _ in })
        #expect(shop.sent.events > 0 && shop.sent.ends.reduce(0, +) == Int64(shop.sent.events))
    }
}
