// What was ordered and spent in each window, as events and state lines show it.
import Model
import Rules

/// The windows of a version in ascending order, with their keys written once.
struct WindowKeys {
    /// A window's number, and its key with what separates it from the one before.
    let keys: [(number: Int, key: [UInt8])]
    private let exponent: Int

    init(_ rules: Ruleset) {
        let order = rules.windows.indices.sorted { rules.windows[$0] < rules.windows[$1] }
        keys = order.enumerated().map { place, number in
            (number, Array("\(place == 0 ? "" : ",")\"\(rules.windows[number])d\":".utf8))
        }
        exponent = rules.currencyExponent
    }

    /// `"orders":{"30d":1,"90d":2},"spend":{"30d":"9.90","90d":"19.80"}`; `values` answers for a window's number.
    @inline(__always)
    func append(to buffer: ByteBuffer, _ values: (Int) -> (orders: Int64, spend: Int64)) {
        buffer.append(contentsOf: "\"orders\":{")
        for (number, key) in keys {
            buffer.append(contentsOf: key)
            buffer.appendDecimal(values(number).orders)
        }
        buffer.append(contentsOf: "},\"spend\":{")
        for (number, key) in keys {
            buffer.append(contentsOf: key)
            buffer.appendMoney(values(number).spend, exponent: exponent)
        }
        buffer.append(contentsOf: "}")
    }
}
