// Everything of a configuration that can change an effect or a rejection, whole: what rfm.versions keeps and the journal names.
import Model
import Rules

package enum ClockMode: UInt8, Sendable { case wall, event }

package struct Version: Sendable, Equatable {
    /// Engine.number of the program that made it.
    package var engineNumber: UInt32
    package var ladders: [LadderSource]
    package var warnings: [WarningSource]
    /// ms, ascending.
    package var halfLives: [Int64]
    package var zone: ZoneTable
    package var clockMode: ClockMode
    /// ms.
    package var maxFuture: Int64
    package var limits: StateLimits
    package var money: MoneyRules
    /// One per input topic, in the order of the topics' names.
    package var mappings: [Mapping]

    package init(
        engineNumber: UInt32, ladders: [LadderSource], warnings: [WarningSource], halfLives: [Int64], zone: ZoneTable,
        clockMode: ClockMode, maxFuture: Int64, limits: StateLimits = StateLimits(), money: MoneyRules,
        mappings: [Mapping]
    ) {
        self.engineNumber = engineNumber
        self.ladders = ladders
        self.warnings = warnings
        self.halfLives = halfLives
        self.zone = zone
        self.clockMode = clockMode
        self.maxFuture = maxFuture
        self.limits = limits
        self.money = money
        self.mappings = mappings.sorted { $0.topic.utf8.lexicographicallyPrecedes($1.topic.utf8) }
    }

    package func ruleset() throws(RulesetProblem) -> Ruleset {
        try Ruleset(
            ladders: ladders, warnings: warnings, zone: zone, currencyExponent: money.exponent, halfLives: halfLives)
    }

    /// The digest of `encoded`: the version's name.
    package var digest: Digest { Digest(of: encoded) }

    package static let kind = "rules"

    // MARK: Bytes, documented in docs/formats/version.md.

    /// Format 2 adds the limits of the configuration. A version that has the program's own keeps format 1, and with it the name that it has
    /// always had.
    private var hasOwnLimits: Bool { limits != StateLimits() }

    package var encoded: [UInt8] {
        let buffer = ByteBuffer(capacity: 4_096)
        buffer.append(UInt8(hasOwnLimits ? 2 : 1))
        buffer.append(engineNumber)
        if hasOwnLimits { for limit in [limits.customers, limits.bytes ?? 0] { buffer.append(Int64(limit)) } }
        // Limits that decide about records and effects.
        for limit in Version.limits { buffer.append(limit) }
        buffer.append(UInt32(ladders.count))
        for ladder in ladders {
            buffer.appendCounted(ladder.name)
            buffer.append(UInt32(ladder.rungs.count))
            for rung in ladder.rungs {
                buffer.appendCounted(rung.name)
                buffer.appendStrings(rung.labels.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] })
                buffer.appendStrings(rung.rule.map { [$0] } ?? [])
            }
        }
        buffer.append(UInt32(warnings.count))
        for warning in warnings {
            buffer.appendStrings([warning.name, warning.severity.rawValue, warning.rule])
            buffer.append(warning.cooldown)
        }
        buffer.appendIntegers(halfLives)
        buffer.appendCounted(zone.name)
        buffer.appendIntegers(zone.transitions)
        buffer.appendIntegers(zone.offsets)
        buffer.append(clockMode.rawValue)
        buffer.append(maxFuture)
        buffer.appendCounted(money.currency)
        buffer.append(UInt32(money.exponent))
        buffer.append(UInt32(money.rates.count))
        for (currency, rate) in money.rates.sorted(by: { $0.key < $1.key }) {
            buffer.appendCounted(currency)
            buffer.appendIntegers([rate.rate.coefficient, Int64(rate.rate.scale), Int64(rate.exponent)])
        }
        buffer.append(UInt32(mappings.count))
        for mapping in mappings { mapping.append(to: buffer) }
        return buffer.array
    }

    private static let limits: [Int64] = [
        Int64(Limits.customersPerShard), Int64(Limits.entriesPerCustomer), Limits.spendMinorUnits,
        Limits.amountMinorUnits,
        Int64(Limits.customerIDBytes), Int64(Limits.eventIDBytes), Int64(Limits.jsonDepth), Limits.earliestTime,
        Limits.latestTime, Int64(Limits.deadlinesPerSlice), Int64(Limits.agedOrders),
    ]

    /// Reads what `encoded` wrote; nil if it is damaged or of another format or other limits.
    package init?(encoded bytes: UnsafeRawBufferPointer) {
        do {
            var reader = ByteReader(bytes)
            let format: UInt8 = try reader.read()
            guard format == 1 || format == 2 else { return nil }
            let engineNumber: UInt32 = try reader.read()
            var limits = StateLimits()
            if format == 2 {
                let (customers, bytes) = (Int(try reader.read(Int64.self)), Int(try reader.read(Int64.self)))
                guard customers >= 0, bytes >= 0 else { return nil }
                limits = StateLimits(customers: customers, bytes: bytes == 0 ? nil : bytes)
            }
            for limit in Version.limits { guard try reader.read(Int64.self) == limit else { return nil } }
            var ladders: [LadderSource] = []
            for _ in 0..<(try reader.read(UInt32.self)) {
                let name = try reader.readText()
                var rungs: [LadderSource.Rung] = []
                for _ in 0..<(try reader.read(UInt32.self)) {
                    let rung = try reader.readText()
                    let labels = try reader.readStrings()
                    let rule = try reader.readStrings()
                    guard labels.count % 2 == 0, rule.count <= 1 else { return nil }
                    let pairs = stride(from: 0, to: labels.count, by: 2).map { (labels[$0], labels[$0 + 1]) }
                    rungs.append(.init(name: rung, labels: Dictionary(pairs) { $1 }, rule: rule.first))
                }
                ladders.append(LadderSource(name: name, rungs: rungs))
            }
            var warnings: [WarningSource] = []
            for _ in 0..<(try reader.read(UInt32.self)) {
                let texts = try reader.readStrings()
                guard texts.count == 3, let severity = WarningSource.Severity(rawValue: texts[1]) else { return nil }
                warnings.append(
                    WarningSource(name: texts[0], severity: severity, rule: texts[2], cooldown: try reader.read()))
            }
            let halfLives = try reader.readIntegers()
            let zoneName = try reader.readText()
            let transitions = try reader.readIntegers()
            let offsets = try reader.readIntegers()
            guard halfLives.count == 2, offsets.count == transitions.count + 1,
                zip(transitions, transitions.dropFirst()).allSatisfy({ $0 < $1 }),
                let clockMode = ClockMode(rawValue: try reader.read())
            else { return nil }
            let maxFuture: Int64 = try reader.read()
            let currency = try reader.readText()
            var money = MoneyRules(currency: currency, exponent: Int(try reader.read(UInt32.self)))
            for _ in 0..<(try reader.read(UInt32.self)) {
                let name = try reader.readText()
                let numbers = try reader.readIntegers()
                guard numbers.count == 3 else { return nil }
                money.rates[name] = .init(
                    rate: Decimal(coefficient: numbers[0], scale: Int(numbers[1])), exponent: Int(numbers[2]))
            }
            var mappings: [Mapping] = []
            for _ in 0..<(try reader.read(UInt32.self)) { mappings.append(try Mapping(&reader)) }
            guard reader.remaining == 0 else { return nil }
            self.init(
                engineNumber: engineNumber, ladders: ladders, warnings: warnings, halfLives: halfLives,
                zone: ZoneTable(name: zoneName, transitions: transitions, offsets: offsets), clockMode: clockMode,
                maxFuture: maxFuture, limits: limits, money: money, mappings: mappings)
            // One version has one form; its digest is that of its bytes.
            guard encoded.elementsEqual(bytes), isPossible else { return nil }
        } catch { return nil }
    }
}

