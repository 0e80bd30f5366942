// What is the same in all events of a version, written once, one run of bytes behind the other.
import Model

/// Built up when a version is made known; events then take their fixed parts from it, in as few pieces as they have.
struct FixedTexts {
    /// Where one part lies.
    struct Piece {
        fileprivate var start: Int
        fileprivate var count: Int

        static let none = Piece(start: 0, count: 0)
    }

    private(set) var bytes: [UInt8] = []

    mutating func add(_ text: String) -> Piece {
        defer { bytes += Array(text.utf8) }
        return Piece(start: bytes.count, count: text.utf8.count)
    }

    /// `text` as a JSON string.
    static func json(_ text: String) -> String {
        let buffer = ByteBuffer(capacity: 64)
        buffer.appendJSON(text)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }
}

/// The bytes of `FixedTexts` while an event is written.
struct FixedBytes {
    private let base: UnsafeRawBufferPointer

    @inline(__always)
    init(_ base: UnsafeRawBufferPointer) { self.base = base }

    @inline(__always)
    subscript(piece: FixedTexts.Piece) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: base[piece.start..<piece.start + piece.count])
    }
}
