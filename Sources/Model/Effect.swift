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

/// Where the numbers of an effect lie.
private enum EffectPlaces {
    static let decidedAt = 4
    static let raisedAt = 12
    static let recency = 20
    static let windows = 24
}

extension ByteBuffer {
    public func appendEffect(
        _ kind: EffectKind, cause: Cause, rung: UInt8, decidedAt: Int64, raisedAt: Int64, recency: Int32,
        windows: UnsafeBufferPointer<(orders: Int64, spend: Int64)>, name: UnsafeRawBufferPointer,
        from: UnsafeRawBufferPointer, to: UnsafeRawBufferPointer, customer: UnsafeRawBufferPointer,
        event: UnsafeRawBufferPointer
    ) {
        let texts = name.count + from.count + to.count + customer.count + event.count
        let length = EffectPlaces.windows + windows.count * 16 + 10 + texts
        var at = extend(length)
        at.storeBytes(of: kind.rawValue, as: UInt8.self)
        at.storeBytes(of: cause.rawValue, toByteOffset: 1, as: UInt8.self)
        at.storeBytes(of: rung, toByteOffset: 2, as: UInt8.self)
        at.storeBytes(of: UInt8(windows.count), toByteOffset: 3, as: UInt8.self)
        at.storeBytes(of: decidedAt.littleEndian, toByteOffset: EffectPlaces.decidedAt, as: Int64.self)
        at.storeBytes(of: raisedAt.littleEndian, toByteOffset: EffectPlaces.raisedAt, as: Int64.self)
        at.storeBytes(of: recency.littleEndian, toByteOffset: EffectPlaces.recency, as: Int32.self)
        at += EffectPlaces.windows
        for window in windows {
            at.storeBytes(of: window.orders.littleEndian, as: Int64.self)
            at.storeBytes(of: window.spend.littleEndian, toByteOffset: 8, as: Int64.self)
            at += 16
        }
        at = ByteBuffer.write(name, to: at)
        at = ByteBuffer.write(from, to: at)
        at = ByteBuffer.write(to, to: at)
        at = ByteBuffer.write(customer, to: at)
        at = ByteBuffer.write(event, to: at)
        precondition(at == base + count)
    }

    /// Returns the place behind it.
    @inline(__always)
    private static func write(_ text: UnsafeRawBufferPointer, to place: UnsafeMutableRawPointer)
        -> UnsafeMutableRawPointer
    {
        place.storeBytes(of: UInt16(text.count).littleEndian, as: UInt16.self)
        if let from = text.baseAddress { (place + 2).copyMemory(from: from, byteCount: text.count) }
        return place + 2 + text.count
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

    @inline(__always)
    private mutating func readShort() throws(Damaged) -> UnsafeRawBufferPointer {
        try readBytes(Int(try read(UInt16.self)))
    }
}
