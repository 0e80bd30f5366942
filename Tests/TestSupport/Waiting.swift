// Waiting for a condition, with a limit that says what did not come.
import Foundation

/// Something that a test relied on did not happen.
package struct Missing: Error, CustomStringConvertible {
    package var description: String

    package init(_ what: String) {
        description = "\(what)\nTo run it again: KAFKA_HOME=… swift test --no-parallel --filter BrokerTests"
    }
}

/// Asks again and again until `condition` holds. `context` is added to the message if it never does.
package func wait(
    for what: String, seconds: Double = 60, context: @autoclosure () -> String = "", until condition: () throws -> Bool
) throws {
    let limit = Date().addingTimeInterval(seconds)
    while !(try condition()) {
        if Date() > limit { throw Missing("waited \(Int(seconds)) s for \(what)\n\(context())") }
        usleep(15_000)
    }
}
