// Reads the command line and runs one verb.

public func rfmdMain() {
}
