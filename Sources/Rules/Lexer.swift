// Cuts a rule's text into tokens.
import Model

struct Token {
    enum Kind: Equatable {
        case name(String)
        /// Digits with an optional fraction.
        case number(String)
        /// Milliseconds.
        case duration(Int64)
        case text(String)
        case symbol(String)
        case end
    }

    var kind: Kind
    var offset: Int

    /// How an error names it.
    var description: String {
        switch kind {
        case .name(let name): "'\(name)'"
        case .number(let digits): "'\(digits)'"
        case .duration: "a duration"
        case .text(let text): "\"\(text)\""
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the end of the rule"
        }
    }
}

struct Lexer {
    private let bytes: [UInt8]
    /// Where the token that was given last ends.
    private(set) var at = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    /// Units of a duration in ms. d is 24 h.
    static let units: [(String, Int64)] = [
        ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
    ]

    private static let symbols = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "(", ")", ","]

    mutating func next() throws(RuleProblem) -> Token {
        while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
        let start = at
        guard at < bytes.count else { return Token(kind: .end, offset: start) }
        let byte = bytes[at]
        if isLetter(byte) { return Token(kind: .name(takeWord()), offset: start) }
        if isDigit(byte) { return Token(kind: try number(from: start), offset: start) }
        if byte == 0x22 || byte == 0x27 { return Token(kind: .text(try quoted(by: byte)), offset: start) }
        for symbol in Lexer.symbols where bytes[at...].starts(with: symbol.utf8) {
            at += symbol.utf8.count
            return Token(kind: .symbol(symbol), offset: start)
        }
        let shown = String(decoding: bytes[start...].prefix(while: { $0 >= 0x80 }), as: UTF8.self)
        let what = shown.isEmpty ? String(UnicodeScalar(byte)) : String(shown.prefix(1))
        if what == "=" { throw RuleProblem(offset: start, message: "'=' is not an operator: write '=='") }
        if what == "&" || what == "|" { throw RuleProblem(offset: start, message: "write '\(what)\(what)'") }
        throw RuleProblem(offset: start, message: "'\(what)' does not belong in a rule")
    }

    private func isLetter(_ byte: UInt8) -> Bool {
        (byte >= 0x41 && byte <= 0x5A) || (byte >= 0x61 && byte <= 0x7A) || byte == 0x5F
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private mutating func takeWord() -> String {
        let start = at
        while at < bytes.count, isLetter(bytes[at]) || isDigit(bytes[at]) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    private mutating func number(from start: Int) throws(RuleProblem) -> Token.Kind {
        while at < bytes.count, isDigit(bytes[at]) { at += 1 }
        let whole = at
        if at + 1 < bytes.count, bytes[at] == 0x2E, isDigit(bytes[at + 1]) {
            at += 1
            while at < bytes.count, isDigit(bytes[at]) { at += 1 }
        }
        let digits = String(decoding: bytes[start..<at], as: UTF8.self)
        guard at < bytes.count, isLetter(bytes[at]) else { return .number(digits) }
        let unitOffset = at
        let unit = takeWord()
        guard let scale = Lexer.units.first(where: { $0.0 == unit })?.1 else {
            throw RuleProblem(
                offset: unitOffset,
                message: "'\(unit)' is no unit of time: write one of ms, s, m, h, d, w after the number")
        }
        guard whole == unitOffset, let count = Int64(digits) else {
            throw RuleProblem(offset: start, message: "a duration is a whole number and a unit, such as 36h")
        }
        let (value, overflow) = count.multipliedReportingOverflow(by: scale)
        guard !overflow, value <= Limits.literalDays * CivilTime.millisecondsPerDay else {
            throw RuleProblem(offset: start, message: "the duration is too long: at most \(Limits.literalDays)d")
        }
        return .duration(value)
    }

    private mutating func quoted(by quote: UInt8) throws(RuleProblem) -> String {
        let start = at
        at += 1
        while at < bytes.count, bytes[at] != quote {
            if bytes[at] == 0x5C { throw RuleProblem(offset: at, message: "a text in a rule has no escapes") }
            at += 1
        }
        guard at < bytes.count else {
            throw RuleProblem(offset: start, message: "the text that begins here has no end")
        }
        defer { at += 1 }
        return String(decoding: bytes[start + 1..<at], as: UTF8.self)
    }
}
