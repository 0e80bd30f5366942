// A lock with a condition, for what several threads wait on.
import Glibc

/// Its owner says what it guards.
package final class Monitor: @unchecked Sendable {
    // Both lie at one address from init to deinit, as pthreads want it.
    private let lock: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
    private let changed: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)

    package init() {
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    package func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    /// Only inside `locked`.
    package func wait() { pthread_cond_wait(changed, lock) }

    /// Only inside `locked`.
    package func signal() { pthread_cond_broadcast(changed) }
}
