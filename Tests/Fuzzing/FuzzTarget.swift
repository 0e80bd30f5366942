// What is fuzzed: readers of bytes from outside, each with what must hold whatever the bytes are.

/// What did not hold. A trap is the other way to find something.
package struct Finding: Error {
    package var message: String

    init(_ message: String) { self.message = message }

    static func require(_ holds: Bool, _ message: @autoclosure () -> String) throws(Finding) {
        if !holds { throw Finding(message()) }
    }
}

package struct FuzzTarget: Sendable {
    package let name: String
    /// Pieces that its input is likely made of.
    package let words: [String]
    /// Of an input, in bytes.
    package let longest: Int
    package let check: @Sendable (UnsafeRawBufferPointer) throws(Finding) -> Void

    init(
        _ name: String, words: [String] = [], longest: Int = 4_096,
        check: @escaping @Sendable (UnsafeRawBufferPointer) throws(Finding) -> Void
    ) {
        self.name = name
        self.words = words
        self.longest = longest
        self.check = check
    }

    /// The words as libFuzzer reads them.
    package var dictionary: String {
        func escaped(_ byte: UInt8) -> String { (byte < 16 ? "\\x0" : "\\x") + String(byte, radix: 16) }
        return words.map { "\"\($0.utf8.map(escaped).joined())\"\n" }.joined()
    }

    package static let all: [FuzzTarget] = [
        .decoder, .rules, .configuration, .state, .snapshot, .journal, .version, .letters, .arguments,
    ]
}

/// libFuzzer's way in: a C function without context, so the target stands beside it.
package enum FuzzEntry {
    /// Set before libFuzzer calls; it has one thread.
    nonisolated(unsafe) package static var target = FuzzTarget.decoder

    package static let check: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt = { bytes, count in
        do throws(Finding) { try target.check(UnsafeRawBufferPointer(start: bytes, count: count)) } catch {
            fatalError(error.message)
        }
        return 0
    }
}
