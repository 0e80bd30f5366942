// What a state counts against its budget of bytes: a function of what a snapshot holds, and near what it takes in memory.
import Model
import Rules

/// The formula of docs/limits.md. It knows nothing of capacities or of how a state came about, so that a restored one counts the same.
package enum StateSize {
    /// His row (64 bytes), clicks (24), aged orders (32) and part of the index (10), rounded up.
    package static let customer = 144
    /// Ids up to this length stand in the row; of a longer one every byte counts.
    package static let shortID = 16
    /// A whole entry (24 bytes) and a byte for it in a summary: packed ones take less, and blocks of whole ones up to a quarter more.
    package static let place = 25
    /// The budget is exceeded for nothing but a refund of a known order, and for that by this part of it at most.
    static let refundShare = 8
    /// No event adds more to a customer: the places that `Limits.entriesPerCustomer` take, less those of half as many.
    static let mostAdded = place * Limits.entriesPerCustomer + customer + Limits.customerIDBytes

    package static func customer(idLength: Int) -> Int { customer + (idLength > shortID ? idLength : 0) }

    /// Places come in powers of two.
    package static func places(for entries: Int) -> Int {
        entries == 0 ? 0 : 1 << (Int.bitWidth - (entries - 1).leadingZeroBitCount)
    }
}

extension Engine {
    /// Refused is what would make the state larger than it is and than it may be. Deadlines and the warnings they raise are never
    /// refused, and no part of the question.
    @inline(__always)
    func exceedsBudget(_ input: EngineInput, _ row: UnsafeMutablePointer<CustomerRow>?, at instant: Int64) -> Bool {
        guard let most = limits.bytes, size + StateSize.mostAdded > most else { return false }
        return wouldExceed(most, input, row, at: instant)
    }

    @inline(never)
    private func wouldExceed(
        _ most: Int, _ input: EngineInput, _ row: UnsafeMutablePointer<CustomerRow>?, at instant: Int64
    ) -> Bool {
        guard let row else {
            let added = StateSize.customer(idLength: input.customer.count)
            return size + added + StateSize.place
                * StateSize.places(for: Found().added(by: input, isInside(input, instant)))
                > most
        }
        let (found, kept) = lookUp(input, row, at: instant)
        let after = StateSize.places(for: kept + found.added(by: input, isInside(input, instant)))
        let added = StateSize.place * (after - StateSize.places(for: Int(row.pointee.entryCount)))
        // An order that is sold and cannot be taken back would be wrong for good.
        let isRefundOfKnown = input.kind == .refund && found.order
        return added > 0 && size + added > most + (isRefundOfKnown ? most / StateSize.refundShare : 0)
    }

    private func isInside(_ input: EngineInput, _ instant: Int64) -> Bool { isInside(input.occurredAt, at: instant) }

    /// What a customer has of an event before it is applied.
    private struct Found {
        /// Its order.
        var order = false
        /// The event itself.
        var event = false
        /// Refunds that wait for its order.
        var waiting = 0

        /// Entries that applying it adds, less those it takes away: as `purchase`, `refund` and `click` do.
        func added(by input: EngineInput, _ isInside: Bool) -> Int {
            switch input.kind {
            case .purchase:
                if !isInside || (input.addsToOrder && event) { return 0 }
                return (order ? 0 : 1 - waiting) + (input.addsToOrder ? 1 : 0)
            case .refund:
                if event { return 0 }
                if order { return 1 }
                return isInside ? 2 : 0
            case .click: return input.clickDeduplication == 0 || event ? 0 : 1
            }
        }
    }

    /// And how many entries `prune` would leave him at `instant`.
    private func lookUp(_ input: EngineInput, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64) -> (
        Found, Int
    ) {
        let order = orderKey(input)
        let event = eventKey(input)
        var found = Found()
        var kept = 0
        eachSurvivor(row, at: instant) { entry in
            kept += 1
            switch entry.kind {
            case .order: if entry.key == order { found.order = true }
            case .pendingRefund: if entry.key == order { found.waiting += 1 }
            case .seen: if input.kind != .click && entry.key == event { found.event = true }
            case .click: if input.kind == .click && entry.key == event { found.event = true }
            case .warning: break
            }
        }
        return (found, kept)
    }
}
