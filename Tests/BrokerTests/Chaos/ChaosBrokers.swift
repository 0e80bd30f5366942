// What is done to the brokers of a chaos run: to one at a time, and the next when everything is in sync again.
import Foundation
import TestSupport

enum BrokerFault: String, CaseIterable {
    case kill = "broker killed (-9)"
    case restart = "broker restarted"
    case freeze = "broker frozen"
    case leaders = "leaders and coordinators moved"
    case cut = "broker cut from the network"
    case slow = "broker's network slow and lossy"
}

final class ChaosBrokers: @unchecked Sendable {
    private let cluster: TestCluster
    private let network: Network?
    private let record: ChaosRecord
    private let topics: [(name: String, partitions: Int32)]
    private var dice: RandomSource

    init(
        _ cluster: TestCluster, _ network: Network?, _ record: ChaosRecord,
        topics: [(name: String, partitions: Int32)], dice: RandomSource
    ) {
        (self.cluster, self.network, self.record, self.topics, self.dice) = (cluster, network, record, topics, dice)
    }

    func suffer(until isOver: () -> Bool) throws {
        while !isOver() {
            pause(Double(dice.int(500...4_000)) / 1_000, isOver)
            if isOver() { return }
            try strike(dice.pick(BrokerFault.allCases), dice.int(0...(cluster.count - 1)), isOver)
            try cluster.awaitInSync(seconds: 240)
        }
    }

    private func strike(_ fault: BrokerFault, _ broker: Int, _ isOver: () -> Bool) throws {
        if network == nil, fault == .cut || fault == .slow { return }
        record.note("\(fault.rawValue) (\(broker + 1))")
        record.count(fault.rawValue)
        switch fault {
        case .kill, .restart:
            try cluster.stop(broker, with: fault == .kill ? SIGKILL : SIGTERM)
            pause(Double(dice.int(0...6)), isOver)
            try cluster.start()
        case .freeze:
            // Its session with the controllers ends after 9 s: now and then it is taken for dead.
            cluster.signal(broker, SIGSTOP)
            pause(Double(dice.int(1...14)), isOver)
            cluster.signal(broker, SIGCONT)
        case .leaders: try moveLeaders()
        case .cut:
            network?.set(TestCluster.host(broker), Network.Quality(isCut: true))
            pause(Double(dice.int(1...14)), isOver)
            network?.set(TestCluster.host(broker), Network.Quality())
        case .slow:
            let quality = Network.Quality(
                delayMilliseconds: Int64(dice.int(5...150)), lossPercent: UInt64(dice.int(0...8)))
            network?.set(TestCluster.host(broker), quality)
            pause(Double(dice.int(3...10)), isOver)
            network?.set(TestCluster.host(broker), Network.Quality())
        }
    }

    /// Another order of replicas for every partition, the coordinators' too, and then the first of each leads.
    private func moveLeaders() throws {
        let internalTopics: [(name: String, partitions: Int32)] = [
            ("__consumer_offsets", 4), ("__transaction_state", 4),
        ]
        var lines: [String] = []
        for topic in topics + internalTopics {
            for partition in 0..<topic.partitions {
                let replicas = (1...cluster.count).shuffled(using: &dice)
                lines.append(
                    "{\"topic\":\"\(topic.name)\",\"partition\":\(partition),\"replicas\":\(replicas.description)}")
            }
        }
        let folder = try TemporaryFolder()
        let file = try folder.write(
            "{\"version\":1,\"partitions\":[\(lines.joined(separator: ","))]}", to: "replicas.json")
        let moved = try tool(
            "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
            ["--execute", "--reassignment-json-file", file])
        let elected = try tool(
            "org.apache.kafka.tools.LeaderElectionCommand",
            ["--election-type", "preferred", "--all-topic-partitions"])
        // Either may be refused while a broker is slow; then nothing moved this time.
        if moved.status != 0 || elected.status != 0 {
            record.count("moves of leaders that were refused")
            record.note("refused: \((moved.outputText + moved.errorText + elected.errorText).prefix(600))")
        }
    }

    private func tool(_ name: String, _ arguments: [String]) throws -> Command {
        try Kafka.tool("kafka-run-class.sh", [name, "--bootstrap-server", cluster.bootstrap] + arguments)
    }

    private func pause(_ seconds: Double, _ isOver: () -> Bool) {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end, !isOver() { usleep(20_000) }
    }

    /// Undoes whatever an interrupted fault left.
    func heal() throws {
        for broker in 0..<cluster.count {
            network?.set(TestCluster.host(broker), Network.Quality())
            cluster.signal(broker, SIGCONT)
        }
        try cluster.start()
        try cluster.awaitInSync(seconds: 240)
    }
}
