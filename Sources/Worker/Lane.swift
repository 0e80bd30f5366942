// Where work is done beside a worker: one thing after the other, on a thread of its own.

/// Does what it is given in order. Made by `Lanes`, used by one owner.
package protocol Lane: AnyObject, Sendable {
    /// Does `work` when everything given before is done. Never waits.
    func run(_ work: @escaping @Sendable () -> Void)
    /// Nothing more is given: ends when everything is done. Never waits.
    func end()
}

package enum LanePriority: Sendable {
    case normal
    /// Gives way to the worker where there are more threads than processors: it is waited for only when a bound is reached, or at a stop.
    case background
}

package protocol Lanes: Sendable {
    /// `name`, of 15 bytes at most, is for those who look at the process.
    func lane(_ name: String, _ priority: LanePriority) -> any Lane
    /// Waits until `isDone`, which something given to one of these lanes makes true before it ends. False if nothing will any more: a
    /// simulated process was killed. Not for what runs on a lane itself.
    func wait(until isDone: () -> Bool) -> Bool
}

/// Lanes that are threads.
package struct ThreadLanes: Lanes {
    /// Signalled when a lane has done something.
    private let progress = Monitor()

    package init() {}

    package func lane(_ name: String, _ priority: LanePriority) -> any Lane { ThreadLane(progress, name, priority) }

    package func wait(until isDone: () -> Bool) -> Bool {
        progress.locked { while !isDone() { progress.wait() } }
        return true
    }
}

/// One thread and the queue before it.
///
/// Sendable because everything that changes is touched with `monitor` locked.
private final class ThreadLane: Lane, @unchecked Sendable {
    private let monitor = Monitor()
    private let progress: Monitor
    private var queue: [@Sendable () -> Void] = []
    private var ends = false

    init(_ progress: Monitor, _ name: String, _ priority: LanePriority) {
        self.progress = progress
        SystemThread.detached(name) { [self] in
            if priority == .background { SystemThread.giveWay() }
            work()
        }
    }

    func run(_ work: @escaping @Sendable () -> Void) {
        monitor.locked {
            precondition(!ends, "nothing is given after the end")
            queue.append(work)
            monitor.signal()
        }
    }

    func end() {
        monitor.locked {
            ends = true
            monitor.signal()
        }
    }

    private func work() {
        while let next = next() {
            next()
            progress.locked { progress.signal() }
        }
    }

    private func next() -> (@Sendable () -> Void)? {
        monitor.locked {
            while queue.isEmpty && !ends { monitor.wait() }
            return queue.isEmpty ? nil : queue.removeFirst()
        }
    }
}
