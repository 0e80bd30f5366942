// A customer's state as one line of NDJSON.
import Model
import Rules

package struct StateLine {
    private let rules: Ruleset
    private let windows: WindowKeys

    package init(_ rules: Ruleset) {
        self.rules = rules
        windows = WindowKeys(rules)
    }

    /// Every key always there; what is absent is null.
    package func append(_ customer: CustomerView, to buffer: ByteBuffer) {
        buffer.append(contentsOf: "{\"customer_id\":")
        buffer.appendJSON(customer.id)
        for (ladder, rung) in zip(rules.ladders, customer.rungs) {
            buffer.append(contentsOf: ",")
            buffer.appendJSON(ladder.source.name)
            buffer.append(contentsOf: ":")
            buffer.appendJSON(rung)
        }
        buffer.append(contentsOf: ",\"recency\":")
        if let recency = customer.recency { buffer.appendDecimal(recency) } else { buffer.append(contentsOf: "null") }
        buffer.append(contentsOf: ",\"orders_total\":")
        buffer.appendDecimal(customer.ordersTotal)
        buffer.append(contentsOf: ",\"spend_total\":")
        buffer.appendMoney(customer.spendTotal, exponent: rules.currencyExponent)
        buffer.append(contentsOf: ",")
        windows.append(to: buffer) { customer.windows[$0] }
        buffer.append(contentsOf: ",\"first_seen\":")
        buffer.appendInstant(customer.firstSeen)
        buffer.append(contentsOf: ",\"last_event\":")
        buffer.appendInstant(customer.lastEvent)
        buffer.append(contentsOf: ",\"last_order\":")
        buffer.appendInstant(customer.lastOrder)
        buffer.append(contentsOf: ",\"warnings\":[")
        for (place, warning) in customer.warnings.enumerated() {
            if place > 0 { buffer.append(contentsOf: ",") }
            buffer.appendJSON(warning)
        }
        buffer.append(contentsOf: "]}\n")
    }
}
