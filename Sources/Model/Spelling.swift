// What somebody may have meant who wrote a name that there is not.

package enum Spelling {
    /// The candidate that is at most two edits away, and one of short names, if there is one.
    package static func nearest(_ text: String, among candidates: [String]) -> String? {
        candidates.map { ($0, distance(text, $0)) }.filter { $0.1 <= min(2, text.count / 2) }.min { $0.1 < $1.1 }?.0
    }

    /// How many characters are to be added, removed, replaced, or exchanged with their neighbour.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (left, right) = (Array(a), Array(b))
        var before: [Int] = []
        var row = Array(0...right.count)
        for i in left.indices {
            var next = [i + 1]
            for j in right.indices {
                var cost = min(row[j] + (left[i] == right[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    cost = min(cost, before[j - 1] + 1)
                }
                next.append(cost)
            }
            (before, row) = (row, next)
        }
        return row[right.count]
    }
}
