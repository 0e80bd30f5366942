// What was measured: figures with their units and what each is compared with, as a table for people or as JSON.
import Model

package struct Figure: Sendable {
    /// The same name in the table's JSON and in docs/performance.md.
    var name: String
    var value: Double
    var unit: String
    /// `value` divided by a limit or a peer that was taken in the same run.
    var ratio: Double?
    /// What it was divided by, for people.
    var dividedBy: String?

    init(_ name: String, _ value: Double, _ unit: String) {
        self.name = name
        self.value = value
        self.unit = unit
    }

    init(_ name: String, _ value: Double, _ unit: String, over limit: Double, _ dividedBy: String) {
        self.init(name, value, unit)
        ratio = limit == 0 ? nil : value / limit
        self.dividedBy = dividedBy
    }

    package static func table(_ figures: [Figure]) -> String {
        let rows = figures.map { figure in
            [
                figure.name, text(figure.value), figure.unit,
                figure.ratio.map { text($0) } ?? "", figure.dividedBy.map { "of " + $0 } ?? "",
            ]
        }
        let widths = (0..<5).map { column in rows.map { $0[column].count }.max() ?? 0 }
            .enumerated().map { max($1, leastWidths[$0]) }
        return rows.map { row in
            let cells = zip(row, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: cell.1 - cell.0.count)
                // Numbers end in one line, words begin in one.
                return column == 1 || column == 3 ? space + cell.0 : cell.0 + space
            }
            return trimmed(cells.joined(separator: "  ")) + "\n"
        }.joined()
    }

    /// So that the tables of several parts stand in line.
    private static let leastWidths = [26, 10, 16, 7, 0]

    private static func trimmed(_ text: String) -> String {
        var text = text
        while text.last == " " { text.removeLast() }
        return text
    }

    package static func json(_ figures: [Figure]) -> String {
        let buffer = ByteBuffer()
        buffer.append(contentsOf: "{")
        for (number, figure) in figures.enumerated() {
            buffer.append(contentsOf: number == 0 ? "\"" : ",\"")
            buffer.append(text: figure.name)
            buffer.append(text: "\":{\"value\":\(text(figure.value)),\"unit\":\"\(figure.unit)\"")
            if let ratio = figure.ratio, let dividedBy = figure.dividedBy {
                buffer.append(text: ",\"ratio\":\(text(ratio)),\"divided_by\":\"\(dividedBy)\"")
            }
            buffer.append(contentsOf: "}")
        }
        buffer.append(contentsOf: "}\n")
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    /// Three digits that say something, and no more than what was measured.
    private static func text(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        if value.magnitude >= 100 || value == value.rounded() { return String(Int64(value.rounded())) }
        var digits = 0
        var scaled = value.magnitude
        while scaled < 100 && digits < 6 {
            scaled *= 10
            digits += 1
        }
        var scale: Int64 = 1
        for _ in 0..<digits { scale *= 10 }
        let number = Int64((value.magnitude * Double(scale)).rounded())
        let fraction = String(number % scale)
        let sign = value < 0 ? "-" : ""
        return "\(sign)\(number / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
