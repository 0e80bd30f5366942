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

    init(_ row: CustomerRow) {
        due = row.due
        firstSeen = row.firstSeen
        lastEvent = row.lastEvent
        agedNet = row.agedNet
        agedFirst = row.agedFirst
        agedLast = row.agedLast
        activityAt = row.activityAt
        activity0 = row.activity0
        activity1 = row.activity1
        agedCount = row.agedCount
        rungs = row.rungs
        version = row.version
        ignoresClicks = row.ignoresClicks ? 1 : 0
    }

    func restore(_ row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.due = due
        row.pointee.firstSeen = firstSeen
        row.pointee.lastEvent = lastEvent
        row.pointee.agedNet = agedNet
        row.pointee.agedFirst = agedFirst
        row.pointee.agedLast = agedLast
        row.pointee.activityAt = activityAt
        row.pointee.activity0 = activity0
        row.pointee.activity1 = activity1
        row.pointee.agedCount = agedCount
        row.pointee.rungs = rungs
        row.pointee.version = version
        row.pointee.ignoresClicks = ignoresClicks == 1
    }
}

/// One customer as he lies in the bytes of a snapshot.
struct EncodedCustomer {
    let bytes: UnsafeRawBufferPointer
    let ordinal: Int
    let id: UnsafeRawBufferPointer
    let image: CustomerImage
    let entryCount: Int
    let entries: UnsafeRawBufferPointer
    /// Of the id; set by whoever looks him up.
    var hash: UInt64 = 0
}

/// Goes from customer to customer through bytes that may be damaged.
struct CustomerScan {
    private var rest: UnsafeRawBufferPointer
    private static let headBytes = 5

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// nil at the end.
    mutating func next() throws(Engine.DamagedState) -> EncodedCustomer? {
        if rest.isEmpty { return nil }
        guard rest.count >= CustomerScan.headBytes else { throw CustomerScan.cutOff }
        let ordinal = Int(UInt32(littleEndian: rest.loadUnaligned(as: UInt32.self)))
        let idLength = Int(rest[4])
        let entriesAt = CustomerScan.headBytes + idLength + CustomerImage.bytes + 2
        guard rest.count >= entriesAt else { throw CustomerScan.cutOff }
        let image = rest.loadUnaligned(fromByteOffset: CustomerScan.headBytes + idLength, as: CustomerImage.self)
        let entryCount = Int(UInt16(littleEndian: rest.loadUnaligned(fromByteOffset: entriesAt - 2, as: UInt16.self)))
        let length = entriesAt + entryCount * MemoryLayout<Entry>.stride
        guard rest.count >= length else { throw CustomerScan.cutOff }
        guard idLength > 0, entryCount <= EntryStore.capacity(order: EntryStore.largestOrder) else {
            throw Engine.DamagedState(reason: "customer \(ordinal) is out of range")
        }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[length...]) }
        return EncodedCustomer(
            bytes: UnsafeRawBufferPointer(rebasing: rest[..<length]), ordinal: ordinal,
            id: UnsafeRawBufferPointer(rebasing: rest[CustomerScan.headBytes..<CustomerScan.headBytes + idLength]),
            image: image, entryCount: entryCount, entries: UnsafeRawBufferPointer(rebasing: rest[entriesAt..<length]))
    }

    private static var cutOff: Engine.DamagedState { Engine.DamagedState(reason: "a customer is cut off") }
}
