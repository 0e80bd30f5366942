// What the tests of snapshots share: a folder of their own, identities, random bytes, and files changed behind the vault's back.
import Glibc
import Model
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

/// A folder that is removed with everything in it.
final class TestFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/rfmd-snapshots-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Broken(what: "mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        chmod(path, 0o700)
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    struct Broken: Error { var what: String }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    var names: [String] { TestFolder.names(path).sorted() }

    var snapshots: [String] { names.filter { $0.hasSuffix(".snapshot") } }

    static func names(_ path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    func read(_ name: String) throws -> [UInt8] {
        let descriptor = open(file(name), O_RDONLY)
        guard descriptor >= 0 else { throw Broken(what: "open \(name): \(errno)") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count >= 0, count < bytes.count else { throw Broken(what: "read \(name): \(errno)") }
        return Array(bytes[..<count])
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        let descriptor = open(file(name), O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        guard descriptor >= 0 else { throw Broken(what: "open \(name): \(errno)") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else {
            throw Broken(what: "write \(name): \(errno)")
        }
    }

    /// Descriptors of this process that are open in this folder, removed files included.
    var openDescriptors: Int {
        TestFolder.names("/proc/self/fd").filter { number in
            var target = [CChar](repeating: 0, count: 4_096)
            let length = readlink("/proc/self/fd/\(number)", &target, target.count)
            let text = String(decoding: target.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return text.hasPrefix(path + "/")
        }.count
    }
}

extension RandomSource {
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

func identity(
    batch: UInt64, shard: Int32 = 3, group: String = "rfmd", topics: [String] = ["pos.sales", "shop.events"],
    chain: UInt64 = 7
) -> SnapshotIdentity {
    SnapshotIdentity(
        group: group, topics: topics, shard: shard, batch: batch, chain: Digest(high: batch, low: chain),
        journalRecord: Array("journal record \(batch)".utf8))
}

func chunk(_ bytes: [UInt8]) -> ByteBuffer {
    let buffer = ByteBuffer()
    buffer.append(contentsOf: bytes)
    return buffer
}

extension FileSnapshotVault {
    /// Writes a whole snapshot and gives it its name.
    func publish(_ identity: SnapshotIdentity, _ chunks: [[UInt8]]) throws {
        let sink = try beginFile(identity)
        for bytes in chunks { sink.write(chunk(bytes)) }
        sink.finish()
        sink.settle()
        if let failure = sink.failure { throw failure }
        try #require(sink.isDurable)
        sink.publish()
        sink.settle()
        if let failure = sink.failure { throw failure }
        try #require(sink.isPublished)
    }

    func chunks(of identity: SnapshotIdentity) throws -> [[UInt8]] {
        var chunks: [[UInt8]] = []
        try load(identity) { (bytes) throws(SnapshotFailure) in chunks.append([UInt8](bytes)) }
        return chunks
    }

    func batches(group: String = "rfmd", shard: Int32 = 3) -> [UInt64] {
        list(group: group, shard: shard).usable.map(\.batch)
    }
}
