// YAML as a tree whose nodes know where they stand, read with libyaml's event parser.
import CYAML
import Model

package struct YAMLNode: Sendable {
    package indirect enum Content: Sendable {
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    package var content: Content
    package var place: Place
    /// Of a scalar: where each Unicode scalar of its text stands, and its end; empty if the file writes it in another way (escapes).
    package var places: [Place] = []

    var kind: String {
        switch content {
        case .scalar: "a text"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// Reads one document. Caps keep a hostile file from growing without bound.
struct YAMLReader {
    struct Failure: Error {
        /// nil if it is about the file as a whole.
        var place: Place?
        var message: String
    }

    private var parser = yaml_parser_t()
    private var nodes = 0
    private let bytes: [UInt8]
    private let source: SourceText

    /// `bytes` are valid UTF-8, and `source` is what they mean.
    static func read(_ bytes: [UInt8], _ source: SourceText) throws(Failure) -> YAMLNode? {
        var reader = YAMLReader(bytes, source)
        return try reader.document()
    }

    private init(_ bytes: [UInt8], _ source: SourceText) {
        self.bytes = bytes
        self.source = source
    }

    private mutating func document() throws(Failure) -> YAMLNode? {
        guard yaml_parser_initialize(&parser) == 1 else { throw Failure(place: nil, message: "out of memory") }
        defer { yaml_parser_delete(&parser) }
        // The parser reads the copy only until `document` returns.
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + 1)
        defer { copy.deallocate() }
        copy.update(from: bytes, count: bytes.count)
        yaml_parser_set_input_string(&parser, copy, bytes.count)
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
        try expect(YAML_STREAM_START_EVENT)
        var event = try next()
        if event.type == YAML_STREAM_END_EVENT {
            yaml_event_delete(&event)
            return nil
        }
        yaml_event_delete(&event)
        let root = try node(depth: 0)
        try expect(YAML_DOCUMENT_END_EVENT)
        event = try next()
        let place = YAMLReader.place(event.start_mark)
        let ends = event.type == YAML_STREAM_END_EVENT
        yaml_event_delete(&event)
        if !ends { throw Failure(place: place, message: "the file holds more than one document: keep the first") }
        return root
    }

    private static func place(_ mark: yaml_mark_t) -> Place { Place(line: mark.line + 1, column: mark.column + 1) }

    private mutating func next() throws(Failure) -> yaml_event_t {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) == 1 else {
            let problem = parser.problem.map { String(cString: $0) } ?? "cannot be read"
            // What it could not read as text has no mark yet.
            let place =
                parser.error == YAML_READER_ERROR
                ? SourceText.place(ofByte: parser.problem_offset, in: bytes) : YAMLReader.place(parser.problem_mark)
            throw Failure(place: place, message: "not valid YAML: \(problem)")
        }
        return event
    }

    private mutating func expect(_ type: yaml_event_type_t) throws(Failure) {
        var event = try next()
        defer { yaml_event_delete(&event) }
        if event.type != type {
            throw Failure(place: YAMLReader.place(event.start_mark), message: "not one YAML document")
        }
    }

    private mutating func node(depth: Int) throws(Failure) -> YAMLNode {
        var event = try next()
        defer { yaml_event_delete(&event) }
        guard let node = try node(event, depth: depth) else {
            throw Failure(place: YAMLReader.place(event.start_mark), message: "a value was expected here")
        }
        return node
    }

    /// nil for the end of a collection.
    private mutating func node(_ event: yaml_event_t, depth: Int) throws(Failure) -> YAMLNode? {
        let place = YAMLReader.place(event.start_mark)
        nodes += 1
        guard nodes <= Limits.configurationNodes, depth <= Limits.configurationDepth else {
            throw Failure(place: place, message: "the file has too many values or nests too deeply")
        }
        switch event.type {
        case YAML_SCALAR_EVENT: return scalar(event, place)
        case YAML_SEQUENCE_START_EVENT:
            var items: [YAMLNode] = []
            while let item = try element(depth + 1) { items.append(item) }
            return YAMLNode(content: .sequence(items), place: place)
        case YAML_MAPPING_START_EVENT:
            var pairs: [(key: YAMLNode, value: YAMLNode)] = []
            while let key = try element(depth + 1) { pairs.append((key, try node(depth: depth + 1))) }
            return YAMLNode(content: .mapping(pairs), place: place)
        case YAML_ALIAS_EVENT:
            throw Failure(place: place, message: "aliases (*name) are not supported: write the value out")
        default: return nil
        }
    }

    private mutating func element(_ depth: Int) throws(Failure) -> YAMLNode? {
        var event = try next()
        defer { yaml_event_delete(&event) }
        return try node(event, depth: depth)
    }

    private func scalar(_ event: yaml_event_t, _ place: Place) -> YAMLNode {
        let scalar = event.data.scalar
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        var begin = place
        var isBlock = false
        switch scalar.style {
        case YAML_DOUBLE_QUOTED_SCALAR_STYLE, YAML_SINGLE_QUOTED_SCALAR_STYLE: begin.column += 1
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE:
            // The text begins below its `|` or `>`.
            begin = Place(line: place.line + 1, column: 1)
            isBlock = true
        default: break
        }
        let places = places(of: text, from: begin)
        return YAMLNode(
            content: .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE),
            place: places.isEmpty || isBlock ? place : begin, places: places)
    }

    /// Follows a text through the file, which may fold and indent it: only blanks and line ends may differ. Empty if more does.
    private func places(of text: String, from begin: Place) -> [Place] {
        var cursor = begin
        var places: [Place] = []
        places.reserveCapacity(text.unicodeScalars.count + 1)
        for scalar in text.unicodeScalars {
            if YAMLReader.isBlank(scalar) {
                places.append(cursor)
                if at(cursor) == scalar { advance(&cursor) }
                continue
            }
            while let here = at(cursor), YAMLReader.isBlank(here) { advance(&cursor) }
            guard at(cursor) == scalar else { return [] }
            places.append(cursor)
            advance(&cursor)
        }
        return places + [cursor]
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" || scalar == "\n" }

    /// A line feed for the end of any line but the last; nil behind that.
    private func at(_ place: Place) -> Unicode.Scalar? {
        guard place.line <= source.lines.count else { return nil }
        let line = source.lines[place.line - 1]
        if place.column <= line.count { return line[place.column - 1] }
        return place.line < source.lines.count ? "\n" : nil
    }

    private func advance(_ place: inout Place) {
        if place.column <= source.lines[place.line - 1].count {
            place.column += 1
        } else {
            place = Place(line: place.line + 1, column: 1)
        }
    }
}
