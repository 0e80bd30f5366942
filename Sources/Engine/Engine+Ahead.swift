// Memory that the state will grow into: whoever touches it first saves the engine a stop of as long as the system takes to give it.
import CMemory

/// Pages that nobody has used yet. Touching them changes nothing, may come late or never, and may be done by any thread.
///
/// Sendable because nothing of the engine is read or written: it only has to be there as long as its pages are used.
package struct MemoryAhead: @unchecked Sendable {
    private let engine: Engine
    private let pages: [UnsafeRawBufferPointer]

    /// How far ahead of its use memory is taken, so that little lies idle.
    struct Lead {
        /// Of what is in use: one part in so many, so that a small shard stays small.
        var divisor: Int
        /// Bytes, of each large array.
        var most: Int

        /// So much beyond `used` bytes; 0 if that is less than a huge page.
        func bytes(beyond used: Int) -> Int {
            let lead = min(used / divisor, most)
            return lead < Pages.bytes ? 0 : lead
        }

        static let usual = Lead(divisor: 16, most: 16 << 20)
        /// While a snapshot comes back: a state of some GB grows in seconds.
        static let restoring = Lead(divisor: 4, most: 64 << 20)
    }

    fileprivate init(_ engine: Engine, _ pages: [UnsafeRawBufferPointer]) {
        self.engine = engine
        self.pages = pages
    }

    /// Takes as long as the system needs: 0.2 ms a huge page and more.
    package func touch() { for part in pages { rfmd_pages_touch(part.baseAddress, part.count) } }
}

extension Engine {
    /// What is to be touched next; nil most of the time.
    package func takeMemoryAhead() -> MemoryAhead? {
        let lead = restoring == nil ? MemoryAhead.Lead.usual : .restoring
        var pages: [UnsafeRawBufferPointer] = []
        table.takePages(lead, into: &pages)
        store.takePages(lead, into: &pages)
        return pages.isEmpty ? nil : MemoryAhead(self, pages)
    }
}
