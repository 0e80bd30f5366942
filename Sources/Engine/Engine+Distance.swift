// What a change of rung says about the neighbouring rungs: the comparisons that lead there, measured (docs/decisions/0015).
import Model
import Rules

extension Engine {
    /// Goes on with the effect that was just emitted, of a customer who came to `rung`. Only such effects have a distance.
    func appendDistance(_ ladder: LadderCode, rung: Int, _ features: Features, _ constants: RuleConstants) {
        appendConditions(of: ladder.rule(above: rung), features, constants)
        appendConditions(of: ladder.rule(of: rung), features, constants)
    }

    private func appendConditions(of rule: Code?, _ features: Features, _ constants: RuleConstants) {
        guard let rule else { return effects.appendConditionCount(0) }
        effects.appendConditionCount(rule.conditions.count)
        for condition in rule.conditions { effects.append(condition.measure(rule, features, constants)) }
    }
}
