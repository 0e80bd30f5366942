// Memory that the machine has, held until a measurement needs it.
import CMemory
import Synchronization
import Worker

/// A virtual machine may give memory that nobody uses back to its host within a second, and what it is given anew costs 2 s a GB and
/// more: that is the host's time and not ours. This touches memory before a clock runs, and lets go of it as fast as the process
/// grows, so that there is always some that the host has given.
final class MemoryReserve {
    /// How far ahead of the process's growth it lets go, in bytes.
    private static let lead = 128 << 20
    private let state: State
    private let thread: SystemThread

    private final class State: Sendable {
        let stops = Atomic<Bool>(false)
        let held: Atomic<Int>

        init(_ bytes: Int) { held = Atomic(bytes) }
    }

    init(bytes: Int) {
        let whole = MemoryReserve.pages(bytes + MemoryReserve.lead)
        guard let pages = rfmd_pages(whole, 0) else { preconditionFailure("the system has no memory left") }
        for at in stride(from: 0, to: whole, by: 4_096) { pages.storeBytes(of: 1, toByteOffset: at, as: UInt8.self) }
        let start = UInt(bitPattern: pages)
        let state = State(whole)
        self.state = state
        thread = SystemThread("reserve") { MemoryReserve.letGo(start, whole, state) }
    }

    /// Bytes that it still holds.
    var held: Int { state.held.load(ordering: .relaxed) }

    /// As whole huge pages.
    private static func pages(_ bytes: Int) -> Int { max(0, bytes) & ~(2 << 20 - 1) }

    /// Gives back what is left.
    func end() {
        state.stops.store(true, ordering: .relaxed)
        thread.join()
    }

    private static func letGo(_ start: UInt, _ bytes: Int, _ state: State) {
        let base = Machine.residentBytes() - bytes
        var gone = 0
        while gone < bytes {
            let grown = Machine.residentBytes() - (bytes - gone) - base
            let wanted = state.stops.load(ordering: .relaxed) ? bytes : min(bytes, pages(grown + lead))
            if wanted > gone {
                rfmd_pages_empty(UnsafeMutableRawPointer(bitPattern: start + UInt(gone)), wanted - gone)
                gone = wanted
                state.held.store(bytes - gone, ordering: .relaxed)
            }
            Machine.pause(milliseconds: 2)
        }
        // Only now, for whoever changes the address space holds up all who touch a page.
        rfmd_pages_free(UnsafeMutableRawPointer(bitPattern: start), bytes)
    }
}
