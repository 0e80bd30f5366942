// Names of ladders, rungs and warnings as bytes with a fixed place, for effects.
import Rules

/// In plain memory, which no reference is counted for; valid as long as this.
final class RuleNames {
    typealias Names = UnsafeBufferPointer<UnsafeRawBufferPointer>

    let ladders: Names
    /// Of each ladder.
    private let rungs: UnsafeMutableBufferPointer<Names>
    let warnings: Names
    let severities: Names

    init(_ rules: Ruleset) {
        ladders = RuleNames.keep(rules.ladders.map(\.source.name))
        rungs = .allocate(capacity: rules.ladders.count)
        _ = rungs.initialize(from: rules.ladders.map { RuleNames.keep($0.source.rungs.map(\.name)) })
        warnings = RuleNames.keep(rules.warnings.map(\.source.name))
        severities = RuleNames.keep(rules.warnings.map(\.source.severity.rawValue))
    }

    private static func keep(_ texts: [String]) -> Names {
        let names = UnsafeMutableBufferPointer<UnsafeRawBufferPointer>.allocate(capacity: texts.count)
        _ = names.initialize(
            from: texts.map { text in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
                copy.copyBytes(from: text.utf8)
                return UnsafeRawBufferPointer(copy)
            })
        return Names(names)
    }

    func rung(_ rung: Int, of ladder: Int) -> UnsafeRawBufferPointer {
        let names = rungs[ladder]
        precondition(rung < names.count, "a rung that the ladder has")
        return names[rung]
    }

    deinit {
        for names in [ladders, warnings, severities] + rungs {
            for name in names { name.deallocate() }
            names.deallocate()
        }
        rungs.deallocate()
    }
}
