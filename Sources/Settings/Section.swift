// Reads one mapping of the file: every key that is asked for is known, every other one is a mistake.
import Model

/// Collects what is wrong, so that all of it is told at once.
package final class Problems {
    let file: String
    private let source: SourceText
    package private(set) var list: [SettingsProblem] = []

    init(file: String, source: SourceText) {
        self.file = file
        self.source = source
    }

    package func add(_ place: Place, _ key: String, _ message: String) {
        // libyaml says that a file which breaks off is wrong in the line below its last.
        let place = source.inside(place)
        list.append(
            SettingsProblem(file: file, place: place, key: key, message: message, snippet: source.snippet(place)))
    }

    /// Of the file as a whole.
    func add(_ message: String) {
        list.append(SettingsProblem(file: file, place: nil, key: "", message: message))
    }
}

struct Section {
    let path: String
    let place: Place
    let problems: Problems
    private var pairs: [String: (place: Place, value: YAMLNode)] = [:]
    private var order: [String] = []
    private var known: Set<String> = []

    /// An empty section if the node is no mapping (which is told).
    init(_ node: YAMLNode?, path: String, problems: Problems) {
        self.path = path
        self.problems = problems
        place = node?.place ?? Place(line: 1, column: 1)
        guard let node else { return }
        guard case .mapping(let pairs) = node.content else {
            problems.add(node.place, path, "expected a mapping (key: value), found \(node.kind)")
            return
        }
        for (key, value) in pairs {
            guard case .scalar(let name, _) = key.content else {
                problems.add(key.place, path, "a key must be a text")
                continue
            }
            if self.pairs[name] != nil {
                problems.add(key.place, full(name), "the key stands twice")
            } else {
                self.pairs[name] = (key.place, value)
                order.append(name)
            }
        }
    }

    func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// Names as written, in order: for sections whose keys are free.
    var names: [String] { order }

    func placeOfKey(_ key: String) -> Place { pairs[key]?.place ?? place }

    mutating func node(_ key: String) -> YAMLNode? {
        known.insert(key)
        guard let node = pairs[key]?.value else { return nil }
        // `key:` with nothing after it means the default.
        if case .scalar("", isPlain: true) = node.content { return nil }
        return node
    }

    /// Tells every key that nobody asked for. `planned` are keys of a later version.
    func finish(planned: [String] = []) {
        for name in order where !known.contains(name) {
            if planned.contains(name) {
                problems.add(placeOfKey(name), full(name), "this version does not support it yet: remove it")
                continue
            }
            let hint = Spelling.nearest(name, among: known.sorted()).map { " (did you mean '\($0)'?)" } ?? ""
            problems.add(
                placeOfKey(name), full(name),
                "there is no such key\(hint); known here: \(known.sorted().joined(separator: ", "))")
        }
    }

    mutating func section(_ key: String) -> Section? {
        node(key).map { Section($0, path: full(key), problems: problems) }
    }

    mutating func items(_ key: String) -> [YAMLNode] {
        guard let node = node(key) else { return [] }
        guard case .sequence(let items) = node.content else {
            problems.add(node.place, full(key), "expected a list, found \(node.kind)")
            return []
        }
        return items
    }

    func text(of node: YAMLNode, key: String) -> Placed<String>? {
        guard case .scalar(let raw, _) = node.content else {
            problems.add(node.place, key, "expected a text, found \(node.kind)")
            return nil
        }
        do {
            let text = try Environment.expand(raw)
            return Placed(text, place: node.place, places: text == raw ? node.places : [], key: key)
        } catch {
            problems.add(node.place, key, error.message)
            return nil
        }
    }

    mutating func text(_ key: String) -> Placed<String>? { node(key).flatMap { text(of: $0, key: full(key)) } }

    mutating func nonEmpty(_ key: String) -> Placed<String>? {
        guard let text = text(key) else { return nil }
        if text.value.isEmpty {
            problems.add(text.place, full(key), "must not be empty")
            return nil
        }
        return text
    }

    /// As `nonEmpty`, and told at `place` if the key is not there.
    mutating func required(_ key: String, at place: Place, _ message: String = "is required") -> Placed<String>? {
        if node(key) != nil { return nonEmpty(key) }
        problems.add(place, full(key), message)
        return nil
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ key: String, _ type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let text = text(key) else { return nil }
        if let choice = Choice(rawValue: text.value) { return choice }
        let all = Choice.allCases.map(\.rawValue)
        let hint = Spelling.nearest(text.value, among: all).map { " (did you mean '\($0)'?)" } ?? ""
        problems.add(text.place, full(key), "'\(text.value)' is none of \(all.joined(separator: ", "))\(hint)")
        return nil
    }

    mutating func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = text(key) else { return nil }
        guard let value = Int(text.value), range.contains(value) else {
            problems.add(
                text.place, full(key), "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    /// Bytes.
    mutating func size(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = text(key) else { return nil }
        guard let value = ByteSize.parse(text.value) else {
            problems.add(text.place, full(key), "expected a size such as 512MiB or 4GiB, found '\(text.value)'")
            return nil
        }
        guard range.contains(value) else {
            problems.add(
                text.place, full(key),
                "must lie between \(ByteSize.text(range.lowerBound)) and \(ByteSize.text(range.upperBound))")
            return nil
        }
        return value
    }

    /// As `text`, and told if `problem` finds something wrong with it.
    mutating func checked(_ key: String, _ problem: (String) -> String?) -> Placed<String>? {
        guard let text = nonEmpty(key) else { return nil }
        if let problem = problem(text.value) { problems.add(text.place, full(key), problem) }
        return text
    }

    /// ms.
    mutating func duration(_ key: String, in range: ClosedRange<Int64>) -> Int64? {
        text(key).flatMap { duration($0, key: full(key), in: range) }
    }

    func duration(_ text: Placed<String>, key: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let value = Duration.parse(text.value) else {
            problems.add(text.place, key, "expected a duration such as 90s, 10m, 36h or 7d, found '\(text.value)'")
            return nil
        }
        guard range.contains(value) else {
            problems.add(
                text.place, key,
                "must lie between \(Duration.text(range.lowerBound)) and \(Duration.text(range.upperBound))")
            return nil
        }
        return value
    }
}

package enum ByteSize {
    private static let units: [(name: String, shift: Int)] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)]

    /// Bytes of `512MiB`. A number alone is none: it would be taken for another unit.
    static func parse(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let count = Int(digits),
            let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
        else { return nil }
        let (value, overflow) = count.multipliedReportingOverflow(by: 1 << unit.shift)
        return overflow ? nil : value
    }

    package static func text(_ bytes: Int) -> String {
        let unit = units.first { bytes % (1 << $0.shift) == 0 } ?? ("B", 0)
        return "\(bytes >> unit.shift)\(unit.name)"
    }
}

enum Duration {
    private static let units: [(String, Int64)] = [
        ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]

    /// ms of `90d`, `10m`, `500ms`.
    static func parse(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, let count = Int64(digits),
            let unit = units.first(where: { $0.0 == text.dropFirst(digits.count) })
        else { return nil }
        let (value, overflow) = count.multipliedReportingOverflow(by: unit.1)
        return overflow ? nil : value
    }

    static func text(_ milliseconds: Int64) -> String {
        let unit = units.first { milliseconds % $0.1 == 0 && milliseconds != 0 } ?? ("ms", 1)
        return "\(milliseconds / unit.1)\(unit.0)"
    }
}
