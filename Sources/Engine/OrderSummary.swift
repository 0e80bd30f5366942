// What is known of all entries of a customer who has many, so that an event need not go through them.
import Model
import Rules

/// The sums of some orders, wherever they lie in time.
struct OrderSums: BitwiseCopyable {
    var count: Int64 = 0
    var spend: Int64 = 0
    /// ms; valid if there are any.
    var first: Int64 = .max
    var last: Int64 = .min
    /// Day(`last`).
    var lastDay: Int64 = 0

    /// False for an order that does not count: nothing is left of it.
    @inline(__always)
    mutating func add(_ order: Entry, net: Int64) -> Bool {
        if net == 0 && order.flags.contains(.refunded) { return false }
        let time = order.time
        first = min(first, time)
        if time >= last { (last, lastDay) = (time, order.day) }
        count += 1
        spend += net
        return true
    }
}

/// Lies behind the entries of a large block (EntryStore). It is no part of the state: sums that it does not know are found from the entries
/// again, and that is once a day at most as long as orders do nothing but come and leave.
struct OrderSummary {
    /// Besides, a byte for each entry.
    static let bytes = MemoryLayout<Header>.stride + Limits.windows * MemoryLayout<Window>.stride

    private struct Header: BitwiseCopyable {
        var earliest: Int64
        /// The sums hold on this day, by the version of this number; `unknown`: not at all.
        var day: Int32
        var version: UInt32
        var sums: OrderSums
    }

    private struct Window: BitwiseCopyable {
        var spend: Int64
        var orders: UInt32
        var oldestDay: Int32
    }

    private static let unknown = Int32.min

    private let header: UnsafeMutablePointer<Header>
    private let windows: UnsafeMutablePointer<Window>
    /// By place of the entry, a part of its key: most entries need not be looked at to know that they are not meant.
    private let tags: UnsafeMutableRawPointer

    @inline(__always)
    init(at memory: UnsafeMutableRawPointer) {
        header = memory.assumingMemoryBound(to: Header.self)
        windows = (memory + MemoryLayout<Header>.stride).assumingMemoryBound(to: Window.self)
        tags = memory + OrderSummary.bytes
    }

    @inline(__always)
    private static func tag(_ key: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: key >> 56) }

    /// The entry at this place has this key.
    @inline(__always)
    func setTag(_ place: Int, key: UInt64) {
        tags.storeBytes(of: OrderSummary.tag(key), toByteOffset: place, as: UInt8.self)
    }

    /// The first of `count` places that may hold this key and for which `matches` is true.
    @inline(__always)
    func place(of key: UInt64, count: Int, where matches: (Int) -> Bool) -> Int? {
        let tag = SIMD16<UInt8>(repeating: OrderSummary.tag(key))
        var at = 0
        // What lies behind the last entry is read and not heeded.
        while at < count {
            let same = tags.loadUnaligned(fromByteOffset: at, as: SIMD16<UInt8>.self) .== tag
            if any(same) {
                for lane in 0..<min(16, count - at) where same[lane] && matches(at + lane) { return at + lane }
            }
            at += 16
        }
        return nil
    }

    /// What an event will read of it.
    @inline(__always)
    func lines(entries: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: header, count: OrderSummary.bytes + entries)
    }

    /// Nothing is known yet.
    func clear() {
        header.pointee.earliest = .min
        forgetSums()
    }

    /// No entry but a warning has a smaller `timeAndFlags`; .min: not known, or there are clicks, which go by a time of their own.
    @inline(__always)
    var earliest: Int64 {
        get { header.pointee.earliest }
        nonmutating set { header.pointee.earliest = newValue }
    }

    /// An order is not what it was, or has gone.
    @inline(__always)
    func forgetSums() { header.pointee.day = OrderSummary.unknown }

    /// An entry has come to a place. `lengths` are the days of each window.
    func add(_ entry: Entry, at place: Int, windows lengths: UnsafeMutableBufferPointer<Int>) {
        setTag(place, key: entry.key)
        switch entry.kind {
        case .warning: return
        case .click: earliest = .min
        case .pendingRefund, .seen: earliest = min(earliest, entry.timeAndFlags)
        case .order:
            earliest = min(earliest, entry.timeAndFlags)
            if header.pointee.day != OrderSummary.unknown { addOrder(entry, lengths) }
        }
    }

    private func addOrder(_ order: Entry, _ lengths: UnsafeMutableBufferPointer<Int>) {
        let net = order.net
        guard header.pointee.sums.add(order, net: net) else { return }
        let (day, today) = (order.day, Int64(header.pointee.day))
        for window in lengths.indices where day > today - Int64(lengths[window]) {
            windows[window].orders += 1
            windows[window].spend += net
            windows[window].oldestDay = min(windows[window].oldestDay, Int32(day))
        }
    }

    /// The sums as of `today`, and in `values` those of `count` windows, whose `lastDayOutside` are set; nil if they are not known.
    func sums(
        today: Int64, version: UInt32, _ values: UnsafeMutablePointer<WindowValues>, _ count: Int
    ) -> OrderSums? {
        let header = header.pointee
        guard header.day != OrderSummary.unknown, header.version == version, today >= Int64(header.day) else {
            return nil
        }
        for window in 0..<count {
            let known = windows[window]
            let oldest = known.orders == 0 ? .max : Int64(known.oldestDay)
            // As long as the oldest has not left, none has.
            if oldest <= values[window].lastDayOutside { return nil }
            values[window].orders = Int64(known.orders)
            values[window].spend = known.spend
            values[window].oldestDay = oldest
        }
        return header.sums
    }

    func keep(
        _ sums: OrderSums, today: Int64, version: UInt32, _ values: UnsafeMutablePointer<WindowValues>, _ count: Int
    ) {
        header.pointee.day = Int32(today)
        header.pointee.version = version
        header.pointee.sums = sums
        for window in 0..<count {
            let value = values[window]
            windows[window] = Window(
                spend: value.spend, orders: UInt32(value.orders),
                oldestDay: value.orders == 0 ? .max : Int32(value.oldestDay))
        }
    }
}
