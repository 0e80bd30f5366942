// A snapshot is read, verified and unpacked ahead of whoever takes its chunks: in order, within bounds, and never longer than the load.
import Glibc
import Model
import Synchronization
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

@Suite struct LoadAheadTests {
    let folder: TestFolder
    let original = identity(batch: 4)
    /// 40 chunks of 512 KiB that do not compress: far more than is read ahead.
    let chunks: [[UInt8]]

    init() throws {
        folder = try TestFolder()
        var random = RandomSource(seed: 5)
        let bytes = random.bytes(64 << 10)
        chunks = (0..<40).map { index in (0..<8).flatMap { _ in bytes }.map { $0 &+ UInt8(index) } }
        try FileSnapshotVault(folder: folder.path, instance: "one")
            .publish(original, chunks.map { LoadAheadTests.scrambled($0) })
    }

    /// What repeats would compress.
    private static func scrambled(_ bytes: [UInt8]) -> [UInt8] {
        var state: UInt64 = UInt64(bytes[0]) &+ 1
        return bytes.map { byte in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return byte ^ UInt8(truncatingIfNeeded: state >> 33)
        }
    }

    /// Counts bytes that were read, and lanes that were made and have ended.
    private final class Meter: Lanes {
        let bytesRead = Atomic<Int>(0)
        let begun = Atomic<Int>(0)
        let ended = Atomic<Int>(0)
        private let real = ThreadLanes()

        private final class Metered: Lane {
            private let real: any Lane
            private let meter: Meter

            init(_ real: any Lane, _ meter: Meter) {
                self.real = real
                self.meter = meter
            }

            func run(_ work: @escaping @Sendable () -> Void) { real.run(work) }

            func end() {
                real.end()
                meter.ended.add(1, ordering: .relaxed)
            }
        }

        func lane(_ name: String, _ priority: LanePriority) -> any Lane {
            begun.add(1, ordering: .relaxed)
            return Metered(real.lane(name, priority), self)
        }

        func wait(until isDone: () -> Bool) -> Bool { real.wait(until: isDone) }

        var calls: FileCalls {
            var calls = FileCalls.system
            calls.pread = { [self] descriptor, target, count, offset in
                let read = pread(descriptor, target, count, offset)
                bytesRead.add(max(0, read), ordering: .relaxed)
                return read
            }
            return calls
        }

        func vault(_ folder: TestFolder) throws -> FileSnapshotVault {
            try FileSnapshotVault(folder: folder.path, instance: "one", calls: calls, lanes: self)
        }
    }

    private func expectAllEnded(_ meter: Meter) {
        #expect(folder.openDescriptors == 0, "the file is closed when the load returns")
        #expect(meter.begun.load(ordering: .relaxed) == 1 && meter.ended.load(ordering: .relaxed) == 1)
        // Nothing reads on behind the load.
        let before = meter.bytesRead.load(ordering: .relaxed)
        usleep(20_000)
        #expect(meter.bytesRead.load(ordering: .relaxed) == before)
    }

    @Test func readsAheadAndNoFurtherThanItMay() throws {
        let meter = Meter()
        let vault = try meter.vault(folder)
        var taken = 0
        var sizes: [Int] = []
        try vault.load(original) { (chunk) throws(SnapshotFailure) in
            sizes.append(chunk.count)
            let ahead = { meter.bytesRead.load(ordering: .relaxed) - taken }
            // While the first one is in hand all that may be read ahead is.
            let until = ContinuousClock.now + .seconds(30)
            while taken == 0 && ahead() < SnapshotLoad.bytesAhead && ContinuousClock.now < until { usleep(1_000) }
            usleep(1_000)
            // What may wait, the chunk in hand, the one that comes above the bound, heads, header and footer.
            #expect(ahead() <= SnapshotLoad.bytesAhead + 2 * 512 << 10 + 64 << 10)
            if taken == 0 { #expect(ahead() >= SnapshotLoad.bytesAhead, "nothing is read ahead") }
            taken += chunk.count
        }
        #expect(sizes == chunks.map(\.count))
        expectAllEnded(meter)
    }

    /// The chunks before it are handed on, in order, and none behind it.
    @Test(arguments: [0, 1, 7, 39]) func aLaterChunkIsDamaged(damaged: Int) throws {
        let name = SnapshotName(original).text
        let size = try fileSize(name)
        // Chunks are of one size, and before them is a header of some hundred bytes.
        let each = (size - SnapshotFormat.footerBytes) / chunks.count
        try flip(name, at: damaged * each + each / 2)
        let meter = Meter()
        let vault = try meter.vault(folder)
        var seen: [[UInt8]] = []
        let failure = #expect(throws: SnapshotFailure.self) {
            try vault.load(original) { (chunk) throws(SnapshotFailure) in seen.append([UInt8](chunk)) }
        }
        guard case .damaged(_, let reason) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(reason.hasPrefix("a chunk is not what was written"))
        #expect(seen == chunks[..<damaged].map { LoadAheadTests.scrambled($0) })
        expectAllEnded(meter)
    }

    @Test(arguments: [1, 2, 20]) func aLoadThatIsGivenUpEndsItsLane(after count: Int) throws {
        let meter = Meter()
        let vault = try meter.vault(folder)
        let refused = SnapshotFailure.damaged(file: "state", reason: "no engine leaves such a customer")
        var seen = 0
        #expect(throws: refused) {
            try vault.load(original) { (_) throws(SnapshotFailure) in
                seen += 1
                if seen == count { throw refused }
            }
        }
        #expect(seen == count)
        expectAllEnded(meter)
    }

    /// The disk says no while chunks wait.
    @Test func aReadFailsAhead() throws {
        let meter = Meter()
        var calls = meter.calls
        let system = calls.pread
        calls.pread = { descriptor, target, count, offset in
            if offset > 5 << 20 && offset < 6 << 20 {
                errno = EIO
                return -1
            }
            return system(descriptor, target, count, offset)
        }
        let vault = try FileSnapshotVault(folder: folder.path, instance: "one", calls: calls, lanes: meter)
        var seen = 0
        let failure = #expect(throws: SnapshotFailure.self) {
            try vault.load(original) { (_) throws(SnapshotFailure) in seen += 1 }
        }
        guard case .io(_, "cannot be read: Input/output error") = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(seen == 10, "those before it")
        expectAllEnded(meter)
    }

    /// Lanes of a process that is dead: nothing is waited for in vain.
    @Test func lanesThatDoNothingAnyMore() throws {
        final class Dead: Lanes, Lane {
            func lane(_ name: String, _ priority: LanePriority) -> any Lane { self }
            func wait(until isDone: () -> Bool) -> Bool { isDone() }
            func run(_ work: @escaping @Sendable () -> Void) {}
            func end() {}
        }
        let vault = try FileSnapshotVault(folder: folder.path, instance: "one", lanes: Dead())
        let path = folder.file(SnapshotName(original).text)
        #expect(throws: SnapshotFailure.io(file: path, reason: "the load was given up")) {
            try vault.load(original) { (_) throws(SnapshotFailure) in Issue.record("nothing was read") }
        }
        #expect(folder.openDescriptors == 0)
    }

    private func fileSize(_ name: String) throws -> Int {
        var status = stat()
        try #require(stat(folder.file(name), &status) == 0)
        return Int(status.st_size)
    }

    private func flip(_ name: String, at offset: Int) throws {
        let descriptor = open(folder.file(name), O_RDWR)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        var byte: UInt8 = 0
        try #require(pread(descriptor, &byte, 1, offset) == 1)
        byte ^= 1
        try #require(pwrite(descriptor, &byte, 1, offset) == 1)
    }
}
