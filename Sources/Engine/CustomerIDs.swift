// Customers' ids by ordinal, wherever they lie.
import CXXHash
import Model

/// Of a `CustomerTable`. Up to 16 bytes stand in the row, longer ones behind each other in segments of their own.
struct CustomerIDs {
    static let longIDShift = 21

    let rows: SegmentedArray<CustomerRow>
    let longIDs: SegmentedArray<UInt8>
    let seed: UInt64

    @inline(__always)
    func withID<Result>(_ ordinal: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let row = rows.pointer(ordinal)
        let length = Int(row.pointee.idLength)
        // The two words lie at the beginning of the row.
        if length <= 16 { return body(UnsafeRawBufferPointer(start: row, count: length)) }
        return body(UnsafeRawBufferPointer(start: longIDs.pointer(Int(row.pointee.id0)), count: length))
    }

    @inline(__always)
    func hash(_ id: UnsafeRawBufferPointer) -> UInt64 { rfmd_hash64(id.baseAddress, id.count, seed) }

    func hash(of ordinal: Int) -> UInt64 { withID(ordinal) { hash($0) } }

    func areSame(_ one: Int, _ other: Int) -> Bool {
        withID(one) { id in withID(other) { id.isSame(as: $0) } }
    }

    /// The same, and not moved by what the table grows by later. To be given back by `endView`.
    func view() -> CustomerIDs { CustomerIDs(rows: rows.view(), longIDs: longIDs.view(), seed: seed) }

    func endView() {
        rows.endView()
        longIDs.endView()
    }
}
