// What goes wrong in a run, when, and when it is mended; and who starts dead processes again.
import Worker

/// Supervisor and saboteur in one. After `heal` nothing goes wrong any more.
final class Faults {
    private let world: World
    private let dice: Dice
    private var isOver = false
    private(set) var processes: [SimulatedProcess] = []
    private var started = 0
    private var version = 0
    /// State was lost for good, as far as the operator can see: starting may be refused.
    private(set) var mayRefuse = false
    private var accepts = false
    /// An input was deleted and made anew: there is nothing to accept, and starting must be refused.
    private(set) var mustRefuse = false
    private var hasRenewed = false
    /// Nobody starts anything for a while.
    private var isHeld = false
    /// Since when a process has had its clock so far off, and until when, ms: by name and skew.
    private var skews: [String: [Int64: (since: Int64, until: Int64)]] = [:]
    /// A refusal that nobody accepted: the run ends here.
    private(set) var hasRefused = false
    /// Names that a second process took while the first was alive.
    private(set) var takenOver: Set<String> = []
    /// Names to be started again, so that there is one process of each.
    private var wanted: [String]

    init(_ world: World, dice: Dice) {
        self.world = world
        self.dice = dice
        wanted = (0..<world.options.processes).map { "p\($0)" }
        world.onEnd = { [unowned self] in ended($0, $1) }
        world.onDeath = { [unowned self] process in
            world.statistics.kills += 1
            startLater(process.instance)
        }
        for name in wanted { startLater(name) }
        next()
    }

    private var schedule: Schedule { world.schedule }
    private var options: Options { world.options }

    private func note(_ text: String) { world.trace.note(schedule.now, "fault: \(text)") }

    // MARK: Supervising

    private func isAlive(_ instance: String) -> Bool { processes.contains { $0.instance == instance && !$0.isDead } }

    private func startLater(_ instance: String) {
        schedule.after(isOver ? 50 : dice.delay(4_000)) { [unowned self] in
            if isHeld { return startLater(instance) }
            if wanted.contains(instance) && !isAlive(instance) && !hasRefused { start(instance) }
        }
    }

    private func start(_ instance: String) {
        started += 1
        let process = SimulatedProcess(
            world, name: "\(instance)#\(started)", instance: instance, version: options.rules[version],
            rebuilds: accepts,
            skew: dice.int64(-50...50))
        processes.removeAll { $0.isDead && $0.fibers.isEmpty }
        processes.append(process)
        world.trace.note(
            schedule.now, "\(process.name): starts with rules \(options.rules[version])\(accepts ? ", --rebuild" : "")")
        process.start()
        if !isOver && options.faults.contains(.killAtPoint) && dice.one(in: 2) {
            process.pointsLeft = dice.int(0...dice.pick([100, 1_000, 6_000]))
        }
    }

    private func ended(_ process: SimulatedProcess, _ endings: [WorkerEnding]) {
        for ending in endings {
            switch ending {
            case .stopped, .stoppedUncommitted: break
            case .defect(let text): world.report("a defect: \(text)")
            case .fenced(let text):
                if !takenOver.contains(process.instance) {
                    world.report("\(process.name) was fenced by nobody: \(text)")
                }
            case .refused(let text):
                world.statistics.refusals += 1
                let isRenewed = mustRefuse && text.contains("was deleted and made anew")
                if !isRenewed && (!mayRefuse || !text.contains("cannot be recovered")) {
                    world.report("\(process.name) refuses without a reason: \(text)")
                }
                if options.rebuilds && !isRenewed { accepts = true } else { hasRefused = true }
            }
        }
        startLater(process.instance)
    }

    private var alive: [SimulatedProcess] { processes.filter { !$0.isDead } }

    func stopAll() {
        wanted = []
        for process in alive { process.requestStop() }
    }

    var allAreDead: Bool { alive.isEmpty }
    var allRun: Bool {
        wanted.allSatisfy { name in
            processes.contains { $0.instance == name && !$0.isDead && !$0.isPaused && $0.isReady }
        }
    }

