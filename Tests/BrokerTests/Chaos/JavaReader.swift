// Reads topics by Kafka's own consumer, which shares no code with librdkafka.
import Foundation
import Synchronization
import TestSupport
import Worker

enum JavaReader {
    /// Every committed record of each topic, by partition and offset. All are read at once: each waits in the end for what does not come.
    static func read(_ topics: [String], _ bootstrap: String) throws -> [String: [StoredRecord]] {
        let results = Mutex<[String: Result<Command, any Error>]>([:])
        for topic in topics {
            Thread.detachNewThread {
                let result = Result { try consume(topic, bootstrap) }
                results.withLock { $0[topic] = result }
            }
        }
        try wait(for: "Kafka's console consumers", seconds: 600) { results.withLock { $0.count == topics.count } }
        return try results.withLock { $0 }.mapValues { try parse(try $0.get()) }
            .reduce(into: [:]) { result, entry in
                result[entry.key] = entry.value.map { record in
                    var record = record
                    record.partition.topic = entry.key
                    return record
                }
            }
    }

    /// `patience`: s without a record after which it ends.
    private static func consume(_ topic: String, _ bootstrap: String, patience: Int = 20) throws -> Command {
        let properties = ["print.partition=true", "print.offset=true", "print.key=true", "null.literal=\u{1}"]
        let command = try Kafka.tool(
            "kafka-console-consumer.sh",
            [
                "--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning",
                "--isolation-level", "read_committed", "--timeout-ms", "\(patience)000",
            ] + properties.flatMap { ["--formatter-property", $0] })
        // On a busy machine that may not be enough for it to begin.
        let hasBegun = !command.errorText.contains("Processed a total of 0 messages")
        return hasBegun || patience > 20 ? command : try consume(topic, bootstrap, patience: 90)
    }

    private static func parse(_ command: Command) throws -> [StoredRecord] {
        let records = try command.outputText.split(separator: "\n").map { line in
            // Partition:0  Offset:17  key  value
            let fields = line.split(separator: "\t", maxSplits: 3, omittingEmptySubsequences: false)
            guard fields.count == 4, let partition = Int32(fields[0].dropFirst(10)),
                let offset = Int64(fields[1].dropFirst(7))
            else { throw Missing("a line of the console consumer: '\(line)'") }
            let parts = fields[2...].map { $0 == "\u{1}" ? nil : [UInt8]($0.utf8) }
            return StoredRecord(
                partition: TopicPartition(topic: "", partition: partition), offset: offset, timestamp: nil,
                key: parts[0], value: parts[1], headers: [])
        }
        guard command.errorText.contains("Processed a total of \(records.count) messages") else {
            throw Missing("\(records.count) records are all that the console consumer read: \(command.errorText)")
        }
        return records.sorted { ($0.partition.partition, $0.offset) < ($1.partition.partition, $1.offset) }
    }
}
