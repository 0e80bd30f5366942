// $V and ${V} in texts of the configuration, after the YAML was read, so that a value cannot add keys.
import Glibc

enum Environment {
    struct Failure: Error {
        var message: String
    }

    /// Expands `$V ${V} ${V:-default} ${V-default} ${V:?error} ${V?error} $$`; a variable that is not set is an error.
    static func expand(_ text: String) throws(Failure) -> String {
        guard text.contains("$") else { return text }
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            if rest.first == "$" {
                result += "$"
                rest = rest.dropFirst()
            } else if rest.first == "{" {
                guard let end = rest.firstIndex(of: "}") else {
                    throw Failure(message: "'${' has no '}'; a dollar sign is written '$$'")
                }
                result += try braced(rest[rest.index(after: rest.startIndex)..<end])
                rest = rest[rest.index(after: end)...]
            } else {
                let name = rest.prefix(while: isName)
                guard !name.isEmpty else {
                    throw Failure(message: "'$' names no variable; a dollar sign is written '$$'")
                }
                guard let value = variable(name) else {
                    throw Failure(message: "the environment variable '\(name)' is not set")
                }
                result += value
                rest = rest.dropFirst(name.count)
            }
        }
        return result + rest
    }

    private static func isName(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || character == "_")
    }

    private static func variable(_ name: Substring) -> String? { getenv(String(name)).map { String(cString: $0) } }

    private static func braced(_ inner: Substring) throws(Failure) -> String {
        let name = inner.prefix(while: isName)
        guard !name.isEmpty else { throw Failure(message: "'${\(inner)}' names no variable") }
        var rest = inner.dropFirst(name.count)
        let value = variable(name)
        let wantsText = rest.first == ":"
        if wantsText { rest = rest.dropFirst() }
        let usable = wantsText ? value.flatMap { $0.isEmpty ? nil : $0 } : value
        switch rest.first {
        case nil where !wantsText:
            guard let value else { throw Failure(message: "the environment variable '\(name)' is not set") }
            return value
        case "-": return usable ?? String(rest.dropFirst())
        case "?":
            guard let usable else {
                throw Failure(message: "the environment variable '\(name)' is not set: \(rest.dropFirst())")
            }
            return usable
        default: throw Failure(message: "'${\(inner)}' is not of the form ${V}, ${V:-default} or ${V:?error}")
        }
    }
}
