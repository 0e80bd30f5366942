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

    /// What the record's headers say, as far as its input is read for them.
    package mutating func take(_ headers: [RecordHeader], _ mapping: Mapping) {
        for header in headers {
            switch header.name {
            case "rfm-backfill": isBackfill = true
            case let name where name.hasPrefix("ce_") && mapping.readsCloudEventHeaders:
                var attributes = self.attributes ?? CloudEventAttributes()
                attributes.take(name, header.value)
                self.attributes = attributes
            default: break
            }
        }
    }
}

/// One shard's decoders and engine under one version: another one is made when a version was installed in the engine.
package final class RecordApplier {
    package let engine: Engine
    package let version: Version
    /// Of each input.
    let decoders: [RecordDecoder]
    private let followsTheWall: Bool
    private let maxFuture: Int64

    package init(engine: Engine, version: Version) {
        self.engine = engine
        self.version = version
        decoders = version.mappings.map { RecordDecoder($0, money: version.money) }
        followsTheWall = version.clockMode == .wall
        maxFuture = version.maxFuture
    }

    /// Applies one record of Kafka.
    package func apply(_ value: UnsafeRawBufferPointer?, _ context: RecordContext) -> Disposition {
        apply(value, context, decoders[context.input])
    }

    /// `decoder` is that of the record's input: who has it at hand counts no reference.
    func apply(_ value: UnsafeRawBufferPointer?, _ context: RecordContext, _ decoder: RecordDecoder) -> Disposition {
        switch decoder.decode(value, headers: context.attributes) {
        case .skipped: return .skipped
        case .rejected(let rejection): return .rejected(rejection)
        case .event:
            let event = decoder.event
            guard let key = context.key, key.isSame(as: event.pointee.customer) else {
                return .rejected(Rejection(.keyMismatch, field: Field.customerID.name))
            }
            let timestamp = context.timestamp ?? context.reading
            let known = followsTheWall ? min(timestamp, context.reading) : timestamp
            if event.pointee.occurredAt > known + maxFuture {
                return .rejected(Rejection(.tooFarInFuture, field: Field.occurredAt.name))
            }
            let isBackfill = timestamp < engine.emitFrom || context.isBackfill || event.pointee.isBackfill
            let mute: Mute = isBackfill ? .backfill : context.wasSentBefore ? .rebuild : .none
            return apply(decoder, at: followsTheWall ? known : event.pointee.occurredAt, mute: mute)
        }
    }

    /// Applies one line of a file: event clock, no key, no max_future, nothing muted.
    package func replay(_ value: UnsafeRawBufferPointer, input: Int) -> Disposition {
        let decoder = decoders[input]
        switch decoder.decode(value) {
        case .skipped: return .skipped
        case .rejected(let rejection): return .rejected(rejection)
        case .event: return apply(decoder, at: decoder.event.pointee.occurredAt, mute: .none)
        }
    }

    /// Applies what `decoder` has decoded.
    private func apply(_ decoder: RecordDecoder, at instant: Int64, mute: Mute) -> Disposition {
        let event = decoder.event
        let input = EngineInput(
            kind: RecordApplier.kind(event.pointee.kind), customer: event.pointee.customer,
            event: event.pointee.event, order: event.pointee.order, occurredAt: event.pointee.occurredAt,
            amount: event.pointee.amount, addsToOrder: decoder.mapping.addsToOrder,
            clickDeduplication: decoder.mapping.clickDeduplication, mute: mute)
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
