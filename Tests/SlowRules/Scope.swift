// What the rules of tests may name.
import Rules

/// A new one: the two half-lives by default, euros, and one ladder before the rule and one behind it.
package func scope() -> RuleScope {
    RuleScope(
        halfLives: [7 * 86_400_000, 28 * 86_400_000], currencyExponent: 2,
        ladders: [("tier", ["high_value", "potential", "lost", "ordinary"])], laterLadders: ["lifecycle"])
}
