// The configuration as it was written: one struct per section, with defaults filled in. Daemon turns it into what the parts need.

package struct Settings: Sendable {
    package var instance: Placed<String>?
    package var kafka = KafkaSettings()
    package var inputs: [InputSettings] = []
    package var time = TimeSettings()
    package var money = MoneySettings()
    /// `four-tier` or `none`.
    /// nil: four-tier.
    package var preset: Placed<String>?
    package var ladders: [LadderSettings] = []
    package var warnings: [WarningSettings] = []
    /// ms.
    package var halfLives: [Int64] = [7 * 86_400_000, 28 * 86_400_000]
    package var outputs = OutputSettings()
    package var snapshots = SnapshotSettings()
    package var limits = LimitSettings()
    package var workers = 1
    package var emitFrom: EmitFrom?

    package enum EmitFrom: Sendable, Equatable {
        case firstStart
        case earliest
        /// RFC 3339 text, checked by who reads times.
        case instant(String, Place)
    }
}

package struct KafkaSettings: Sendable {
    package var bootstrap = ""
    package var group = "rfmd"
    /// librdkafka properties as text.
    package var properties: [(name: String, value: Placed<String>)] = []
}

package struct InputSettings: Sendable {
    package enum Format: String, CaseIterable, Sendable {
        case native, mapped, cloudevents, segment, rudderstack, debezium
    }

    package enum FieldSource: Sendable {
        case pointer(Placed<String>)
        case constant(Placed<String>)
    }

    package var topic = Placed("", place: Place(line: 0, column: 0))
    package var format = Format.native
    package var kindAt: FieldSource?
    /// purchase, refund, click: the values that name them.
    package var kinds: [String: [Placed<String>]] = [:]
    /// By the field names of docs/inputs.md.
    package var fields: [String: FieldSource] = [:]
    /// rfc3339, s, ms, us.
    package var timeUnit: String?
    package var addsToOrder = false
    /// ms.
    package var clickDeduplication: Int64 = 0
}

package struct TimeSettings: Sendable {
    package var zone = Placed("UTC", place: Place(line: 1, column: 1))
    package var usesEventClock = false
    /// ms.
    package var maxFuture: Int64 = 600_000
}

package struct MoneySettings: Sendable {
    package var currency = Placed("USD", place: Place(line: 1, column: 1))
    package var rates: [(currency: Placed<String>, rate: Placed<String>)] = []
}

package struct LadderSettings: Sendable {
    package struct Rung: Sendable {
        package var name: String
        package var labels: [String: String]
        package var when: Placed<String>?
        package var place: Place
    }

    package var name: Placed<String>
    package var rungs: [Rung]
}

package struct WarningSettings: Sendable {
    package var name: Placed<String>
    package var severity: String
    package var when: Placed<String>
    /// ms.
    package var cooldown: Int64?
}

package struct OutputSettings: Sendable {
    package enum Format: String, CaseIterable, Sendable { case structured, binary }

    /// By key: `tier`, `lifecycle`, the name of a ladder, `warnings`, `dead_letters`, `journal`, `versions`.
    package var topics: [String: Placed<String>] = [:]
    package var format = Format.structured
}

package struct LimitSettings: Sendable {
    /// nil: as many as the program counts.
    package var customersPerShard: Int?
    /// Bytes; nil: none.
    package var bytesPerShard: Int?
}

package struct SnapshotSettings: Sendable {
    package var folder = Placed("/var/lib/rfmd/snapshots", place: Place(line: 1, column: 1), key: "snapshots.folder")
    /// ms.
    package var every: Int64 = 300_000
    package var keep = 2
}
