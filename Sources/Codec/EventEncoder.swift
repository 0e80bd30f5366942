// Decisions as CloudEvents 1.0 in JSON: docs/events.md.
import Model
import Rules

/// Writes the events of one version: what is the same in all events of a kind is prepared once. Immutable after `init`.
package final class EventEncoder: Sendable {
    package enum Format: String, Sendable { case structured, binary }

    /// CloudEvents' `source`: /rfmd/<cluster>/<group>.
    package let source: String

    let texts: EventTexts
    let exponent: Int

    package init(source: String, rules: Ruleset, version: Digest) {
        self.source = source
        texts = EventTexts(rules, source: source, version: version)
        exponent = rules.currencyExponent
    }

    /// For a warning that the version of `other` does not have.
    private init(removed name: String, _ other: EventEncoder) {
        source = other.source
        texts = EventTexts(removed: name, of: other.texts)
        exponent = other.exponent
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

    /// Which ladder or warning of the version an effect is of: a number below `subjects`. All warnings that the version does not have, whose
    /// open episodes it resolves, share the last.
    package func subject(of effect: Effect) -> Int {
        if effect.kind == .rungChanged {
            for place in texts.ladders.indices where effect.name.equals(texts.ladders[place].name) { return place }
            preconditionFailure("a version decides by its own ladders")
        }
        for place in texts.warnings.indices where effect.name.equals(texts.warnings[place].name) {
            return texts.ladders.count + place
        }
        precondition(effect.kind == .warningResolved, "a version decides by its own warnings")
        return texts.ladders.count + texts.warnings.count
    }

    package var subjects: Int { texts.ladders.count + texts.warnings.count + 1 }

    /// CloudEvents' `type`: `rfm.NAME.changed.v1` for a ladder.
    package func type(of effect: Effect) -> String {
        switch effect.kind {
        case .rungChanged: texts.ladders[subject(of: effect)].type
        case .warningRaised: WarningText.raisedType
        case .warningResolved: WarningText.resolvedType
        }
    }

    /// Structured mode: the whole event. Its id is `idPrefix` and `position`, unique for ever; the prefix needs no escapes. `subject` is the
    /// effect's.
    package func appendStructured(
        _ effect: Effect, subject: Int, idPrefix: [UInt8], position: Int, to buffer: ByteBuffer
    ) {
        write(effect, subject, to: buffer) { $0.appendStructured(effect, $1, idPrefix, position) }
    }

    package func appendStructured(_ effect: Effect, idPrefix: [UInt8], position: Int, to buffer: ByteBuffer) {
        appendStructured(effect, subject: subject(of: effect), idPrefix: idPrefix, position: position, to: buffer)
    }

    /// The data alone: the value in binary mode.
    package func appendData(_ effect: Effect, to buffer: ByteBuffer) {
        write(effect, subject(of: effect), to: buffer) { $0.appendData(effect, $1) }
    }

    @inline(__always)
    private func write(_ effect: Effect, _ subject: Int, to out: ByteBuffer, _ body: (EventText, Int) -> Void) {
        if subject < subjects - 1 {
            return texts.fixed.bytes.withUnsafeBytes {
                body(EventText(encoder: self, fixed: FixedBytes($0), out: out), subject)
            }
        }
        let removed = EventEncoder(removed: String(decoding: effect.name, as: UTF8.self), self)
        removed.texts.fixed.bytes.withUnsafeBytes {
            body(EventText(encoder: removed, fixed: FixedBytes($0), out: out), removed.texts.ladders.count)
        }
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    fileprivate func equals(_ bytes: [UInt8]) -> Bool {
        if count != bytes.count { return false }
        for place in 0..<count where self[place] != bytes[place] { return false }
        return true
    }
}
