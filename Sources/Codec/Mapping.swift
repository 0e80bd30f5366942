// Where a topic's records keep what rfmd reads: JSON pointers, constants and units.
import Model

package enum Field: Int, CaseIterable, Sendable {
    case eventID, customerID, orderID, amount, currency, occurredAt

    package var name: String {
        switch self {
        case .eventID: "event_id"
        case .customerID: "customer_id"
        case .orderID: "order_id"
        case .amount: "amount"
        case .currency: "currency"
        case .occurredAt: "occurred_at"
        }
    }
}

package enum TimeUnit: String, Sendable, CaseIterable {
    case rfc3339
    case seconds = "s"
    case milliseconds = "ms"
    case microseconds = "us"
}

/// How the records of one input topic are read.
package struct Mapping: Sendable, Equatable {
    package enum Source: Sendable, Equatable {
        /// The first of these JSON pointers that is there and not null.
        case pointers([String])
        case constant(String)
    }

    package enum Kind: Sendable, Equatable { case purchase, refund, click }

    package var topic: String
    /// Where the value stands that tells the kinds apart.
    package var kindAt: Source
    package var kinds: [String: Kind]
    /// Kind names are compared trimmed and without regard to case (Segment).
    package var kindsAreLoose = false
    package var fields: [Field: Source]
    package var timeUnit: TimeUnit
    package var addsToOrder: Bool
    /// ms; 0 for none.
    package var clickDeduplication: Int64
    /// A record whose value at this pointer is one of these texts changes state and emits nothing (Debezium: snapshot reads).
    package var backfillAt: String?
    package var backfillValues: Set<String> = []
    /// A record whose value at the first of these pointers is one of these texts is skipped: it is no event of a customer (Debezium: a
    /// deleted row; Segment: an `identify` call).
    package var skippedAt: [String] = []
    package var skippedValues: Set<String> = []
    /// CloudEvents: attributes may stand in headers (binary mode), and then the value is the data alone.
    package var readsCloudEventHeaders = false

    package init(
        topic: String, kindAt: Source, kinds: [String: Kind], fields: [Field: Source], timeUnit: TimeUnit = .rfc3339,
        addsToOrder: Bool = false, clickDeduplication: Int64 = 0
    ) {
        self.topic = topic
        self.kindAt = kindAt
        self.kinds = kinds
        self.fields = fields
        self.timeUnit = timeUnit
        self.addsToOrder = addsToOrder
        self.clickDeduplication = clickDeduplication
    }

    /// The name of a kind as names are compared.
    package func plainKind(_ name: String) -> String {
        kindsAreLoose ? String(decoding: RecordDecoder.lowercasedAndTrimmed(Array(name.utf8)), as: UTF8.self) : name
    }

    /// With the envelope and without.
    var backfillPointers: [String] { backfillAt.map { [$0, String($0.dropFirst("/payload".count))] } ?? [] }

    package static let nativeKinds: [String: Kind] = ["purchase": .purchase, "refund": .refund, "click": .click]

    /// Flat JSON with the names of docs/inputs.md. `prefixes` are the places where the record may stand.
    package static func native(topic: String, under prefixes: [String] = [""]) -> Mapping {
        var fields: [Field: Source] = [:]
        for field in Field.allCases { fields[field] = .pointers(prefixes.map { "\($0)/\(field.name)" }) }
        return Mapping(
            topic: topic, kindAt: .pointers(prefixes.map { "\($0)/type" }), kinds: nativeKinds, fields: fields)
    }

    /// CloudEvents 1.0, structured (the record under `data`) or binary (the record is the value). The attribute `type`
    /// names the kind, as `purchase` or with anything before it that ends in a point (`com.example.purchase`). What the
    /// record does not say itself, the attributes `id`, `subject` and `time` say.
    package static func cloudEvents(topic: String) -> Mapping {
        var mapping = native(topic: topic, under: ["/data", ""])
        mapping.kindAt = .pointers(["/type"])
        mapping.fields[.eventID] = .pointers(["/data/event_id", "/event_id", "/id"])
        mapping.fields[.customerID] = .pointers(["/data/customer_id", "/customer_id", "/subject"])
        mapping.fields[.occurredAt] = .pointers(["/data/occurred_at", "/occurred_at", "/time"])
        mapping.readsCloudEventHeaders = true
        return mapping
    }

    /// Segment and RudderStack `track` calls of the e-commerce specification.
    package static func segment(topic: String) -> Mapping {
        var mapping = Mapping(
            topic: topic, kindAt: .pointers(["/event"]),
            kinds: [
                "order completed": .purchase, "completed order": .purchase, "order refunded": .refund,
                "order cancelled": .refund,
                "product viewed": .click, "viewed product": .click, "product clicked": .click,
                "product list viewed": .click,
                "product added": .click, "added product": .click, "product added to wishlist": .click,
                "product shared": .click,
                "products searched": .click, "product reviewed": .click, "cart viewed": .click,
            ],
            fields: [
                .eventID: .pointers(["/messageId"]),
                .customerID: .pointers(["/userId", "/anonymousId"]),
                .orderID: .pointers(["/properties/order_id", "/properties/orderId"]),
                .amount: .pointers(["/properties/total", "/properties/revenue"]),
                .currency: .pointers(["/properties/currency"]),
                .occurredAt: .pointers(["/originalTimestamp", "/timestamp"]),
            ])
        mapping.kindsAreLoose = true
        mapping.skippedAt = ["/type"]
        mapping.skippedValues = ["identify", "page", "screen", "group", "alias"]
        return mapping
    }

    /// Debezium change events of a table with the native names as columns, with or without the `payload` envelope. Rows that a snapshot
    /// read (`op` r) change state and emit nothing. A deleted row (d), a truncated table (t) and a message (m) are no events.
    package static func debezium(topic: String) -> Mapping {
        var mapping = native(topic: topic, under: ["/payload/after", "/after"])
        mapping.backfillAt = "/payload/op"
        mapping.backfillValues = ["r"]
        mapping.skippedAt = ["/payload/op", "/op"]
        mapping.skippedValues = ["d", "t", "m"]
        return mapping
    }
}

/// The base currency and what foreign amounts are worth in it.
package struct MoneyRules: Sendable, Equatable {
    package var currency: String
    /// Digits after the point of the base currency (ISO 4217).
    package var exponent: Int
    /// Price of one unit of a foreign currency in the base currency, and that currency's digits after the point.
    package var rates: [String: Rate]

    package struct Rate: Sendable, Equatable {
        package var rate: Decimal
        package var exponent: Int

        package init(rate: Decimal, exponent: Int) {
            self.rate = rate
            self.exponent = exponent
        }
    }

    package init(currency: String, exponent: Int, rates: [String: Rate] = [:]) {
        self.currency = currency
        self.exponent = exponent
        self.rates = rates
    }
}
