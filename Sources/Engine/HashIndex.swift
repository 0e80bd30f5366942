// From the hash of a customer's id to his ordinal: linear hashing, which grows by one bucket at a time.
import CMemory

/// Litwin, "Linear hashing: a new tool for file and table addressing" (1980). Buckets are split in two one after the other, one every
/// few insertions, so that no insertion takes long. A bucket is one cache line of ten slots, filled from the first on; one that is full
/// goes on in an overflow line. Of a hash the lowest bits choose the bucket, and a slot keeps the 16 bits above the first 16, its tag:
/// among many buckets they also say where a slot goes when its bucket is split, among few the hash is asked for again.
struct HashIndex {
    private static let slotsPerLine = 10
    /// The lowest bit of a hash that a tag has.
    private static let tagShift = 16
    /// Twice the customers per bucket: with more there is less to hold, and more overflows.
    private static let doubleLoad = 16

    private var buckets: SegmentedArray<Line>
    private var overflows: SegmentedArray<Line>
    private var bucketCount = 1
    /// The largest power of two that is not above `bucketCount`, less 1.
    private var mask = 0
    private(set) var count = 0
    /// Overflow lines are counted from 1, and a free one goes on in the next free one; 0 is none.
    private var overflowCount = 0
    private var freeOverflow = 0