    /// Nothing goes wrong any more, and what went wrong is mended.
    func heal() {
        isOver = true
        note("none from here on")
        let cluster = world.cluster
        if cluster.isAway { cluster.group.renewSessions() }
        cluster.isAway = false
        cluster.markerMilliseconds = 20
        cluster.skipsMarkers = false
        (world.lostAnswers, world.doubtfulCommits) = (0, 0)
        (world.disk.isFull, world.disk.isBroken, world.disk.isUnreadable) = (false, false, false)
        world.disk.syncMilliseconds = 3
        for process in alive {
            process.isCutOff = false
            process.pointsLeft = nil
            process.skew = 0
            if process.isPaused { process.goOn() }
        }
        // A change of inputs takes effect when every process was restarted with it.
        for process in alive where inputs != options.topics(process.version) {
            process.requestStop()
        }
        for name in wanted { startLater(name) }
    }

    /// What whoever starts now reads.
    var inputs: [String] { options.topics(options.rules[version]) }

    // MARK: Sabotage

    private func next() {
        schedule.after(dice.int64(1...2 * options.faultMilliseconds)) { [unowned self] in
            if isOver { return }
            if !options.faults.isEmpty { doOne(dice.pick(options.faults)) }
            next()
        }
    }

    /// Undoes a fault after a while, unless everything was mended before.
    private func later(_ milliseconds: Int64, _ action: @escaping () -> Void) {
        schedule.after(milliseconds) { [unowned self] in if !isOver { action() } }
    }

    private func doOne(_ fault: Fault) {
        switch fault {
        case .kill, .killAtPoint, .powerLoss, .pause, .restart, .scale, .takeOver: doToProcesses(fault)
        case .diskFull, .diskBroken, .diskUnreadable, .slowDisk, .bitRot, .misnamedFile, .wipe: doToDisk(fault)
        case .retention, .unreadLost: retain(beyond: fault == .unreadLost)
        case .journalRenewed, .inputRenewed: if dice.one(in: 6) { renew(isInput: fault == .inputRenewed) }
        default: doToBrokers(fault)
        }
    }

    private func doToProcesses(_ fault: Fault) {
        guard let victim = alive.isEmpty ? nil : dice.pick(alive) else { return }
        switch fault {
        case .kill:
            note("kill \(victim.name)")
            victim.kill()
            world.processDied(victim)
        case .killAtPoint: victim.pointsLeft = dice.int(0...300)
        case .powerLoss:
            note("power loss")
            let victims = alive
            for victim in victims { victim.kill() }
            world.disk.losePower()
            for victim in victims { world.processDied(victim) }
        case .pause, .takeOver:
            note("stop \(victim.name)")
            victim.pause()
            let milliseconds = dice.one(in: 2) ? dice.delay(1_000) : options.sessionMilliseconds * 2
            later(milliseconds) { if !victim.isDead { victim.goOn() } }
            if fault == .takeOver {
                later(dice.int64(0...milliseconds)) { [self] in
                    if isHeld { return }
                    note("a second process of the name \(victim.instance)")
                    takenOver.insert(victim.instance)
                    start(victim.instance)
                }
            }
        case .restart:
            note("restart \(victim.name)")
            victim.requestStop()
        default:
            if wanted.count > options.processes {
                note("one process less")
                let name = wanted.removeLast()
                for process in alive where process.instance == name { process.requestStop() }
            } else {
                note("one process more")
                wanted.append("q\(started)")
                startLater("q\(started)")
            }
        }
    }

    private func doToDisk(_ fault: Fault) {
        let disk: SimulatedDisk = world.disk
        let milliseconds = dice.delay(6_000)
        switch fault {
        case .diskFull:
            disk.isFull = true
            later(milliseconds) { disk.isFull = false }
        case .diskBroken:
            disk.isBroken = true
            later(milliseconds) { disk.isBroken = false }
        case .diskUnreadable:
            disk.isUnreadable = true
            mayRefuse = true
            later(milliseconds) { disk.isUnreadable = false }
        case .misnamedFile: if disk.misname() { note("a snapshot under another's name") }
        case .slowDisk:
            disk.syncMilliseconds = 4_000
            later(milliseconds) { disk.syncMilliseconds = 3 }
        case .bitRot:
            if disk.rot() {
                note("a bit of a snapshot")
                mayRefuse = true
            }
        default:
            if !dice.one(in: 4) { return }
            note("every snapshot is deleted")
            disk.wipe()
            mayRefuse = true
        }
    }

