// Invented shoppers: their purchases, refunds and clicks, day by day, as native records.
import Model

package struct DemoRecord: Equatable, Sendable {
    package enum Kind: Sendable { case purchase, refund, click, duplicate, bad }

    package var kind: Kind
    package var key: [UInt8]
    package var value: [UInt8]
    /// ms UTC; the Kafka timestamp too.
    package var occurredAt: Int64

    /// The partition of every record of this customer.
    package func partition(of partitions: Int32) -> Int32 { Int32(Digest(of: key).low % UInt64(partitions)) }
}

/// The same seed, number of shoppers and first day give the same records.
///
/// Shoppers arrive over the first weeks, buy in a rhythm of their own, look around in between, and at some day fade: they stop
/// buying, and look less and less. Some come back. So every tier, both warnings and their resolves turn up within two simulated months.
package struct ShopperGenerator: Sendable {
    private struct Shopper: Sendable {
        var name: String
        /// Days between purchases, on average.
        var gap: Int64
        /// Whole units of the currency.
        var amount: ClosedRange<Int64>
        /// Looks around on so many of 100 days.
        var curiosity: Int64
        var arrives: Int64
        /// From this day on he does not buy.
        var fades: Int64
        /// From this day on he does again.
        var returns: Int64
        var nextPurchase: Int64
        var lastOrder: (id: String, amount: Int64)?
    }

    private var dice: ShopperDice
    private var shoppers: [Shopper] = []
    private let start: Int64
    private var day: Int64 = 0
    private var lastEventID = 0

    private static let names = [
        "ada", "ben", "chen", "dina", "emil", "fang", "grete", "hao", "ines", "jun", "kofi", "lin", "mei", "nora",
        "omar", "ping", "rosa",
        "sun", "tomas", "uma", "wang", "xia", "yusuf", "zoe", "王芳", "李伟", "张敏", "刘洋",
    ]
    private static let actions = ["view", "view", "view", "click", "search", "cart", "favourite", "visit"]
    private static let products = ["tea-pot", "lamp", "scarf", "headphones", "backpack", "mug", "novel", "sneakers"]

    /// `start` is the first simulated midnight, ms UTC.
    package init(seed: UInt64, shoppers count: Int, start: Int64) {
        dice = ShopperDice(seed: seed)
        self.start = start
        for number in 0..<count {
            let name = "\(ShopperGenerator.names[number % ShopperGenerator.names.count])-\(number + 1)"
            shoppers.append(ShopperGenerator.shopper(name, &dice))
        }
    }

    private static func shopper(_ name: String, _ dice: inout ShopperDice) -> Shopper {
        let arrives = dice.holds(percent: 60) ? dice.number(0...2) : dice.number(3...60)
        var shopper = Shopper(
            name: name, gap: 20, amount: 15...80, curiosity: 35, arrives: arrives, fades: .max, returns: .max,
            nextPurchase: arrives)
        switch dice.number(1...10) {
        case 1...3: (shopper.gap, shopper.amount, shopper.curiosity) = (dice.number(2...5), 90...320, 80)
        case 4...6: (shopper.gap, shopper.amount) = (dice.number(6...12), 40...150)
        case 7...9: (shopper.gap, shopper.amount) = (dice.number(15...30), 10...60)
        default: shopper.nextPurchase = .max
        }
        if dice.holds(percent: 60) {
            shopper.fades = arrives + dice.number(12...70)
            if dice.holds(percent: 50) { shopper.returns = shopper.fades + dice.number(18...50) }
        }
        return shopper
    }

    /// Everything that happens on the next day, in the order of time.
    package mutating func nextDay() -> [DemoRecord] {
        var records: [DemoRecord] = []
        for index in shoppers.indices where shoppers[index].arrives <= day {
            let isAway = day >= shoppers[index].fades && day < shoppers[index].returns
            look(index, isAway: isAway, &records)
            if day >= shoppers[index].nextPurchase && !isAway { buy(index, &records) }
        }
        day += 1
        // Swift's sort keeps equals in their order.
        return records.sorted { $0.occurredAt < $1.occurredAt }
    }

    private mutating func look(_ index: Int, isAway: Bool, _ records: inout [DemoRecord]) {
        let shopper = shoppers[index]
        // Interest dies down within two weeks of the last purchase, and does not end at once.
        let curiosity = isAway ? shopper.curiosity / (2 + (day - shopper.fades) / 3) : shopper.curiosity
        if !dice.holds(percent: curiosity) { return }
        for _ in 0..<dice.number(1...3) {
            let id = newID()
            let action = dice.one(of: ShopperGenerator.actions)
            let product = dice.one(of: ShopperGenerator.products)
            records.append(
                record(.click, shopper.name, id, at: instant(), "\"action\":\"\(action)\",\"product\":\"\(product)\""))
        }
    }

    private mutating func buy(_ index: Int, _ records: inout [DemoRecord]) {
        let shopper = shoppers[index]
        let at = instant()
        // A refund, now and then, comes with the next purchase.
        if let order = shopper.lastOrder, dice.once(in: 15) {
            let amount = dice.holds(percent: 50) ? ",\"amount\":\"\(ShopperGenerator.money(order.amount / 2))\"" : ""
            records.append(record(.refund, shopper.name, newID(), at: at, "\"order_id\":\"\(order.id)\"\(amount)"))
        }
        let id = newID()
        let cents = dice.number(shopper.amount) * 100 + dice.number(0...99)
        let purchase = record(
            .purchase, shopper.name, id, at: at,
            "\"order_id\":\"o-\(id)\",\"amount\":\"\(ShopperGenerator.money(cents))\"")
        records.append(purchase)
        if dice.once(in: 50) {
            var again = purchase
            again.kind = .duplicate
            records.append(again)
        }
        if dice.once(in: 120) { records.append(bad(shopper.name, at: at)) }
        shoppers[index].lastOrder = ("o-\(id)", cents)
        shoppers[index].nextPurchase = day + max(1, shopper.gap + dice.number(-1...1))
    }

    /// What a till with a fault might send.
    private mutating func bad(_ name: String, at: Int64) -> DemoRecord {
        switch dice.number(1...3) {
        case 1: return record(.bad, name, newID(), at: at, "\"amount\":\"-5.00\"", type: "purchase")
        case 2: return record(.bad, name, newID(), at: at, "\"amount\":\"12.3456\"", type: "purchase")
        default:
            return DemoRecord(
                kind: .bad, key: Array(name.utf8), value: Array("<html>502 Bad Gateway</html>".utf8), occurredAt: at)
        }
    }

    private mutating func newID() -> String {
        lastEventID += 1
        return "e\(lastEventID)"
    }

    private mutating func instant() -> Int64 {
        start + day * CivilTime.millisecondsPerDay + dice.number(0...CivilTime.millisecondsPerDay - 1)
    }

    private func record(
        _ kind: DemoRecord.Kind, _ name: String, _ id: String, at: Int64, _ fields: String, type: String? = nil
    ) -> DemoRecord {
        let text =
            "{\"type\":\"\(type ?? "\(kind)")\",\"event_id\":\"\(id)\",\"customer_id\":\"\(name)\",\"occurred_at\":\"\(CivilTime.text(at))\",\(fields)}"
        return DemoRecord(kind: kind, key: Array(name.utf8), value: Array(text.utf8), occurredAt: at)
    }

    private static func money(_ cents: Int64) -> String {
        "\(cents / 100).\(cents % 100 < 10 ? "0" : "")\(cents % 100)"
    }
}
