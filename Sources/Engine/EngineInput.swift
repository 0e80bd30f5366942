// What goes into the engine: one event, decoded and checked, whose texts stay where the record lies.

public struct EngineInput {
    public enum Kind: UInt8, Sendable { case purchase, refund, click }

    public var kind: Kind
    /// 1 ... Limits.customerIDBytes bytes of UTF-8.
    public var customer: UnsafeRawBufferPointer
    public var event: UnsafeRawBufferPointer
    /// Purchases and refunds; the event's id if the record names none.
    public var order: UnsafeRawBufferPointer
    /// ms UTC, inside Limits.earliestTime ..< latestTime.
    public var occurredAt: Int64
    /// Minor units of the base currency, 0 ... Limits.amountMinorUnits; nil for a refund of all that is left.
    public var amount: Int64?
    /// Of purchases: another event of a known order is a further line of it, and not a duplicate.
    public var addsToOrder: Bool
    /// Of clicks: ms during which the same event id is a duplicate; 0 for none.
    public var clickDeduplication: Int64
    /// Its effects are not sent.
    public var mute: Mute

    @inlinable
    public init(
        kind: Kind, customer: UnsafeRawBufferPointer, event: UnsafeRawBufferPointer, order: UnsafeRawBufferPointer,
        occurredAt: Int64, amount: Int64?, addsToOrder: Bool = false, clickDeduplication: Int64 = 0, mute: Mute = .none
    ) {
        self.kind = kind
        self.customer = customer
        self.event = event
        self.order = order
        self.occurredAt = occurredAt
        self.amount = amount
        self.addsToOrder = addsToOrder
        self.clickDeduplication = clickDeduplication
        self.mute = mute
    }
}

/// Why an effect is not sent.
public enum Mute: UInt8, Sendable {
    case none
    /// It is history (docs/events.md, what is not written): the resolve of a raise that was so muted is muted too.
    case backfill
    /// It was sent before a rebuild: the resolve of such a raise is sent.
    case rebuild
}

package enum Outcome: Equatable, Sendable {
    case accepted
    /// Accepted; the refund waits for its order.
    case unmatchedRefund
    case duplicate
    /// Nothing was changed.
    case refused(Refusal)

    package enum Refusal: UInt8, Sendable { case customers, entries, spend, bytes }
}
