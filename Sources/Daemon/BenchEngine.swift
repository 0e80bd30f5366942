// `rfmd bench engine`: how fast one core applies decoded events, and what a customer costs in memory.
import Engine
import Glibc
import Model
import Options
import Rules

/// The default rules and UTC. Every customer places four orders over the last 60 days; then, timed, one day passes in which they
/// click and buy. Events are made one at a time from numbers, so that nothing but the engine's state is in memory and cold.
struct BenchEngine {
    private let customers: Int
    private let events: Int
    private let engine: Engine
    private var scratch = Scratch()
    private var dice = SplitMix64(seed: 1)
    private var sinceSlice = 0

    /// As the worker ends slices under load.
    private static let eventsPerSlice = 10_000
    /// 2026-01-01.
    private static let start: Int64 = 1_767_225_600_000
    private static let days: Int64 = 60
    private static let largestCount = 100_000_000

    static func run(_ invocation: Invocation) -> Int32 {
        guard invocation.operands == ["engine"] else {
            printError(
                "rfmd bench: '\(invocation.operands.joined(separator: " "))' cannot be measured; there is engine\n")
            return ExitCode.usage
        }
        guard let customers = count(invocation, "customers", fallback: 1_000_000),
            let events = count(invocation, "events", fallback: 4_000_000)
        else { return ExitCode.usage }
        var bench = BenchEngine(customers: customers, events: events)
        let figures = bench.measure()
        printOut(invocation.flags.contains("json") ? figures.json : figures.table)
        return ExitCode.done
    }

    private static func count(_ invocation: Invocation, _ name: String, fallback: Int) -> Int? {
        guard let text = invocation.value(name) else { return fallback }
        if let count = Int(text), (1...largestCount).contains(count) { return count }
        printError("rfmd bench: --\(name): '\(text)' is no number from 1 to \(largestCount)\n")
        return nil
    }

    private init(customers: Int, events: Int) {
        self.customers = customers
        self.events = events
        do throws(RulesetProblem) {
            let rules = try Ruleset(
                ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings, zone: .utc, currencyExponent: 2,
                halfLives: [7 * CivilTime.millisecondsPerDay, 28 * CivilTime.millisecondsPerDay])
            engine = Engine(rules: rules, key: 0x5EED)
        } catch { preconditionFailure("the preset is refused: \(error)") }
    }

    private mutating func measure() -> Figures {
        let emptyBytes = BenchEngine.residentBytes()
        let loadBegan = BenchEngine.seconds()
        let step = BenchEngine.days * CivilTime.millisecondsPerDay / Int64(4 * customers + 1)
        for number in 0..<(4 * customers) {
            // Each customer's four orders are spread over the time, and his neighbours in time are not his neighbours in memory.
            apply(
                .purchase, customer: number % customers, number: number,
                at: BenchEngine.start + Int64(max(1, step)) * Int64(number))
        }
        endSlice()
        settle()
        let loaded = BenchEngine.seconds() - loadBegan
        var figures = Figures(customers: engine.customerCount, events: events)
        figures.loadedPerSecond = Double(4 * customers) / loaded
        figures.residentBytes = BenchEngine.residentBytes() - emptyBytes
        figures.stateBytes = engine.stateBytes
        let firedBefore = engine.firedDeadlines
        let effectsBefore = scratch.effects
        measureDay(&figures)
        figures.firedDeadlines = engine.firedDeadlines - firedBefore
        figures.effects = scratch.effects - effectsBefore
        figures.residentBytesAfter = BenchEngine.residentBytes() - emptyBytes
        figures.stateBytesAfter = engine.stateBytes
        return figures
    }

    /// One day of mixed events, over customers by chance.
    private mutating func measureDay(_ figures: inout Figures) {
        let begins = max(engine.clock ?? 0, BenchEngine.start + BenchEngine.days * CivilTime.millisecondsPerDay)
        let began = BenchEngine.seconds()
        let cpuBegan = BenchEngine.seconds(CLOCK_THREAD_CPUTIME_ID)
        // As a shard does with the records that it holds.
        var chances = (0..<BenchEngine.window).map { _ in dice.next() }
        for chance in chances { announce(chance) }
        for number in 0..<events {
            let chance = chances[number & (BenchEngine.window - 1)]
            let coming = dice.next()
            chances[number & (BenchEngine.window - 1)] = coming
            announce(coming)
            let customer = customer(chance)
            // One in eight buys.
            let kind: EngineInput.Kind = chance & 7 == 0 ? .purchase : .click
            let at = begins + CivilTime.millisecondsPerDay * Int64(number) / Int64(events)
            apply(kind, customer: customer, number: 4 * customers + number, at: at)
        }
        endSlice()
        figures.seconds = BenchEngine.seconds() - began
        figures.cpuSeconds = BenchEngine.seconds(CLOCK_THREAD_CPUTIME_ID) - cpuBegan
    }

    /// Events that are made ahead: a power of two, at least what the engine likes to know.
    private static let window = 32

