// Names of ladders, rungs and warnings as bytes with a fixed place, for effects.
import Rules

final class RuleNames {
    private var memory: [UnsafeMutableRawBufferPointer] = []
    private(set) var ladders: [UnsafeRawBufferPointer] = []
    private(set) var rungs: [[UnsafeRawBufferPointer]] = []
    private(set) var warnings: [UnsafeRawBufferPointer] = []
    private(set) var severities: [UnsafeRawBufferPointer] = []

    init(_ rules: Ruleset) {
        ladders = rules.ladders.map { keep($0.source.name) }
        rungs = rules.ladders.map { $0.source.rungs.map { keep($0.name) } }
        warnings = rules.warnings.map { keep($0.source.name) }
        severities = rules.warnings.map { keep($0.source.severity.rawValue) }
    }

    private func keep(_ text: String) -> UnsafeRawBufferPointer {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
        copy.copyBytes(from: text.utf8)
        memory.append(copy)
        return UnsafeRawBufferPointer(copy)
    }

    deinit { for buffer in memory { buffer.deallocate() } }
}
