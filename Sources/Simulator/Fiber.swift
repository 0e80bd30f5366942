// A thread of the real program, as the simulation runs it: a fiber that gives way in its ports' calls and nowhere else.
import CFiber

/// Owned by `Schedule`; the stack is used again by later fibers.
final class Fiber {
    let name: String
    /// What dies together; nil for the simulation's own.
    let process: SimulatedProcess?
    private var body: (() -> Void)?
    private let stack: FiberStack
    fileprivate(set) var hasEnded = false
    /// Counts its waits, so that a wake that comes too late finds out.
    var waits = 0
    var isWaiting = false

    init(_ name: String, _ process: SimulatedProcess?, _ stack: FiberStack, _ body: @escaping () -> Void) {
        self.name = name
        self.process = process
        self.stack = stack
        self.body = body
    }

    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> Void = { opaque in
        guard let opaque else { preconditionFailure("a fiber is started with itself") }
        let fiber = Unmanaged<Fiber>.fromOpaque(opaque).takeUnretainedValue()
        let body = fiber.body
        fiber.body = nil
        body?()
    }

    /// Runs it until it gives way or ends; then the stack is free.
    func resume() {
        if body != nil { stack.start(Fiber.entry, Unmanaged.passUnretained(self).toOpaque()) }
        hasEnded = stack.resume()
    }

    func suspend() { stack.suspend() }

    /// Its stack, once it has ended.
    var freed: FiberStack? { hasEnded ? stack : nil }
}

/// One stack of CFiber, freed with its owner.
final class FiberStack {
    /// Debug builds use a lot of it.
    private static let bytes = 1 << 20
    private let pointer: OpaquePointer

    init() {
        guard let pointer = rfmd_fiber_new(FiberStack.bytes) else {
            preconditionFailure("the system has no memory left")
        }
        self.pointer = pointer
    }

    deinit { rfmd_fiber_free(pointer) }

    func start(
        _ entry: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void, _ argument: UnsafeMutableRawPointer
    ) {
        rfmd_fiber_start(pointer, entry, argument)
    }

    func resume() -> Bool { rfmd_fiber_resume(pointer) != 0 }

    func suspend() { rfmd_fiber_suspend(pointer) }
}
