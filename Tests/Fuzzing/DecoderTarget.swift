// Records: the same bytes give the same result whatever was read before and lies behind them, and what is accepted is within the limits.
import Codec
import Model

extension FuzzTarget {
    /// A byte chooses the mapping, another whether there are CloudEvents' headers; the rest is the record.
    static let decoder = FuzzTarget(
        "decoder",
        words: [
            "{\"", "\":\"", "\",\"", "\"}", "\":{\"", "null", "true", "\"type\":", "purchase", "refund", "click",
            "event_id",
            "customer_id", "order_id", "amount", "currency", "occurred_at", "2026-11-23T10:00:00.123Z", "+08:00", "1e3",
            "-0.00", "999999999999999999", "EUR", "USD", "JPY", "\\u00e9", "\\ud83d\\ude00", "\\ud800", "data",
            "payload",
            "after", "op", "Order Completed", "messageId", "userId", "properties", "subject", "time", "1795428000123",
            "[[",
        ], check: { bytes throws(Finding) in try DecoderCheck(bytes).run() })
}

private struct DecoderCheck {
    private let mapping: Mapping
    private let headers: CloudEventAttributes?
    private let record: UnsafeRawBufferPointer

    private static let money = MoneyRules(
        currency: "EUR", exponent: 2,
        rates: [
            "USD": .init(rate: Decimal(coefficient: 925, scale: 3), exponent: 2),
            "JPY": .init(rate: Decimal(coefficient: 65, scale: 4), exponent: 0),
            // As small and as large as the configuration takes it.
            "KWD": .init(rate: Decimal(coefficient: 1, scale: 18), exponent: 3),
            "UYW": .init(rate: Decimal(coefficient: 999_999_999_999_999_999, scale: -18), exponent: 4),
        ])

    private static let mappings: [Mapping] = {
        var own = Mapping(
            topic: "pos", kindAt: .pointers(["/event"]), kinds: ["sale": .purchase, "return": .refund, "view": .click],
            fields: [
                .eventID: .pointers(["/id"]), .customerID: .pointers(["/member/id"]),
                .orderID: .pointers(["/order/no"]), .amount: .pointers(["/order/lines/1/total"]),
                .currency: .constant("USD"), .occurredAt: .pointers(["/a~1b/~0ts"]),
            ], timeUnit: .milliseconds)
        own.clickDeduplication = 1_000
        return [
            .native(topic: "t"), .cloudEvents(topic: "t"), .segment(topic: "t"), .debezium(topic: "t"), own,
            inUnit(.seconds), inUnit(.microseconds),
        ]
    }()

    private static func inUnit(_ unit: TimeUnit) -> Mapping {
        var mapping = Mapping.native(topic: "t")
        mapping.timeUnit = unit
        return mapping
    }

    init(_ bytes: UnsafeRawBufferPointer) {
        var choices = Choices(bytes)
        mapping = DecoderCheck.mappings[Int(choices.byte()) % DecoderCheck.mappings.count]
        if choices.byte() & 1 == 1 {
            var headers = CloudEventAttributes()
            for name in ["ce_type", "ce_id", "ce_subject", "ce_time"] {
                headers.take(name, choices.optional { [UInt8]($0.piece()) })
            }
            self.headers = headers
        } else {
            headers = nil
        }
        record = choices.remaining
    }

    func run() throws(Finding) {
        let fresh = RecordDecoder(mapping, money: DecoderCheck.money)
        let once = try outcome(of: fresh.decode(record, headers: headers), by: fresh)
        // Nothing of a record before it, longer or shorter, shows.
        let used = RecordDecoder(mapping, money: DecoderCheck.money)
        for before in DecoderCheck.before { _ = before.withUnsafeBytes { used.decode($0) } }
        let again = try outcome(of: used.decode(record, headers: headers), by: used)
        // Nor of what lies behind it where the decoder keeps it.
        for filler in [UInt8(0x7D), 0x22, 0xFF] {
            let wide = [UInt8](repeating: filler, count: record.count + 200)
            _ = wide.withUnsafeBytes { used.decode($0) }
            let behind = try outcome(of: used.decode(record, headers: headers), by: used)
            try Finding.require(behind == once, "with \(filler) behind it: \(behind), else \(once)")
        }
        try Finding.require(again == once, "after other records: \(again), else \(once)")
        // Nor of those that are read ahead with it.
        let run = DecoderCheck.before + [Array(record)] + DecoderCheck.before.reversed() + [Array(record)]
        let among = try outcomes(of: run, by: used)
        let apart = try run.map { bytes throws(Finding) in try outcomes(of: [bytes], by: fresh)[0] }
        try Finding.require(among == apart, "among other records: \(among), apart: \(apart)")
        let isJSON = StrictJSON.isObject(record, depth: Limits.jsonDepth)
        let isRefused = once == RejectionReason.notJSON.name
        try Finding.require(isJSON != isRefused, "\(isJSON ? "JSON" : "no JSON"), and the decoder says \(once)")
    }

    /// Of records of which the decoder reads as many ahead as it likes.
    private func outcomes(of run: [[UInt8]], by decoder: RecordDecoder) throws(Finding) -> [String] {
        let all = ByteBuffer()
        for record in run { all.append(contentsOf: record) }
        var start = 0
        let records = run.map { record in
            defer { start += record.count }
            return UnsafeRawBufferPointer(rebasing: all.bytes[start..<start + record.count])
        }
        var outcomes: [String] = []
        var read = 0
        for (number, record) in records.enumerated() {
            if number == read { read += decoder.readAhead(records.count - number) { records[number + $0] } }
            outcomes.append(try outcome(of: decoder.decode(record, headers: headers), by: decoder))
        }
        return outcomes
    }

    private static let before: [[UInt8]] = [
        Array(#"{"type":"purchase","event_id":"\#(String(repeating: "e", count: 5_000))""#.utf8),
        Array(#"{"type":"click","event_id":"e","customer_id":"c","occurred_at":"2026-11-23T10:00:00Z"}"#.utf8), [0x7B],
    ]

    /// Says what came out, and checks that it may.
    private func outcome(of decoded: Decoded, by decoder: RecordDecoder) throws(Finding) -> String {
        switch decoded {
        case .skipped: return "skipped"
        case .rejected(let rejection):
            return rejection.reason.name + (rejection.field.map { " \($0): \(rejection.message)" } ?? "")
        case .event:
            let event = decoder.event.pointee
            let customer = try text(event.customer, 1...Limits.customerIDBytes)
            let id = try text(event.event, 1...Limits.eventIDBytes)
            let order = try text(event.order, 1...Limits.eventIDBytes)
            try Finding.require(
                event.occurredAt >= Limits.earliestTime && event.occurredAt < Limits.latestTime,
                "the time \(event.occurredAt) is out of range")
            if let amount = event.amount {
                try Finding.require(
                    (0...Limits.amountMinorUnits).contains(amount) && event.kind != .click, "the amount is \(amount)")
            } else {
                try Finding.require(event.kind != .purchase, "a purchase without an amount")
            }
            return
                "\(event.kind) \(customer) \(id) \(order) \(event.occurredAt) \(event.amount ?? -1) \(event.isBackfill)"
        }
    }

    private func text(_ bytes: UnsafeRawBufferPointer, _ lengths: ClosedRange<Int>) throws(Finding) -> String {
        guard lengths.contains(bytes.count), let text = String(validating: bytes, as: UTF8.self) else {
            throw Finding("an id of \(bytes.count) bytes is accepted: \(Array(bytes.prefix(50)))")
        }
        return text
    }
}
