// One customer in a snapshot: docs/formats/snapshot.md.
import Model

/// What a snapshot holds of a customer's row, as it lies in the file: 82 bytes, little-endian, without gaps.
struct CustomerImage: BitwiseCopyable {
    static let bytes = MemoryLayout<CustomerImage>.size

    let due: Int64
    let firstSeen: Int64
    let lastEvent: Int64
    let agedNet: Int64
    let agedFirst: Int64
    let agedLast: Int64
    let activityAt: Int64
    let activity0: Double
    let activity1: Double
    let agedCount: UInt32
    let rungs: (UInt8, UInt8, UInt8, UInt8)
    let version: UInt8
    /// 0 or 1.
    let ignoresClicks: UInt8

    init(_ ordinal: Int, _ table: borrowing CustomerTable) {
        let row = table.row(ordinal).pointee
        let aged = row.contents.contains(.aged) ? table.agedOrders(ordinal).pointee : .none
        let activity = row.contents.contains(.activity) ? table.activity(ordinal).pointee : .none
        due = row.due
        firstSeen = row.firstSeen
        lastEvent = row.lastEvent
        agedNet = aged.net
        agedFirst = aged.first
        agedLast = aged.last
        activityAt = activity.at
        activity0 = activity.sum0
        activity1 = activity.sum1
        agedCount = aged.count
        rungs = row.rungs
        version = row.version
        ignoresClicks = row.ignoresClicks ? 1 : 0
    }

    /// Into a row whose contents are still empty.
    func restore(_ ordinal: Int, _ table: borrowing CustomerTable) {
        let row = table.row(ordinal)
        row.pointee.due = due
        row.pointee.firstSeen = firstSeen
        row.pointee.lastEvent = lastEvent
        if agedCount > 0 {
            row.pointee.contents.insert(.aged)
            table.agedOrders(ordinal).pointee = AgedOrders(
                net: agedNet, first: agedFirst, last: agedLast, count: agedCount)
        }
        if activity0 >= 0 {
            row.pointee.contents.insert(.activity)
            table.activity(ordinal).pointee = Activity(sum0: activity0, sum1: activity1, at: activityAt)
        }
        row.pointee.rungs = rungs
        row.pointee.version = version
        row.pointee.ignoresClicks = ignoresClicks == 1
    }
}

/// One customer as he lies in the bytes of a snapshot: ordinal (4), length of the id (1), id, image, number of entries (2), entries.
struct EncodedCustomer {
    static let headBytes = 5

    let bytes: UnsafeRawBufferPointer
    let entryCount: Int

    private var idLength: Int { Int(bytes[4]) }
    private var imageAt: Int { EncodedCustomer.headBytes + idLength }

    var ordinal: Int { Int(UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))) }
    var id: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[EncodedCustomer.headBytes..<imageAt]) }
    var image: CustomerImage { bytes.loadUnaligned(fromByteOffset: imageAt, as: CustomerImage.self) }
    var entries: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[(imageAt + CustomerImage.bytes + 2)...])
    }
}

/// Goes from customer to customer through bytes that may be damaged.
struct CustomerScan {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// nil at the end.
    mutating func next() throws(Engine.DamagedState) -> EncodedCustomer? {
        if rest.isEmpty { return nil }
        guard rest.count >= EncodedCustomer.headBytes else { throw CustomerScan.cutOff }
        let idLength = Int(rest[4])
        let entriesAt = EncodedCustomer.headBytes + idLength + CustomerImage.bytes + 2
        guard rest.count >= entriesAt else { throw CustomerScan.cutOff }
        let entryCount = Int(UInt16(littleEndian: rest.loadUnaligned(fromByteOffset: entriesAt - 2, as: UInt16.self)))
        let length = entriesAt + entryCount * MemoryLayout<Entry>.stride
        guard rest.count >= length else { throw CustomerScan.cutOff }
        let customer = EncodedCustomer(bytes: UnsafeRawBufferPointer(rebasing: rest[..<length]), entryCount: entryCount)
        guard idLength > 0, entryCount <= Limits.entriesPerCustomer + Limits.warnings else {
            throw Engine.DamagedState(reason: "customer \(customer.ordinal) is out of range")
        }
        rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        return customer
    }

    private static var cutOff: Engine.DamagedState { Engine.DamagedState(reason: "a customer is cut off") }
}