extension ByteBuffer {
    fileprivate func appendStrings(_ texts: [String]) {
        append(UInt32(texts.count))
        for text in texts { appendCounted(text) }
    }

    fileprivate func appendIntegers(_ values: [Int64]) {
        append(UInt32(values.count))
        for value in values { append(value) }
    }
}

extension ByteReader {
    fileprivate mutating func readStrings() throws(Damaged) -> [String] {
        var texts: [String] = []
        for _ in 0..<(try read(UInt32.self)) { texts.append(try readText()) }
        return texts
    }

    fileprivate mutating func readIntegers() throws(Damaged) -> [Int64] {
        var values: [Int64] = []
        for _ in 0..<(try read(UInt32.self)) { values.append(try read()) }
        return values
    }
}

extension Mapping {
    fileprivate func append(to buffer: ByteBuffer) {
        buffer.appendCounted(topic)
        buffer.appendSource(kindAt)
        buffer.appendStrings(kinds.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value.name] })
        for field in Field.allCases {
            buffer.append(fields[field] == nil ? UInt8(0) : 1)
            if let source = fields[field] { buffer.appendSource(source) }
        }
        buffer.appendStrings([timeUnit.rawValue] + (backfillAt.map { [$0] } ?? []))
        buffer.appendStrings(backfillValues.sorted())
        buffer.appendStrings(skippedAt)
        buffer.appendStrings(skippedValues.sorted())
        buffer.appendIntegers([
            addsToOrder ? 1 : 0, clickDeduplication, kindsAreLoose ? 1 : 0, readsCloudEventHeaders ? 1 : 0,
        ])
    }

    fileprivate init(_ reader: inout ByteReader) throws(ByteReader.Damaged) {
        let damaged = ByteReader.Damaged(offset: reader.offset)
        let topic = try reader.readText()
        let kindAt = try reader.readSource()
        let names = try reader.readStrings()
        var kinds: [String: Kind] = [:]
        for index in stride(from: 0, to: names.count - 1, by: 2) { kinds[names[index]] = Kind(name: names[index + 1]) }
        var fields: [Field: Source] = [:]
        for field in Field.allCases where try reader.read(UInt8.self) == 1 { fields[field] = try reader.readSource() }
        let texts = try reader.readStrings()
        let backfillValues = try reader.readStrings()
        let skippedAt = try reader.readStrings()
        let skippedValues = try reader.readStrings()
        let numbers = try reader.readIntegers()
        guard let unit = texts.first.flatMap(TimeUnit.init), numbers.count == 4 else { throw damaged }
        self.init(
            topic: topic, kindAt: kindAt, kinds: kinds, fields: fields, timeUnit: unit, addsToOrder: numbers[0] == 1,
            clickDeduplication: numbers[1])
        backfillAt = texts.count > 1 ? texts[1] : nil
        self.backfillValues = Set(backfillValues)
        self.skippedAt = skippedAt
        self.skippedValues = Set(skippedValues)
        kindsAreLoose = numbers[2] == 1
        readsCloudEventHeaders = numbers[3] == 1
    }
}

extension Mapping.Kind {
    fileprivate var name: String {
        switch self {
        case .purchase: "purchase"
        case .refund: "refund"
        case .click: "click"
        }
    }

    fileprivate init?(name: String) {
        guard let kind = Mapping.nativeKinds[name] else { return nil }
        self = kind
    }
}

extension ByteBuffer {
    fileprivate func appendSource(_ source: Mapping.Source) {
        switch source {
        case .pointers(let pointers):
            append(UInt8(0))
            appendStrings(pointers)
        case .constant(let text):
            append(UInt8(1))
            appendStrings([text])
        }
    }
}

extension ByteReader {
    fileprivate mutating func readSource() throws(Damaged) -> Mapping.Source {
        let isConstant = try read(UInt8.self) == 1
        let texts = try readStrings()
        return isConstant ? .constant(texts.first ?? "") : .pointers(texts)
    }
}
