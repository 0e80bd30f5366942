// The records of a measurement: native JSON of 200 bytes, each a function of its number alone, so that it can be read again.
import Model

/// First every customer places his orders, spread over the first days; then, for one day, customers by chance click, and one of eight
/// events is a purchase. Times grow with the numbers.
struct Workload: Sendable {
    let customers: Int
    var ordersEach = 4
    /// Over how many days the orders are spread.
    var orderDays: Int64 = 60
    /// The day, from the first on, on which the mixed events begin.
    var mixedDay: Int64 = 60
    let mixed: Int

    init(customers: Int, mixed: Int) {
        self.customers = customers
        self.mixed = mixed
    }

    /// 2026-01-01.
    static let start: Int64 = 1_767_225_600_000
    static let recordBytes = 200
    static let idBytes = 16

    var mixedFrom: Int { ordersEach * customers }
    var count: Int { mixedFrom + mixed }

    struct Event {
        var isPurchase: Bool
        var customer: Int
        /// ms.
        var time: Int64
    }

    @inline(__always)
    func event(_ number: Int) -> Event {
        if number < mixedFrom {
            // Neighbours in time are not neighbours in memory: each customer's four orders are spread over the time.
            let step = max(1, orderDays * CivilTime.millisecondsPerDay / Int64(mixedFrom + 1))
            return Event(isPurchase: true, customer: number % customers, time: Workload.start + step * Int64(number))
        }
        var dice = SplitMix64(seed: UInt64(number))
        let chance = dice.next()
        let begins = Workload.start + mixedDay * CivilTime.millisecondsPerDay
        return Event(
            isPurchase: chance & 7 == 0, customer: Int(((chance >> 32) &* UInt64(customers)) >> 32),
            time: begins + CivilTime.millisecondsPerDay * Int64(number - mixedFrom) / Int64(max(1, mixed)))
    }
}

/// Writes records of a workload one after the other, each in the same few places of a text.
final class RecordWriter {
    private let template: [UInt8]
    private var second: Int64 = .min
    private var secondText: [UInt8] = []

    private static let text =
        "{\"type\":\"purchase\",\"event_id\":\"e000000000000000\",\"customer_id\":\"c000000000000000\",\"order_id\":\"e000000000000000\","
        + "\"occurred_at\":\"2026-01-01T00:00:00.000Z\",\"amount\":\"100.00\",\"store\":\"s-001\"}"

    init() {
        var text = Array(RecordWriter.text.utf8)
        precondition(text.count <= Workload.recordBytes)
        // Padded inside, where any record may have space.
        text.insert(contentsOf: repeatElement(0x20, count: Workload.recordBytes - text.count), at: text.count - 1)
        template = text
    }

    /// Where the customer's id stands in a record.
    static let idRange = (place(of: "\"customer_id\":\"")..<place(of: "\"customer_id\":\"") + Workload.idBytes)

    private static func place(of key: String) -> Int {
        let (text, key) = (Array(text.utf8), Array(key.utf8))
        guard let at = text.indices.first(where: { text[$0...].starts(with: key) }) else {
            preconditionFailure("the template has \(key)")
        }
        return at + key.count
    }

    private static let places = (
        kind: place(of: "\"type\":\""), event: place(of: "\"event_id\":\""), customer: place(of: "\"customer_id\":\""),
        order: place(of: "\"order_id\":\""), time: place(of: "\"occurred_at\":\""), amount: place(of: "\"amount\":\"")
    )

    func write(_ event: Workload.Event, number: Int, to record: UnsafeMutableRawPointer) {
        record.copyMemory(from: template, byteCount: Workload.recordBytes)
        let places = RecordWriter.places
        if !event.isPurchase {
            // A shorter word, and the rest of its place as space behind the text.
            let word: StaticString = "click\",   "
            (record + places.kind).copyMemory(from: word.utf8Start, byteCount: 10)
        }
        RecordWriter.digits(number, 15, record + places.event + 1)
        RecordWriter.digits(event.customer, 15, record + places.customer + 1)
        RecordWriter.digits(number, 15, record + places.order + 1)
        RecordWriter.digits(100 + number & 0x7F, 3, record + places.amount)
        let time = CivilTime.floorDivide(event.time, 1_000)
        if time != second {
            second = time
            secondText = Array(CivilTime.text(time * 1_000).utf8)
        }
        (record + places.time).copyMemory(from: secondText, byteCount: secondText.count)
        RecordWriter.digits(Int(event.time - time * 1_000), 3, record + places.time + 20)
    }

    @inline(__always)
    private static func digits(_ number: Int, _ count: Int, _ at: UnsafeMutableRawPointer) {
        var rest = UInt64(number)
        for place in stride(from: count - 1, through: 0, by: -1) {
            at.storeBytes(of: UInt8(0x30) + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        }
    }
}
