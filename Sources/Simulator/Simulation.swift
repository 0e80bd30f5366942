// One run from one seed: a phase with faults, a phase without, an orderly stop, and the audit.
import CFiber
import Codec
import Model
import Worker

/// What came of a run.
public struct Outcome: Sendable {
    public var seed: UInt64
    /// Empty if every promise held.
    public var problems: [String]
    /// Of everything that happened, in order.
    public var digest: String
    public var statistics: Statistics

    public var passed: Bool { problems.isEmpty }
}

public enum Simulation {
    /// Most that a run may take, in steps and in ms after the faults: more is a run that does not catch up.
    private static let mostSteps = 600_000
    private static let mostQuietMilliseconds: Int64 = 240_000

    /// Before many runs: memory that a run gives back stays with the process for the next.
    public static func keepMemory() { rfmd_keep_memory() }

    /// Runs a seed. `show` is given each line of the trace.
    public static func run(_ seed: UInt64, mutation: Mutation? = nil, show: ((String) -> Void)? = nil) -> Outcome {
        var options = Options(seed: seed)
        mutation?.focus(&options)
        let world = World(options, mutation: mutation, show: show)
        world.trace.note(world.schedule.now, "seed \(seed): \(world.options)")
        let run = Run(world)
        run.go()
        world.trace.chain()
        var statistics = world.statistics
        statistics.seeds = 1
        statistics.steps = world.schedule.steps
        let outcome = Outcome(
            seed: seed, problems: world.problems, digest: world.trace.digest.description, statistics: statistics)
        run.dispose()
        return outcome
    }

    private final class Run {
        let world: World
        let workload: Workload
        let faults: Faults
        private let began: Int64

        init(_ world: World) {
            self.world = world
            began = world.schedule.now
            workload = Workload(world, dice: Dice(world.options.seed, 6))
            faults = Faults(world, dice: Dice(world.options.seed, 7))
        }

        private var schedule: Schedule { world.schedule }

        /// Goes on until `isDone`, which is asked now and then; false if it takes too long.
        private func goOn(until limit: Int64, _ isDone: () -> Bool) -> Bool {
            while schedule.now < limit && schedule.steps < mostSteps && world.problems.isEmpty {
                for _ in 0..<32 where !schedule.step() { return isDone() }
                if isDone() { return true }
            }
            return false
        }

        func go() {
            _ = goOn(until: began + world.options.chaosMilliseconds) { false }
            faults.heal()
            let healed = schedule.now
            _ = goOn(until: healed + schedule.dice.int64(0...4_000)) { false }
            workload.stop()
            let limit = healed + mostQuietMilliseconds
            let caughtUp = goOn(until: limit) { faults.hasRefused || !faults.mustRefuse && isCaughtUp }
            if faults.hasRefused { return finish(refused: true) }
            if !caughtUp {
                return report("not caught up \(schedule.now - healed) ms after the last fault: \(standing)")
            }
            // Silence: what comes due must fire without an input. Who finds then that it was fenced while it stood still asks around and begins
            // a new life: after that it is to be silent once more.
            var began: Int64
            var silences = 0
            repeat {
                silences += 1
                began = schedule.now
                _ = goOn(until: began + world.options.agreement + 6_000) { false }
                let isStill = goOn(until: limit + 120_000) { faults.hasRefused || isCaughtUp }
                if faults.hasRefused { return finish(refused: true) }
                if !isStill { return report("not caught up after a silence: \(standing)") }
            } while world.lastTrouble > began && silences < 4
            let silent = schedule.now
            faults.stopAll()
            if !goOn(until: silent + 120_000, { faults.allAreDead }) {
                return report("no orderly stop within \(schedule.now - silent) ms")
            }
            finish(refused: false, silent: silent)
        }

        private func report(_ problem: String) { if world.problems.isEmpty { world.report(problem) } }

        private func finish(refused: Bool, silent: Int64 = .min) {
            world.statistics.milliseconds = schedule.now - began
            if !world.problems.isEmpty { return }
            // Markers that are still to be written.
            let until = schedule.now + 10_000
            for process in faults.processes where !process.isDead { process.kill() }
            while schedule.now < until && schedule.step() {}
            Auditor(world, isWhole: !refused, inputs: faults.inputs, silent: silent).run()
        }

        private var inputs: [PartitionLog] {
            faults.inputs.flatMap { topic in
                (0..<world.options.shards).map { world.cluster.log(TopicPartition(topic: topic, partition: $0)) }
            }
        }

        /// Every committed record is read and committed, by processes that all run and have what they recover.
        private var isCaughtUp: Bool {
            if workload.open > 0 || !faults.allRun { return false }
            return inputs.allSatisfy { log in log.next(from: max(log.start, position(log.partition) ?? 0)) == nil }
        }

        /// The group's position, or the journal's if that one has expired.
        private func position(_ partition: TopicPartition) -> Int64? {
            if let position = world.cluster.group.committed[partition] { return position }
            let journal = world.cluster.log(
                TopicPartition(topic: World.outputs.journal, partition: partition.partition))
            guard let last = journal.entries.last(where: { $0.isVisible })?.value, let record = JournalRecord(last)
            else { return nil }
            return record.positions[partition.topic]
        }

        private var standing: String {
            inputs.map {
                "\($0.partition) \(world.cluster.group.committed[$0.partition] ?? -1) of \($0.start)...\($0.stable)/\($0.end)"
            }
            .joined(separator: ", ") + "; "
                + faults.processes.map {
                    "\($0.name) \($0.isDead ? "dead" : $0.workers.map { $0.status.phase.rawValue }.description)"
                }.joined(separator: ", ")
        }

        /// What refers to each other lets go: fibers come down first.
        func dispose() {
            world.onEnd = { _, _ in }
            world.onDeath = { _ in }
            world.dispose()
        }
    }
}
