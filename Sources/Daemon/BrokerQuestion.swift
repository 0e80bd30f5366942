// Asking the brokers at the start, and what is said as long as none answers.
import Synchronization
import Telemetry
import Worker

/// Asks on a thread of its own: an answer may take long, and a signal is to be heard meanwhile.
final class BrokerQuestion {
    private let lane = ThreadLanes().lane("question", .normal)
    private let found = Found()
    private let preparation: TopicPreparation
    private var askAgainAt: Int64?

    private final class Found: Sendable {
        let answer = Mutex<TopicPreparation.Answer?>(nil)
    }

    init(_ preparation: TopicPreparation) {
        self.preparation = preparation
        ask()
    }

    private func ask() {
        lane.run { [preparation, found] in
            let answer = preparation.answer()
            found.answer.withLock { $0 = answer }
        }
    }

    /// Each answer once; nil as long as there is none.
    func answer() -> TopicPreparation.Answer? {
        if let at = askAgainAt, TrustedClock.monotonic() >= at {
            askAgainAt = nil
            ask()
        }
        return found.answer.withLock { answer in
            defer { answer = nil }
            return answer
        }
    }

    /// A little later.
    func askAgain() { askAgainAt = TrustedClock.monotonic() + 500 }

    func end() { lane.end() }
}

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
