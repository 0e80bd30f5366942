// Runs a script: lines of input, and below each of them, indented, what the engine answered.
import Engine
import Model
import Rules
import TestSupport

/// The lines of a script:
///
///     zone NAME                                   utc, berlin, backOverMidnight or noMidnight (TestZones)
///     ladder NAME: RUNG = RULE ; RUNG = RULE ; RUNG
///     warning NAME SEVERITY COOLDOWN: RULE
///     preset                                      the ladders and warnings of four-tier
///     forget                                      the rules so far
///     limits CUSTOMERS|- BYTES|-                  of the next shard or version
///     begin [emit_from=T] [rebuilt=T]             a shard with these rules
///     version                                     these rules come into force
///     purchase CUSTOMER EVENT ORDER T AMOUNT      options: add, mute, rebuild, @T (applied then, not at its own time)
///     refund CUSTOMER EVENT ORDER T AMOUNT|all
///     click CUSTOMER EVENT T                      options: dedup=DURATION
///     many COUNT T AMOUNT                         that many customers buy at T
///     slice [T]                                   ends a slice, with the clock moved to T
///     settle                                      ends slices until nothing is due
///     restore                                     goes on with a copy from a snapshot
///     state CUSTOMER
///     size                                        what the state counts against its budget
///     count on|off                                shows how many changes there were, not each
///     distance on|off                             shows with each change of rung the comparisons to the rungs above and below
final class Script {
    struct Mistake: Error { var line: String }

    private var zone = ZoneTable.utc
    private var ladders: [LadderSource] = []
    private var warnings: [WarningSource] = []
    private var engine: Engine?
    private var rules: Ruleset?
    private var counts = false
    private var tellsDistance = false
    private var limits = StateLimits()

    /// The script with its answers written anew.
    static func run(_ text: String) throws -> String {
        let script = Script()
        var result: [String] = []
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        where !line.hasPrefix("    ") {
            result.append(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            result += try script.run(line: line).map { "    " + $0 }
        }
        return result.joined(separator: "\n")
    }

    private func run(line: String) throws -> [String] {
        let words = line.split(separator: " ").map(String.init)
        switch words[0] {
        case "zone": zone = try Script.zone(words[1])
        case "ladder": ladders.append(try Script.ladder(line))
        case "warning": warnings.append(try Script.warning(line, words))
        case "preset": (ladders, warnings) = (Presets.fourTierLadders, Presets.fourTierWarnings)
        case "forget": (ladders, warnings) = ([], [])
        case "begin": try begin(words)
        case "count": counts = words[1] == "on"
        case "distance": tellsDistance = words[1] == "on"
        case "limits": limits = StateLimits(customers: Int(words[1]) ?? Limits.customersPerShard, bytes: Int(words[2]))
        default: return try runEngine(line, words)
        }
        return []
    }

    private func ruleset() throws -> Ruleset {
        try Ruleset(
            ladders: ladders, warnings: warnings, zone: zone, currencyExponent: 2,
            halfLives: [7 * 86_400_000, 28 * 86_400_000])
    }

    private func begin(_ words: [String]) throws {
        func option(_ name: String) throws -> Int64 {
            guard let word = words.first(where: { $0.hasPrefix(name + "=") }) else { return .min }
            return try Script.time(String(word.dropFirst(name.count + 1)))
        }
        let rules = try ruleset()
        self.rules = rules
        engine = Engine(
            rules: rules, limits: limits, key: 42, emitFrom: try option("emit_from"),
            rebuiltUpTo: try option("rebuilt"))
    }

    private func runEngine(_ line: String, _ words: [String]) throws -> [String] {
        guard let engine, let rules else { throw Mistake(line: line) }
        switch words[0] {
        case "purchase", "refund", "click":
            let (event, at) = try Script.event(words)
            return Script.answer(event.apply(to: engine, at: at)) + (try changes(engine))
        case "many":
            let time = try Script.time(words[2])
            guard let count = Int(words[1]), let amount = Int64(words[3]) else { throw Mistake(line: line) }
            for number in 0..<count {
                Event(kind: .purchase, customer: "m\(number)", id: "m\(number)", occurredAt: time, amount: amount)
                    .apply(to: engine)
            }
        case "slice": engine.finishSlice(advancingTo: words.count > 1 ? try Script.time(words[1]) : nil)
        case "settle":
            while !engine.isSettled { engine.finishSlice(advancingTo: nil) }
        case "version":
            let new = try ruleset()
            do throws(Engine.VersionRefusal) { try engine.check(new) } catch { return ["refused: \(error)"] }
            engine.install(new, limits: limits)
            self.rules = new
        case "restore":
            let before = engine.stateDigest()
            let copy = try engine.restored(rules: rules)
            self.engine = copy
            return copy.stateDigest() == before ? [] : ["the copy differs"]
        case "size": return ["\(engine.size)"]
        case "state": return [try state(engine, words[1])]
        default: throw Mistake(line: line)
        }
        return try changes(engine)
    }

    private func changes(_ engine: Engine) throws -> [String] {
        let distances = tellsDistance ? try distances(engine) : []
        let changes = try engine.takeChanges()
        if counts { return changes.isEmpty ? [] : ["\(changes.count) changes, settled: \(engine.isSettled)"] }
        if tellsDistance { return zip(changes, distances).flatMap { [$0.description] + $1.map { "    " + $0 } } }
        return changes.map(\.description)
    }

    /// Two lines for each change of rung: `next big: spend(90d) >= 100 [8000 10000 no]`, values as the effect has them.
    private func distances(_ engine: Engine) throws -> [[String]] {
        func line(_ name: String, _ rule: CompiledRule?, _ values: EffectConditions) throws -> String {
            guard let rule else { return values.isEmpty ? "\(name) null" : "\(name) has conditions without a rule" }
            let texts = rule.conditionTexts
            guard texts.count == values.count else { throw Mistake(line: "\(name): other conditions than the rule's") }
            let told = zip(texts, values).map { text, condition in
                let sides = [condition.value, condition.threshold].map { $0.map(String.init) ?? "null" }
                return "\(text) [\(sides.joined(separator: " ")) \(condition.holds ? "yes" : "no")]"
            }
            return "\(name): \(told.isEmpty ? "no conditions" : told.joined(separator: ", "))"
        }
        var reader = ByteReader(engine.effects.bytes)
        var result: [[String]] = []
        while reader.remaining > 0 {
            let effect = try reader.readEffect()
            let ladder = rules?.ladders.first { $0.source.name.utf8.elementsEqual(effect.name) }
            guard effect.kind == .rungChanged, let ladder else {
                result.append(effect.distance.next.isEmpty && effect.distance.previous.isEmpty ? [] : ["a distance"])
                continue
            }
            let (rung, rungs) = (Int(effect.rung), ladder.source.rungs)
            result.append([
                try line(
                    rung > 0 ? "next \(rungs[rung - 1].name)" : "next", rung > 0 ? ladder.rule(of: rung - 1) : nil,
                    effect.distance.next),
                try line(
                    rung + 1 < rungs.count ? "previous \(rungs[rung + 1].name)" : "previous", ladder.rule(of: rung),
                    effect.distance.previous),
            ])
        }
        return result
    }

    private static func answer(_ outcome: Outcome) -> [String] {
        switch outcome {
        case .accepted: []
        case .unmatchedRefund: ["waits for its order"]
        case .duplicate: ["duplicate"]
        case .refused(let refusal): ["refused: \(refusal)"]
        }
    }

    private func state(_ engine: Engine, _ id: String) throws -> String {
        for ordinal in engine.sortedCustomers() {
            let found: String? = engine.withCustomer(ordinal) { view in
                guard view.id.elementsEqual(id.utf8) else { return nil }
                let values = Change.values(view.recency, view.windows)
                return
                    "\(view.rungs.joined(separator: " ")) (\(values), total \(view.ordersTotal) \(view.spendTotal)) first \(CivilTime.text(view.firstSeen)) last \(CivilTime.text(view.lastEvent)) order \(view.lastOrder.map(CivilTime.text) ?? "null") warnings \(view.warnings)"
            }
            if let found { return found }
        }
        return "unknown"
    }
}

// MARK: Words

extension Script {
    private static func zone(_ name: String) throws -> ZoneTable {
        switch name {
        case "utc": .utc
        case "berlin": TestZones.berlin
        case "backOverMidnight": TestZones.backOverMidnight
        case "noMidnight": TestZones.noMidnight
        default: throw Mistake(line: name)
        }
    }

