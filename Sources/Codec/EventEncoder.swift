// Decisions as CloudEvents 1.0 in JSON: docs/events.md.
import Model
import Rules

/// Writes the events of one version. Immutable after `init`, but for the buffers that it is given.
package struct EventEncoder: Sendable {
    package enum Format: String, Sendable { case structured, binary }

    /// CloudEvents' `source`: /rfmd/<cluster>/<group>.
    package let source: String
    package let rules: Ruleset
    /// The first 12 hexadecimal digits of the version's digest.
    package let version: String
    private let windowOrder: [Int]

    package init(source: String, rules: Ruleset, version: Digest) {
        self.source = source
        self.rules = rules
        self.version = version.short
        windowOrder = rules.windows.indices.sorted { rules.windows[$0] < rules.windows[$1] }
    }

    /// The `type` of an effect, without its name for ladders: `rfm.NAME.changed.v1`.
    package static func type(of effect: Effect) -> String {
        switch effect.kind {
        case .rungChanged: "rfm.\(String(decoding: effect.name, as: UTF8.self)).changed.v1"
        case .warningRaised: "rfm.churn.warning.raised.v1"
        case .warningResolved: "rfm.churn.warning.resolved.v1"
        }
    }

    /// Structured mode: the whole event. `id` is unique for ever.
    package func appendStructured(_ effect: Effect, id: String, to buffer: ByteBuffer) {
        buffer.append(contentsOf: "{\"specversion\":\"1.0\",\"id\":")
        buffer.appendJSON(id)
        buffer.append(contentsOf: ",\"source\":")
        buffer.appendJSON(source)
        buffer.append(contentsOf: ",\"type\":")
        buffer.appendJSON(EventEncoder.type(of: effect))
        buffer.append(contentsOf: ",\"subject\":")
        buffer.appendJSON(effect.customer)
        buffer.append(contentsOf: ",\"time\":")
        buffer.appendInstant(effect.decidedAt)
        buffer.append(contentsOf: ",\"datacontenttype\":\"application/json\",\"partitionkey\":")
        buffer.appendJSON(effect.customer)
        buffer.append(contentsOf: ",\"data\":")
        appendData(effect, to: buffer)
        buffer.append(contentsOf: "}")
    }

    /// The data alone: the value in binary mode.
    package func appendData(_ effect: Effect, to buffer: ByteBuffer) {
        buffer.append(contentsOf: "{\"customer_id\":")
        buffer.appendJSON(effect.customer)
        switch effect.kind {
        case .rungChanged:
            buffer.append(contentsOf: ",\"from\":")
            if let from = effect.from { buffer.appendJSON(from) } else { buffer.append(contentsOf: "null") }
            buffer.append(contentsOf: ",\"to\":")
            buffer.appendJSON(effect.to)
        case .warningRaised, .warningResolved:
            buffer.append(contentsOf: ",\"warning\":")
            buffer.appendJSON(effect.name)
            buffer.append(contentsOf: ",\"severity\":")
            buffer.appendJSON(effect.to)
            buffer.append(contentsOf: ",\"episode\":")
            buffer.appendJSON(EventEncoder.episode(effect))
            buffer.append(contentsOf: ",\"raised_at\":")
            buffer.appendInstant(effect.raisedAt)
        }
        appendValues(effect, to: buffer)
        appendCause(effect, to: buffer)
        appendRule(effect, to: buffer)
        buffer.append(contentsOf: ",\"rules_version\":")
        buffer.appendJSON(version)
        buffer.append(contentsOf: ",\"decided_at\":")
        buffer.appendInstant(effect.decidedAt)
        buffer.append(contentsOf: "}")
    }

    /// An episode is named by its customer, its warning and the instant of its raise.
    package static func episode(_ effect: Effect) -> String {
        let buffer = ByteBuffer(capacity: 320)
        buffer.appendCounted(effect.customer)
        buffer.appendCounted(effect.name)
        buffer.append(effect.raisedAt)
        return Digest(of: buffer.bytes).description
    }

    private func appendValues(_ effect: Effect, to buffer: ByteBuffer) {
        buffer.append(contentsOf: ",\"values\":{\"recency\":")
        if let recency = effect.recency { buffer.appendNumber(recency) } else { buffer.append(contentsOf: "null") }
        buffer.append(contentsOf: ",\"orders\":{")
        appendWindows(effect, to: buffer) { buffer.appendNumber($0.orders) }
        buffer.append(contentsOf: "},\"spend\":{")
        appendWindows(effect, to: buffer) { buffer.appendMoney($0.spend, exponent: rules.currencyExponent) }
        buffer.append(contentsOf: "}}")
    }

    private func appendWindows(_ effect: Effect, to buffer: ByteBuffer, _ body: ((orders: Int64, spend: Int64)) -> Void) {
        for (place, window) in windowOrder.enumerated() where window < effect.windows.count {
            buffer.append(contentsOf: place == 0 ? "\"" : ",\"")
            buffer.appendNumber(rules.windows[window])
            buffer.append(contentsOf: "d\":")
            body(effect.windows[window])
        }
    }

    private func appendCause(_ effect: Effect, to buffer: ByteBuffer) {
        switch effect.cause {
        case .event:
            buffer.append(contentsOf: ",\"cause\":{\"kind\":\"event\",\"event_id\":")
            buffer.appendJSON(effect.event)
        case .deadline:
            buffer.append(contentsOf: ",\"cause\":{\"kind\":\"deadline\",\"due\":")
            buffer.appendInstant(effect.decidedAt)
        case .version:
            buffer.append(contentsOf: ",\"cause\":{\"kind\":\"version\",\"version\":")
            buffer.appendJSON(version)
        }
        buffer.append(contentsOf: "}")
    }

    private func appendRule(_ effect: Effect, to buffer: ByteBuffer) {
        var expression: String?
        if effect.kind == .rungChanged {
            buffer.append(contentsOf: ",\"rule\":{\"ladder\":")
            buffer.appendJSON(effect.name)
            buffer.append(contentsOf: ",\"rung\":")
            buffer.appendJSON(effect.to)
            let ladder = rules.ladders.first { $0.source.name.utf8.elementsEqual(effect.name) }
            expression = ladder?.source.rungs[Int(effect.rung)].rule
        } else {
            buffer.append(contentsOf: ",\"rule\":{\"warning\":")
            buffer.appendJSON(effect.name)
            expression = rules.warnings.first { $0.source.name.utf8.elementsEqual(effect.name) }?.source.rule
        }
        buffer.append(contentsOf: ",\"expression\":")
        if let expression { buffer.appendJSON(expression) } else { buffer.append(contentsOf: "null") }
        buffer.append(contentsOf: "}")
    }
}
