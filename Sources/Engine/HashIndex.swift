// From the hash of a customer's id to his ordinal: linear hashing, which grows by one bucket at a time.
import CMemory

/// Litwin, "Linear hashing: a new tool for file and table addressing" (1980). Buckets are split in two one after the other, one every
/// few insertions, so that no insertion takes long and no id is hashed again. A bucket is one cache line of eight slots, filled from
/// the first on; one that is full goes on in an overflow bucket. A slot holds the low half of the hash, whose lowest bits choose the
/// bucket, and ordinal + 1; 0 is an empty slot.
struct HashIndex {
    private typealias Slots = UnsafeMutablePointer<UInt64>
    private static let slotsPerBucket = 8
    /// In the last slot of a bucket that goes on: this bit, and the number of the overflow bucket.
    private static let link: UInt64 = 1 << 31
    private static let low: UInt64 = (1 << 32) - 1
    /// Twice the customers per bucket: with more there is less to hold, and more overflows.
    private static let doubleLoad = 11

    private var buckets: SegmentedArray<UInt64>
    private var overflows: SegmentedArray<UInt64>
    private var bucketCount = 1
    /// The largest power of two that is not above `bucketCount`, less 1.
    private var mask = 0
    private var count = 0
    /// Overflow buckets are counted from 1, and the first slot of a free one names the next free one; 0 is none.
    private var overflowCount = 0
    private var freeOverflow = 0

    init() {
        buckets = SegmentedArray(shift: 18)
        overflows = SegmentedArray(shift: 15)
        buckets.grow(toHold: HashIndex.slotsPerBucket)
    }

    var bytes: Int { buckets.bytes + overflows.bytes }

    func deallocate() {
        buckets.deallocate()
        overflows.deallocate()
    }

    /// The bucket of a hash: chosen by one bit more where a bucket was split already.
    @inline(__always)
    private func home(_ hash: UInt64) -> Int {
        let wide = Int(truncatingIfNeeded: hash & HashIndex.low) & (mask &<< 1 | 1)
        return wide < bucketCount ? wide : wide & mask
    }

    @inline(__always)
    private func bucket(_ number: Int) -> Slots { buckets.pointer(number &* HashIndex.slotsPerBucket) }

    private func overflow(_ number: Int) -> Slots { overflows.pointer(number * HashIndex.slotsPerBucket) }

    @inline(__always)
    private static func next(_ slot: UInt64) -> Int { Int(slot & (link - 1)) }

    @inline(__always)
    func prefetch(_ hash: UInt64) { rfmd_prefetch(bucket(home(hash))) }

    /// The ordinal with this hash for which `matches` is true.
    @inline(__always)
    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int? {
        var slots = bucket(home(hash))
        var at = 0
        while at < HashIndex.slotsPerBucket {
            let slot = slots[at]
            if slot >> 32 == hash & HashIndex.low {
                // Neither an empty slot nor a link has a customer, whatever the hash.
                let ordinal = Int(slot & HashIndex.low) - 1
                if ordinal >= 0 && slot & HashIndex.link == 0 && matches(ordinal) { return ordinal }
            }
            if slot == 0 { return nil }
            if slot & HashIndex.link != 0 {
                slots = overflow(HashIndex.next(slot))
                at = 0
            } else {
                at += 1
            }
        }
        return nil
    }

    /// Of an empty index: makes as many buckets as this many customers will have, so that none is split on the way.
    mutating func reserve(_ customers: Int) {
        precondition(count == 0, "only an empty index is laid out anew")
        bucketCount = max(bucketCount, (customers * 2 + HashIndex.doubleLoad - 1) / HashIndex.doubleLoad)
        mask = 1 << (Int.bitWidth - 1 - bucketCount.leadingZeroBitCount) - 1
        buckets.grow(toHold: bucketCount * HashIndex.slotsPerBucket)
    }

