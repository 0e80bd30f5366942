// Decisions as CloudEvents 1.0 in JSON: docs/events.md.
import Model
import Rules

/// Writes the events of one version: what is the same in all events of a kind is prepared once. Immutable after `init`.
package final class EventEncoder: Sendable {
    package enum Format: String, Sendable { case structured, binary }

    /// CloudEvents' `source`: /rfmd/<cluster>/<group>.
    package let source: String

    /// What is fixed about the events of one ladder or warning.
    private struct Pieces {
        var name: [UInt8]
        var type: String
        /// From `source` up to the customer, of the structured form.
        var head: [UInt8]
        /// The rule, by rung; a warning has one.
        var rules: [[UInt8]]
        /// Of a ladder.
        var distance: DistanceText?
        /// The type and head of a warning's resolve.
        var resolvedType = ""
        var resolvedHead: [UInt8] = []
    }

    private let ladders: [Pieces]
    private let warnings: [Pieces]
    private let windows: WindowKeys
    /// The first 12 hexadecimal digits of the version's digest, as JSON.
    private let versionText: [UInt8]

    package init(source: String, rules: Ruleset, version: Digest) {
        self.source = source
        versionText = EventEncoder.bytes { $0.appendJSON(version.short) }
        windows = WindowKeys(rules)
        ladders = rules.ladders.map { ladder in
            let name = ladder.source.name
            let type = "rfm.\(name).changed.v1"
            return Pieces(
                name: Array(name.utf8), type: type, head: EventEncoder.head(source, type),
                rules: ladder.source.rungs.map { EventEncoder.rule(["ladder": name, "rung": $0.name], $0.rule) },
                distance: DistanceText(ladder, rules))
        }
        warnings = rules.warnings.map { EventEncoder.warning($0.source.name, $0.source.rule, source) }
    }

    /// A URI reference, as CloudEvents wants it: a group may be called anything.
    package static func source(cluster: String, group: String) -> String {
        "/rfmd/\(escaped(cluster))/\(escaped(group))"
    }

    /// A segment of a URI's path: all but what RFC 3986 calls unreserved is percent-encoded.
    private static func escaped(_ segment: String) -> String {
        segment.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: String(Unicode.Scalar(byte))
            default: (byte < 0x10 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }

    private static func bytes(_ write: (ByteBuffer) -> Void) -> [UInt8] {
        let buffer = ByteBuffer(capacity: 128)
        write(buffer)
        return buffer.array
    }

    private static func head(_ source: String, _ type: String) -> [UInt8] {
        bytes { buffer in
            buffer.append(contentsOf: ",\"source\":")
            buffer.appendJSON(source)
            buffer.append(contentsOf: ",\"type\":")
            buffer.appendJSON(type)
            buffer.append(contentsOf: ",\"subject\":")
        }
    }

    private static func rule(_ names: KeyValuePairs<String, String>, _ expression: String?) -> [UInt8] {
        bytes { buffer in
            buffer.append(contentsOf: ",\"rule\":{")
            for (key, name) in names {
                buffer.appendJSON(key)
                buffer.append(contentsOf: ":")
                buffer.appendJSON(name)
                buffer.append(contentsOf: ",")
            }
            buffer.append(contentsOf: "\"expression\":")
            if let expression { buffer.appendJSON(expression) } else { buffer.append(contentsOf: "null") }
            buffer.append(contentsOf: "}")
        }
    }

    private static func warning(_ name: String, _ expression: String?, _ source: String) -> Pieces {
        let raised = "rfm.churn.warning.raised.v1"
        let resolved = "rfm.churn.warning.resolved.v1"
        return Pieces(
            name: Array(name.utf8), type: raised, head: head(source, raised),
            rules: [rule(["warning": name], expression)],
            resolvedType: resolved, resolvedHead: head(source, resolved))
    }

    private func pieces(of effect: Effect) -> Pieces {
        let known = (effect.kind == .rungChanged ? ladders : warnings).first {
            UnsafeRawBufferPointer.equal($0.name, effect.name)
        }
        if let known { return known }
        // A version that removes a warning resolves its episodes, and has no rule for it.
        precondition(effect.kind == .warningResolved, "a version decides by its own ladders and warnings")
        return EventEncoder.warning(String(decoding: effect.name, as: UTF8.self), nil, source)
    }

    /// CloudEvents' `type`: `rfm.NAME.changed.v1` for a ladder.
    package func type(of effect: Effect) -> String {
        let pieces = pieces(of: effect)
        return effect.kind == .warningResolved ? pieces.resolvedType : pieces.type
    }

    /// Structured mode: the whole event. Its id is `idPrefix` and `position`, unique for ever; the prefix needs no escapes.
    package func appendStructured(_ effect: Effect, idPrefix: [UInt8], position: Int, to buffer: ByteBuffer) {
        let pieces = pieces(of: effect)
        buffer.append(contentsOf: "{\"specversion\":\"1.0\",\"id\":\"")
        buffer.append(contentsOf: idPrefix)
        buffer.appendDecimal(Int64(position))
        buffer.append(contentsOf: "\"")
        buffer.append(contentsOf: effect.kind == .warningResolved ? pieces.resolvedHead : pieces.head)
        buffer.appendJSON(effect.customer)
        buffer.append(contentsOf: ",\"time\":")
        buffer.appendInstant(effect.decidedAt)
        buffer.append(contentsOf: ",\"datacontenttype\":\"application/json\",\"partitionkey\":")
        buffer.appendJSON(effect.customer)
        buffer.append(contentsOf: ",\"data\":")
        appendData(effect, pieces, to: buffer)
        buffer.append(contentsOf: "}")
    }

    /// The data alone: the value in binary mode.
    package func appendData(_ effect: Effect, to buffer: ByteBuffer) {
        appendData(effect, pieces(of: effect), to: buffer)
    }

    private func appendData(_ effect: Effect, _ pieces: Pieces, to buffer: ByteBuffer) {
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
            buffer.append(contentsOf: ",\"episode\":\"")
            EventEncoder.episode(effect).append(to: buffer)
            buffer.append(contentsOf: "\",\"raised_at\":")
            buffer.appendInstant(effect.raisedAt)
        }
        appendValues(effect, to: buffer)
        appendCause(effect, to: buffer)
        buffer.append(contentsOf: pieces.rules[effect.kind == .rungChanged ? Int(effect.rung) : 0])
        pieces.distance?.append(effect, to: buffer)
        buffer.append(contentsOf: ",\"rules_version\":")
        buffer.append(contentsOf: versionText)
        buffer.append(contentsOf: ",\"decided_at\":")
        buffer.appendInstant(effect.decidedAt)
        buffer.append(contentsOf: "}")
    }

    /// An episode is named by its customer, its warning and the instant of its raise.
    private static func episode(_ effect: Effect) -> Digest {
        let buffer = ByteBuffer(capacity: 320)
        buffer.appendCounted(effect.customer)
        buffer.appendCounted(effect.name)
        buffer.append(effect.raisedAt)
        return Digest(of: buffer.bytes)
    }

    private func appendValues(_ effect: Effect, to buffer: ByteBuffer) {
        buffer.append(contentsOf: ",\"values\":{\"recency\":")
        if let recency = effect.recency {
            buffer.appendDecimal(Int64(recency))
        } else {
            buffer.append(contentsOf: "null")
        }
        buffer.append(contentsOf: ",")
        windows.append(to: buffer) { effect.windows[$0] }
        buffer.append(contentsOf: "}")
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
            buffer.append(contentsOf: versionText)
        }
        buffer.append(contentsOf: "}")
    }
}

extension UnsafeRawBufferPointer {
    fileprivate static func equal(_ bytes: [UInt8], _ other: UnsafeRawBufferPointer) -> Bool {
        bytes.count == other.count && bytes.withUnsafeBytes { $0.elementsEqual(other) }
    }
}
