// The memory of a process as the kernel counts it.
import Foundation
import TestSupport

struct ResidentMemory {
    /// Now, and the most there ever was; bytes.
    var now: Int
    var most: Int

    init(of process: pid_t) throws {
        let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        func bytes(_ name: String) throws -> Int {
            guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }),
                let number = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({
                    Int($0)
                })
            else { throw Missing("\(name) in the status of process \(process)") }
            return number << 10
        }
        (now, most) = (try bytes("VmRSS"), try bytes("VmHWM"))
    }
}

extension DaemonProcess {
    func memory() throws -> ResidentMemory { try ResidentMemory(of: pid) }
}
