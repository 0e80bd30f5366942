// Settings turned into what the parts need; what only they can check is found here, with its place in the file.
import Codec
import Engine
import Glibc
import KafkaTransport
import Model
import Rules
import Settings
import Worker

/// A configuration that can be run.
package struct Configuration {
    /// The part of an instance in names: as configured, else the host's name.
    var instance: String
    var settings: Settings
    package private(set) var version: Version
    var rules: Ruleset
    /// ms; .min for "earliest", nil for "first-start".
    var emitFrom: Int64?

    /// `isForKafka` is false for who asks no broker and keeps no snapshots: what that needs is not looked at then.
    static func load(_ path: String, isForKafka: Bool = true) throws(SettingsProblems) -> Configuration {
        var configuration: Configuration?
        _ = try SettingsLoader.load(path: path, readsSecrets: isForKafka) {
            configuration = Configuration($0, $1, isForKafka: isForKafka)
        }
        guard let configuration else { preconditionFailure("no configuration, and nothing that is wrong with it") }
        return configuration
    }

    static func load(text: String, file: String) throws(SettingsProblems) -> Configuration {
        try load(text: Array(text.utf8), file: file)
    }

    package static func load(
        text: [UInt8], file: String, isForKafka: Bool = true
    ) throws(SettingsProblems) -> Configuration {
        var configuration: Configuration?
        _ = try SettingsLoader.load(text: text, file: file, readsSecrets: isForKafka) {
            configuration = Configuration($0, $1, isForKafka: isForKafka)
        }
        guard let configuration else { preconditionFailure("no configuration, and nothing that is wrong with it") }
        return configuration
    }

    /// nil if anything is wrong, here or before.
    private init?(_ settings: Settings, _ problems: Problems, isForKafka: Bool) {
        let check = Check(problems: problems)
        let zone = check.zone(settings.time.zone)
        let money = check.money(settings.money)
        let preset: (ladders: [LadderSource], warnings: [WarningSource]) =
            settings.preset?.value == "none" ? ([], []) : (Presets.fourTierLadders, Presets.fourTierWarnings)
        let merged = Presets.merge(
            ladders: settings.ladders.map(Configuration.source), warnings: settings.warnings.map(Configuration.source),
            into: preset)
        check.topics(settings)
        for (index, input) in settings.inputs.enumerated() { check.input(input, "inputs[\(index)]", money) }
        if isForKafka {
            let surroundings = SurroundingsCheck(problems: problems)
            surroundings.properties(settings.kafka)
            surroundings.folder(settings.snapshots.folder)
        }
        check.names(settings, merged.ladders.count, merged.warnings.count)
        check.rules(merged.ladders, merged.warnings, money, settings)
        let emitFrom = check.emitFrom(settings)
        guard problems.list.isEmpty else { return nil }
        let version = Version(
            engineNumber: Engine.number, ladders: merged.ladders, warnings: merged.warnings,
            halfLives: settings.halfLives,
            zone: zone, clockMode: settings.time.usesEventClock ? .event : .wall, maxFuture: settings.time.maxFuture,
            limits: StateLimits(
                customers: settings.limits.customersPerShard ?? Limits.customersPerShard,
                bytes: settings.limits.bytesPerShard), money: money,
            mappings: settings.inputs.map(Configuration.mapping))
        do throws(RulesetProblem) { rules = try version.ruleset() } catch {
            problems.add(Place(line: 1, column: 1), "ladders", "\(error)")
            return nil
        }
        (self.settings, self.version, self.emitFrom) = (settings, version, emitFrom)
        instance = settings.instance?.value ?? Configuration.hostName()
    }

    /// What can be run, and weakens a guarantee or may fail for somebody else.
    var doubts: [(place: Place, key: String, message: String)] {
        let weak = ClientOptions.doubts(settings.kafka.properties.map { ($0.name, $0.value.value) }).compactMap {
            name, message in
            settings.kafka.properties.first { $0.name == name }.map {
                (place: $0.value.place, key: "kafka.properties.\(name)", message: message)
            }
        }
        var idle: [(place: Place, key: String, message: String)] = []
        if let preset = settings.preset, version.ladders.isEmpty && version.warnings.isEmpty {
            idle = [
                (preset.place, "preset", "there is no ladder and no warning: nothing about a customer will be told")
            ]
        }
        return weak + idle + SurroundingsCheck.doubts(settings.snapshots.folder)
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0, name[0] != 0 else { return "rfmd" }
        return KafkaNames.instance(
            ofHost: String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    private static func source(_ ladder: LadderSettings) -> LadderSource {
        LadderSource(
            name: ladder.name.value,
            rungs: ladder.rungs.map { .init(name: $0.name, labels: $0.labels, rule: $0.when?.value) })
    }

    private static func source(_ warning: WarningSettings) -> WarningSource {
        WarningSource(
            name: warning.name.value, severity: .init(rawValue: warning.severity) ?? .medium, rule: warning.when.value,
            cooldown: warning.cooldown ?? WarningSource.defaultCooldown)
    }

    static func mapping(_ input: InputSettings) -> Mapping {
        let topic = input.topic.value
        var mapping: Mapping
        switch input.format {
        case .native: mapping = .native(topic: topic)
        case .cloudevents: mapping = .cloudEvents(topic: topic)
        case .segment: mapping = .segment(topic: topic)
        case .rudderstack: mapping = .segment(topic: topic)
        case .debezium: mapping = .debezium(topic: topic)
        case .mapped: mapping = Mapping(topic: topic, kindAt: .pointers([]), kinds: [:], fields: [:])
        }
        if let at = input.kindAt {
            mapping.kindAt = source(at, mapping.plainKind)
            // What Segment's `type` says matters no more; what Debezium's `op` says does.
            if mapping.kindsAreLoose { (mapping.skippedAt, mapping.skippedValues) = ([], []) }
        }
        if !input.kinds.isEmpty {
            mapping.kinds = [:]
            for (name, values) in input.kinds {
                for value in values { mapping.kinds[mapping.plainKind(value.value)] = Mapping.nativeKinds[name] }
            }
        }
        for field in Field.allCases { if let at = input.fields[field.name] { mapping.fields[field] = source(at) } }
        if let unit = input.timeUnit.flatMap(TimeUnit.init(rawValue:)) { mapping.timeUnit = unit }
        mapping.addsToOrder = input.addsToOrder
        mapping.clickDeduplication = input.clickDeduplication
        return mapping
    }

    /// `constant` makes of a constant's text what records are read as.
    private static func source(
        _ source: InputSettings.FieldSource, _ constant: (String) -> String = { $0 }
    ) -> Mapping.Source {
        switch source {
        case .pointer(let pointer): .pointers([pointer.value])
        case .constant(let text): .constant(constant(text.value))
        }
    }
}

/// Finds what the settings alone cannot know to be wrong.
private struct Check {
    let problems: Problems

    func add(_ place: Place, _ key: String, _ message: String) { problems.add(place, key, message) }

    func zone(_ name: Placed<String>) -> ZoneTable {
        if let zone = ZoneLoader.load(name.value) { return zone }
        add(
            name.place, "time.zone",
            "the system knows no zone '\(name.value)': use a name such as Europe/Berlin (package tzdata)")
        return .utc
    }

    func money(_ settings: MoneySettings) -> MoneyRules {
        let currency = settings.currency
        let exponent = Currencies.exponent(currency.value)
        if exponent == nil {
            add(currency.place, "money.currency", "'\(currency.value)' is no currency of ISO 4217, such as EUR or CNY")
        }
        var money = MoneyRules(currency: currency.value, exponent: exponent ?? 2)
        for (name, text) in settings.rates {
            guard let foreign = Currencies.exponent(name.value) else {
                add(name.place, name.key, "'\(name.value)' is no currency of ISO 4217")
                continue
            }
            if name.value == currency.value {
                add(
                    name.place, name.key,
                    "\(name.value) is the base currency (money.currency) and has no rate: rates are of other currencies"
                )
                continue
            }
            guard let rate = try? Decimal(text.value), rate.coefficient > 0, abs(rate.scale) <= 18 else {
                add(
                    text.place, name.key,
                    "expected what 1 \(name.value) is worth in \(currency.value), such as \"7.10\"")
                continue
            }
            money.rates[name.value] = .init(rate: rate, exponent: foreign)
        }
        return money
    }

    /// What would make every record be skipped or rejected, and what could be read in two ways.
    func input(_ input: InputSettings, _ key: String, _ money: MoneyRules) {
        let mapping = Configuration.mapping(input)
        var kinds: [String: String] = [:]
        for name in ["purchase", "refund", "click"] {
            for value in input.kinds[name] ?? [] {
                let plain = mapping.plainKind(value.value)
                if let other = kinds[plain], other != name {
                    add(value.place, "\(key).kind.\(name)", "'\(value.value)' already stands for a \(other)")
                }
                kinds[plain] = kinds[plain] ?? name
            }
        }
        if case .constant(let kind)? = input.kindAt, mapping.kinds[mapping.plainKind(kind.value)] == nil {
            add(
                kind.place, "\(key).kind.at",
                "'\(kind.value)' is the kind of all records and names none: every record would be skipped; there are "
                    + mapping.kinds.keys.sorted().joined(separator: ", "))
        }
        if case .constant(let currency)? = input.fields["currency"], currency.value != money.currency,
            money.rates[currency.value] == nil
        {
            add(
                currency.place, "\(key).fields.currency",
                "'\(currency.value)' is neither money.currency (\(money.currency)) nor in money.rates: every amount would be rejected"
            )
        }
    }

    func topics(_ settings: Settings) {
        let ladders =
            (settings.preset?.value == "none" ? [] : Presets.fourTierLadders.map(\.name))
            + settings.ladders.map(\.name.value)
        let keys = ["warnings", "dead_letters", "journal", "versions"] + ladders
        for (key, topic) in settings.outputs.topics where !keys.contains(key) {
            add(
                topic.place, "outputs.topics.\(key)",
                "there is no such output; there are \(keys.sorted().joined(separator: ", "))")
        }
        for ladder in settings.ladders
        where Ruleset.reservedNames.contains(ladder.name.value)
            || ["warnings", "dead_letters", "journal", "versions"].contains(ladder.name.value)
        {
            add(ladder.name.place, ladder.name.key, "the name '\(ladder.name.value)' is taken")
        }
        var seen: [String: String] = [:]
        // Those that are not named have their defaults, and are as taken.
        let outputs = OutputTopics(settings.outputs.topics.mapValues(\.value), ladders: ladders)
        let defaults =
            ladders.map { ($0, outputs.topic(ofLadder: $0)) } + [
                ("warnings", outputs.warnings), ("dead_letters", outputs.deadLetters), ("journal", outputs.journal),
                ("versions", outputs.versions),
            ]
        for (key, topic) in defaults where settings.outputs.topics[key] == nil { seen[topic] = "the topic of \(key)" }
        for input in settings.inputs {
            if let other = seen[input.topic.value], other != "an input" {
                add(input.topic.place, input.topic.key, "'\(input.topic.value)' is already \(other)")
            }
            seen[input.topic.value] = "an input"
        }
        for (key, topic) in settings.outputs.topics.sorted(by: { $0.key < $1.key }) {
            if let other = seen[topic.value] {
                add(topic.place, "outputs.topics.\(key)", "'\(topic.value)' is already \(other)")
            }
            seen[topic.value] = "the topic of \(key)"
        }
    }

    /// Names that stand twice, and more of them than there may be.
    func names(_ settings: Settings, _ ladderCount: Int, _ warningCount: Int) {
        func twice(_ names: [Placed<String>], _ what: String) {
            for (index, name) in names.enumerated() where names[..<index].contains(where: { $0.value == name.value }) {
                add(name.place, name.key, "there already is a \(what) '\(name.value)'")
            }
        }
        twice(settings.ladders.map(\.name), "ladder")
        twice(settings.warnings.map(\.name), "warning")
        if ladderCount > Limits.ladders, let last = settings.ladders.last {
            add(
                last.name.place, last.name.key,
                "there are \(ladderCount) ladders with those of the preset; at most \(Limits.ladders)")
        }
        if warningCount > Limits.warnings, let last = settings.warnings.last {
            add(
                last.name.place, last.name.key,
                "there are \(warningCount) warnings with those of the preset; at most \(Limits.warnings)")
        }
        for ladder in settings.ladders where ladder.rungs.count > Limits.rungsPerLadder {
            add(
                ladder.name.place, ladder.name.key,
                "the ladder has \(ladder.rungs.count) rungs; at most \(Limits.rungsPerLadder)")
        }
    }

    func rules(_ ladders: [LadderSource], _ warnings: [WarningSource], _ money: MoneyRules, _ settings: Settings) {
        let found = Ruleset.problems(
            ladders: ladders, warnings: warnings, currencyExponent: money.exponent, halfLives: settings.halfLives)
        for problem in found {
            switch problem {
            case .shape: preconditionFailure("rules are compiled without a look at their shape")
            case .rung(let ladder, let rung, let problem):
                let source = ladders[ladder]
                // Of two with one name, which was told, the last one is taken.
                let when = settings.ladders.last { $0.name.value == source.name }?.rungs[rung].when
                add(
                    when, source.rungs[rung].rule ?? "", problem,
                    fallback: "ladders.\(source.name).\(source.rungs[rung].name)")
            case .warning(let index, let problem):
                let source = warnings[index]
                let when = settings.warnings.last { $0.name.value == source.name }?.when
                add(when, source.rule, problem, fallback: "warnings.\(source.name)")
            }
        }
    }

    private func add(_ when: Placed<String>?, _ rule: String, _ problem: RuleProblem, fallback: String) {
        let place = when?.place(atByte: problem.offset, of: rule) ?? Place(line: 1, column: 1)
        add(place, when?.key ?? fallback, problem.message)
    }

    func emitFrom(_ settings: Settings) -> Int64? {
        switch settings.emitFrom {
        case nil: return settings.time.usesEventClock ? .min : nil
        case .firstStart: return nil
        case .earliest: return .min
        case .instant(let text, let place):
            if let instant = CivilTime.parse(text) { return instant }
            add(place, "emit_from", "expected first-start, earliest or a time such as 2026-11-23T00:00:00Z")
            return nil
        }
    }
}
