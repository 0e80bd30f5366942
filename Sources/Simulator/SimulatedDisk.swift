// The folder of snapshots on a disk that loses what was not synced, fills up, rots, and is slow.
import Glibc
import SnapshotStore

/// What everybody sees is one thing; what a loss of power leaves is another: synced contents and names, and of the rest whatever chance
/// keeps, torn and in any order.
final class SimulatedDisk: @unchecked Sendable {
    private final class File {
        var content: [UInt8] = []
        var synced: [UInt8] = []
        /// Writes since the last sync.
        var writes: [(offset: Int, bytes: [UInt8])] = []
        var modified: Int64
        var holder: Int32?

        init(modified: Int64) { self.modified = modified }
    }

    private struct Handle {
        var file: File?
        var offset = 0
        unowned var process: SimulatedProcess
    }

    private enum NameChange {
        case add(String, File)
        case remove(String)
        case rename(String, String)
    }

    static let folder = "/snapshots"
    private let world: World
    private let dice: Dice
    private var names: [String: File] = [:]
    private var syncedNames: [String: File] = [:]
    private var changes: [NameChange] = []
    private var handles: [Int32: Handle] = [:]
    private var lastHandle: Int32 = 1_000

    var isFull = false
    /// fsync says no, and the data is lost.
    var isBroken = false
    /// What is read says no.
    var isUnreadable = false
    /// How long an fsync may take, ms.
    var syncMilliseconds: Int64 = 3
    /// Bits that fell over.
    private(set) var rotten = 0
    private(set) var wipes = 0
    /// Files that lie under another's name.
    private(set) var misnamed = 0

    init(_ world: World, dice: Dice) {
        self.world = world
        self.dice = dice
    }

    /// Names of everything there is, in order.
    var listing: [String] { names.keys.sorted() }

    func isFolder(_ number: Int32) -> Bool { handles[number].map { $0.file == nil } ?? false }

    // MARK: Faults

    /// The power fails: every process is dead.
    func losePower() {
        for change in changes {
            // A journaling file system keeps changes of names in order, up to some point.
            if dice.one(in: 3) { break }
            SimulatedDisk.apply(change, to: &syncedNames)
        }
        names = syncedNames
        changes = []
        handles = [:]
        for (_, file) in names.sorted(by: { $0.key < $1.key }) {
            file.holder = nil
            if file.writes.isEmpty { continue }
            file.content = file.synced
            for (offset, bytes) in file.writes where dice.chance(60) {
                let kept = dice.one(in: 3) ? dice.int(0...bytes.count) : bytes.count
                SimulatedDisk.put(bytes.prefix(kept), at: offset, in: &file.content)
            }
            file.writes = []
            file.synced = file.content
        }
    }

    /// One bit of one snapshot falls over; false if there is none.
    func rot() -> Bool {
        let snapshots = listing.filter { $0.hasSuffix(".snapshot") }
        guard !snapshots.isEmpty, let file = names[dice.pick(snapshots)], !file.content.isEmpty else { return false }
        let place = dice.int(0...file.content.count - 1)
        let bit: UInt8 = 1 << UInt8(dice.int(0...7))
        file.content[place] ^= bit
        if place < file.synced.count { file.synced[place] ^= bit }
        rotten += 1
        return true
    }

    /// Somebody copies a snapshot to the name of another shard, batch or chain; false if there is none.
    func misname() -> Bool {
        let snapshots = listing.filter { $0.hasSuffix(".snapshot") }
        guard !snapshots.isEmpty else { return false }
        let name = dice.pick(snapshots)
        guard let file = names[name] else { return false }
        var parts = name.split(separator: ".").map { String($0) }
        let place = parts.count - dice.pick([2, 3, 4])
        var digits = Array(parts[place].utf8)
        let digit = digits.count - 1 - (place == parts.count - 2 ? 0 : dice.int(0...1))
        digits[digit] = UInt8(ascii: "0") + (digits[digit] == UInt8(ascii: "0") ? 1 : 0)
        parts[place] = String(decoding: digits, as: UTF8.self)
        let copy = File(modified: file.modified)
        (copy.content, copy.synced) = (file.content, file.content)
        let other = parts.joined(separator: ".")
        if names[other] != nil { return false }
        names[other] = copy
        syncedNames[other] = copy
        misnamed += 1
        return true
    }

    /// Somebody deletes every snapshot.
    func wipe() {
        wipes += 1
        for name in listing where name.hasSuffix(".snapshot") {
            names[name] = nil
            syncedNames[name] = nil
        }
    }

    /// What a process held open is closed.
    func forget(_ process: SimulatedProcess) {
        for (number, handle) in handles.sorted(by: { $0.key < $1.key }) where handle.process === process {
            close(number)
        }
    }

    private static func apply(_ change: NameChange, to names: inout [String: File]) {
        switch change {
        case .add(let name, let file): names[name] = file
        case .remove(let name): names[name] = nil
        case .rename(let from, let to): if let file = names.removeValue(forKey: from) { names[to] = file }
        }
    }

    private func change(_ change: NameChange) {
        SimulatedDisk.apply(change, to: &names)
        changes.append(change)
    }

