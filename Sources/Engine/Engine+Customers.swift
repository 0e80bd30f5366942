// Customers as people want to see them: every value at an instant, for state files.
import Model
import Rules

extension Engine {
    /// Ordinals sorted by the bytes of their ids.
    package func sortedCustomers() -> [Int] {
        (0..<table.count).sorted { a, b in
            table.withID(a) { left in table.withID(b) { right in left.lexicographicallyPrecedes(right) } }
        }
    }

    /// One customer at the shard's clock. Nothing is changed.
    package func withCustomer<Result>(_ ordinal: Int, _ body: (CustomerView) -> Result) -> Result {
        let row = table.row(ordinal)
        return store.reading(row) { view(ordinal, row, body) }
    }

    private func view<Result>(
        _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, _ body: (CustomerView) -> Result
    ) -> Result {
        let features = features(ordinal, row, at: clock ?? 0)
        let rungs = rules.ladders.indices.map { ladder in
            let rung = Int(row.pointee.rung(ladder))
            let rungs = rules.ladders[ladder].source.rungs
            return rung < rungs.count ? rungs[rung].name : rungs[rungs.count - 1].name
        }
        let open = rules.warnings.filter { find(.warning, $0.key, row)?.pointee.flags.contains(.open) ?? false }
        var view = CustomerView(
            id: UnsafeRawBufferPointer(start: nil, count: 0), rungs: rungs,
            recency: features.ordersTotal == 0 ? nil : features.recency, ordersTotal: features.ordersTotal,
            spendTotal: features.spendTotal,
            windows: rules.windows.indices.map { (windowValues[$0].orders, windowValues[$0].spend) },
            firstSeen: row.pointee.firstSeen, lastEvent: row.pointee.lastEvent,
            lastOrder: features.ordersTotal == 0 ? nil : features.lastOrder, warnings: open.map(\.source.name))
        return table.withID(ordinal) { id in
            view.id = id
            return body(view)
        }
    }
}
