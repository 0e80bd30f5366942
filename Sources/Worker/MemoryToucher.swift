// Memory that states will grow into is touched on a lane, so that no worker waits until the system has given it.
import Engine

/// Used by one thread. The lane is begun when there is something for it the first time: small states never need one.
final class MemoryToucher {
    private let lanes: any Lanes
    private let priority: LanePriority
    private var lane: (any Lane)?

    init(_ lanes: any Lanes, _ priority: LanePriority) {
        self.lanes = lanes
        self.priority = priority
    }

    deinit { lane?.end() }

    /// To be called again and again while a state grows; takes next to no time when there is nothing to do.
    func touch(aheadOf engine: Engine) {
        guard let ahead = engine.takeMemoryAhead() else { return }
        let lane = lane ?? lanes.lane("page-toucher", priority)
        self.lane = lane
        lane.run { ahead.touch() }
    }
}
