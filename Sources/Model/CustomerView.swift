// What people see of a customer.

/// One customer at one instant. The id is valid inside the call that gives it.
package struct CustomerView {
    package var id: UnsafeRawBufferPointer
    /// Name of the rung per ladder.
    package var rungs: [String]
    /// Days; nil without an order.
    package var recency: Int64?
    package var ordersTotal: Int64
    /// Minor units.
    package var spendTotal: Int64
    /// Per window of the ruleset.
    package var windows: [(orders: Int64, spend: Int64)]
    package var firstSeen: Int64
    package var lastEvent: Int64
    package var lastOrder: Int64?
    /// Open episodes, in the order of the configuration.
    package var warnings: [String]

    package init(
        id: UnsafeRawBufferPointer, rungs: [String], recency: Int64?, ordersTotal: Int64, spendTotal: Int64,
        windows: [(orders: Int64, spend: Int64)], firstSeen: Int64, lastEvent: Int64, lastOrder: Int64?,
        warnings: [String]
    ) {
        self.id = id
        self.rungs = rungs
        self.recency = recency
        self.ordersTotal = ordersTotal
        self.spendTotal = spendTotal
        self.windows = windows
        self.firstSeen = firstSeen
        self.lastEvent = lastEvent
        self.lastOrder = lastOrder
        self.warnings = warnings
    }
}
