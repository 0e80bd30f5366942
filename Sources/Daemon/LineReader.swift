// The lines of a file, one after the other, each of bounded length: what cannot be read is told, and never taken for the end.
import Glibc
import Model

final class LineReader {
    private let descriptor: Int32
    private let path: String
    private var bytes: UnsafeMutableRawBufferPointer
    /// What was read and not yet given out.
    private var held = 0..<0
    private var isAtEnd = false
    /// Of the line that was given out last; from 1.
    private(set) var number = 0

    private static let chunk = 1 << 18

    /// `-` is standard input.
    init(_ path: String) throws(FileFailure) {
        self.path = path
        descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw FileFailure(message: "cannot open '\(path)': \(String(cString: strerror(errno)))")
        }
        bytes = .allocate(byteCount: 2 * LineReader.chunk, alignment: 16)
    }

    deinit {
        bytes.deallocate()
        if descriptor > STDIN_FILENO { close(descriptor) }
    }

    /// The next line without its end, valid until the next call; nil at the end of the file.
    func next() throws(FileFailure) -> UnsafeRawBufferPointer? {
        var searched = 0
        while true {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[held])
            if let base = rest.baseAddress, let end = memchr(base + searched, 0x0A, rest.count - searched) {
                return try give(rest, length: UnsafeRawPointer(end) - base, taken: UnsafeRawPointer(end) - base + 1)
            }
            searched = rest.count
            if isAtEnd { return rest.isEmpty ? nil : try give(rest, length: rest.count, taken: rest.count) }
            if searched > Limits.replayLineBytes {
                throw FileFailure(
                    message: "'\(path)', line \(number + 1), is longer than \(Limits.replayLineBytes) bytes: "
                        + "a file for replay is NDJSON, one event a line")
            }
            try readMore()
        }
    }

    private func give(
        _ rest: UnsafeRawBufferPointer, length: Int, taken: Int
    ) throws(FileFailure) -> UnsafeRawBufferPointer {
        held = held.lowerBound + taken..<held.upperBound
        number += 1
        var line = UnsafeRawBufferPointer(rebasing: rest[..<length])
        if number == 1 { line = try textOfFirst(line) }
        while line.last == 0x0D { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
        return line
    }

    /// Without the mark that some editors put before UTF-8. What is no such text at all is told once, and not line by line.
    private func textOfFirst(_ line: UnsafeRawBufferPointer) throws(FileFailure) -> UnsafeRawBufferPointer {
        if line.starts(with: [0xEF, 0xBB, 0xBF]) { return UnsafeRawBufferPointer(rebasing: line.dropFirst(3)) }
        for (begins, what, remedy) in LineReader.otherFiles where line.starts(with: begins) {
            throw FileFailure(message: "'\(path)' is \(what), and a file for replay is NDJSON in UTF-8: \(remedy)")
        }
        return line
    }

    private static let otherFiles: [(begins: [UInt8], what: String, remedy: String)] = [
        ([0x1F, 0x8B], "compressed by gzip", "zcat FILE | rfmd replay -"),
        ([0x28, 0xB5, 0x2F, 0xFD], "compressed by zstd", "zstdcat FILE | rfmd replay -"),
        ([0xFF, 0xFE, 0, 0], "in UTF-32", "iconv -f UTF-32 -t UTF-8 FILE | rfmd replay -"),
        ([0xFF, 0xFE], "in UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | rfmd replay -"),
        ([0xFE, 0xFF], "in UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | rfmd replay -"),
    ]

    private func readMore() throws(FileFailure) {
        if bytes.count - held.upperBound < LineReader.chunk { makeRoom() }
        let free = UnsafeMutableRawBufferPointer(rebasing: bytes[held.upperBound...])
        var count = read(descriptor, free.baseAddress, LineReader.chunk)
        while count < 0 && errno == EINTR { count = read(descriptor, free.baseAddress, LineReader.chunk) }
        if count < 0 {
            throw FileFailure(message: "cannot read '\(path)', line \(number + 1): \(String(cString: strerror(errno)))")
        }
        isAtEnd = count == 0
        held = held.lowerBound..<held.upperBound + count
    }

    /// Moves what is held to the front, of a larger buffer if one line fills this one.
    private func makeRoom() {
        let rest = bytes[held]
        let target: UnsafeMutableRawBufferPointer =
            rest.count + LineReader.chunk <= bytes.count ? bytes : .allocate(byteCount: 2 * bytes.count, alignment: 16)
        if let to = target.baseAddress, let from = UnsafeMutableRawBufferPointer(rebasing: rest).baseAddress {
            memmove(to, from, rest.count)
        }
        if target.baseAddress != bytes.baseAddress { bytes.deallocate() }
        bytes = target
        held = 0..<rest.count
    }
}
