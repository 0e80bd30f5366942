// The index of a state that comes back is made on a lane, while the worker places the next customers.
import Engine

/// Used by one thread, and its lane counts what it has done with `monitor` locked.
final class IndexLane: @unchecked Sendable {
    private let lanes: any Lanes
    private let lane: any Lane
    private var given = 0
    private let monitor = Monitor()
    private var done = 0

    init(_ lanes: any Lanes) {
        self.lanes = lanes
        lane = lanes.lane("indexer", .normal)
    }

    deinit { lane.end() }

    /// To be called again and again while customers are placed.
    func index(_ engine: Engine) {
        guard let work = engine.takeIndexing() else { return }
        given += 1
        lane.run { [self] in
            work.run()
            monitor.locked { done += 1 }
        }
    }

    /// Until all that was given is done. False if it never will be: the process is dead.
    func wait() -> Bool { lanes.wait { monitor.locked { done == given } } }
}
