// Why a worker cannot go on, by what follows from it.

enum WorkerFailure: Error {
    /// Drop shards and clients and recover; a fenced instance exits.
    case transport(TransportFailure)
    /// Stop: going on would lose or mix up something. The text names the way out.
    case refused(String)
    /// Stop: what was applied again differs from what was committed.
    case defect(String)
}
