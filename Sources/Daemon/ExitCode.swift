// How the program ends: sysexits.h for what people and service managers tell apart.

enum ExitCode {
    static let done: Int32 = 0
    static let failed: Int32 = 1
    static let usage: Int32 = 64
    static let configuration: Int32 = 78
}
