// What happened in a run, in order: always as a digest, and as text when somebody wants to read it.
import Model

/// Two runs are the same if their digests are.
final class Trace {
    private(set) var digest = Digest.zero
    private(set) var count = 0
    /// Times are told from here on.
    var origin: Int64 = 0
    private let buffer = ByteBuffer(capacity: 1_024)
    private let show: ((String) -> Void)?

    init(show: ((String) -> Void)?) { self.show = show }

    func note(_ now: Int64, _ text: @autoclosure () -> String) {
        let line = text()
        count += 1
        buffer.append(digest)
        buffer.append(now)
        buffer.append(text: line)
        // Chained now and then: a digest of many lines costs less than many digests.
        if buffer.count > 4_096 { chain() }
        show?("\(Trace.pad(now - origin)) \(line)")
    }

    func chain() {
        digest = Digest(of: buffer.bytes)
        buffer.removeAll()
        buffer.append(digest)
    }

    private static func pad(_ now: Int64) -> String {
        let text = String(now)
        return String(repeating: " ", count: max(0, 8 - text.count)) + text
    }
}
