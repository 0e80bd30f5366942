// Why a record cannot be used: the closed list of reasons that dead letters, counters and replay name.

package enum RejectionReason: UInt8, CaseIterable, Sendable {
    case notJSON = 1
    case missingField
    case wrongField
    case timeOutOfRange
    case tooFarInFuture
    case negativeAmount
    case tooManyDigits
    case amountOutOfRange
    case unknownCurrency
    case customerIDLength
    case eventIDLength
    case keyMismatch
    case limitCustomers
    case limitEntries
    case limitSpend
    case limitBytes

    /// Limits of a whole shard: whoever meets one is to be told (`limits` in docs/configuration.md).
    package static let ofTheState: [RejectionReason] = [.limitCustomers, .limitBytes]

    /// Stable: stands in dead letters, logs and summaries.
    package var name: String {
        switch self {
        case .notJSON: "not_json"
        case .missingField: "missing_field"
        case .wrongField: "wrong_field"
        case .timeOutOfRange: "time_out_of_range"
        case .tooFarInFuture: "too_far_in_future"
        case .negativeAmount: "negative_amount"
        case .tooManyDigits: "too_many_digits"
        case .amountOutOfRange: "amount_out_of_range"
        case .unknownCurrency: "unknown_currency"
        case .customerIDLength: "customer_id_length"
        case .eventIDLength: "event_id_length"
        case .keyMismatch: "key_mismatch"
        case .limitCustomers: "limit_customers"
        case .limitEntries: "limit_entries"
        case .limitSpend: "limit_spend"
        case .limitBytes: "limit_bytes"
        }
    }

    /// One sentence for people.
    package var message: String {
        switch self {
        case .notJSON: "the value is not one JSON object of valid UTF-8"
        case .missingField: "a required field is absent or null"
        case .wrongField: "a field is not of its kind"
        case .timeOutOfRange: "the time is before 1900 or after 2199"
        case .tooFarInFuture: "occurred_at is further ahead of the record's timestamp than time.max_future"
        case .negativeAmount: "the amount is negative; write a refund instead"
        case .tooManyDigits: "the amount has more digits after the point than its currency"
        case .amountOutOfRange: "the amount is larger than rfmd counts"
        case .unknownCurrency: "the currency has no rate in money.rates"
        case .customerIDLength: "the customer id is empty or over 255 bytes"
        case .eventIDLength: "an event or order id is empty or over 1024 bytes"
        case .keyMismatch: "the Kafka key is not the customer id"
        case .limitCustomers: "the shard holds as many customers as it may (limits.customers_per_shard)"
        case .limitEntries: "the customer has as many orders and refunds as one may have"
        case .limitSpend: "the customer's total is larger than rfmd counts"
        case .limitBytes: "the state of the shard is as large as it may be (limits.bytes_per_shard)"
        }
    }
}

/// A rejection, with the field that it is about if there is one.
package struct Rejection: Error, Equatable, Sendable {
    package var reason: RejectionReason
    package var field: String?
    /// What should have stood there, for people.
    package var expected: String?

    package init(_ reason: RejectionReason, field: String? = nil, expected: String? = nil) {
        self.reason = reason
        self.field = field
        self.expected = expected
    }

    package var message: String {
        let text = expected.map { "expected \($0)" } ?? reason.message
        return field.map { "\($0): \(text)" } ?? text
    }
}
