// One process of rfmd in a simulation: its clock, its folder, its workers, and how it dies.
import Codec
import Model
import SnapshotStore
import Synchronization
import Worker

/// Sendable because a simulation has one thread.
final class SimulatedProcess: @unchecked Sendable {
    let world: World
    let name: String
    /// Differs within the group, unless an operator errs.
    let instance: String
    let version: Int
    let rebuilds: Bool

    var fibers: [Fiber] = []
    private(set) var isDead = false
    /// Stopped as by SIGSTOP: `held` are fibers that would go on.
    private(set) var isPaused = false
    var held: [Fiber] = []
    /// It alone reaches no broker.
    var isCutOff = false
    /// It dies at this call of a port, counted down.
    var pointsLeft: Int?

    /// Machine clock against true time, ms, and the same of the clock that never jumps.
    var skew: Int64
    private let uptime: Int64
    private var unwound: Int64 = 0

    private(set) var clock: TrustedClock
    private(set) var workers: [Worker] = []
    private var hasEnded = 0
    private var observer: Observer
    private var lastLink: Link?

    init(_ world: World, name: String, instance: String, version: Int, rebuilds: Bool, skew: Int64) {
        self.world = world
        self.name = name
        self.instance = instance
        self.version = version
        self.rebuilds = rebuilds
        self.skew = skew
        uptime = world.dice.int64(1_000_000...9_000_000)
        clock = TrustedClock(sources: { (0, 0) })
        observer = Observer(world: world, name: name)
        clock = makeClock()
        lastLink = Link(world, self)
        world.add(self)
    }

    var link: Link {
        guard let lastLink else { preconditionFailure("a process has a link") }
        return lastLink
    }

    var cannotReachBrokers: Bool { isCutOff || world.cluster.isAway }

    private func makeClock() -> TrustedClock {
        // The workers of a dead process come down by themselves: nothing lasts long any more.
        let elapsed: @Sendable () -> Int64 = { [unowned self] in
            if isDead { unwound += 20_000 }
            if world.dice.one(in: 32) { world.schedule.pass(1) }
            return world.schedule.now + uptime + unwound
        }
        return TrustedClock(
            agreement: world.mutation == .jumpBelieved ? 0 : world.options.agreement,
            sources: { [unowned self] in (world.schedule.now + skew, world.schedule.now + uptime) }, interval: elapsed,
            pause: { [unowned self] in world.schedule.wait($0) })
    }

    // MARK: Life

    func start() {
        let vault: FileSnapshotVault
        let disk: SimulatedDisk = world.disk
        let calls = world.mutation?.calls(disk.calls(self), disk) ?? disk.calls(self)
        do throws(SnapshotFailure) {
            vault = try FileSnapshotVault(
                folder: SimulatedDisk.folder, instance: instance, writer: name, calls: calls,
                lanes: SimulatedLanes(world: world, process: self))
        } catch { preconditionFailure("the simulated folder cannot be used: \(error.text)") }
        let mutated = world.mutation?.vault(vault, world) ?? vault
        let housekeeper = SimulatedHousekeeper(world, self, vault: vault)
        for number in 0..<world.options.workers {
            let worker = Worker(
                options(number),
                ports(number, mutated, world.mutation?.housekeeper(housekeeper, world, self) ?? housekeeper))
            workers.append(worker)
            world.schedule.start("\(name) worker \(number)", self) { [unowned self] in
                worker.live()
                ended(worker)
            }
        }
    }

    private func options(_ number: Int) -> WorkerOptions {
        let options = world.options
        var made = WorkerOptions(
            number: number, group: World.group, partitions: options.shards, topics: World.outputs, format: .structured,
            source: World.source,
            version: world.versions[version], emitFrom: options.emitFrom, snapshotEvery: options.snapshotEvery,
            snapshotsKept: options.snapshotsKept, rebuilds: rebuilds)
        made.bounds = options.bounds
        return made
    }

    private func ports(_ number: Int, _ vault: any SnapshotVault, _ housekeeper: any Housekeeper) -> WorkerPorts {
        let (world, process) = (world, self)
        let topics = world.versions[version].mappings.map(\.topic)
        return WorkerPorts(
            source: { () throws(TransportFailure) in
                process.point("client")
                if process.isDead { throw .fatal("killed") }
                let source = SimulatedSource(world, process, worker: number, topics: topics)
                world.add(source)
                return world.mutation?.source(source, world, process) ?? source
            },
            sink: { () throws(TransportFailure) in
                let sink = SimulatedSink(world, process, worker: number)
                return world.mutation?.sink(sink, world) ?? sink
            },
            reader: { () throws(TransportFailure) in
                let reader = SimulatedReader(world, process)
                return world.mutation?.reader(reader, world) ?? reader
            },
            lanes: SimulatedLanes(world: world, process: process), vault: vault, housekeeper: housekeeper, clock: clock,
            randomID: { Digest(high: world.dice.next(), low: world.dice.next()) }, observer: observer)
    }

