// Waiting for a condition, with a limit that says what did not come.
import Foundation

/// Something that a test relied on did not happen.
struct Missing: Error, CustomStringConvertible {
    var description: String

    init(_ what: String) {
        description = "\(what)\nTo run it again: KAFKA_HOME=… swift test --no-parallel --filter BrokerTests"
    }
}

/// Asks again and again until `condition` holds. `context` is added to the message if it never does.
func wait(
    for what: String, seconds: Double = 60, context: () -> String = { "" }, until condition: () throws -> Bool
) throws {
    let limit = Date().addingTimeInterval(seconds)
    while !(try condition()) {
        if Date() > limit { throw Missing("waited \(Int(seconds)) s for \(what)\n\(context())") }
        usleep(15_000)
    }
}

/// ms since 1970.
func machineTime() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