    /// 64 bytes: ten tags, ten ordinals + 1 of which 0 is an empty slot, and the overflow line in which it goes on.
    fileprivate struct Line: BitwiseCopyable {
        private var bytes: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)
    }

    fileprivate struct Slots {
        let tags: UnsafeMutablePointer<UInt16>
        let ordinals: UnsafeMutablePointer<UInt32>
        let next: UnsafeMutablePointer<UInt32>

        @inline(__always)
        init(_ line: UnsafeMutablePointer<Line>) {
            let start = UnsafeMutableRawPointer(line)
            let ordinalsAt = slotsPerLine * MemoryLayout<UInt16>.stride
            tags = start.assumingMemoryBound(to: UInt16.self)
            ordinals = (start + ordinalsAt).assumingMemoryBound(to: UInt32.self)
            next = ordinals + slotsPerLine
        }

        /// The slots with this tag, a bit each; without a branch, for where a customer is in his line nobody can foretell.
        @inline(__always)
        func found(_ tag: UInt16) -> UInt32 {
            var found: UInt32 = 0
            for slot in 0..<slotsPerLine { found |= (tags[slot] == tag ? 1 : 0) &<< UInt32(slot) }
            return found
        }

        /// The first ordinal among `found`, from which it is taken, and empty slots before it; nil if none is left.
        @inline(__always)
        func takeFirst(_ found: inout UInt32) -> Int? {
            while found != 0 {
                let ordinal = Int(ordinals[found.trailingZeroBitCount]) - 1
                found &= found &- 1
                // The tag of an empty slot is that of some hash too.
                if ordinal >= 0 { return ordinal }
            }
            return nil
        }

        func empty() {
            for slot in 0..<slotsPerLine { (tags[slot], ordinals[slot]) = (0, 0) }
            next.pointee = 0
        }
    }

    init() {
        buckets = SegmentedArray(shift: 15)
        overflows = SegmentedArray(shift: 12)
        buckets.grow(toHold: 1)
    }

    var bytes: Int { buckets.bytes + overflows.bytes }

    func deallocate() {
        buckets.deallocate()
        overflows.deallocate()
    }

    /// The bucket of a hash: chosen by one bit more where a bucket was split already.
    @inline(__always)
    private func home(_ hash: UInt64) -> Int {
        let wide = Int(truncatingIfNeeded: hash & 0xFFFF_FFFF) & (mask &<< 1 | 1)
        return wide < bucketCount ? wide : wide & mask
    }

    @inline(__always)
    private static func tag(_ hash: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: hash >> UInt64(tagShift)) }

    @inline(__always)
    private func bucket(_ number: Int) -> Slots { Slots(buckets.pointer(number)) }

    private func overflow(_ number: Int) -> Slots { Slots(overflows.pointer(number)) }

    @inline(__always)
    func prefetch(_ hash: UInt64) { rfmd_prefetch(buckets.pointer(home(hash))) }

    /// The ordinals whose hash seems to be this one: mostly one or none.
    @inline(__always)
    func candidates(_ hash: UInt64) -> Candidates {
        Candidates(tag: HashIndex.tag(hash), in: bucket(home(hash)), overflows)
    }

    /// What the first line of a bucket says of a hash.
    enum Seeming {
        case ordinal(Int)
        case nobody
        /// If there is anybody, he stands in a line in which the bucket goes on, which is being fetched.
        case further
    }

    /// As the first of `candidates`, of the bucket's first line alone.
    @inline(__always)
    func nearest(_ hash: UInt64) -> Seeming {
        let slots = bucket(home(hash))
        var found = slots.found(HashIndex.tag(hash))
        if let ordinal = slots.takeFirst(&found) { return .ordinal(ordinal) }
        let next = Int(slots.next.pointee)
        if next == 0 { return .nobody }
        rfmd_prefetch(overflows.pointer(next))
        return .further
    }

    /// A sequence and no closure: what a closure keeps of a class's table would be copied for each event.
    struct Candidates: Sequence, IteratorProtocol {
        private let tag: UInt16
        private var slots: Slots
        private let overflows: SegmentedArray<Line>
        /// Slots with this tag that were not looked at, a bit each.
        private var found: UInt32

        @inline(__always)
        fileprivate init(tag: UInt16, in slots: Slots, _ overflows: SegmentedArray<Line>) {
            self.tag = tag
            self.slots = slots
            self.overflows = overflows
            found = slots.found(tag)
        }

        @inline(__always)
        mutating func next() -> Int? {
            while true {
                if let ordinal = slots.takeFirst(&found) { return ordinal }
                let next = Int(slots.next.pointee)
                if next == 0 { return nil }
                slots = Slots(overflows.pointer(next))
                found = slots.found(tag)
            }
        }
    }

    /// Of an empty index: makes as many buckets as this many customers will have, so that none is split on the way.
    mutating func reserve(_ customers: Int) {
        precondition(count == 0, "only an empty index is laid out anew")
        bucketCount = max(bucketCount, (customers * 2 + HashIndex.doubleLoad - 1) / HashIndex.doubleLoad)
        mask = 1 << (Int.bitWidth - 1 - bucketCount.leadingZeroBitCount) - 1
        buckets.grow(toHold: bucketCount)
        // Hashes come from anywhere: soon all of it is in use.
        buckets.keepPages()
    }

    /// The pages that it will grow into next.
    mutating func takePages(_ ahead: MemoryAhead.Lead, into pages: inout [UnsafeRawBufferPointer]) {
        buckets.takePages(ahead, into: &pages)
    }

    /// Inserts an ordinal that is not there. `hashOf` is asked for the hashes of ordinals that are.
    mutating func insert(_ hash: UInt64, _ ordinal: Int, hashOf: (Int) -> UInt64) {
        _ = insert(hash, ordinal, unless: { _ in false }, hashOf: hashOf)
    }

    /// False, and nothing is inserted, if `isSame` is true of an ordinal whose hash seems to be this one.
    @inline(__always)
    mutating func insert(
        _ hash: UInt64, _ ordinal: Int, unless isSame: (Int) -> Bool, hashOf: (Int) -> UInt64
    ) -> Bool {
        if (count + 1) * 2 > bucketCount * HashIndex.doubleLoad { split(hashOf) }
        let isNew = append(HashIndex.tag(hash), UInt32(ordinal + 1), to: home(hash), unless: isSame)
        if isNew { count += 1 }
        return isNew
    }

    @inline(__always)
    private mutating func append(_ tag: UInt16, _ entry: UInt32, to number: Int, unless isSame: (Int) -> Bool) -> Bool {
        var slots = bucket(number)
        while true {
            for slot in 0..<HashIndex.slotsPerLine {
                if slots.ordinals[slot] == 0 {
                    (slots.tags[slot], slots.ordinals[slot]) = (tag, entry)
                    return true
                }
                if slots.tags[slot] == tag && isSame(Int(slots.ordinals[slot]) - 1) { return false }
            }
            if slots.next.pointee == 0 { slots.next.pointee = addOverflow() }
            slots = overflow(Int(slots.next.pointee))
        }
    }

    private mutating func addOverflow() -> UInt32 {
        if freeOverflow != 0 {
            let number = freeOverflow
            let next = overflow(number).next
            freeOverflow = Int(next.pointee)
            next.pointee = 0
            return UInt32(number)
        }
        overflowCount += 1
        overflows.grow(toHold: overflowCount + 1)
        return UInt32(overflowCount)
    }

    /// Deals the slots of the next bucket out over itself and a new one.
    private mutating func split(_ hashOf: (Int) -> UInt64) {
        let from = bucketCount & mask
        // What the lowest bits of their hashes have in common, and the bit in which they differ.
        let deciding = (mask + 1).trailingZeroBitCount
        bucketCount += 1
        buckets.grow(toHold: bucketCount)
        if bucketCount == 2 * (mask + 1) { mask = 2 * mask + 1 }
        // On the stack, as long as the bucket does not go on and on.
        withUnsafeTemporaryAllocation(of: (tag: UInt16, entry: UInt32).self, capacity: slotCount(from)) { dealt in
            let count = take(from, into: dealt)
            for (tag, entry) in dealt[..<count] {
                let bit =
                    deciding >= HashIndex.tagShift
                    ? Int(tag) >> (deciding - HashIndex.tagShift) & 1
                    : Int(truncatingIfNeeded: hashOf(Int(entry) - 1) >> UInt64(deciding) & 1)
                _ = append(tag, entry, to: from | bit << deciding) { _ in false }
            }
        }
    }

    /// Slots of a bucket and of those in which it goes on.
    private func slotCount(_ number: Int) -> Int {
        var slots = bucket(number)
        var count = HashIndex.slotsPerLine
        while slots.next.pointee != 0 {
            slots = overflow(Int(slots.next.pointee))
            count += HashIndex.slotsPerLine
        }
        return count
    }

    /// Empties a bucket and those in which it goes on; returns how many customers were there.
    private mutating func take(
        _ number: Int, into dealt: UnsafeMutableBufferPointer<(tag: UInt16, entry: UInt32)>
    ) -> Int {
        var slots = bucket(number)
        var overflowing = 0
        var count = 0
        while true {
            for slot in 0..<HashIndex.slotsPerLine where slots.ordinals[slot] != 0 {
                dealt[count] = (slots.tags[slot], slots.ordinals[slot])
                count += 1
            }
            let following = Int(slots.next.pointee)
            slots.empty()
            if overflowing != 0 {
                slots.next.pointee = UInt32(freeOverflow)
                freeOverflow = overflowing
            }
            if following == 0 { return count }
            overflowing = following
            slots = overflow(following)
        }
    }
}
