// Memory that grows by segments: nothing is ever moved, so growth costs no pause and no copy.
import CMemory

/// Huge pages.
enum Pages {
    static let bytes = 1 << 21

    /// Rounded up.
    static func whole(_ bytes: Int) -> Int { (bytes + Pages.bytes - 1) & ~(Pages.bytes - 1) }
}

/// An array of plain values in segments of 2^`shift`; values are zero bytes until they are written.
struct SegmentedArray<Element: BitwiseCopyable> {
    private let shift: Int
    private let mask: Int
    private var segments: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
    private var segmentCount = 0
    private var directoryCapacity = 64
    /// How many values it was asked to hold.
    private(set) var reach = 0
    /// Bytes from the first value on whose pages `takePages` gave out.
    private var pagesTo = 0

    init(shift: Int) {
        self.shift = shift
        mask = (1 << shift) - 1
        segments = .allocate(capacity: directoryCapacity)
    }

    private var capacity: Int { segmentCount << shift }

    /// Bytes in use.
    var bytes: Int { reach * MemoryLayout<Element>.stride }

    @inline(__always)
    func pointer(_ index: Int) -> UnsafeMutablePointer<Element> { segments[index &>> shift] + (index & mask) }

    @inline(__always)
    subscript(index: Int) -> Element {
        get { pointer(index).pointee }
        nonmutating set { pointer(index).pointee = newValue }
    }

    mutating func grow(toHold count: Int) {
        if count <= reach { return }
        reach = count
        if count > capacity { map(toHold: count) }
    }

    @inline(never)
    private mutating func map(toHold count: Int) {
        while capacity < count {
            if segmentCount == directoryCapacity {
                let larger = UnsafeMutablePointer<UnsafeMutablePointer<Element>>.allocate(
                    capacity: directoryCapacity * 2)
                larger.update(from: segments, count: segmentCount)
                segments.deallocate()
                segments = larger
                directoryCapacity *= 2
            }
            segments[segmentCount] = newSegment()
            segmentCount += 1
        }
    }

    /// Adds to `pages` those of what it holds and so much more, in whole huge pages, once half of what was added the last time is in use.
    /// None is added twice, and none of a segment that is not made of pages. Some may be in use: who grew by a leap has not used all that he
    /// passed.
    mutating func takePages(_ ahead: MemoryAhead.Lead, into pages: inout [UnsafeRawBufferPointer]) {
        let lead = ahead.bytes(beyond: bytes)
        if lead == 0 || pagesTo - bytes > lead / 2 { return }
        let stride = MemoryLayout<Element>.stride
        var from = pagesTo
        let end = Pages.whole((reach + lead / stride) * stride)
        if segmentBytes < Pages.bytes || from >= end { return }
        pagesTo = end
        map(toHold: (end + stride - 1) / stride)
        while from < end {
            let (segment, offset) = from.quotientAndRemainder(dividingBy: segmentBytes)
            let length = min(end - from, segmentBytes - offset)
            pages.append(UnsafeRawBufferPointer(start: UnsafeRawPointer(segments[segment]) + offset, count: length))
            from += length
        }
    }

    /// Pages of what it holds now are not given out any more.
    mutating func keepPages() { pagesTo = max(pagesTo, Pages.whole(bytes)) }

    private var segmentBytes: Int { MemoryLayout<Element>.stride << shift }

    /// Large ones come as pages of their own, which cost nothing before they are touched. The first ones of an array are small, so that
    /// a shard with few customers stays small; later ones are huge, so that the processor finds any of them without a walk.
    private func newSegment() -> UnsafeMutablePointer<Element> {
        if segmentBytes >= Pages.bytes {
            let small = segmentCount == 0 ? Pages.bytes : 0
            guard let pages = rfmd_pages(segmentBytes, small) else {
                preconditionFailure("the system has no memory left")
            }
            return pages.bindMemory(to: Element.self, capacity: 1 << shift)
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: segmentBytes, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: segmentBytes)
        return memory.bindMemory(to: Element.self, capacity: 1 << shift)
    }

    /// The same values, to be reached by another thread while this array grows. To be given back by `endView`.
    func view() -> SegmentedArray {
        var view = self
        view.directoryCapacity = max(1, segmentCount)
        view.segments = .allocate(capacity: view.directoryCapacity)
        view.segments.update(from: segments, count: segmentCount)
        return view
    }

    func endView() { segments.deallocate() }

    func deallocate() {
        for segment in 0..<segmentCount {
            if segmentBytes >= Pages.bytes {
                rfmd_pages_free(segments[segment], segmentBytes)
            } else {
                segments[segment].deallocate()
            }
        }
        segments.deallocate()
    }
}

/// A set of customers as bits, with a summary of which words hold any, so that the next member is found without a walk.
struct OrdinalSet {
    private var words: SegmentedArray<UInt64>
    private var summary: SegmentedArray<UInt64>
    private(set) var count = 0
    private var reach = 0

    init() {
        words = SegmentedArray(shift: 10)
        summary = SegmentedArray(shift: 8)
    }

    func deallocate() {
        words.deallocate()
        summary.deallocate()
    }

    mutating func grow(toHold ordinals: Int) {
        if ordinals <= reach { return }
        reach = ordinals
        words.grow(toHold: (reach >> 6) + 1)
        summary.grow(toHold: (reach >> 12) + 1)
    }

    func contains(_ ordinal: Int) -> Bool {
        ordinal < reach && words[ordinal >> 6] & (1 << UInt64(ordinal & 63)) != 0
    }

    mutating func insert(_ ordinal: Int) {
        let bit: UInt64 = 1 << UInt64(ordinal & 63)
        if words[ordinal >> 6] & bit != 0 { return }
        words[ordinal >> 6] |= bit
        summary[ordinal >> 12] |= 1 << UInt64((ordinal >> 6) & 63)
        count += 1
    }

    mutating func remove(_ ordinal: Int) {
        let bit: UInt64 = 1 << UInt64(ordinal & 63)
        if words[ordinal >> 6] & bit == 0 { return }
        words[ordinal >> 6] &= ~bit
        if words[ordinal >> 6] == 0 { summary[ordinal >> 12] &= ~(1 << UInt64((ordinal >> 6) & 63)) }
        count -= 1
    }

    /// The smallest member at or after `start`.
    func next(from start: Int) -> Int? {
        if count == 0 || start >= reach { return nil }
        let first = words[start >> 6] & (~0 << UInt64(start & 63))
        if first != 0 { return (start & ~63) + first.trailingZeroBitCount }
        var word = (start >> 6) + 1
        while word <= reach >> 6 {
            let group = summary[word >> 6] & (~0 << UInt64(word & 63))
            if group == 0 {
                word = (word | 63) + 1
                continue
            }
            word = (word & ~63) + group.trailingZeroBitCount
            return (word << 6) + words[word].trailingZeroBitCount
        }
        return nil
    }
}
