// A folder that is of no use to anybody afterwards: of a demo, of a measurement.
import Glibc
import Worker

package final class ScratchFolder {
    package let path: String

    /// Makes an empty folder in TMPDIR, or else in /tmp; it is removed with the object.
    package init() throws(SnapshotFailure) {
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/rfmd-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw .io(file: base, reason: "no folder can be made: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { ScratchFolder.remove(path) }

    /// With everything in it; links are not followed.
    private static func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name == "." || name == ".." { continue }
                if Int32(entry.pointee.d_type) == DT_DIR {
                    remove("\(path)/\(name)")
                } else {
                    unlink("\(path)/\(name)")
                }
            }
            closedir(directory)
        }
        rmdir(path)
    }
}
