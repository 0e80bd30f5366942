// The parts of an event of rfmd that the demo shows (docs/events.md).
import Model

struct DemoEvent {
    enum Kind { case tier, lifecycle, raised, resolved, other }

    let kind: Kind
    /// A line for people; nil for what says little: the first rung of somebody who was just seen.
    let line: String?

    /// `value`: an event in structured mode.
    init(_ value: UnsafeRawBufferPointer) {
        func text(_ name: StaticString) -> String? { DemoEvent.text(name, in: value) }
        let customer = text("customer_id") ?? "?"
        let day = text("decided_at")?.prefix(10) ?? "?"
        let why = text("event_id") == nil ? "nothing happened, and it was due" : "by an event"
        func change(_ what: String) -> String? {
            guard let from = text("from"), let to = text("to") else { return nil }
            return "\(day)  \(customer): \(what) \(from) -> \(to)  (\(why))"
        }
        switch text("type") {
        case "rfm.tier.changed.v1": (kind, line) = (.tier, change("tier"))
        case "rfm.lifecycle.changed.v1": (kind, line) = (.lifecycle, change("lifecycle"))
        case "rfm.churn.warning.raised.v1":
            (kind, line) = (
                .raised, "\(day)  \(customer): warning \(text("warning") ?? "?"), \(text("severity") ?? "?")  (\(why))"
            )
        case "rfm.churn.warning.resolved.v1":
            (kind, line) = (.resolved, "\(day)  \(customer): warning \(text("warning") ?? "?") is over  (\(why))")
        default: (kind, line) = (.other, nil)
        }
    }

    /// The text of the first member `name` that is a string. Inside a string every quote has a backslash before it, so what is
    /// looked for stands only where a member begins. Escapes are shown as they are: a line stays a line.
    private static func text(_ name: StaticString, in value: UnsafeRawBufferPointer) -> String? {
        let wanted =
            [0x22] + UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount) + Array("\":\"".utf8)
        guard value.count > wanted.count else { return nil }
        for at in 0..<(value.count - wanted.count) where value[at..<at + wanted.count].elementsEqual(wanted) {
            let start = at + wanted.count
            var end = start
            while end < value.count, value[end] != 0x22 { end += value[end] == 0x5C ? 2 : 1 }
            return String(decoding: value[start..<min(end, value.count)], as: UTF8.self)
        }
        return nil
    }
}