    @inline(__always)
    private func customer(_ chance: UInt64) -> Int { Int(((chance >> 32) &* UInt64(customers)) >> 32) }

    @inline(__always)
    private func announce(_ chance: UInt64) {
        scratch.setCustomer(customer(chance))
        engine.announce(scratch.customer)
    }

    @inline(__always)
    private mutating func apply(_ kind: EngineInput.Kind, customer: Int, number: Int, at: Int64) {
        scratch.setCustomer(customer)
        scratch.setEvent(number)
        let input = EngineInput(
            kind: kind, customer: scratch.customer, event: scratch.event, order: scratch.event, occurredAt: at,
            amount: kind == .purchase ? Int64(1_000 + number & 0x3FFF) : nil)
        let outcome = engine.apply(input, at: at)
        precondition(outcome == .accepted, "the bench's own events are usable")
        sinceSlice += 1
        if sinceSlice == BenchEngine.eventsPerSlice { endSlice() }
    }

    private mutating func endSlice() {
        sinceSlice = 0
        engine.finishSlice(advancingTo: nil)
        takeEffects()
    }

    private mutating func settle() {
        while !engine.isSettled {
            engine.finishSlice(advancingTo: nil)
            takeEffects()
        }
    }

    private mutating func takeEffects() {
        scratch.effects += engine.effectCount
        engine.effects.removeAll()
        engine.effectCount = 0
    }

    private static func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Of this process, as the kernel counts it; 0 where it does not tell.
    private static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 128)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        let numbers = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return numbers.count < 2 ? 0 : (Int(numbers[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}

/// The texts of the event at hand: `c000000001` and `e0000000001`, rewritten in place.
private final class Scratch {
    private let bytes: UnsafeMutableRawBufferPointer
    var effects = 0

    init() {
        bytes = .allocate(byteCount: 64, alignment: 16)
        bytes.copyBytes(from: Array("c000000000".utf8))
        UnsafeMutableRawBufferPointer(rebasing: bytes[32...]).copyBytes(from: Array("e0000000000".utf8))
    }

    deinit { bytes.deallocate() }

    var customer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[0..<10]) }
    var event: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[32..<43]) }

    @inline(__always) func setCustomer(_ number: Int) { write(number, from: 1, upTo: 10) }
    @inline(__always) func setEvent(_ number: Int) { write(number, from: 33, upTo: 43) }

    @inline(__always)
    private func write(_ number: Int, from first: Int, upTo end: Int) {
        var rest = UInt64(number)
        var at = end - 1
        while at >= first {
            bytes[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            at -= 1
        }
    }
}

/// What was measured.
private struct Figures {
    var customers: Int
    var events: Int
    var loadedPerSecond = 0.0
    var seconds = 0.0
    var cpuSeconds = 0.0
    var residentBytes = 0
    var stateBytes = 0
    var residentBytesAfter = 0
    var stateBytesAfter = 0
    var firedDeadlines: UInt64 = 0
    var effects = 0

    private var perSecond: Double { Double(events) / seconds }

    private func perCustomer(_ bytes: Int) -> Double { Double(bytes) / Double(customers) }

    private static func rounded(_ value: Double, _ digits: Int = 1) -> String {
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let scaled = Int64((value * Double(scale)).rounded())
        let fraction = String(scaled % scale)
        return "\(scaled / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }

    var table: String {
        """
        customers                         \(customers), four orders each
        loading                           \(Figures.rounded(loadedPerSecond / 1e6, 2)) M events/s
        resident bytes per customer       \(Figures.rounded(perCustomer(residentBytes)))
        state bytes per customer          \(Figures.rounded(perCustomer(stateBytes)))
        mixed events (1 of 8 a purchase)  \(events)
        mixed events per second           \(Figures.rounded(perSecond / 1e6, 2)) M
        time                              \(Figures.rounded(seconds, 3)) s (\(Figures.rounded(cpuSeconds, 3)) s of CPU)
        deadlines fired meanwhile         \(firedDeadlines)
        changes decided meanwhile         \(effects)
        resident bytes per customer after \(Figures.rounded(perCustomer(residentBytesAfter)))

        """
    }

    var json: String {
        """
        {"customers":\(customers),"load_events_per_second":\(Int(loadedPerSecond)),"resident_bytes":\(residentBytes),\
        "resident_bytes_per_customer":\(Figures.rounded(perCustomer(residentBytes))),"state_bytes":\(stateBytes),\
        "state_bytes_per_customer":\(Figures.rounded(perCustomer(stateBytes))),"events":\(events),\
        "seconds":\(Figures.rounded(seconds, 3)),"cpu_seconds":\(Figures.rounded(cpuSeconds, 3)),\
        "events_per_second":\(Int(perSecond)),"deadlines_fired":\(firedDeadlines),"changes":\(effects),\
        "resident_bytes_after":\(residentBytesAfter),"state_bytes_after":\(stateBytesAfter)}

        """
    }
}
