// How far a customer is from the rungs above and below, as events of one ladder tell it: docs/events.md.
import Model
import Rules

/// What is the same in all events is written once, for each rung; the values come from the effect. Immutable after `init`.
final class DistanceText: Sendable {
    /// One comparison, around its values.
    private struct Condition {
        var head: [UInt8]
        var unit: ValueType
        var tail: [UInt8]
    }

    /// By rung but the last: its rule's comparisons, and how the rule is told of as the way up to it and as the way down from it.
    private let rules: [Rule]
    /// By number: the texts that rules compare, as JSON.
    private let texts: [[UInt8]]
    private let exponent: Int

    private struct Rule {
        var up: [UInt8]
        var down: [UInt8]
        var conditions: [Condition]
    }

    init(_ ladder: Ladder, _ rules: Ruleset) {
        let rungs = ladder.source.rungs
        self.rules = zip(rungs.indices, zip(rungs, rungs.dropFirst())).compactMap { place, rungs in
            guard let rule = ladder.rule(of: place), let text = rungs.0.rule else { return nil }
            return Rule(
                up: DistanceText.head(rungs.0.name, text), down: DistanceText.head(rungs.1.name, text),
                conditions: zip(rule.conditions, rule.conditionTexts).map { DistanceText.condition($0.unit, $1) })
        }
        texts = rules.texts.map(DistanceText.json)
        exponent = rules.currencyExponent
    }

    private static func head(_ rung: String, _ expression: String) -> [UInt8] {
        Array("{\"rung\":".utf8) + json(rung) + Array(",\"expression\":".utf8) + json(expression)
            + Array(",\"conditions\":[".utf8)
    }

    private static func json(_ text: String) -> [UInt8] {
        let buffer = ByteBuffer(capacity: 64)
        buffer.appendJSON(text)
        return buffer.array
    }

    private static func condition(_ unit: ValueType, _ text: String) -> Condition {
        let name =
            switch unit {
            case .number: "number"
            case .money: "money"
            case .duration: "duration"
            case .text: "text"
            case .boolean: preconditionFailure("conditions are not compared")
            }
        return Condition(
            head: Array("{\"condition\":".utf8) + json(text) + Array(",\"value\":".utf8), unit: unit,
            tail: Array(",\"unit\":\"\(name)\",\"holds\":".utf8))
    }

    /// `,"distance":{"next":…,"previous":…}` of a change of rung.
    func append(_ effect: Effect, to buffer: ByteBuffer) {
        let rung = Int(effect.rung)
        buffer.append(contentsOf: ",\"distance\":{\"next\":")
        // A rise takes the rule of the rung above; a fall begins when the rung's own rule ends.
        if rung > 0 {
            append(rules[rung - 1].up, rules[rung - 1].conditions, effect.distance.next, to: buffer)
        } else {
            buffer.append(contentsOf: "null" as StaticString)
        }
        buffer.append(contentsOf: ",\"previous\":")
        if rung < rules.count {
            append(rules[rung].down, rules[rung].conditions, effect.distance.previous, to: buffer)
        } else {
            buffer.append(contentsOf: "null" as StaticString)
        }
        buffer.append(contentsOf: "}")
    }

    private func append(
        _ head: [UInt8], _ conditions: [Condition], _ values: EffectConditions, to buffer: ByteBuffer
    ) {
        precondition(conditions.count == values.count, "an effect is told with the rules that decided it")
        buffer.append(contentsOf: head)
        for place in conditions.indices {
            if place > 0 { buffer.append(contentsOf: ",") }
            append(conditions[place], values[place], to: buffer)
        }
        buffer.append(contentsOf: "]}")
    }

    private func append(_ condition: Condition, _ values: EffectCondition, to buffer: ByteBuffer) {
        buffer.append(contentsOf: condition.head)
        append(values.value, condition.unit, to: buffer)
        buffer.append(contentsOf: ",\"threshold\":")
        append(values.threshold, condition.unit, to: buffer)
        buffer.append(contentsOf: condition.tail)
        buffer.append(contentsOf: values.holds ? "true}" : "false}" as StaticString)
    }

    private func append(_ value: Int64?, _ unit: ValueType, to buffer: ByteBuffer) {
        guard let value else { return buffer.append(contentsOf: "null" as StaticString) }
        switch unit {
        case .number: DistanceText.appendMillionths(value, to: buffer)
        case .money: buffer.appendMoney(value, exponent: exponent)
        case .duration: buffer.appendDecimal(value)
        case .text: buffer.append(contentsOf: texts[Int(value)])
        case .boolean: preconditionFailure("conditions are not compared")
        }
    }

    /// A JSON number without zeros at its end: `3`, `-0.5`.
    private static func appendMillionths(_ value: Int64, to buffer: ByteBuffer) {
        var (rest, digits) = (value, 6)
        while digits > 0 && rest % 10 == 0 { (rest, digits) = (rest / 10, digits - 1) }
        Decimal.append(rest, exponent: digits, to: buffer)
    }
}
