// What became of records, and how many of each: accepted + duplicates + rejected + skipped = consumed.
import Codec

/// What became of a record.
package enum Disposition: Equatable {
    case accepted
    /// Accepted; its refund waits for an order.
    case unmatchedRefund
    case duplicate
    case skipped
    case rejected(Rejection)
}

/// How many records came to each end.
package struct RecordCounts: Sendable, Equatable {
    package var accepted: UInt64 = 0
    package var duplicates: UInt64 = 0
    package var skipped: UInt64 = 0
    package var rejected: UInt64 = 0
    /// Among the accepted: refunds whose order is not known yet.
    package var unmatchedRefunds: UInt64 = 0
    /// By RejectionReason.
    package var reasons = [UInt64](repeating: 0, count: 32)

    package init() {}

    package subscript(reason: RejectionReason) -> UInt64 { reasons[Int(reason.rawValue)] }

    package var consumed: UInt64 { accepted + duplicates + skipped + rejected }

    package mutating func count(_ disposition: Disposition) {
        switch disposition {
        case .accepted: accepted += 1
        case .unmatchedRefund:
            accepted += 1
            unmatchedRefunds += 1
        case .duplicate: duplicates += 1
        case .skipped: skipped += 1
        case .rejected(let rejection):
            rejected += 1
            reasons[Int(rejection.reason.rawValue)] += 1
        }
    }

    package mutating func add(_ other: RecordCounts) {
        accepted += other.accepted
        duplicates += other.duplicates
        skipped += other.skipped
        rejected += other.rejected
        unmatchedRefunds += other.unmatchedRefunds
        for index in reasons.indices { reasons[index] += other.reasons[index] }
    }
}
