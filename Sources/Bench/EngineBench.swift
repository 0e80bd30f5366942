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
    private let texts = EventTexts()
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
        var ahead = (0..<EngineBench.window).map { workload.event(numbers.lowerBound + $0) }
        for event in ahead { announce(event) }
        for number in numbers {
            let event = ahead[number & (EngineBench.window - 1)]
            let coming = workload.event(number + EngineBench.window)
            ahead[number & (EngineBench.window - 1)] = coming
            announce(coming)
            apply(event, number)
        }
        endSlice()
        return (Machine.seconds() - began, Machine.cpuSeconds - cpuBegan)
    }

    @inline(__always)
    private func announce(_ event: Workload.Event) {
        texts.setCustomer(event.customer)
        engine.announce(texts.customer)
    }

    @inline(__always)
    private mutating func apply(_ event: Workload.Event, _ number: Int) {
        texts.setCustomer(event.customer)
        texts.setEvent(number)
        let input = EngineInput(
            kind: event.isPurchase ? .purchase : .click, customer: texts.customer, event: texts.event,
            order: texts.event, occurredAt: event.time, amount: event.isPurchase ? Int64(1_000 + number & 0x3FFF) : nil)
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

/// The texts of the event at hand: `c000000000000001` and `e000000000000001`, rewritten in place.
private final class EventTexts {
    private let bytes: UnsafeMutableRawBufferPointer

    init() {
        bytes = .allocate(byteCount: 64, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0x30)
        (bytes[0], bytes[32]) = (0x63, 0x65)
    }

    deinit { bytes.deallocate() }

    var customer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[0..<Workload.idBytes]) }
    var event: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[32..<32 + Workload.idBytes]) }

    @inline(__always) func setCustomer(_ number: Int) { write(number, upTo: Workload.idBytes) }
    @inline(__always) func setEvent(_ number: Int) { write(number, upTo: 32 + Workload.idBytes) }

    /// The last ten digits: the others stay zeros.
    @inline(__always)
    private func write(_ number: Int, upTo end: Int) {
        var rest = UInt64(number)
        for at in stride(from: end - 1, through: end - 10, by: -1) {
            bytes[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }
}
