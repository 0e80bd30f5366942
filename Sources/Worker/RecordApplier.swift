// Takes the records of one shard through decoder and engine: the same way for live work, recovery and replay of files.
import Codec
import Engine
import Model

/// What is known of a record besides its value.
package struct RecordContext {
    /// Index of the input in the version's mappings.
    package var input: Int
    package var key: UnsafeRawBufferPointer?
    /// The Kafka timestamp, ms; nil if the broker gave none.
    package var timestamp: Int64?
    /// The machine's clock as the slice read it, ms.
    package var reading: Int64
    /// It lies below what was committed before a rebuild.
    package var wasSentBefore = false
    /// Header `rfm-backfill`.
    package var isBackfill = false
    /// CloudEvents' headers, if the input is read for them and the record has any.
    package var attributes: CloudEventAttributes?

    package init(input: Int, key: UnsafeRawBufferPointer?, timestamp: Int64?, reading: Int64) {
        self.input = input
        self.key = key
        self.timestamp = timestamp
        self.reading = reading
    }
}

/// One shard's decoders and engine under one version.
package final class RecordApplier {
    package let engine: Engine
    package private(set) var version: Version
    private var decoders: [RecordDecoder]

    package init(engine: Engine, version: Version) {
        self.engine = engine
        self.version = version
        decoders = version.mappings.map { RecordDecoder($0, money: version.money) }
    }

    /// Follows the engine to a version that was installed there.
    package func install(_ version: Version) {
        self.version = version
        decoders = version.mappings.map { RecordDecoder($0, money: version.money) }
    }

    /// Applies one record of Kafka.
    package func apply(_ value: UnsafeRawBufferPointer?, _ context: RecordContext) -> Disposition {
        switch decoders[context.input].decode(value, headers: context.attributes) {
        case .skipped: return .skipped
        case .rejected(let rejection): return .rejected(rejection)
        case .event(let event):
            guard let key = context.key, key.isSame(as: event.customer) else {
                return .rejected(Rejection(.keyMismatch, field: Field.customerID.name))
            }
            let timestamp = context.timestamp ?? context.reading
            let known = version.clockMode == .wall ? min(timestamp, context.reading) : timestamp
            if event.occurredAt > known + version.maxFuture {
                return .rejected(Rejection(.tooFarInFuture, field: Field.occurredAt.name))
            }
            var mute = Mute.none
            if timestamp < engine.emitFrom || context.isBackfill || event.isBackfill { mute = .backfill }
            if context.wasSentBefore && mute == .none { mute = .rebuild }
            return apply(
                event, input: context.input, at: version.clockMode == .wall ? known : event.occurredAt, mute: mute)
        }
    }

    /// Applies one line of a file: event clock, no key, no max_future, nothing muted.
    package func replay(_ value: UnsafeRawBufferPointer, input: Int) -> Disposition {
        switch decoders[input].decode(value) {
        case .skipped: return .skipped
        case .rejected(let rejection): return .rejected(rejection)
        case .event(let event): return apply(event, input: input, at: event.occurredAt, mute: .none)
        }
    }

    private func apply(_ event: DecodedEvent, input: Int, at instant: Int64, mute: Mute) -> Disposition {
        let mapping = decoders[input].mapping
        let input = EngineInput(
            kind: RecordApplier.kind(event.kind), customer: event.customer, event: event.event, order: event.order,
            occurredAt: event.occurredAt, amount: event.amount, addsToOrder: mapping.addsToOrder,
            clickDeduplication: mapping.clickDeduplication, mute: mute)
        switch engine.apply(input, at: instant) {
        case .accepted: return .accepted
        case .unmatchedRefund: return .unmatchedRefund
        case .duplicate: return .duplicate
        case .refused(.customers): return .rejected(Rejection(.limitCustomers))
        case .refused(.entries): return .rejected(Rejection(.limitEntries))
        case .refused(.spend): return .rejected(Rejection(.limitSpend))
        case .refused(.bytes): return .rejected(Rejection(.limitBytes))
        }
    }

    private static func kind(_ kind: Mapping.Kind) -> EngineInput.Kind {
        switch kind {
        case .purchase: .purchase
        case .refund: .refund
        case .click: .click
        }
    }
}
