// Configurations: each is accepted, and then works and is written and read as a version; or every problem has its place in the file.
import Codec
import Daemon
import Model
import Settings

extension FuzzTarget {
    static let configuration = FuzzTarget(
        "configuration",
        words: [
            "kafka: { bootstrap: \"localhost:9092\" }\n", "inputs:\n", "  - { topic: shop.events }\n", "topic:",
            "format:", "mapped",
            "cloudevents", "segment", "debezium", "kind:", "fields:", "at:", "value:", "unit:", "ms", "/a~1b", "/",
            "~2",
            "same_order: add", "click_dedup: 10m", "time:", "zone:", "clock: event", "max_future:", "money:",
            "currency:",
            "rates:", "USD:", "\"7.10\"", "preset: none", "ladders:", "name:", "rungs:", "when:", "label:", "warnings:",
            "severity: high", "cooldown: 7d", "recency >= 90", "activity:", "half_lives: [7d, 28d]", "outputs:",
            "topics:",
            "snapshots:", "folder:", "every:", "keep:", "workers: 2", "emit_from: earliest", "instance:", "properties:",
            "${HOME:-x}", "$$", "|\n", ">-\n", "\u{FEFF}", "\u{85}", "\u{2028}", "- ", ": ", "\n", "  ", "\"", "'",
            "&a", "*a",
            "!!str", "---\n", "...\n", "# ", "%YAML 1.1\n",
        ],
        check: { bytes throws(Finding) in try ConfigurationCheck([UInt8](bytes)).run() })
}

private struct ConfigurationCheck {
    private let bytes: [UInt8]
    /// Unicode scalars of each line.
    private let lines: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        let text = String(
            decoding: bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...], as: UTF8.self)
        var lines = [0]
        var last: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            // Where a line ends: YAML 1.1, b-break. A carriage return and a line feed are one.
            let ends = ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(scalar)
            if ends {
                if !(scalar == "\n" && last == "\r") { lines.append(0) }
            } else {
                lines[lines.count - 1] += 1
            }
            last = scalar
        }
        self.lines = lines
    }

    func run() throws(Finding) {
        let configuration: Configuration
        do throws(SettingsProblems) {
            configuration = try Configuration.load(text: bytes, file: "rfmd.yaml", isForKafka: false)
        } catch {
            try Finding.require(!error.problems.isEmpty, "refused without a problem")
            for problem in error.problems { try check(problem) }
            return
        }
        try VersionCheck.works(configuration.version)
        let again: Configuration
        do throws(SettingsProblems) {
            again = try Configuration.load(text: bytes, file: "rfmd.yaml", isForKafka: false)
        } catch { throw Finding("refused when it is read again: \(error)") }
        try Finding.require(again.version == configuration.version, "it means something else when it is read again")
    }

    private func check(_ problem: SettingsProblem) throws(Finding) {
        try Finding.require(!problem.message.isEmpty, "a problem without a message")
        if let place = problem.place {
            try Finding.require(
                (1...lines.count).contains(place.line) && (1...lines[place.line - 1] + 1).contains(place.column),
                "\(place) is outside: \(problem.description)")
        }
        for scalar in problem.description.unicodeScalars where scalar != "\n" && scalar != "\t" {
            try Finding.require(!scalar.steersTerminal, "\\u{\(String(scalar.value, radix: 16))} is printed")
        }
        // Itself, and a line of the file with a caret below.
        let printed = problem.description.unicodeScalars.filter { $0 == "\n" }.count
        try Finding.require(printed == 0 || printed == 2, "\(printed + 1) lines: \(problem.description)")
    }
}
