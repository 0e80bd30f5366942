// The whole way once: a record in, the right events out, in their place and form.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct ThinSlice {
        @Test func aRecordInAndTheRightEventsOut() throws {
            let scene = try Scene("thin")
            let producer = try scene.producer()
            try producer.send(
                [
                    NewRecord(
                        "c7", purchase("c7", "e1", "120.00", "2025-01-01T10:00:00Z"), timestamp: 1_735_725_600_000),
                    NewRecord("c8", purchase("c8", "e2", "5.00", "2025-01-01T11:00:00Z"), timestamp: 1_735_729_200_000),
                ], to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts.accepted == 2)

            let stored = try scene.read(scene.inputs[0])
            let tiers = try scene.read(scene.name + ".tier")
            #expect(Set(tiers.map { String(decoding: $0.key ?? [], as: UTF8.self) }) == ["c7", "c8"])
            for event in tiers {
                let input = try #require(stored.first { $0.key == event.key })
                #expect(event.partition.partition == input.partition.partition)
                #expect(event.header("content-type") == "application/cloudevents+json; charset=UTF-8")
                let object = try #require(
                    try JSONSerialization.jsonObject(with: Data(event.value ?? [])) as? [String: Any])
                #expect(object["type"] as? String == "rfm.tier.changed.v1")
                let data = try #require(object["data"] as? [String: Any])
                #expect(data["from"] is NSNull)
                #expect(data["to"] as? String == "potential")
                #expect((data["cause"] as? [String: Any])?["kind"] as? String == "event")
            }
            #expect(try scene.read(scene.name + ".lifecycle").count == 2)
            #expect(try scene.read(scene.outputs.warnings).isEmpty)
        }

        /// A client that shares no code with librdkafka sees the same committed records.
        @Test func javasConsumerSeesTheSame() throws {
            let scene = try Scene("java")
            var generator = EventGenerator(seed: 3, customers: 50, step: 3_600_000)
            try scene.producer().send((0..<2_000).map { _ in generator.next() }, to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let topic = scene.name + ".tier"
            let own = try scene.read(topic).map(\.valueText).sorted()
            #expect(!own.isEmpty)
            let java = try Kafka.tool(
                "kafka-console-consumer.sh",
                [
                    "--bootstrap-server", scene.cluster.bootstrap, "--topic", topic, "--from-beginning",
                    "--isolation-level", "read_committed",
                    "--max-messages", "\(own.count)", "--timeout-ms", "30000",
                ])
            #expect(java.outputText.split(separator: "\n").map(String.init).sorted() == own)
        }

        @Test func binaryModeHasTheAttributesInHeaders() throws {
            let scene = try Scene("binary")
            try scene.producer().send(
                [NewRecord("c7", purchase("c7", "e1", "120.00", "2025-01-01T10:00:00Z"), timestamp: 1_735_725_600_000)],
                to: scene.inputs[0])
            let yaml = scene.yaml().replacingOccurrences(of: "outputs: { ", with: "outputs: { format: binary, ")
            let daemon = try DaemonProcess(yaml).awaitReady()
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let event = try #require(try scene.read(scene.name + ".tier").first)
            #expect(event.header("ce_type") == "rfm.tier.changed.v1")
            #expect(event.header("ce_subject") == "c7")
            #expect(event.header("content-type") == "application/json")
            let data = try #require(try JSONSerialization.jsonObject(with: Data(event.value ?? [])) as? [String: Any])
            #expect(data["to"] as? String == "potential")
        }
    }
}
