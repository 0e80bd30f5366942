// What a configuration decides about customers, compiled: ladders, warnings and the constants that their rules share.
import Model

/// Source text of a ladder, before it is compiled. The last rung has no rule.
package struct LadderSource: Sendable, Equatable {
    package struct Rung: Sendable, Equatable {
        package var name: String
        /// Label per language.
        package var labels: [String: String]
        package var rule: String?

        package init(name: String, labels: [String: String] = [:], rule: String?) {
            self.name = name
            self.labels = labels
            self.rule = rule
        }
    }

    package var name: String
    package var rungs: [Rung]

    package init(name: String, rungs: [Rung]) {
        self.name = name
        self.rungs = rungs
    }
}

package struct WarningSource: Sendable, Equatable {
    package enum Severity: String, Sendable, CaseIterable { case low, medium, high }

    package var name: String
    package var severity: Severity
    package var rule: String
    /// ms from the raise.
    package var cooldown: Int64

    package static let defaultCooldown: Int64 = 7 * 86_400_000

    package init(name: String, severity: Severity, rule: String, cooldown: Int64 = defaultCooldown) {
        self.name = name
        self.severity = severity
        self.rule = rule
        self.cooldown = cooldown
    }
}

/// Which rule is refused: `ladder` and `rung` or `warning` are indexes into the sources.
package enum RulesetProblem: Error, Equatable, Sendable {
    case rung(ladder: Int, rung: Int, RuleProblem)
    case warning(Int, RuleProblem)
    case shape(String)
}

package final class Ladder: Sendable {
    package let source: LadderSource
    /// One per rung but the last.
    let compiled: [CompiledRule]
    package let code: LadderCode

    init(source: LadderSource, compiled: [CompiledRule], texts: [Int32]) {
        self.source = source
        self.compiled = compiled
        code = LadderCode(compiled.map(\.code), texts)
    }

    deinit { code.deallocate() }

    /// What a customer on `rung` fulfils; nil on the last.
    package func rule(of rung: Int) -> CompiledRule? { rung < compiled.count ? compiled[rung] : nil }
}

package final class Warning: Sendable {
    package let source: WarningSource
    package let compiled: CompiledRule
    /// Names the warning in the state, whatever its place in the configuration.
    package let key: UInt64

    init(source: WarningSource, compiled: CompiledRule, key: UInt64) {
        self.source = source
        self.compiled = compiled
        self.key = key
    }
}

