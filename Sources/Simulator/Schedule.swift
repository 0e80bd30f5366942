// The order of everything: simulated time, timers, and which fiber goes on next.

/// One step runs the timers that are due, then one of the fibers that can go on, by chance. Time moves when nothing can go on, or when
/// a fiber says that what it did took time.
final class Schedule {
    /// True time, ms.
    private(set) var now: Int64
    let dice: Dice
    let trace: Trace
    private(set) var steps = 0
    private(set) var current: Fiber?
    private var ready: [Fiber] = []
    private var timers = TimerHeap()
    private var stacks: [FiberStack] = []

    init(from now: Int64, dice: Dice, trace: Trace) {
        self.now = now
        trace.origin = now
        self.dice = dice
        self.trace = trace
    }

    /// False if nothing will ever happen again.
    func step() -> Bool {
        steps += 1
        while let action = timers.takeDue(now) { action() }
        if ready.isEmpty {
            guard let next = timers.nextAt else { return false }
            now = max(now, next)
            return true
        }
        let fiber = ready.remove(at: ready.count == 1 ? 0 : dice.int(0...ready.count - 1))
        if let process = fiber.process, process.isPaused {
            process.held.append(fiber)
            return true
        }
        resume(fiber)
        return true
    }

    private func resume(_ fiber: Fiber) {
        precondition(current == nil, "a fiber does not run another")
        current = fiber
        fiber.resume()
        current = nil
        if let stack = fiber.freed { stacks.append(stack) }
    }

    // MARK: Timers and fibers

    func after(_ milliseconds: Int64, _ action: @escaping () -> Void) { timers.add(now + max(0, milliseconds), action) }

    func start(_ name: String, _ process: SimulatedProcess?, _ body: @escaping () -> Void) {
        let fiber = Fiber(name, process, stacks.popLast() ?? FiberStack(), body)
        process?.fibers.append(fiber)
        ready.append(fiber)
    }

    /// Lets a fiber that waits go on.
    func wake(_ fiber: Fiber) {
        if !fiber.isWaiting { return }
        fiber.isWaiting = false
        fiber.waits += 1
        ready.append(fiber)
    }

    // MARK: For the fiber that runs

    /// Waits until woken, or for so many ms (nil: for ever). At once if its process is dead.
    func wait(_ milliseconds: Int64?) {
        guard let fiber = current else { preconditionFailure("only a fiber waits") }
        if fiber.process?.isDead == true { return }
        fiber.isWaiting = true
        if let milliseconds {
            let number = fiber.waits
            after(milliseconds) { [unowned self] in if fiber.waits == number { wake(fiber) } }
        }
        fiber.suspend()
    }

    /// Lets others go on, and perhaps a little time pass.
    func giveWay(upTo milliseconds: Int64 = 1) {
        guard let fiber = current else { return }
        if fiber.process?.isDead == true { return }
        let delay = dice.int64(0...milliseconds)
        if delay > 0 { return wait(delay) }
        fiber.isWaiting = false
        ready.append(fiber)
        fiber.suspend()
    }

    /// What runs now takes a little time.
    func pass(_ milliseconds: Int64) { now += milliseconds }

    /// Fibers of a process that goes on after a pause.
    func goOn(_ fibers: [Fiber]) { ready += fibers }

    /// Runs the fibers of a dead process to their end: their ports refuse everything, so they come down by themselves.
    func unwind(_ process: SimulatedProcess) {
        ready.removeAll { $0.process === process }
        for fiber in process.fibers where !fiber.hasEnded {
            if fiber === current { continue }
            let before = current
            current = nil
            fiber.isWaiting = false
            fiber.waits += 1
            resume(fiber)
            precondition(fiber.hasEnded, "a dead fiber waits: \(fiber.name)")
            current = before
        }
        process.fibers = []
    }
}

/// A binary heap; what is due at one time goes in the order in which it was added.
private struct TimerHeap {
    private struct Entry {
        var at: Int64
        var number: UInt64
        var action: () -> Void

        func isBefore(_ other: Entry) -> Bool { (at, number) < (other.at, other.number) }
    }

    private var entries: [Entry] = []
    private var count: UInt64 = 0

    var nextAt: Int64? { entries.first?.at }

    mutating func add(_ at: Int64, _ action: @escaping () -> Void) {
        count += 1
        entries.append(Entry(at: at, number: count, action: action))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if !entries[child].isBefore(entries[parent]) { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func takeDue(_ now: Int64) -> (() -> Void)? {
        guard let first = entries.first, first.at <= now else { return nil }
        let last = entries.removeLast()
        if entries.isEmpty { return first.action }
        entries[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < entries.count && entries[child].isBefore(entries[least]) {
                least = child
            }
            if least == parent { return first.action }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
