// What is said while no broker can be reached at the start.
import Telemetry
import Worker

/// Says so not more often than somebody needs to hear it, and keeps the service manager waiting.
final class WaitingForBrokers {
    private let bootstrap: String
    private let logger: Logger
    private let notifier: ServiceNotifier
    private var reminder = Reminder()
    private var nextExtensionAt: Int64 = 0
    private var reason: String?

    init(_ bootstrap: String, _ logger: Logger, _ notifier: ServiceNotifier) {
        (self.bootstrap, self.logger, self.notifier) = (bootstrap, logger, notifier)
    }

    func tell(_ problem: String) {
        reason = problem
        notifier.status("waiting for the brokers at \(bootstrap): \(problem)")
        guard reminder.isDue(at: TrustedClock.monotonic()) else { return }
        logger.warning("no broker can be reached: waiting", [("bootstrap", bootstrap), ("problem", problem)])
    }

    /// That a question went unanswered says less than why brokers cannot be reached.
    func tellAgain(_ problem: String) { tell(reason ?? problem) }

    func goOn() {
        guard TrustedClock.monotonic() >= nextExtensionAt else { return }
        nextExtensionAt = TrustedClock.monotonic() + 5_000
        notifier.extendTimeout(microseconds: Run.extensionSeconds * 1_000_000)
    }

    func end() { if reminder.end() { logger.notice("brokers can be reached") } }
}
