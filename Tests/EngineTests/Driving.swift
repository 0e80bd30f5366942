// Calls of the engine as tests write them: texts for bytes, effects as comparable values.
import Engine
import Model
import Rules

/// An effect whose texts are its own.
struct Change: Equatable, CustomStringConvertible {
    var customer: String
    /// `tier null -> potential`, `raised slipping low`, `resolved slipping low`.
    var what: String
    var cause: String
    var decidedAt: Int64
    var raisedAt: Int64
    /// `recency 3, orders 2, spend 500` with one number per window.
    var values: String

    var description: String {
        "\(customer) \(what), by \(cause) at \(CivilTime.text(decidedAt))\(raisedAt == 0 ? "" : ", raised \(CivilTime.text(raisedAt))") (\(values))"
    }
}

private func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }

extension Change {
    init(_ effect: Effect) {
        customer = text(effect.customer)
        let name = text(effect.name)
        switch effect.kind {
        case .rungChanged: what = "\(name) \(effect.from.map(text) ?? "null") -> \(text(effect.to))"
        case .warningRaised: what = "raised \(name) \(text(effect.to))"
        case .warningResolved: what = "resolved \(name) \(text(effect.to))"
        }
        switch effect.cause {
        case .event: cause = text(effect.event)
        case .deadline: cause = "deadline"
        case .version: cause = "version"
        }
        decidedAt = effect.decidedAt
        raisedAt = effect.raisedAt
        values = Change.values(effect.recency.map(Int64.init), Array(effect.windows))
    }

    static func values(_ recency: Int64?, _ windows: [(orders: Int64, spend: Int64)]) -> String {
        let orders = windows.map { "\($0.orders)" }.joined(separator: "/")
        let spend = windows.map { "\($0.spend)" }.joined(separator: "/")
        return "recency \(recency.map(String.init) ?? "null"), orders \(orders), spend \(spend)"
    }
}

extension Engine {
    /// The effects since the last call, which are taken away.
    func takeChanges() throws -> [Change] {
        var reader = ByteReader(effects.bytes)
        var changes: [Change] = []
        while reader.remaining > 0 { changes.append(Change(try reader.readEffect())) }
        effects.removeAll()
        effectCount = 0
        return changes
    }

    /// A copy made by a snapshot of `limit` bytes a part, whose parts are restored last first.
    func restored(rules: Ruleset, oldRules: Ruleset? = nil, limits: StateLimits? = nil, limit: Int = 200) throws
        -> Engine
    {
        let header = ByteBuffer()
        beginSnapshot(into: header)
        var parts: [[UInt8]] = []
        var more = true
        while more {
            let part = ByteBuffer()
            more = continueSnapshot(into: part, limit: limit)
            parts.append(part.array)
        }
        endSnapshot()
        let copy = Engine(
            rules: rules, limits: limits ?? self.limits, key: key, emitFrom: emitFrom, rebuiltUpTo: rebuiltUpTo)
        try copy.restoreHeader(header.bytes, oldRules: oldRules)
        for part in parts.reversed() { try part.withUnsafeBytes { try copy.restoreCustomers($0) } }
        try copy.finishRestore()
        return copy
    }
}

/// One event with texts that live as long as it does.
struct Event {
    var kind: EngineInput.Kind
    var customer: String
    var id: String
    var order = ""
    var occurredAt: Int64
    var amount: Int64?
    var adds = false
    var deduplication: Int64 = 0
    var mute = Mute.none

    @discardableResult
    func apply(to engine: Engine, at instant: Int64? = nil) -> Outcome {
        Array(customer.utf8).withUnsafeBytes { customer in
            Array(id.utf8).withUnsafeBytes { event in
                Array((order.isEmpty ? id : order).utf8).withUnsafeBytes { order in
                    engine.apply(
                        EngineInput(
                            kind: kind, customer: customer, event: event, order: order, occurredAt: occurredAt,
                            amount: amount,
                            addsToOrder: adds, clickDeduplication: deduplication, mute: mute), at: instant ?? occurredAt
                    )
                }
            }
        }
    }
}
