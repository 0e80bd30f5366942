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
    /// Of a scalar: its text stands on one line as it is (no escapes, no folding).
    package var isVerbatim = false

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
        var place: Place
        var message: String
    }

    private var parser = yaml_parser_t()
    private var nodes = 0
    private let lines: [Substring]

    static func read(_ text: String) throws(Failure) -> YAMLNode? {
        guard text.utf8.count <= Limits.configurationBytes else {
            throw Failure(
                place: Place(line: 1, column: 1), message: "the file is larger than \(Limits.configurationBytes) bytes")
        }
        var reader = YAMLReader(lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        return try reader.document(Array(text.utf8))
    }

    private init(lines: [Substring]) { self.lines = lines }

    private mutating func document(_ bytes: [UInt8]) throws(Failure) -> YAMLNode? {
        guard yaml_parser_initialize(&parser) == 1 else {
            throw Failure(place: Place(line: 1, column: 1), message: "out of memory")
        }
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
            let mark = parser.error == YAML_READER_ERROR ? parser.mark : parser.problem_mark
            throw Failure(place: YAMLReader.place(mark), message: "not valid YAML: \(problem)")
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
        let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
        var textPlace = place
        if scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE || scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE {
            textPlace.column += 1
        }
        let line = place.line <= lines.count ? lines[place.line - 1] : ""
        let isVerbatim = line.dropFirst(textPlace.column - 1).hasPrefix(text)
        return YAMLNode(
            content: .scalar(text, isPlain: isPlain), place: isVerbatim ? textPlace : place, isVerbatim: isVerbatim)
    }
}
