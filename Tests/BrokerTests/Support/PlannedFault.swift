// A fault at a named place of a daemon: the library that is preloaded into it (Preload/faults.c), and what is asked of it.
import Foundation
import TestSupport

struct PlannedFault: CustomStringConvertible {
    enum Action: String {
        /// SIGKILL, SIGSTOP, or standing still for a while.
        case kill, stop, sleep
        /// A connection's answers are lost from here on; a request is lost.
        case deaf, lose
        /// No memory for one request; the time of day is wrong from here on.
        case fail, shift
    }

    var action: Action
    /// Preload/faults.c says which there are.
    var place: String
    /// At every so many-th coming to the place, and at most so often.
    var every = 1
    var times = 1
    /// ms, of `sleep` and `shift`.
    var milliseconds: Int64 = 0

    var description: String { "\(action) at '\(place)', every \(every), \(times) times" }
    /// The line in the log of the daemon.
    var line: String { "fault: \(action) at '\(place)'" }

    var environment: [String: String] {
        get throws {
            [
                "RFMD_FAULT": "\(action),\(place),\(every),\(times),\(milliseconds)",
                "LD_PRELOAD": try PlannedFault.library.path(),
            ]
        }
    }

    private static let library = PreloadLibrary("Tests/BrokerTests/Preload/faults.c", libraries: ["-lrdkafka"])
}