    private static func time(_ text: String) throws -> Int64 {
        guard let time = CivilTime.parse(text) else { throw Mistake(line: text) }
        return time
    }

    private static func duration(_ text: String) throws -> Int64 {
        let units: [Character: Int64] = ["s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let last = text.last, let unit = units[last], let count = Int64(text.dropLast()) else {
            throw Mistake(line: text)
        }
        return count * unit
    }

    private static func halves(_ line: String) throws -> (head: [String], tail: String) {
        guard let colon = line.firstRange(of: ": ") else { throw Mistake(line: line) }
        return (line[..<colon.lowerBound].split(separator: " ").map(String.init), String(line[colon.upperBound...]))
    }

    private static func ladder(_ line: String) throws -> LadderSource {
        let (head, tail) = try halves(line)
        let rungs = tail.split(separator: ";").map { part in
            let words = part.split(separator: " ").map(String.init)
            return LadderSource.Rung(
                name: words[0], rule: words.count > 1 ? words.dropFirst(2).joined(separator: " ") : nil)
        }
        return LadderSource(name: head[1], rungs: rungs)
    }

    private static func warning(_ line: String, _ words: [String]) throws -> WarningSource {
        let (head, tail) = try halves(line)
        guard let severity = WarningSource.Severity(rawValue: head[2]) else { throw Mistake(line: line) }
        return WarningSource(name: head[1], severity: severity, rule: tail, cooldown: try duration(head[3]))
    }

    private static func event(_ words: [String]) throws -> (Event, at: Int64?) {
        var event: Event
        switch words[0] {
        case "click": event = Event(kind: .click, customer: words[1], id: words[2], occurredAt: try time(words[3]))
        default:
            event = Event(
                kind: words[0] == "refund" ? .refund : .purchase, customer: words[1], id: words[2], order: words[3],
                occurredAt: try time(words[4]), amount: Int64(words[5]))
            if event.amount == nil && words[5] != "all" { throw Mistake(line: words[5]) }
        }
        var at: Int64?
        for word in words.dropFirst(words[0] == "click" ? 4 : 6) {
            switch word {
            case "add": event.adds = true
            case "mute": event.mute = .backfill
            case "rebuild": event.mute = .rebuild
            default:
                if word.hasPrefix("@") {
                    at = try time(String(word.dropFirst()))
                } else if word.hasPrefix("dedup=") {
                    event.deduplication = try duration(String(word.dropFirst(6)))
                } else {
                    throw Mistake(line: word)
                }
            }
        }
        return (event, at)
    }
}
