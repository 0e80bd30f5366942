// Where work is done beside a worker: one thing after the other, on a thread of its own.
import Glibc

/// Does what it is given in order. Made by `Lanes`, used by one owner.
package protocol Lane: AnyObject, Sendable {
    /// Does `work` when everything given before is done. Never waits.
    func run(_ work: @escaping @Sendable () -> Void)
    /// Nothing more is given: ends when everything is done. Never waits.
    func end()
}

package protocol Lanes: Sendable {
    func lane() -> any Lane
}

/// Lanes that are threads.
package struct ThreadLanes: Lanes {
    package init() {}

    package func lane() -> any Lane { ThreadLane() }
}

/// One thread and the queue before it.
///
/// Sendable because everything that changes is touched with the lock held.
private final class ThreadLane: Lane, @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
    private let changed: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)
    private var queue: [@Sendable () -> Void] = []
    private var ends = false

    init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
        SystemThread.detached { [self] in work() }
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    func run(_ work: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(lock)
        precondition(!ends, "nothing is given after the end")
        queue.append(work)
        pthread_cond_signal(changed)
        pthread_mutex_unlock(lock)
    }

    func end() {
        pthread_mutex_lock(lock)
        ends = true
        pthread_cond_signal(changed)
        pthread_mutex_unlock(lock)
    }

    private func work() {
        while let next = next() { next() }
    }

    private func next() -> (@Sendable () -> Void)? {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        while queue.isEmpty && !ends { pthread_cond_wait(changed, lock) }
        return queue.isEmpty ? nil : queue.removeFirst()
    }
}
