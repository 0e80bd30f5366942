// Ladders and warnings as plain memory: what the engine runs through for every decision, with no reference to count.

/// A ladder; valid as long as the `Ladder` that owns it.
package struct LadderCode: BitwiseCopyable, @unchecked Sendable {
    /// One per rung but the last.
    private let rules: UnsafeMutablePointer<Code>
    private let ruleCount: Int
    /// Text number of each rung's name.
    private let texts: UnsafeMutablePointer<Int32>

    init(_ rules: [Code], _ texts: [Int32]) {
        ruleCount = rules.count
        self.rules = .allocate(capacity: rules.count)
        self.rules.initialize(from: rules, count: rules.count)
        self.texts = .allocate(capacity: texts.count)
        self.texts.initialize(from: texts, count: texts.count)
    }

    func deallocate() {
        rules.deallocate()
        texts.deallocate()
    }

    package var rungCount: Int { ruleCount + 1 }

    /// The first rung whose rule holds, and how long that is sure to stay.
    package func decide(_ features: Features, _ constants: RuleConstants) -> (
        rung: Int, until: Int64, heedsClicks: Bool
    ) {
        var until = Int64.max
        var heedsClicks = false
        for rung in 0..<ruleCount {
            let outlook = rules[rung].outlook(features, constants)
            until = min(until, outlook.until)
            if outlook.heedsClicks { heedsClicks = true }
            if outlook.holds { return (rung, until, heedsClicks) }
        }
        return (ruleCount, until, heedsClicks)
    }

    /// What must come to hold for a customer on `rung` to rise by one: the rule of the rung above. nil on the first.
    package func rule(above rung: Int) -> Code? { rung == 0 ? nil : rules[rung - 1] }

    /// What holds as long as a customer stays on `rung` or rises. nil on the last.
    package func rule(of rung: Int) -> Code? { rung < ruleCount ? rules[rung] : nil }

    @inline(__always)
    package func text(ofRung rung: Int) -> Int32 { texts[rung] }
}

/// A warning; valid as long as the `Warning` that owns its rule.
package struct WarningCode: BitwiseCopyable, @unchecked Sendable {
    package let rule: Code
    package let key: UInt64
    /// ms from the raise.
    package let cooldown: Int64
}

/// All of them, in the order in which they are decided.
package struct DecisionTable: @unchecked Sendable {
    package let ladders: UnsafeMutableBufferPointer<LadderCode>
    package let warnings: UnsafeMutableBufferPointer<WarningCode>

    init(_ ladders: [Ladder], _ warnings: [Warning]) {
        self.ladders = .allocate(capacity: ladders.count)
        _ = self.ladders.initialize(from: ladders.map(\.code))
        self.warnings = .allocate(capacity: warnings.count)
        _ = self.warnings.initialize(
            from: warnings.map { WarningCode(rule: $0.compiled.code, key: $0.key, cooldown: $0.source.cooldown) })
    }

    func deallocate() {
        ladders.deallocate()
        warnings.deallocate()
    }
}