/// Immutable after `init`; shared by worker and committer.
package final class Ruleset: Sendable {
    package let ladders: [Ladder]
    package let warnings: [Warning]
    /// The same as plain memory, for decisions; valid as long as the ruleset.
    package let decisions: DecisionTable
    private let shared: SharedConstants
    package let constants: RuleConstants
    package let currencyExponent: Int
    /// A rule reads activity_trend: of what clicks move the only feature that a click may lower.
    package let readsTrend: Bool
    /// Days; never below Limits.leastLongestWindow.
    package let longestWindow: Int
    package let texts: [String]

    /// Windows in days, as state and events list them.
    package var windows: [Int] { shared.windows }

    package init(
        ladders ladderSources: [LadderSource], warnings warningSources: [WarningSource], zone: ZoneTable,
        currencyExponent: Int, halfLives: [Int64]
    ) throws(RulesetProblem) {
        try Ruleset.checkShape(ladderSources, warningSources)
        var scope = RuleScope(halfLives: halfLives, currencyExponent: currencyExponent)
        let (ladders, warnings, problems) = Ruleset.compile(ladderSources, warningSources, &scope)
        if let first = problems.first { throw first }
        if scope.windows.isEmpty { scope.windows = [Limits.leastLongestWindow] }
        self.ladders = ladders
        self.warnings = warnings
        decisions = DecisionTable(ladders, warnings)
        shared = SharedConstants(zone: zone, windows: scope.windows, halfLives: halfLives)
        constants = shared.constants
        self.currencyExponent = currencyExponent
        readsTrend = (ladders.flatMap(\.compiled) + warnings.map(\.compiled)).contains { $0.reads(.activityTrend) }
        longestWindow = max(Limits.leastLongestWindow, scope.windows.max() ?? 0)
        texts = scope.texts
    }

    deinit { decisions.deallocate() }

    /// Names that mean something else in a rule: no ladder is called so.
    package static let reservedNames = Set(Feature.named.map(\.name) + ["true", "false"])

    /// Every rule that is refused, in the order of the sources.
    package static func problems(
        ladders: [LadderSource], warnings: [WarningSource], currencyExponent: Int, halfLives: [Int64]
    ) -> [RulesetProblem] {
        var scope = RuleScope(halfLives: halfLives, currencyExponent: currencyExponent)
        return compile(ladders, warnings, &scope).problems
    }

    private static func compile(
        _ ladderSources: [LadderSource], _ warningSources: [WarningSource], _ scope: inout RuleScope
    ) -> (ladders: [Ladder], warnings: [Warning], problems: [RulesetProblem]) {
        var problems: [RulesetProblem] = []
        var ladders: [Ladder] = []
        for (number, source) in ladderSources.enumerated() {
            scope.laterLadders = ladderSources[number...].map(\.name)
            var compiled: [CompiledRule] = []
            for (rung, rule) in source.rungs.enumerated() {
                guard let text = rule.rule else { continue }
                do throws(RuleProblem) { compiled.append(try CompiledRule(text, scope: &scope)) } catch {
                    problems.append(.rung(ladder: number, rung: rung, error))
                }
            }
            let texts = source.rungs.map { scope.number(ofText: $0.name) }
            ladders.append(Ladder(source: source, compiled: compiled, texts: texts))
            scope.ladders.append((source.name, source.rungs.map(\.name)))
        }
        scope.laterLadders = []
        var warnings: [Warning] = []
        for (number, source) in warningSources.enumerated() {
            do throws(RuleProblem) {
                let compiled = try CompiledRule(source.rule, scope: &scope)
                warnings.append(
                    Warning(source: source, compiled: compiled, key: Digest(of: Array(source.name.utf8)).low))
            } catch { problems.append(.warning(number, error)) }
        }
        return (ladders, warnings, problems)
    }

    private static func checkShape(_ ladders: [LadderSource], _ warnings: [WarningSource]) throws(RulesetProblem) {
        if ladders.count > Limits.ladders { throw .shape("there are more than \(Limits.ladders) ladders") }
        if warnings.count > Limits.warnings { throw .shape("there are more than \(Limits.warnings) warnings") }
        for ladder in ladders {
            if ladder.rungs.count > Limits.rungsPerLadder {
                throw .shape("the ladder '\(ladder.name)' has more than \(Limits.rungsPerLadder) rungs")
            }
            guard let last = ladder.rungs.last, last.rule == nil, ladder.rungs.dropLast().allSatisfy({ $0.rule != nil })
            else {
                throw .shape(
                    "the ladder '\(ladder.name)' needs rungs, each with a rule ('when') but the last, which has none")
            }
            if Set(ladder.rungs.map(\.name)).count != ladder.rungs.count {
                throw .shape("the ladder '\(ladder.name)' has two rungs of one name")
            }
        }
        if Set(ladders.map(\.name)).count != ladders.count { throw .shape("two ladders have one name") }
        if Set(warnings.map(\.name)).count != warnings.count { throw .shape("two warnings have one name") }
    }

    /// Warnings whose rule, and rungs whose rule, read a window of more than `days`: for messages about history that is not kept.
    package func users(ofWindowsOver days: Int) -> [String] {
        let long = constants.windows.enumerated().reduce(UInt32(0)) {
            $1.element > days ? $0 | 1 << UInt32($1.offset) : $0
        }
        var names: [String] = []
        for ladder in ladders {
            for (rung, compiled) in ladder.compiled.enumerated() where compiled.windows & long != 0 {
                names.append("\(ladder.source.name).\(ladder.source.rungs[rung].name)")
            }
        }
        for warning in warnings where warning.compiled.windows & long != 0 { names.append(warning.source.name) }
        return names
    }
}