    private func doToBrokers(_ fault: Fault) {
        let cluster = world.cluster
        let milliseconds = dice.delay(2 * options.sessionMilliseconds)
        switch fault {
        case .cutOff:
            guard let victim = alive.isEmpty ? nil : dice.pick(alive) else { return }
            note("\(victim.name) is cut off")
            victim.isCutOff = true
            later(milliseconds) { victim.isCutOff = false }
        case .brokersAway:
            note("the brokers are away")
            cluster.isAway = true
            later(milliseconds) {
                cluster.isAway = false
                cluster.group.renewSessions()
            }
        case .lostAnswers:
            world.lostAnswers = dice.pick([40, 95])
            later(milliseconds) { [self] in world.lostAnswers = 0 }
        case .doubtfulCommits:
            world.doubtfulCommits = 30
            later(milliseconds) { [self] in world.doubtfulCommits = 0 }
        case .slowMarkers:
            cluster.markerMilliseconds = 2_000
            later(milliseconds) { cluster.markerMilliseconds = 20 }
        case .skippedMarkers:
            note("aborts are completed without markers")
            cluster.skipsMarkers = true
            later(milliseconds) { cluster.skipsMarkers = false }
        case .expiredPositions:
            note("the group's positions expire")
            cluster.group.forgetPositions()
        case .clockJump:
            guard let victim = alive.isEmpty ? nil : dice.pick(alive) else { return }
            let jump = dice.pick([3_600_000, -3_600_000, 86_400_000, -86_400_000, 10_000, -10_000, 800])
            note("the clock of \(victim.name) jumps by \(jump) ms")
            move(victim, by: Int64(jump))
            if dice.one(in: 2) { later(milliseconds) { [self] in move(victim, by: -Int64(jump)) } }
        default:
            if version + 1 < options.rules.count {
                version += 1
                note("rules \(options.rules[version]) for whoever starts from here on")
                guard let victim = alive.isEmpty ? nil : dice.pick(alive) else { return }
                victim.requestStop()
            }
        }
    }

    private func move(_ victim: SimulatedProcess, by jump: Int64) {
        let now = schedule.now
        skews[victim.name, default: [:]][victim.skew]?.until = now
        victim.skew += jump
        let skew = victim.skew
        // What lasts for so long is rightly believed; that it was otherwise meanwhile, nobody need have seen.
        var since = now
        if let before = skews[victim.name]?[skew], now - before.until < options.agreement { since = before.since }
        skews[victim.name, default: [:]][skew] = (since, now)
        schedule.after(max(0, since + options.agreement - now)) { [self] in
            if victim.skew == skew { world.mostSkew = max(world.mostSkew, skew) }
        }
    }

    /// Inputs lose records that were read, or also some that nobody has read yet.
    private func retain(beyond: Bool) {
        let cluster = world.cluster
        for partition in cluster.logs.keys.sorted(by: { $0.description < $1.description })
        where options.topics.contains(partition.topic) {
            guard let position = cluster.group.committed[partition], dice.one(in: 2) else { continue }
            let log = cluster.log(partition)
            let before = log.start
            log.delete(before: dice.int64(min(before, position)...position) + (beyond ? dice.int64(0...3) : 0))
            if log.start > before {
                note("\(partition): records before \(log.start) are deleted")
                mayRefuse = true
            }
        }
    }

    /// Everything is stopped, and one topic is deleted and made anew.
    private func renew(isInput: Bool) {
        if isHeld || hasRenewed { return }
        isHeld = true
        for victim in alive {
            victim.kill()
            world.processDied(victim)
        }
        // Until every transaction has come to its end.
        schedule.after(options.transactionMilliseconds + 3_000) { [self] in
            isHeld = false
            // One that all rules read, so that whoever starts must notice.
            let topic = isInput ? dice.pick(options.topics(0)) : World.outputs.journal
            let shard = Int32(dice.int(0...Int(options.shards) - 1))
            let log = world.cluster.log(TopicPartition(topic: topic, partition: shard))
            let wasUsed = isInput ? world.cluster.group.committed[log.partition] ?? 0 > 1 : log.end > 0
            if isOver || !alive.isEmpty || !log.isSettled || !wasUsed { return }
            note("\(log.partition) is deleted and made anew")
            log.renew()
            hasRenewed = true
            if isInput {
                world.cluster.group.forgetPositions(of: topic)
                mustRefuse = true
            } else {
                mayRefuse = true
            }
        }
    }
}
