// Calls that are made again as long as nothing is lost by it.

/// Makes a call again as long as it fails as retriable; `pause` is called in between, waits a little, and throws to give up.
func retrying<Result>(
    _ pause: () throws(TransportFailure) -> Void, _ body: () throws(TransportFailure) -> Result
) throws(TransportFailure) -> Result {
    while true {
        do throws(TransportFailure) { return try body() } catch {
            guard case .retriable = error else { throw error }
        }
        try pause()
    }
}