    private static func put(_ bytes: some Collection<UInt8>, at offset: Int, in content: inout [UInt8]) {
        if content.count < offset { content += [UInt8](repeating: 0, count: offset - content.count) }
        let end = min(content.count, offset + bytes.count)
        content.replaceSubrange(offset..<end, with: bytes)
    }

    // MARK: Calls

    /// The system calls as `process` makes them.
    func calls(_ process: SimulatedProcess) -> FileCalls {
        var calls = FileCalls()
        let name: @Sendable (String) -> String = { path in String(path.dropFirst(SimulatedDisk.folder.count + 1)) }
        calls.makeFolder = { _ in SimulatedDisk.fail(EEXIST) }
        calls.checkFolder = { _ in 0 }
        calls.advise = { _, _ in }
        calls.open = { [self, unowned process] path, flags, _ in
            enter(process) ? open(name(path), flags, process) : SimulatedDisk.fail(EIO)
        }
        calls.close = { [self] in close($0) }
        calls.status = { [self] number in
            guard let file = handles[number]?.file else { return nil }
            return FileStatus(size: file.content.count, modified: Int(file.modified / 1_000), isFile: true)
        }
        calls.lock = { [self] in lock($0) }
        calls.pread = { [self, unowned process] number, target, count, offset in
            guard enter(process), !isUnreadable, let file = handles[number]?.file else {
                return Int(SimulatedDisk.fail(EIO))
            }
            let part = file.content.dropFirst(offset).prefix(count)
            UnsafeMutableRawBufferPointer(start: target, count: count).copyBytes(from: part)
            return part.count
        }
        calls.write = { [self, unowned process] number, bytes, count in
            enter(process)
                ? write(number, UnsafeRawBufferPointer(start: bytes, count: count)) : Int(SimulatedDisk.fail(EIO))
        }
        calls.sync = { [self, unowned process] number in
            enter(process) ? sync(number, process) : SimulatedDisk.fail(EIO)
        }
        calls.rename = { [self, unowned process] from, to in
            guard enter(process) else { return SimulatedDisk.fail(EIO) }
            guard names[name(from)] != nil else { return SimulatedDisk.fail(ENOENT) }
            change(.rename(name(from), name(to)))
            world.schedule.trace.note(world.schedule.now, "disk: \(name(to)) has its name")
            return 0
        }
        calls.unlink = { [self, unowned process] path in
            guard enter(process) else { return SimulatedDisk.fail(EIO) }
            guard names[name(path)] != nil else { return SimulatedDisk.fail(ENOENT) }
            change(.remove(name(path)))
            return 0
        }
        calls.names = { [self, unowned process] _ in enter(process) ? listing : nil }
        return calls
    }

    /// A place where a process may die; false if it has.
    private func enter(_ process: SimulatedProcess) -> Bool {
        process.point("file")
        return !process.isDead
    }

    private static func fail(_ code: Int32) -> Int32 {
        errno = code
        return -1
    }

    private func open(_ name: String, _ flags: Int32, _ process: SimulatedProcess) -> Int32 {
        lastHandle += 1
        if flags & O_DIRECTORY != 0 {
            handles[lastHandle] = Handle(file: nil, process: process)
            return lastHandle
        }
        if flags & O_CREAT == 0 {
            guard let file = names[name] else { return SimulatedDisk.fail(ENOENT) }
            handles[lastHandle] = Handle(file: file, process: process)
            return lastHandle
        }
        if names[name] != nil && flags & O_EXCL != 0 { return SimulatedDisk.fail(EEXIST) }
        if isFull { return SimulatedDisk.fail(ENOSPC) }
        let file = File(modified: world.schedule.now)
        change(.add(name, file))
        handles[lastHandle] = Handle(file: file, process: process)
        return lastHandle
    }

    private func close(_ number: Int32) {
        if let file = handles[number]?.file, file.holder == number { file.holder = nil }
        handles[number] = nil
    }

    private func lock(_ number: Int32) -> Int32 {
        guard let file = handles[number]?.file else { return SimulatedDisk.fail(EBADF) }
        if let holder = file.holder, holder != number { return SimulatedDisk.fail(EWOULDBLOCK) }
        file.holder = number
        return 0
    }

    private func write(_ number: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let handle = handles[number], let file = handle.file else { return Int(SimulatedDisk.fail(EBADF)) }
        if isFull && dice.one(in: 2) { return Int(SimulatedDisk.fail(ENOSPC)) }
        let count = dice.one(in: 4) ? dice.int(1...bytes.count) : bytes.count
        let part = [UInt8](bytes.prefix(count))
        SimulatedDisk.put(part, at: handle.offset, in: &file.content)
        file.writes.append((handle.offset, part))
        file.modified = world.schedule.now
        handles[number]?.offset += count
        return count
    }

    private func sync(_ number: Int32, _ process: SimulatedProcess) -> Int32 {
        world.schedule.wait(dice.delay(syncMilliseconds))
        guard !process.isDead, let handle = handles[number] else { return SimulatedDisk.fail(EIO) }
        if isBroken { return SimulatedDisk.fail(EIO) }
        if let file = handle.file {
            file.synced = file.content
            file.writes = []
        } else {
            syncedNames = names
            changes = []
        }
        return 0
    }
}
