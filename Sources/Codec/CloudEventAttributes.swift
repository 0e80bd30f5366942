// CloudEvents' binary mode: the attributes of an event are headers of its record, named `ce_` and the attribute.

/// The attributes that rfmd reads; nil for those that have no header.
package struct CloudEventAttributes: Sendable {
    package private(set) var type: [UInt8]?
    package private(set) var id: [UInt8]?
    package private(set) var subject: [UInt8]?
    package private(set) var time: [UInt8]?

    package init() {}

    /// Only a record that names its type by a header is in binary mode.
    package var isBinary: Bool { type != nil }

    /// Takes a header of the record; others than those above are left alone, and of two the last counts.
    package mutating func take(_ name: String, _ value: [UInt8]?) {
        switch name {
        case "ce_type": type = value
        case "ce_id": id = value
        case "ce_subject": subject = value
        case "ce_time": time = value
        default: break
        }
    }

    /// What stands in for a field that the record itself does not have.
    subscript(field: Field) -> [UInt8]? {
        switch field {
        case .eventID: id
        case .customerID: subject
        case .occurredAt: time
        case .orderID, .amount, .currency: nil
        }
    }

    /// Where a record in structured mode has the same: in binary mode the record's own value there is something else.
    static func pointer(_ field: Field) -> String? {
        switch field {
        case .eventID: "/id"
        case .customerID: "/subject"
        case .occurredAt: "/time"
        case .orderID, .amount, .currency: nil
        }
    }
}
