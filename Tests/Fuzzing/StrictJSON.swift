// A second reader of JSON (RFC 8259), slow and plain: what the real one takes and refuses is compared with it.

struct StrictJSON {
    private let bytes: UnsafeRawBufferPointer
    private let mostDepth: Int
    private var at = 0

    /// True if `bytes` are one JSON object in valid UTF-8, its values nested at most `depth` deep below it.
    static func isObject(_ bytes: UnsafeRawBufferPointer, depth: Int) -> Bool {
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        var reader = StrictJSON(bytes, depth)
        reader.skipBlanks()
        guard reader.peek == 0x7B, reader.value(depth: 1) else { return false }
        reader.skipBlanks()
        return reader.at == bytes.count
    }

    private init(_ bytes: UnsafeRawBufferPointer, _ mostDepth: Int) {
        self.bytes = bytes
        self.mostDepth = mostDepth
    }

    private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        at += 1
        return true
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard bytes.count - at >= length,
            bytes[at..<at + length].elementsEqual(
                UnsafeBufferPointer(start: word.utf8Start, count: length))
        else { return false }
        at += length
        return true
    }

    private mutating func skipBlanks() {
        while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
    }

    /// `depth` is that of what stands inside of it.
    private mutating func value(depth: Int) -> Bool {
        switch peek {
        case 0x7B:
            return collection(close: 0x7D, depth: depth) { reader in
                reader.skipBlanks()
                guard reader.string() else { return false }
                reader.skipBlanks()
                return reader.take(0x3A)
            }
        case 0x5B: return collection(close: 0x5D, depth: depth) { _ in true }
        case 0x22: return string()
        case 0x74: return take("true")
        case 0x66: return take("false")
        case 0x6E: return take("null")
        default: return number()
        }
    }

    private mutating func collection(close: UInt8, depth: Int, before: (inout StrictJSON) -> Bool) -> Bool {
        at += 1
        skipBlanks()
        if take(close) { return true }
        if depth >= mostDepth { return false }
        while true {
            guard before(&self) else { return false }
            skipBlanks()
            guard value(depth: depth + 1) else { return false }
            skipBlanks()
            if take(close) { return true }
            guard take(0x2C) else { return false }
        }
    }

    private mutating func string() -> Bool {
        guard take(0x22) else { return false }
        while let byte = peek {
            at += 1
            switch byte {
            case 0x22: return true
            case 0..<0x20: return false
            case 0x5C: guard escape() else { return false }
            default: break
            }
        }
        return false
    }

    /// Half of a surrogate pair stands for no character: what is read must be text.
    private mutating func escape() -> Bool {
        guard let byte = peek else { return false }
        at += 1
        guard byte == 0x75 else { return [0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74].contains(byte) }
        guard let first = hexadecimal() else { return false }
        switch first {
        case 0xDC00...0xDFFF: return false
        case 0xD800...0xDBFF:
            guard take(0x5C), take(0x75), let second = hexadecimal() else { return false }
            return (0xDC00...0xDFFF).contains(second)
        default: return true
        }
    }

    private mutating func hexadecimal() -> Int? {
        guard bytes.count - at >= 4 else { return nil }
        defer { at += 4 }
        var value = 0
        for byte in bytes[at..<at + 4] {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
            value = value * 16 + digit
        }
        return value
    }

    private mutating func digits() -> Int {
        let start = at
        while let byte = peek, byte >= 0x30, byte <= 0x39 { at += 1 }
        return at - start
    }

    private mutating func number() -> Bool {
        _ = take(0x2D)
        let start = at
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[start] != 0x30 else { return false }
        if take(0x2E), digits() == 0 { return false }
        if take(0x65) || take(0x45) {
            if !take(0x2B) { _ = take(0x2D) }
            return digits() > 0
        }
        return true
    }
}
