// Why a worker cannot go on, by what follows from it.

enum WorkerFailure: Error {
    /// Drop shards and clients and recover; a fenced instance exits.
    case transport(TransportFailure)
    /// Stop: going on would lose or mix up something. The text names the way out.
    case refused(String)
    /// Stop: what was applied again differs from what was committed.
    case defect(String)
}

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
