// How fast one core applies decoded events, and what a customer costs in memory.
import Codec
import Engine
import Model
import Rules

/// The default rules and UTC, on a workload of orders and a timed day of mixed events. Events are made one at a time from numbers, so that
/// nothing but the engine's state is in memory and cold.
struct EngineBench {
    private let workload: Workload
    private let engine: Engine
    private let texts = EventTexts(window: EngineBench.window)
    private var sinceSlice = 0
    private var effects = 0

    /// As the worker ends slices under load.
    private static let eventsPerSlice = 10_000
    /// Events that are made ahead, as a shard holds records: a power of two, at least what the engine likes to know.
    private static let window = 32

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
        let (firedBefore, effectsBefore) = (engine.firedDeadlines, effects)
        let took = apply(workload.mixedFrom..<workload.count)
        let customers = Double(engine.customerCount)
        let reads = EngineBench.randomReads(bytes: state, count: workload.mixed)
        let perSecond = Double(workload.mixed) / took.wall
        return [
            Figure("engine_customers", customers, "customers"),
            Figure("engine_load_rate", Double(workload.mixedFrom) / loadSeconds, "events/s"),
            Figure(
                "engine_rate", perSecond, "events/s", over: reads,
                "random reads of one cache line a second, in as much memory"),
            Figure("engine_cpu", took.cpu / Double(workload.mixed) * 1e9, "ns/event"),
            Figure("engine_deadlines", Double(engine.firedDeadlines - firedBefore), "deadlines"),
            Figure("engine_changes", Double(effects - effectsBefore), "changes"),
            Figure(
                "engine_memory", Double(resident) / customers, "bytes/customer", over: Double(state) / customers,
                "what the state takes from the system"),
        ]
    }

    private mutating func apply(_ numbers: Range<Int>) -> (wall: Double, cpu: Double) {
        let (began, cpuBegan) = (Machine.seconds(), Machine.cpuSeconds)
        let first = numbers.lowerBound
        var ahead = (first..<first + EngineBench.window).map { workload.event($0) }
        for number in first..<first + EngineBench.window { announce(ahead[number - first], number) }
        for number in numbers {
            let place = (number - first) & (EngineBench.window - 1)
            apply(ahead[place], number)
            ahead[place] = workload.event(number + EngineBench.window)
            announce(ahead[place], number + EngineBench.window)
        }
        endSlice()
        return (Machine.seconds() - began, Machine.cpuSeconds - cpuBegan)
    }

    @inline(__always)
    private func announce(_ event: Workload.Event, _ number: Int) {
        texts.set(number, customer: event.customer)
        engine.announce(texts.customer(number))
    }

    @inline(__always)
    private mutating func apply(_ event: Workload.Event, _ number: Int) {
        let (customer, id) = (texts.customer(number), texts.event(number))
        let input = EngineInput(
            kind: event.isPurchase ? .purchase : .click, customer: customer, event: id, order: id,
            occurredAt: event.time, amount: event.isPurchase ? Int64(1_000 + number & 0x3FFF) : nil)
        let outcome = engine.apply(input, at: event.time)
        precondition(outcome == .accepted, "the bench's own events are usable")
        sinceSlice += 1
        if sinceSlice == EngineBench.eventsPerSlice { endSlice() }
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

/// The texts of the events at hand, `c000000000000001` and `e000000000000001`, in a ring.
private final class EventTexts {
    private let words: UnsafeMutablePointer<UInt64>
    private let window: Int
    private static let wordsEach = 2 * Workload.idBytes / 8

    /// `window` is a power of two.
    init(window: Int) {
        self.window = window
        words = .allocate(capacity: window * EventTexts.wordsEach)
        words.initialize(repeating: 0, count: window * EventTexts.wordsEach)
    }

    deinit { words.deallocate() }

    @inline(__always)
    func customer(_ number: Int) -> UnsafeRawBufferPointer { text(place(number)) }

    @inline(__always)
    func event(_ number: Int) -> UnsafeRawBufferPointer { text(place(number) + 2) }

    @inline(__always)
    func set(_ number: Int, customer: Int) {
        write(customer, letter: 0x63, place(number))
        write(number, letter: 0x65, place(number) + 2)
    }

    @inline(__always)
    private func place(_ number: Int) -> Int { (number & (window - 1)) * EventTexts.wordsEach }

    @inline(__always)
    private func text(_ place: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: words + place, count: Workload.idBytes)
    }

    /// A letter and 15 digits, in two stores, so that what is timed is the engine.
    @inline(__always)
    private func write(_ number: Int, letter: UInt64, _ place: Int) {
        let (high, low) = UInt64(number).quotientAndRemainder(dividingBy: 100_000_000)
        words[place] = EventTexts.eightDigits(high) & ~0xFF | letter
        words[place + 1] = EventTexts.eightDigits(low)
    }

    /// The text of a number below 10^8, its first digit in the lowest byte: halves are split four, two and one digit wide.
    @inline(__always)
    private static func eightDigits(_ number: UInt64) -> UInt64 {
        let fours = number / 10_000 | (number % 10_000) << 32
        let hundreds = (fours &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) << 16
        let tens = (twos &* 103) >> 10 & 0x000F_000F_000F_000F
        return (tens | (twos &- tens &* 10) << 8) | 0x3030_3030_3030_3030
    }
}