    private func ended(_ worker: Worker) {
        hasEnded += 1
        if isDead { return }
        // As `rfmd run` does: when one ends by itself, the others are stopped.
        for other in workers where other.ending == nil { other.requestStop() }
        guard hasEnded == workers.count else { return }
        let endings = workers.compactMap(\.ending)
        isDead = true
        world.disk.forget(self)
        world.schedule.after(0) { [self] in world.processEnded(self, endings) }
    }

    /// Every worker recovered its shards and reads.
    var isReady: Bool { workers.allSatisfy { $0.status.phase == .running } }

    func requestStop() { for worker in workers { worker.requestStop() } }

    /// A place where it may die; every call of a port is one.
    func point(_ what: @autoclosure () -> String) {
        guard let left = pointsLeft, !isDead else { return }
        if left > 0 {
            pointsLeft = left - 1
            return
        }
        world.schedule.trace.note(world.schedule.now, "\(name): killed at '\(what())'")
        kill()
        world.processDied(self)
    }

    /// kill -9. Its fibers come down before anything else happens.
    func kill() {
        if isDead { return }
        isDead = true
        isPaused = false
        held = []
        for worker in workers { worker.requestStop() }
        world.disk.forget(self)
        world.schedule.after(0) { [self] in world.schedule.unwind(self) }
    }

    /// At the end of a run: what refers to each other lets go.
    func dispose() {
        workers = []
        fibers = []
        held = []
        lastLink = nil
    }

    func pause() { isPaused = true }

    func goOn() {
        isPaused = false
        world.schedule.goOn(held)
        held = []
    }
}

/// Notes what a worker tells.
private struct Observer: WorkerObserver, @unchecked Sendable {
    let world: World
    let name: String

    /// Written out, because the text that the language makes of a value costs more than all the rest of a run's trace.
    private static func text(_ event: WorkerEvent) -> String {
        switch event {
        case .assigned(let shards): "shards " + shards.map { String($0) }.joined(separator: ", ")
        case .revoked(let lost): lost ? "lost its shards" : "gave up its shards"
        case .assignmentUnusable(let missing): "cannot use an assignment without \(missing)"
        case .recovered(let shard, let point, let batches):
            "shard \(shard) recovered from \(text(point)), \(batches) batches to apply again"
        case .live(let shard, let batch): "shard \(shard) is live after batch \(batch)"
        case .rebuilt(let shard, let lost): "shard \(shard) begins anew: \(lost)"
        case .versionInForce(let shard, let version): "shard \(shard) has version \(version)"
        case .snapshotUnusable(let shard, let reason): "shard \(shard): a snapshot cannot be used: \(reason)"
        case .snapshotFailed(let shard, let reason): "shard \(shard): a snapshot failed: \(reason)"
        case .snapshotWritten(let shard, let batch, _, _): "shard \(shard): a snapshot of batch \(batch)"
        case .leftOpen(let partitions): "aborts what may be left open in \(partitions)"
        case .connection(let problem): problem ?? "the brokers answer again"
        case .reset(let reason, _): "begins a new life: \(reason)"
        case .rejected(let reasons): "\(reasons.values.reduce(0, +)) records rejected"
        case .limitReached(let reason, let shards): "\(reason.name) in \(shards.count) shards"
        case .truncated(let letters): "\(letters) letters cut short"
        case .clockJumped(let by): "the clock jumped by \(by) ms"
        case .inputsSilent(let partitions, _): "\(partitions) are silent"
        case .inputsAnswer: "all inputs answer again"
        }
    }

    private static func text(_ point: RecoveryPoint) -> String {
        switch point {
        case .newGenesis: "a new genesis"
        case .genesis: "its genesis"
        case .snapshot(let batch): "the snapshot of batch \(batch)"
        case .memory(let batch): "memory, batch \(batch)"
        }
    }

    func observe(_ event: WorkerEvent, worker: Int) {
        world.schedule.trace.note(world.schedule.now, "\(name)/\(worker): \(Observer.text(event))")
        world.noteEvent(event)
    }
}