    /// The pages that it will grow into next; with `customers`, those that it takes to hold so many.
    mutating func takePages(_ ahead: MemoryAhead.Lead, customers: Int?, into pages: inout [UnsafeRawBufferPointer]) {
        guard let customers else {
            return buckets.takePages(aheadBy: ahead.share, most: ahead.most, into: &pages)
        }
        let needed = (customers * 2 + HashIndex.doubleLoad - 1) / HashIndex.doubleLoad
        buckets.takePages(toHold: needed * HashIndex.slotsPerBucket, into: &pages)
    }

    mutating func insert(_ hash: UInt64, _ ordinal: Int) {
        _ = insert(hash, ordinal) { _ in false }
    }

    /// False, and nothing is inserted, if there is an ordinal with this hash for which `isSame` is true.
    @inline(__always)
    mutating func insert(_ hash: UInt64, _ ordinal: Int, unless isSame: (Int) -> Bool) -> Bool {
        if (count + 1) * 2 > bucketCount * HashIndex.doubleLoad { split() }
        let isNew = append(hash << 32 | UInt64(ordinal + 1), to: home(hash), unless: isSame)
        if isNew { count += 1 }
        return isNew
    }

    @inline(__always)
    private mutating func append(_ entry: UInt64, to number: Int, unless isSame: (Int) -> Bool) -> Bool {
        var slots = bucket(number)
        var at = 0
        while slots[at] != 0 {
            if slots[at] & HashIndex.link != 0 {
                slots = overflow(HashIndex.next(slots[at]))
                at = 0
            } else if slots[at] >> 32 == entry >> 32 && isSame(Int(slots[at] & HashIndex.low) - 1) {
                return false
            } else if at == HashIndex.slotsPerBucket - 1 {
                let added = addOverflow()
                overflow(added)[0] = slots[at]
                slots[at] = HashIndex.link | UInt64(added)
            } else {
                at += 1
            }
        }
        slots[at] = entry
        return true
    }

    private mutating func addOverflow() -> Int {
        if freeOverflow != 0 {
            let number = freeOverflow
            freeOverflow = Int(overflow(number)[0])
            overflow(number)[0] = 0
            return number
        }
        overflowCount += 1
        overflows.grow(toHold: (overflowCount + 1) * HashIndex.slotsPerBucket)
        return overflowCount
    }

    /// Deals the entries of the next bucket out over itself and a new one.
    private mutating func split() {
        let from = bucketCount & mask
        bucketCount += 1
        buckets.grow(toHold: bucketCount * HashIndex.slotsPerBucket)
        if bucketCount == 2 * (mask + 1) { mask = 2 * mask + 1 }
        // On the stack, as long as the bucket does not go on and on.
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: slotCount(from)) { dealt in
            let count = take(from, into: dealt)
            for entry in dealt[..<count] { _ = append(entry, to: home(entry >> 32)) { _ in false } }
        }
    }

    /// Slots of a bucket and of those in which it goes on.
    private func slotCount(_ number: Int) -> Int {
        var last = bucket(number)[HashIndex.slotsPerBucket - 1]
        var count = HashIndex.slotsPerBucket
        while last & HashIndex.link != 0 {
            last = overflow(HashIndex.next(last))[HashIndex.slotsPerBucket - 1]
            count += HashIndex.slotsPerBucket
        }
        return count
    }

    /// Empties a bucket and those in which it goes on; returns how many entries were there.
    private mutating func take(_ number: Int, into entries: UnsafeMutableBufferPointer<UInt64>) -> Int {
        var slots = bucket(number)
        var overflowing = 0
        var count = 0
        while true {
            var following = 0
            for at in 0..<HashIndex.slotsPerBucket {
                if slots[at] & HashIndex.link != 0 {
                    following = HashIndex.next(slots[at])
                } else if slots[at] != 0 {
                    entries[count] = slots[at]
                    count += 1
                }
                slots[at] = 0
            }
            if overflowing != 0 {
                slots[0] = UInt64(freeOverflow)
                freeOverflow = overflowing
            }
            if following == 0 { return count }
            overflowing = following
            slots = overflow(following)
        }
    }
}
