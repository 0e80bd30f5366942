// The fixed parts of a version's events: what stands between two values is one piece (docs/events.md shows an event whole).
import Model
import Rules

/// Of the events of one ladder.
struct LadderText {
    /// The name as effects have it, and CloudEvents' `type`.
    var name: [UInt8]
    var type: String
    /// From behind the id up to the customer, in the structured form.
    var head: FixedTexts.Piece
    /// Place of its first rung in `EventTexts.rungs`.
    var firstRung: Int
}

/// Of a change to one rung: from the cause on. Where the rung has no neighbour, or its rule no comparison, there is a piece the less.
struct RungText {
    /// The rule, and the way up to the rung above as far as its first value.
    var rule = FixedTexts.Piece.none
    /// Conditions of the rung above, by place in `EventTexts.conditions`.
    var next = 0..<0
    /// From there to the first value of the way down.
    var between = FixedTexts.Piece.none
    var previous = 0..<0
    /// From there to the instant of the decision.
    var end = FixedTexts.Piece.none
}

/// One comparison of a rule, around its values.
struct ConditionText {
    /// Up to the value, with what separates it from the condition before.
    var head: FixedTexts.Piece
    var unit: ValueType
    /// What follows the threshold.
    var holds: FixedTexts.Piece
    var fails: FixedTexts.Piece
}

/// Of one warning's events.
struct WarningText {
    var name: [UInt8]
    var raisedHead: FixedTexts.Piece
    var resolvedHead: FixedTexts.Piece
    /// From behind the customer to the severity.
    var severity: FixedTexts.Piece
    /// From the cause to the instant of the decision.
    var rule: FixedTexts.Piece

    static let raisedType = "rfm.churn.warning.raised.v1"
    static let resolvedType = "rfm.churn.warning.resolved.v1"
}

/// Everything fixed about a version's events. Immutable after `init`.
struct EventTexts {
    private(set) var fixed = FixedTexts()
    private(set) var ladders: [LadderText] = []
    private(set) var rungs: [RungText] = []
    private(set) var conditions: [ConditionText] = []
    private(set) var warnings: [WarningText] = []
    /// By number: the texts that rules compare, as JSON.
    private(set) var compared: [FixedTexts.Piece] = []
    /// In ascending order of days: a window's number, and its key with what separates it from the one before.
    private(set) var windows: [(number: Int, key: FixedTexts.Piece)] = []
    /// The version's name, as JSON.
    private(set) var version = FixedTexts.Piece.none
    /// What leads to the instant of the decision.
    private let decided: String
    private let source: String

    init(_ rules: Ruleset, source: String, version: Digest) {
        self.source = FixedTexts.json(source)
        let name = FixedTexts.json(version.short)
        decided = ",\"rules_version\":\(name),\"decided_at\":"
        self.version = fixed.add(name)
        compared = rules.texts.map { fixed.add(FixedTexts.json($0)) }
        windows = WindowKeys(rules).keys.map { number, key in
            (number, fixed.add(String(decoding: key, as: UTF8.self)))
        }
        for ladder in rules.ladders { add(ladder) }
        for warning in rules.warnings { addWarning(warning.source.name, warning.source.rule) }
    }

    /// Of a warning that no version in force has: its open episodes are resolved all the same.
    init(removed name: String, of other: EventTexts) {
        self = other
        warnings = []
        addWarning(name, nil)
    }

    private func head(_ type: String) -> String {
        "\",\"source\":\(source),\"type\":\(FixedTexts.json(type)),\"subject\":"
    }

    private static func rule(_ names: KeyValuePairs<String, String>, _ expression: String?) -> String {
        let named = names.map { "\"\($0)\":\(FixedTexts.json($1))," }.joined()
        return "},\"rule\":{\(named)\"expression\":\(expression.map(FixedTexts.json) ?? "null")}"
    }

    private mutating func addWarning(_ name: String, _ expression: String?) {
        warnings.append(
            WarningText(
                name: Array(name.utf8), raisedHead: fixed.add(head(WarningText.raisedType)),
                resolvedHead: fixed.add(head(WarningText.resolvedType)),
                severity: fixed.add(",\"warning\":\(FixedTexts.json(name)),\"severity\":"),
                rule: fixed.add(EventTexts.rule(["warning": name], expression) + decided)))
    }

    private mutating func add(_ ladder: Ladder) {
        let name = ladder.source.name
        let type = "rfm.\(name).changed.v1"
        ladders.append(
            LadderText(name: Array(name.utf8), type: type, head: fixed.add(head(type)), firstRung: rungs.count))
        let sources = ladder.source.rungs
        // Each rule is told of twice: as the way up to its rung, and as the way down from it. The last rung has none.
        let ranges = sources.indices.map { add(ladder.rule(of: $0)) }
        for (place, rung) in sources.enumerated() {
            var text = RungText()
            var open = EventTexts.rule(["ladder": name, "rung": rung.name], rung.rule) + ",\"distance\":{\"next\":"
            // A rise takes the rule of the rung above; a fall begins when the rung's own rule ends.
            if place > 0, let above = sources[place - 1].rule {
                text.rule = fixed.add(open + EventTexts.way(sources[place - 1].name, above))
                text.next = ranges[place - 1]
                open = "]}"
            } else {
                open += "null"
            }
            open += ",\"previous\":"
            if place + 1 < sources.count, let own = rung.rule {
                text.between = fixed.add(open + EventTexts.way(sources[place + 1].name, own))
                text.previous = ranges[place]
                open = "]}"
            } else {
                open += "null"
            }
            text.end = fixed.add(open + "}" + decided)
            rungs.append(text)
        }
    }

    private static func way(_ rung: String, _ expression: String) -> String {
        "{\"rung\":\(FixedTexts.json(rung)),\"expression\":\(FixedTexts.json(expression)),\"conditions\":["
    }

    private mutating func add(_ rule: CompiledRule?) -> Range<Int> {
        let start = conditions.count
        guard let rule else { return start..<start }
        for (condition, text) in zip(rule.conditions, rule.conditionTexts) {
            let lead = conditions.count == start ? "" : ","
            let unit = EventTexts.name(condition.unit)
            conditions.append(
                ConditionText(
                    head: fixed.add("\(lead){\"condition\":\(FixedTexts.json(text)),\"value\":"), unit: condition.unit,
                    holds: fixed.add(",\"unit\":\"\(unit)\",\"holds\":true}"),
                    fails: fixed.add(",\"unit\":\"\(unit)\",\"holds\":false}")))
        }
        return start..<conditions.count
    }

    private static func name(_ unit: ValueType) -> String {
        switch unit {
        case .number: "number"
        case .money: "money"
        case .duration: "duration"
        case .text: "text"
        case .boolean: preconditionFailure("conditions are not compared")
        }
    }
}
