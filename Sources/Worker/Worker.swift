// A worker: a thread that lives one life after the other until it is stopped. Crash-only: each failure ends a life, and the next one
// begins like a start of the process.
import Codec
import Model
import Rules
import Synchronization

/// What other threads may do with a worker.
final class WorkerControl: Sendable {
    private let stops = Atomic<Bool>(false)
    let board: StatusBoard
    let ending = Mutex<WorkerEnding?>(nil)

    init(clock: TrustedClock) { board = StatusBoard(clock: clock) }

    var stopRequested: Bool { stops.load(ordering: .relaxed) }

    func requestStop() { stops.store(true, ordering: .relaxed) }
}

package final class Worker: Sendable {
    private let options: WorkerOptions
    private let ports: WorkerPorts
    private let control: WorkerControl
    /// Longest wait before the next life, ms.
    private static let mostDelay: Int64 = 5_000
    /// A life that lasts so long was healthy, ms.
    private static let healthyLife: Int64 = 60_000
    /// A journal is found by its name, and belongs to one group: a new group needs a new one too.
    static let howToBeginAnew =
        "delete this group's journal and snapshots, or take another kafka.group with another outputs.topics.journal"
    /// What accepting a loss is called.
    static let howToAcceptALoss =
        "Bring that back, or accept the loss: 'rfmd run --rebuild' begins anew from what the inputs still hold, and sends nothing again that "
        + "was sent before"
    /// How long a producer that was fenced waits to hear whether its whole instance was, ms: two heartbeats.
    private static let fencedMilliseconds: Int64 = 7_000

    package init(_ options: WorkerOptions, _ ports: WorkerPorts) {
        self.options = options
        self.ports = ports
        control = WorkerControl(clock: ports.clock)
    }

    package var status: WorkerStatus { control.board.status }
    /// ms since the worker's loop last went round: what a watchdog asks for.
    package var sinceTick: Int64 { control.board.sinceTick }
    /// nil as long as the worker lives.
    package var ending: WorkerEnding? { control.ending.withLock { $0 } }

    /// Ends the worker in order; `ending` tells when that is done.
    package func requestStop() { control.requestStop() }

    package func start() { SystemThread.detached("worker-\(options.number)") { [self] in live() } }

    /// Lives on the calling thread until it has ended.
    package func live() {
        var delay: Int64 = 100
        while true {
            let began = ports.clock.elapsed()
            let (failure, heldWork) = oneLife()
            if let ending = ending(of: failure, heldWork: heldWork) {
                control.board.update { $0.phase = .ended }
                control.ending.withLock { $0 = ending }
                return
            }
            guard case .transport(let reason)? = failure else {
                preconditionFailure("any other failure ends the worker")
            }
            if ports.clock.elapsed() - began > Worker.healthyLife { delay = 100 }
            control.board.update {
                $0.totals.recoveries += 1
                $0.phase = .starting
                $0.shards = []
            }
            ports.observer.observe(.reset(reason: reason.text, delay: delay), worker: options.number)
            pause(delay)
            delay = min(delay * 2, Worker.mostDelay)
        }
    }

    private func pause(_ milliseconds: Int64) {
        let until = ports.clock.elapsed() + milliseconds
        while ports.clock.elapsed() < until && !control.stopRequested {
            control.board.tick()
            ports.clock.sleep(20)
        }
    }

    /// nil for a failure after which a new life begins.
    private func ending(of failure: WorkerFailure?, heldWork: Bool) -> WorkerEnding? {
        switch failure {
        case nil: return .stopped
        case .refused(let text)?: return .refused(text)
        case .defect(let text)?: return .defect(text)
        case .transport(.fenced(let text))?: return .fenced(text)
        case .transport(let reason)?:
            guard control.stopRequested else { return nil }
            // A stop that finds nothing in hand, as while shards are recovered, leaves nothing uncommitted.
            return heldWork ? .stoppedUncommitted(reason.text) : .stopped
        }
    }

    /// No failure if it was stopped in order; and whether it ended with something in hand.
    private func oneLife() -> (WorkerFailure?, heldWork: Bool) {
        var book = VersionBook(source: options.source)
        let loop: WorkerLoop
        do {
            let current = try book.add(options.version, bytes: options.version.encoded)
            loop = try WorkerLoop(options, ports, control, current, book)
        } catch let failure as TransportFailure { return (.transport(failure), false) } catch {
            preconditionFailure("the configured rules were checked: \(error)")
        }
        var failure: WorkerFailure?
        do throws(WorkerFailure) { try loop.run() } catch { failure = error }
        loop.telling.tellLast(loop)
        if case .transport(.fenced(let text))? = failure, !loop.instanceWasFenced {
            failure = .transport(loop.verdict(onFencing: text, within: Worker.fencedMilliseconds))
        }
        let heldWork = loop.holdsWork
        loop.tearDown()
        return (failure, heldWork)
    }
}
