// What is wrong with a configuration, where, and what to do.

/// A place in the file; line and column count from 1.
package struct Place: Equatable, Sendable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }
}

/// A value and where it stands. `textPlace` is where the text itself begins (inside the quotes).
package struct Placed<Value: Sendable>: Sendable {
    package var value: Value
    package var place: Place
    /// Columns can be counted from `place` only if the text stands in the file as it is, on one line.
    package var isVerbatim: Bool
    package var key: String

    package init(_ value: Value, place: Place, isVerbatim: Bool = false, key: String = "") {
        self.value = value
        self.place = place
        self.isVerbatim = isVerbatim
        self.key = key
    }

    /// The place of byte `offset` of a text.
    package func place(atByte offset: Int, of text: String) -> Place {
        guard isVerbatim else { return place }
        let characters = String(decoding: Array(text.utf8.prefix(offset)), as: UTF8.self).count
        return Place(line: place.line, column: place.column + characters)
    }
}

package struct SettingsProblem: Error, Equatable, Sendable {
    package var file: String
    package var place: Place
    package var key: String
    package var message: String
    /// The line of the file, for the caret.
    package var line: String?

    package init(file: String, place: Place, key: String, message: String, line: String? = nil) {
        self.file = file
        self.place = place
        self.key = key
        self.message = message
        self.line = line
    }

    /// `file:line:col: error: key: message`, then the line and a caret.
    package var description: String {
        var text = "\(file):\(place.line):\(place.column): error: \(key.isEmpty ? "" : key + ": ")\(message)"
        if let line, !line.isEmpty {
            text += "\n    \(line)\n    \(String(repeating: " ", count: max(0, place.column - 1)))^"
        }
        return text
    }
}

/// All that is wrong, in the order of the file.
package struct SettingsProblems: Error, Sendable {
    package var problems: [SettingsProblem]

    package init(problems: [SettingsProblem]) { self.problems = problems }
}
