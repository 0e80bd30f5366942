// Names of the topics that rfmd writes.

package struct OutputTopics: Sendable {
    package var ladders: [String: String]
    package var warnings: String
    package var deadLetters: String
    package var journal: String
    package var versions: String

    package init(ladders: [String: String], warnings: String, deadLetters: String, journal: String, versions: String) {
        self.ladders = ladders
        self.warnings = warnings
        self.deadLetters = deadLetters
        self.journal = journal
        self.versions = versions
    }

    /// The topic of a ladder; an added one goes to rfm.NAME-changes.
    package func topic(ofLadder name: String) -> String { ladders[name] ?? "rfm.\(name)-changes" }

    /// Every partition to which the batches of these shards may write, with these ladders.
    package func partitions(shards: [Int32], ladders: [String]) -> [TopicPartition] {
        let topics = Set(ladders.map(topic(ofLadder:)) + [warnings, deadLetters, journal]).sorted()
        return topics.flatMap { topic in shards.map { TopicPartition(topic: topic, partition: $0) } }
            + [TopicPartition(topic: versions, partition: 0)]
    }
}
