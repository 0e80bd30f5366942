// `rfmd bench`: what can be measured, and in which order.

package struct Bench {
    package enum Part: String, CaseIterable, Sendable {
        case engine, decode, workers, snapshot, restore, deadlines
        case endToEnd = "end-to-end"
        case latency

        /// Needs a broker.
        package var isOfKafka: Bool { self == .endToEnd || self == .latency }
    }

    private let customers: Int
    private let events: Int
    private let bootstrap: String?
    private let rate: Int

    /// Without `bootstrap` what needs a broker starts one from `KAFKA_HOME`. `rate`: events a second of the latency.
    package init(customers: Int, events: Int, bootstrap: String?, rate: Int) {
        self.bootstrap = bootstrap
        self.rate = rate
        self.customers = customers
        self.events = events
    }

    /// Measures one part after the other, and tells the figures of each. Throws why a part cannot be measured.
    package func measure(_ parts: [Part], tell: ([Figure]) -> Void) throws(Problem) {
        for part in parts {
            // One run has both.
            if part == .restore && parts.contains(.snapshot) { continue }
            do throws(BenchFailure) { tell(try figures(part, parts)) } catch {
                throw Problem(text: "\(part.rawValue): \(error.message)")
            }
        }
    }

    package struct Problem: Error {
        package var text: String
    }

    private func figures(_ part: Part, _ parts: [Part]) throws(BenchFailure) -> [Figure] {
        switch part {
        case .engine:
            var bench = EngineBench(customers: customers, events: events)
            return bench.measure()
        case .decode: return DecodeBench.measure(records: events)
        case .workers: return try WorkersBench(customers: customers, events: events).measure()
        case .snapshot, .restore:
            return try SnapshotBench(customers: customers)
                .measure(writing: parts.contains(.snapshot), restoring: parts.contains(.restore))
        case .deadlines: return try DeadlineBench(customers: customers).measure()
        case .endToEnd:
            return try EndToEndBench(customers: customers, events: events, try BenchBroker(bootstrap: bootstrap))
                .measure()
        case .latency:
            return try LatencyBench(rate: rate, events: events, try BenchBroker(bootstrap: bootstrap)).measure()
        }
    }
}
