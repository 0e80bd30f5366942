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

/// A value and where it stands.
package struct Placed<Value: Sendable>: Sendable {
    package var value: Value
    package var place: Place
    /// Where each Unicode scalar of the text stands, and its end; empty if the text is not in the file as it is.
    package var places: [Place]
    package var key: String

    package init(_ value: Value, place: Place, places: [Place] = [], key: String = "") {
        self.value = value
        self.place = place
        self.places = places
        self.key = key
    }

    /// The place of byte `offset` of a text.
    package func place(atByte offset: Int, of text: String) -> Place {
        if places.isEmpty { return place }
        let scalars = String(decoding: Array(text.utf8.prefix(offset)), as: UTF8.self).unicodeScalars.count
        return places[min(scalars, places.count - 1)]
    }
}

package struct SettingsProblem: Error, Equatable, Sendable {
    package var file: String
    /// nil if it is about the file as a whole.
    package var place: Place?
    package var key: String
    package var message: String
    /// The line of the file and a caret below.
    package var snippet: String?

    package init(file: String, place: Place?, key: String, message: String, snippet: String? = nil) {
        self.file = file
        self.place = place
        self.key = key
        self.message = message
        self.snippet = snippet
    }

    private static let longestKey = 200
    private static let longestMessage = 1_000

    /// `file:line:col: error: key: message`, then the snippet.
    package var description: String {
        let at = place.map { "\($0.line):\($0.column):" } ?? ""
        let key = key.isEmpty ? "" : SourceText.plain(key, most: SettingsProblem.longestKey) + ": "
        let name = file.isEmpty ? "''" : file
        return "\(name):\(at) error: \(key)\(SourceText.plain(message, most: SettingsProblem.longestMessage))"
            + (snippet.map { "\n" + $0 } ?? "")
    }
}

/// All that is wrong, in the order of the file.
package struct SettingsProblems: Error, Sendable {
    package var problems: [SettingsProblem]

    package init(problems: [SettingsProblem]) { self.problems = problems }
}
