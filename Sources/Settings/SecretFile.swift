// Secrets of the configuration: from files that only their owner may read, or from systemd's credentials.
import Glibc
import Model

enum SecretFile {
    struct Failure: Error {
        var message: String
    }

    /// The text of a secret file without the end of its last line.
    static func read(_ path: String) throws(Failure) -> String {
        // Who opens a pipe would wait for its writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw Failure(message: "cannot open '\(path)': \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Limits.secretBytes
        else {
            throw Failure(message: "'\(path)' is no file of at most \(Limits.secretBytes) bytes")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw Failure(message: "'\(path)' can be read by others: chmod 600 it")
        }
        var bytes = try content(descriptor, path)
        if bytes.last == 0x0A { bytes.removeLast() }
        if bytes.last == 0x0D { bytes.removeLast() }
        if bytes.isEmpty { throw Failure(message: "'\(path)' is empty") }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw Failure(message: "'\(path)' is no text of UTF-8")
        }
        return text
    }

    private static func content(_ descriptor: Int32, _ path: String) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Limits.secretBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes[count...].withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if got == 0 { break }
            if got > 0 {
                count += got
            } else if errno != EINTR {
                throw Failure(message: "cannot read '\(path)': \(String(cString: strerror(errno)))")
            }
        }
        if count > Limits.secretBytes {
            throw Failure(message: "'\(path)' is no file of at most \(Limits.secretBytes) bytes")
        }
        return Array(bytes[..<count])
    }

    static func credential(_ name: String) throws(Failure) -> String {
        guard !name.contains("/"), let folder = getenv("CREDENTIALS_DIRECTORY").map({ String(cString: $0) }) else {
            throw Failure(
                message: "there is no credential '\(name)': start rfmd by systemd with LoadCredential=\(name):…")
        }
        return try read("\(folder)/\(name)")
    }
}
