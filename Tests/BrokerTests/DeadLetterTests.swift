// `rfmd dlq`: letters are listed, shown, and sent to their inputs again, each exactly once.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct DeadLetters {
        private static let noon = 1_735_732_800_000 as Int64
        private static let at = "2025-01-01T12:00:00Z"

        /// A shop that sends a currency before its rate is configured, and one record that no configuration can mend.
        private struct Shop {
            let scene: Scene
            let folder: TemporaryFolder
            let noRate: String
            let withRate: String

            init(_ label: String) throws {
                scene = try Scene(label, partitions: 2)
                folder = try TemporaryFolder()
                noRate = try folder.write(scene.yaml { $0.more = "money: { currency: CNY }" }, to: "no-rate.yaml")
                withRate = try folder.write(
                    scene.yaml { $0.more = "money: { currency: CNY, rates: { SEK: \"0.7\" } }" }, to: "with-rate.yaml")
            }

            func dlq(_ arguments: [String], config: String? = nil) throws -> Command {
                try Command.run(
                    try Repository.binary(), ["dlq"] + arguments + ["--config", config ?? withRate])
            }

            /// Runs the daemon until it has committed `records` records and knows of no more.
            func drain(_ records: Int, rate: Bool) throws {
                let daemon = try scene.start {
                    $0.more = rate ? "money: { currency: CNY, rates: { SEK: \"0.7\" } }" : "money: { currency: CNY }"
                }.awaitReady()
                try daemon.awaitStatus("lag 0; records \(records),")
                try daemon.stop()
            }

            /// `count` purchases in SEK, and one record that is no JSON, from c1.
            func sell(_ count: Int) throws {
                let producer = try scene.producer()
                for number in 0..<count {
                    let trace = RecordHeader(name: "trace", value: Array("t\(number)".utf8))
                    try producer.send(
                        NewRecord(
                            "s\(number)",
                            purchase("s\(number)", "e\(number)", "100", DeadLetters.at, more: ",\"currency\":\"SEK\""),
                            timestamp: DeadLetters.noon + Int64(number), headers: [trace]), to: scene.inputs[0])
                }
                try producer.send(
                    [NewRecord("c1", "{\"broken\u{1B}[2J", timestamp: DeadLetters.noon)], to: scene.inputs[0])
            }
        }

        @Test func whatIsReplayedTakesTheWayOfEveryRecord() throws {
            let shop = try Shop("dlq")
            try shop.sell(20)
            try shop.drain(21, rate: false)
            let before = try shop.scene.events().count
            #expect(before == 0)

            let list = try shop.dlq(["list"])
            #expect(list.status == 0, "\(list.errorText)")
            #expect(list.outputText.hasSuffix("21 letters: 20 unknown_currency, 1 not_json; 0 replayed\n"))
            let places = list.outputText.split(separator: "\n").filter { $0.contains("not_json:") }
                .compactMap { $0.split(separator: " ").first.map(String.init) }
            #expect(places.count == 1)
            let whole = try shop.dlq(["show"] + places)
            #expect(whole.outputText.contains("reason     not_json: "))
            // What came from outside does not reach the terminal as it is.
            #expect(whole.outputText.contains("{\"broken\\u{1b}[2J") && !whole.outputText.contains("\u{1B}"))
            #expect(try shop.dlq(["show", "--value"] + places).output == Data("{\"broken\u{1B}[2J".utf8))

            let dry = try shop.dlq(["replay", "--reason", "unknown_currency", "--dry-run"])
            #expect(dry.outputText == "20 letters would be sent to an input again\n", "\(dry.errorText)")
            let replay = try shop.dlq(["replay", "--reason", "unknown_currency"])
            #expect(replay.status == 0 && replay.outputText == "20 letters sent to an input again\n")
            let again = try shop.dlq(["replay", "--all", "--json"])
            #expect(
                again.outputText == "{\"replayed\":1,\"dry_run\":false,\"skipped\":{\"replayedBefore\":20}}\n",
                "\(again.errorText)")

            try shop.drain(21, rate: true)
            let tiers = try shop.scene.read("\(shop.scene.name).tier")
            #expect(Set(tiers.map(\.key)).count == 20 && tiers.count == 20)
            #expect(tiers.allSatisfy { $0.valueText.contains("\"spend\":{\"90d\":\"70.00\"}") })
            // The record is as it was, its headers and time too, and says where it came from.
            let inputs = try shop.scene.read(shop.scene.inputs[0])
            let sent = inputs.filter { $0.header("rfmd-replayed-from") != nil && $0.header("trace") != nil }
            #expect(sent.count == 20)
            for record in sent {
                let original = inputs.first { $0.key == record.key && $0.offset < record.offset }
                #expect(original?.value == record.value && original?.timestamp == record.timestamp)
                #expect(record.headers.count == 2 && record.header("trace") == original?.header("trace"))
            }
            // What could not be mended is a new letter.
            #expect(
                try shop.dlq(["list"]).outputText
                    .hasSuffix("22 letters: 20 unknown_currency, 2 not_json; 21 replayed\n"))
        }

        /// Killed at whatever moment, and run by two at a time: each letter is sent once.
        @Test func aReplayThatIsKilledSendsNothingTwice() throws {
            let shop = try Shop("dlqkill")
            try shop.sell(3_000)
            try shop.drain(3_001, rate: false)
            let arguments = ["dlq", "replay", "--all", "--config", shop.withRate]
            var ended = false
            var kills = 0
            for delay in stride(from: 0.05, through: 3, by: 0.15) where !ended {
                let process = Process()
                process.executableURL = URL(fileURLWithPath: try Repository.binary())
                process.arguments = arguments
                process.standardOutput = FileHandle.nullDevice
                process.standardError = FileHandle.nullDevice
                try process.run()
                let until = Date() + delay
                while process.isRunning && Date() < until { usleep(2_000) }
                if process.isRunning {
                    kill(process.processIdentifier, SIGKILL)
                    kills += 1
                }
                process.waitUntilExit()
                ended = process.terminationReason == .exit && process.terminationStatus == 0
            }
            #expect(kills > 0)
            let last = try shop.dlq(["replay", "--all"])
            #expect(last.status == 0, "\(last.errorText)")
            let inputs = try shop.scene.read(shop.scene.inputs[0]).filter { $0.header("rfmd-replayed-from") != nil }
            #expect(inputs.count == 3_001)
            #expect(Set(inputs.map { $0.header("rfmd-replayed-from") }).count == 3_001)
        }

        /// A record that already has headers of letters, as one has that was copied back by hand, and a letter that is named twice.
        @Test func headersOfTheRecordMoveNoLetter() throws {
            let shop = try Shop("dlqhead")
            let forged = [("topic", "other"), ("partition", "-1"), ("offset", "zz"), ("reason", "none")].map {
                RecordHeader(name: "__rfmd.errors.\($0.0)", value: Array($0.1.utf8))
            }
            try shop.scene.producer().send(
                [
                    NewRecord(
                        "c1", purchase("c1", "e", "100", DeadLetters.at, more: ",\"currency\":\"SEK\""),
                        timestamp: DeadLetters.noon, headers: forged)
                ], to: shop.scene.inputs[0])
            try shop.drain(1, rate: false)
            let list = try shop.dlq(["list"])
            #expect(list.outputText.contains("\(shop.scene.inputs[0])["), "\(list.outputText)")
            #expect(list.outputText.hasSuffix("1 letter: 1 unknown_currency; 0 replayed\n"), "\(list.outputText)")
            let place = String(list.outputText.prefix { $0 != " " })
            let replay = try shop.dlq(["replay", place, place])
            #expect(replay.outputText == "1 letter sent to an input again\n", "\(replay.errorText)")
            let records = try shop.scene.read(shop.scene.inputs[0])
            #expect(records.count == 2 && Set(records.map(\.partition)).count == 1)
            #expect(records.last?.headers.map(\.name) == ["rfmd-replayed-from"])
        }

        /// The letter holds a note; the record is read from its input.
        @Test func aLetterThatWasCutShortIsReplayedWhole() throws {
            let shop = try Shop("dlqcut")
            try shop.scene.cluster.create(
                [shop.scene.outputs.deadLetters], partitions: 2, configuration: [("max.message.bytes", "40000")])
            var dice = RandomSource(seed: 7)
            let noise = String(decoding: (0..<100_000).map { _ in UInt8(dice.int(97...122)) }, as: UTF8.self)
            let json = purchase("big", "e", "100", DeadLetters.at, more: ",\"currency\":\"SEK\",\"noise\":\"\(noise)\"")
            let producer = try shop.scene.producer()
            try producer.send([NewRecord("big", json, timestamp: DeadLetters.noon)], to: shop.scene.inputs[0])
            try shop.drain(1, rate: false)
            #expect(try shop.dlq(["list", "--json"]).outputText.contains("\"truncated\":true,\"replayed\":false"))
            let replay = try shop.dlq(["replay", "--input", shop.scene.inputs[0]])
            #expect(replay.outputText == "1 letter sent to an input again\n", "\(replay.errorText)")
            let sent = try shop.scene.read(shop.scene.inputs[0]).filter { $0.header("rfmd-replayed-from") != nil }
            #expect(sent.count == 1 && sent.first?.value == Array(json.utf8))
        }

        @Test func whatCannotBeDoneIsSaid() throws {
            let shop = try Shop("dlqno")
            let none = try shop.dlq(["list"])
            #expect(
                none.status == 1 && none.errorText.contains("there is no topic '\(shop.scene.outputs.deadLetters)'"))
            try shop.sell(1)
            try shop.drain(2, rate: false)
            let missing = try shop.dlq(["show", "0:999"])
            #expect(missing.status == 1 && missing.errorText.contains("there is no letter at 0:999"))
            for (arguments, part) in [
                (["replay"], "replay what?"), (["show"], "show which letters?"), (["show", "7"], "'7' is no letter"),
                (["mend"], "'mend' is none of list, show, replay"),
                (["list", "--reason", "bad"], "--reason: 'bad' is none of not_json, "),
                (["replay", "0:1", "--all"], "not both"), (["list", "--all"], "list has no option --all"),
                (["show", "0:1", "--dry-run"], "show has no option --dry-run"),
                (["replay", "--input", "shop.typo"], "'shop.typo' is no input of the configuration"),
            ] {
                let result = try shop.dlq(arguments)
                #expect(result.status == 64 && result.errorText.contains(part), "\(arguments): \(result.errorText)")
            }
            let typo = try shop.dlq(["list", "--input", "shop.typo"])
            #expect(typo.status == 0 && typo.errorText.contains("'shop.typo' is no input of the configuration"))
            let other = try shop.folder.write(
                shop.scene.yaml { $0.inputYAML = "  - { topic: elsewhere }" }, to: "other.yaml")
            let left = try shop.dlq(["replay", "--all"], config: other)
            #expect(left.status == 0 && left.errorText.contains("is left: its topic is no input"))
            #expect(left.outputText.hasPrefix("0 letters sent"))
        }
    }
}
