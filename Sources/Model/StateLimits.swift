// What the state of one shard may be at most: part of a version, for rejections depend on it.

package struct StateLimits: Sendable, Equatable {
    package var customers: Int
    /// By the formula of docs/limits.md (StateSize); nil: nothing but memory bounds it.
    package var bytes: Int?

    package init(customers: Int = Limits.customersPerShard, bytes: Int? = nil) {
        self.customers = customers
        self.bytes = bytes
    }
}
