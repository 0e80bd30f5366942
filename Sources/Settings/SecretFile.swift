// Secrets of the configuration: from files that only their owner may read, or from systemd's credentials.
import Glibc
import Model

enum SecretFile {
    struct Failure: Error {
        var message: String
    }

    /// The text of a secret file without its last line feed.
    static func read(_ path: String) throws(Failure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(message: "cannot open '\(path)': \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size <= Limits.secretBytes else {
            throw Failure(message: "'\(path)' is no file of at most \(Limits.secretBytes) bytes")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Failure(message: "'\(path)' can be read by others: chmod 600 it")
        }
        var bytes = [UInt8](repeating: 0, count: Limits.secretBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count) }
            if got <= 0 { break }
            count += got
        }
        var text = String(decoding: bytes[..<count], as: UTF8.self)
        if text.hasSuffix("\n") { text.removeLast() }
        return text
    }

    static func credential(_ name: String) throws(Failure) -> String {
        guard !name.contains("/"), let folder = getenv("CREDENTIALS_DIRECTORY").map({ String(cString: $0) }) else {
            throw Failure(
                message: "there is no credential '\(name)': start rfmd by systemd with LoadCredential=\(name):…")
        }
        return try read("\(folder)/\(name)")
    }
}
