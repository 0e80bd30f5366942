// What comes out of the engine: decisions as plain bytes, the same bytes whenever the same slice is applied to the same state.

public enum Cause: UInt8, Sendable { case event, deadline, version }

public enum EffectKind: UInt8, Sendable { case rungChanged, warningRaised, warningResolved }

/// One decision, as read back from an engine's effects. Texts are valid as long as the buffer is not changed.
public struct Effect {
    public var kind: EffectKind
    public var cause: Cause
    /// Names of the ladder or warning, and of the rungs (nil: none before) or the severity (in `to`).
    public var name: UnsafeRawBufferPointer
    public var from: UnsafeRawBufferPointer?
    public var to: UnsafeRawBufferPointer
    /// Index of the rung in the ladder's rules, for a change of rung.
    public var rung: UInt8
    /// ms; for a deadline its due instant.
    public var decidedAt: Int64
    /// ms; for warnings.
    public var raisedAt: Int64
    /// Days; nil without an order.
    public var recency: Int32?
    public var customer: UnsafeRawBufferPointer
    /// The event's id, if an event is the cause.
    public var event: UnsafeRawBufferPointer
    /// Per window of the ruleset: orders and spend in minor units.
    public var windows: EffectWindows
    /// Of a change of rung; else empty.
    public var distance: EffectDistance
}

/// Orders and spend of each window, where they lie in the effect.
public struct EffectWindows: RandomAccessCollection {
    fileprivate let bytes: UnsafeRawBufferPointer

    public var startIndex: Int { 0 }
    public var endIndex: Int { bytes.count / 16 }

    public subscript(window: Int) -> (orders: Int64, spend: Int64) {
        (
            Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: window * 16, as: Int64.self)),
            Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: window * 16 + 8, as: Int64.self))
        )
    }
}

// Layout, little-endian: kind, cause, rung, windows (1 byte each), decidedAt, raisedAt (8), recency (4, -1 absent),
// windows x (orders 8, spend 8), then name, from (length 0: none), to, customer, event, each length (2) and bytes. A change of rung
// goes on with its distance (EffectDistance.swift).

extension ByteBuffer {
    public func appendEffect(
        _ kind: EffectKind, cause: Cause, rung: UInt8, decidedAt: Int64, raisedAt: Int64, recency: Int32,
        windows: UnsafeBufferPointer<(orders: Int64, spend: Int64)>, name: UnsafeRawBufferPointer,
        from: UnsafeRawBufferPointer, to: UnsafeRawBufferPointer, customer: UnsafeRawBufferPointer,
        event: UnsafeRawBufferPointer
    ) {
        append(kind.rawValue)
        append(cause.rawValue)
        append(rung)
        append(UInt8(windows.count))
        append(decidedAt)
        append(raisedAt)
        append(recency)
        for window in windows {
            append(window.orders)
            append(window.spend)
        }
        appendText(name)
        appendText(from)
        appendText(to)
        appendText(customer)
        appendText(event)
    }

    @inline(__always)
    private func appendText(_ text: UnsafeRawBufferPointer) {
        append(UInt16(text.count))
        append(contentsOf: text)
    }
}

extension ByteReader {
    /// Reads the effect that begins here.
    public mutating func readEffect() throws(Damaged) -> Effect {
        let start = offset
        guard let kind = EffectKind(rawValue: try read()), let cause = Cause(rawValue: try read()) else {
            throw Damaged(offset: start)
        }
        let rung: UInt8 = try read()
        let windowCount: UInt8 = try read()
        let decidedAt: Int64 = try read()
        let raisedAt: Int64 = try read()
        let recency: Int32 = try read()
        let windows = EffectWindows(bytes: try readBytes(Int(windowCount) * 16))
        let name = try readShort()
        let from = try readShort()
        return Effect(
            kind: kind, cause: cause, name: name, from: from.count == 0 ? nil : from, to: try readShort(), rung: rung,
            decidedAt: decidedAt, raisedAt: raisedAt, recency: recency < 0 ? nil : recency, customer: try readShort(),
            event: try readShort(), windows: windows, distance: kind == .rungChanged ? try readDistance() : .none)
    }

    private mutating func readShort() throws(Damaged) -> UnsafeRawBufferPointer {
        try readBytes(Int(try read(UInt16.self)))
    }
}
