// One customer in a snapshot: docs/formats/snapshot.md.
import Model

/// What a snapshot holds of every customer, as it lies in the file: 38 bytes, little-endian, without gaps.
struct CustomerImage: BitwiseCopyable {
    static let bytes = MemoryLayout<CustomerImage>.size

    let ordinal: UInt32
    let rungs: (UInt8, UInt8, UInt8, UInt8)
    let due: Int64
    let firstSeen: Int64
    let lastEvent: Int64
    let entryCount: UInt16
    let idLength: UInt8
    let version: UInt8
    let parts: Parts
    /// Of packed entries; 0 if they are whole.
    let epoch: UInt8

    struct Parts: OptionSet {
        var rawValue: UInt8

        static let ignoresClicks = Parts(rawValue: 1 << 0)
        /// `AgedOrders` lie behind the id.
        static let aged = Parts(rawValue: 1 << 1)
        /// `Activity` lies behind them.
        static let activity = Parts(rawValue: 1 << 2)
        /// Entries are `PackedEntry`.
        static let packed = Parts(rawValue: 1 << 3)

        static let all: Parts = [.ignoresClicks, .aged, .activity, .packed]
    }

    /// `epoch` is that of his entries if they are packed.
    init(_ ordinal: Int, _ row: CustomerRow, epoch: UInt8?) {
        self.ordinal = UInt32(ordinal)
        rungs = row.rungs
        due = row.due
        firstSeen = row.firstSeen
        lastEvent = row.lastEvent
        entryCount = row.entryCount
        idLength = row.idLength
        version = row.version
        var parts: Parts = row.ignoresClicks ? .ignoresClicks : []
        if row.contents.contains(.aged) { parts.insert(.aged) }
        if row.contents.contains(.activity) { parts.insert(.activity) }
        if epoch != nil { parts.insert(.packed) }
        self.parts = parts
        self.epoch = epoch ?? 0
    }

    /// Into a row: all but its contents, id and entries.
    func restore(_ row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.rungs = rungs
        row.pointee.due = due
        row.pointee.firstSeen = firstSeen
        row.pointee.lastEvent = lastEvent
        row.pointee.version = version
        row.pointee.ignoresClicks = parts.contains(.ignoresClicks)
    }

    @inline(__always) var agedBytes: Int { parts.contains(.aged) ? MemoryLayout<AgedOrders>.size : 0 }
    @inline(__always) var activityBytes: Int { parts.contains(.activity) ? MemoryLayout<Activity>.size : 0 }
    @inline(__always) var entryBytes: Int {
        Int(entryCount)
            * (parts.contains(.packed) ? MemoryLayout<PackedEntry>.stride : MemoryLayout<Entry>.stride)
    }

    /// Of everything that lies in the file of him.
    @inline(__always) var wholeBytes: Int {
        CustomerImage.bytes + Int(idLength) + agedBytes + activityBytes + entryBytes
    }
}

/// One customer as he lies in the bytes of a snapshot: image, id, aged orders and clicks if he has any, entries.
struct EncodedCustomer {
    let image: CustomerImage
    /// As many as the image says.
    let bytes: UnsafeRawBufferPointer

    private var agedAt: Int { CustomerImage.bytes + Int(image.idLength) }
    private var entriesAt: Int { agedAt + image.agedBytes + image.activityBytes }

    var ordinal: Int { Int(image.ordinal) }
    var id: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[CustomerImage.bytes..<agedAt]) }
    var entries: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[entriesAt...]) }
    /// The epoch of his entries; nil if they are whole.
    var epoch: UInt8? { image.parts.contains(.packed) ? image.epoch : nil }

    var aged: AgedOrders? {
        image.parts.contains(.aged) ? bytes.loadUnaligned(fromByteOffset: agedAt, as: AgedOrders.self) : nil
    }

    var activity: Activity? {
        if !image.parts.contains(.activity) { return nil }
        return bytes.loadUnaligned(fromByteOffset: agedAt + image.agedBytes, as: Activity.self)
    }
}

/// Goes from customer to customer through bytes that may be damaged.
struct CustomerScan {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    /// nil at the end.
    mutating func next() throws(Engine.DamagedState) -> EncodedCustomer? {
        if rest.isEmpty { return nil }
        guard rest.count >= CustomerImage.bytes else { throw CustomerScan.cutOff }
        let image = rest.loadUnaligned(as: CustomerImage.self)
        guard image.idLength > 0, image.entryCount <= Limits.entriesPerCustomer + Limits.warnings else {
            throw Engine.DamagedState(reason: "customer \(image.ordinal) is out of range")
        }
        let length = image.wholeBytes
        guard rest.count >= length else { throw CustomerScan.cutOff }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[length...]) }
        return EncodedCustomer(image: image, bytes: UnsafeRawBufferPointer(rebasing: rest[..<length]))
    }

    private static var cutOff: Engine.DamagedState { Engine.DamagedState(reason: "a customer is cut off") }
}
