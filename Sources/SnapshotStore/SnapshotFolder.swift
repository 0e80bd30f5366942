// The folder that all processes of a group share: made once, listed, synced, and cleared of what was left unfinished.
import Glibc
import Model
import Worker

/// Immutable but for its counts, which `monitor` guards; shared by a vault and its writers.
final class SnapshotFolder: @unchecked Sendable {
    let path: String
    let instance: String
    let calls: FileCalls
    let lanes: any Lanes
    /// The process, in the names of its temporary files.
    private let writer: String

    private let monitor = Monitor()
    private var writers = 0
    private var number: UInt64 = 0

    init(_ path: String, instance: String, writer: String, calls: FileCalls, lanes: any Lanes) throws(SnapshotFailure) {
        self.path = path
        self.instance = instance
        self.writer = writer
        self.calls = calls
        self.lanes = lanes
        try SnapshotFolder.create(path, calls)
        try SnapshotFolder.check(path, calls)
    }

    func file(_ name: String) -> String { path.hasSuffix("/") ? path + name : "\(path)/\(name)" }

    /// Makes the folder and those above it that are missing, for the owner alone: the state holds what customers bought.
    private static func create(_ path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        if calls.makeFolder(path) == 0 { return try syncParent(of: path, calls) }
        switch errno {
        case EEXIST:
            break
        case ENOENT:
            guard let parent = parent(of: path) else { throw .failed("the folder cannot be created", path) }
            try create(parent, calls)
            // Another process may have been faster.
            if calls.makeFolder(path) != 0 && errno != EEXIST { throw .failed("the folder cannot be created", path) }
            try syncParent(of: path, calls)
        default: throw .failed("the folder cannot be created", path)
        }
    }

    private static func check(_ path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        if calls.checkFolder(path) == 0 { return }
        if errno == ENOTDIR { throw .io(file: path, reason: "this is no folder") }
        throw .failed("the folder cannot be used", path)
    }

    /// nil where there is nothing above.
    private static func parent(of path: String) -> String? {
        var rest = path[...]
        while rest.last == "/" { rest.removeLast() }
        if rest.isEmpty { return nil }
        guard let slash = rest.lastIndex(of: "/") else { return rest == "." ? nil : "." }
        return slash == rest.startIndex ? "/" : String(rest[..<slash])
    }

    private static func syncParent(of path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        if let parent = parent(of: path) { try sync(parent, calls) }
    }

    private static func sync(_ path: String, _ calls: FileCalls) throws(SnapshotFailure) {
        guard let folder = Descriptor(folder: path, calls) else {
            throw .failed("the folder cannot be opened", path)
        }
        try calls.syncToDisk(folder.number, of: path)
    }

    /// Waits until the names in it are on disk.
    func sync() throws(SnapshotFailure) { try SnapshotFolder.sync(path, calls) }

    /// Names of everything in it.
    func names() throws(SnapshotFailure) -> [String] {
        guard let names = calls.names(path) else { throw .failed("the folder cannot be listed", path) }
        return names
    }

    // MARK: Temporary files

    /// A new temporary file, locked for as long as it is open: whoever can lock one knows that its writer is gone.
    func createTemporary(group: String) throws(SnapshotFailure) -> (name: TemporaryName, file: Descriptor) {
        let owner = TemporaryName.owner(group: group, instance: instance)
        while true {
            let name = TemporaryName(owner: owner, process: writer, number: nextNumber())
            guard let file = Descriptor(self.file(name.text), O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, calls) else {
                if errno == EEXIST { continue }
                throw .failed("cannot be created", self.file(name.text))
            }
            // Some shared folders know no locks: then only files of this instance are ever cleared away.
            if calls.lock(file.number) != 0 && errno == EWOULDBLOCK { continue }
            return (name, file)
        }
    }

    private func nextNumber() -> UInt64 {
        monitor.locked {
            number += 1
            return number
        }
    }

    /// Removes what a crash left: files that another process began and nobody holds locked, if they are of this group and instance (of
    /// which there is one process at a time), or far older than `file`, just created. Clocks are the file system's alone. Should one
    /// be removed under a living writer all the same, its rename fails and that snapshot is dropped: nothing else is lost.
    func removeAbandoned(besides name: TemporaryName, _ file: Descriptor) throws(SnapshotFailure) {
        guard let now = file.status?.modified else { return }
        for text in try names() {
            guard let other = TemporaryName(text), other.process != name.process,
                let opened = Descriptor(self.file(text), O_RDONLY, calls), let status = opened.status, status.isFile
            else { continue }
            let isOld = now - status.modified > Limits.snapshotAbandonedSeconds
            guard other.owner == name.owner || isOld else { continue }
            if calls.lock(opened.number) != 0 && (errno == EWOULDBLOCK || other.owner != name.owner) {
                continue
            }
            _ = calls.unlink(self.file(text))
        }
    }

    // MARK: Writers

    func writerBegins() { monitor.locked { writers += 1 } }

    func writerEnds() {
        monitor.locked {
            writers -= 1
            monitor.signal()
        }
    }

    /// Waits until no writer is left.
    func waitForWriters() {
        monitor.locked { while writers > 0 { monitor.wait() } }
    }
}
