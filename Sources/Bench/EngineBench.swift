// How fast one core applies decoded events, and what a customer costs in memory.
import Codec
import Engine
import Glibc
import Model
import Rules

/// The default rules and UTC, on a workload of orders and a timed day of mixed events. Decoded events lie in memory, some ten thousand at a
/// time; the clock stands still while they are made.
struct EngineBench {
    private let workload: Workload
    private let engine: Engine
    private let batch = DecodedBatch(capacity: EngineBench.eventsPerBatch)
    private var sinceSlice = 0
    private var effects = 0

    /// As the worker ends slices under load.
    private static let eventsPerSlice = 10_000
    private static let eventsPerBatch = 1 << 16

    init(customers: Int, events: Int) {
        workload = Workload(customers: customers, mixed: events)
        do throws(RulesetProblem) {
            engine = Engine(rules: try WorkerRun.version.ruleset(), key: 0x5EED)
        } catch { preconditionFailure("the preset is refused: \(error)") }
    }

    mutating func measure() -> [Figure] {
        let emptyBytes = Machine.residentBytes()
        let loadSeconds = apply(0..<workload.mixedFrom).wall
        while !engine.isSettled { endSlice() }
        let resident = Machine.residentBytes() - emptyBytes
        let state = engine.stateBytes
        // Up to the first click of all: with it come the pages of everybody's clicks, once in the life of a shard, and a lane touches them.
        let mixed = workload.mixedFrom..<workload.count
        let clicked = mixed.dropLast().first { !workload.event($0).isPurchase }.map { $0 + 1 } ?? mixed.lowerBound
        _ = apply(mixed.lowerBound..<clicked)
        let timed = clicked..<mixed.upperBound
        let (firedBefore, effectsBefore) = (engine.firedDeadlines, effects)
        let took = apply(timed)
        let customers = Double(engine.customerCount)
        let reads = EngineBench.randomReads(bytes: state, count: timed.count)
        let perSecond = Double(timed.count) / took.wall
        return [
            Figure("engine_customers", customers, "customers"),
            Figure("engine_load_rate", Double(workload.mixedFrom) / loadSeconds, "events/s"),
            Figure(
                "engine_rate", perSecond, "events/s", over: reads,
                "random reads of one cache line a second, in as much memory"),
            Figure("engine_cpu", took.cpu / Double(timed.count) * 1e9, "ns/event"),
            Figure("engine_deadlines", Double(engine.firedDeadlines - firedBefore), "deadlines"),
            Figure("engine_changes", Double(effects - effectsBefore), "changes"),
            Figure(
                "engine_memory", Double(resident) / customers, "bytes/customer", over: Double(state) / customers,
                "what the state takes from the system"),
        ]
    }

    private mutating func apply(_ numbers: Range<Int>) -> (wall: Double, cpu: Double) {
        var took = (wall: 0.0, cpu: 0.0)
        var next = numbers.lowerBound
        while next < numbers.upperBound {
            let end = min(next + EngineBench.eventsPerBatch, numbers.upperBound)
            batch.fill(next..<end, of: workload)
            // In the daemon a lane does this (MemoryToucher).
            while next >= workload.mixedFrom, let ahead = engine.takeMemoryAhead() { ahead.touch() }
            let (began, cpuBegan) = (Machine.seconds(), Machine.cpuSeconds)
            applyBatch()
            if end == numbers.upperBound { endSlice() }
            took.wall += Machine.seconds() - began
            took.cpu += Machine.cpuSeconds - cpuBegan
            next = end
        }
        return took
    }

    private mutating func applyBatch() {
        for place in 0..<min(Engine.lookahead, batch.count) { engine.announce(batch.customer(place)) }
        for place in 0..<batch.count {
            if place + Engine.lookahead < batch.count { engine.announce(batch.customer(place + Engine.lookahead)) }
            guard case .accepted = engine.apply(batch.input(place), at: batch.time(place)) else {
                preconditionFailure("the bench's own events are usable")
            }
            sinceSlice += 1
            if sinceSlice == EngineBench.eventsPerSlice { endSlice() }
        }
    }

    private mutating func endSlice() {
        sinceSlice = 0
        engine.finishSlice(advancingTo: nil)
        effects += engine.effectCount
        engine.effects.removeAll()
        engine.effectCount = 0
    }

    /// How often a second one core reads a cache line at a place by chance that it knows ahead.
    private static func randomReads(bytes: Int, count: Int) -> Double {
        let words = max(8, bytes / 8)
        let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: words)
        memory.initialize(repeating: 1, count: words)
        defer { memory.deallocate() }
        var sum: UInt64 = 0
        let seconds = Machine.fastest {
            var dice = SplitMix64(seed: 7)
            for _ in 0..<count {
                sum &+= memory[Int(dice.next().multipliedFullWidth(by: UInt64(words)).high)]
            }
        }
        precondition(sum > 0, "what was read is used")
        return Double(count) / seconds
    }
}

/// Events as a decoder leaves them: texts beside numbers, `c000000000000001` and `e000000000000001`.
private final class DecodedBatch {
    private struct Event: BitwiseCopyable {
        // These two lie at the beginning.
        var customer: (UInt64, UInt64)
        var event: (UInt64, UInt64)
        var time: Int64
        /// Minor units; negative of a click.
        var amount: Int64
    }

    private let events: UnsafeMutablePointer<Event>
    private(set) var count = 0

    init(capacity: Int) {
        events = .allocate(capacity: capacity)
        // What it takes is not to be counted as the engine's.
        memset(events, 0, capacity * MemoryLayout<Event>.stride)
    }

    deinit { events.deallocate() }

    func fill(_ numbers: Range<Int>, of workload: Workload) {
        count = numbers.count
        for (place, number) in numbers.enumerated() {
            let event = workload.event(number)
            (events + place).initialize(
                to: Event(
                    customer: DecodedBatch.text(event.customer, letter: 0x63),
                    event: DecodedBatch.text(number, letter: 0x65), time: event.time,
                    amount: event.isPurchase ? Int64(1_000 + number & 0x3FFF) : -1))
        }
    }

    @inline(__always)
    func customer(_ place: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: events + place, count: Workload.idBytes)
    }

    @inline(__always)
    func time(_ place: Int) -> Int64 { events[place].time }

    @inline(__always)
    func input(_ place: Int) -> EngineInput {
        let id = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(events + place) + Workload.idBytes, count: Workload.idBytes)
        let amount = events[place].amount
        return EngineInput(
            kind: amount < 0 ? .click : .purchase, customer: customer(place), event: id, order: id,
            occurredAt: time(place), amount: amount < 0 ? nil : amount)
    }

    /// A letter and 15 digits.
    private static func text(_ number: Int, letter: UInt64) -> (UInt64, UInt64) {
        let (high, low) = UInt64(number).quotientAndRemainder(dividingBy: 100_000_000)
        return (eightDigits(high) & ~0xFF | letter, eightDigits(low))
    }

    /// The text of a number below 10^8, its first digit in the lowest byte: halves are split four, two and one digit wide.
    private static func eightDigits(_ number: UInt64) -> UInt64 {
        let fours = number / 10_000 | (number % 10_000) << 32
        let hundreds = (fours &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) << 16
        let tens = (twos &* 103) >> 10 & 0x000F_000F_000F_000F
        return (tens | (twos &- tens &* 10) << 8) | 0x3030_3030_3030_3030
    }
}
