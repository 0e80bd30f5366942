// Reads the configuration file: all that is wrong is found in one go.
import Glibc
import Model

package enum SettingsLoader {
    /// `check` adds what only others can tell, so that all that is wrong is told at once. It also gets settings that have
    /// mistakes: what could not be read has its default.
    /// `readsSecrets` is false where nobody will ask a broker: secrets may be out of reach there, and have no value then.
    package static func load(
        path: String, readsSecrets: Bool = true, check: (Settings, Problems) -> Void
    ) throws(SettingsProblems) -> Settings {
        guard let text = readFile(path) else {
            let message = "cannot be read: \(String(cString: strerror(errno)))"
            throw SettingsProblems(problems: [SettingsProblem(file: path, place: nil, key: "", message: message)])
        }
        return try load(text: text, file: path, readsSecrets: readsSecrets, check: check)
    }

    private static func readFile(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= Limits.configurationBytes {
            let got = fread(&chunk, 1, chunk.count, file)
            if got == 0 { return ferror(file) == 0 ? bytes : nil }
            bytes += chunk[..<got]
        }
        return bytes
    }

    package static func load(
        text file: [UInt8], file name: String, readsSecrets: Bool = true, check: (Settings, Problems) -> Void
    ) throws(SettingsProblems) -> Settings {
        // A byte order mark is no part of the text.
        let bytes = file.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(file.dropFirst(3)) : file
        let text = String(decoding: bytes.prefix(Limits.configurationBytes), as: UTF8.self)
        let source = SourceText(text)
        let problems = Problems(file: name, source: source)
        var settings = Settings()
        if bytes.count > Limits.configurationBytes {
            problems.add("the file is larger than \(Limits.configurationBytes) bytes")
        } else if let offset = firstDifference(text.utf8, bytes) {
            problems.add(SourceText.place(ofByte: offset, in: bytes), "", "not valid UTF-8")
        } else {
            do throws(YAMLReader.Failure) {
                let node = try YAMLReader.read(bytes, source)
                var root = Section(node, path: "", problems: problems)
                if node?.kind ?? "a mapping" == "a mapping" {
                    settings = read(&root, readsSecrets)
                    check(settings, problems)
                }
            } catch {
                if let place = error.place {
                    problems.add(place, "", error.message)
                } else {
                    problems.add(error.message)
                }
            }
        }
        guard problems.list.isEmpty else { throw SettingsProblems(problems: problems.list.sorted(by: isBefore)) }
        return settings
    }

    private static func isBefore(_ one: SettingsProblem, _ other: SettingsProblem) -> Bool {
        (one.place?.line ?? 0, one.place?.column ?? 0) < (other.place?.line ?? 0, other.place?.column ?? 0)
    }

    /// Where a text that was repaired differs from its bytes.
    private static func firstDifference(_ text: String.UTF8View, _ bytes: [UInt8]) -> Int? {
        var offset = 0
        for byte in text {
            if offset == bytes.count || byte != bytes[offset] { return offset }
            offset += 1
        }
        return offset == bytes.count ? nil : offset
    }

    private static func read(_ root: inout Section, _ readsSecrets: Bool) -> Settings {
        var settings = Settings()
        settings.instance = root.checked("instance", KafkaNames.instanceProblem)
        settings.kafka = kafka(&root, readsSecrets)
        settings.inputs = inputs(&root)
        settings.time = time(&root)
        settings.money = money(&root)
        settings.preset = preset(&root)
        settings.ladders = root.items("ladders").enumerated().compactMap { ladder($1, "ladders[\($0)]", root.problems) }
        settings.warnings = root.items("warnings").enumerated().compactMap {
            warning($1, "warnings[\($0)]", root.problems)
        }
        settings.halfLives = halfLives(&root) ?? settings.halfLives
        settings.outputs = outputs(&root)
        settings.snapshots = snapshots(&root)
        settings.limits = limits(&root)
        settings.workers = root.integer("workers", in: 1...64) ?? 1
        settings.emitFrom = emitFrom(&root)
        root.finish(planned: ["tags", "alerts", "scores", "cut_points", "models", "webhooks", "cockpit", "tests"])
        return settings
    }

    private static func kafka(_ root: inout Section, _ readsSecrets: Bool) -> KafkaSettings {
        var kafka = KafkaSettings()
        guard var section = root.section("kafka") else {
            root.problems.add(
                Place(line: 1, column: 1), "kafka.bootstrap",
                "is required: where the brokers are, such as \"localhost:9092\"")
            return kafka
        }
        let message = "is required: where the brokers are, such as \"localhost:9092\""
        if let bootstrap = section.required("bootstrap", at: section.place, message) {
            kafka.bootstrap = bootstrap.value
            if let problem = KafkaNames.bootstrapProblem(bootstrap.value) {
                section.problems.add(bootstrap.place, "kafka.bootstrap", problem)
            }
        }
        kafka.group = section.checked("group", KafkaNames.groupProblem)?.value ?? kafka.group
        if let properties = section.section("properties") {
            for name in properties.names {
                var properties = properties
                guard let node = properties.node(name), let value = property(node, properties, name, readsSecrets)
                else { continue }
                kafka.properties.append(
                    (name, Placed(value, place: properties.placeOfKey(name), key: properties.full(name))))
            }
        }
        section.finish()
        return kafka
    }

    /// A text, or `{file: path}`, or `{credential: name}`.
    private static func property(_ node: YAMLNode, _ parent: Section, _ name: String, _ readsSecrets: Bool) -> String? {
        guard case .mapping = node.content else { return parent.text(of: node, key: parent.full(name))?.value }
        var section = Section(node, path: parent.full(name), problems: parent.problems)
        let file = section.nonEmpty("file")
        let credential = section.nonEmpty("credential")
        section.finish()
        if file != nil && credential != nil {
            parent.problems.add(node.place, section.path, "either {file: path} or {credential: name}, not both")
            return nil
        }
        if !readsSecrets && (file ?? credential) != nil { return nil }
        do throws(SecretFile.Failure) {
            if let file { return try SecretFile.read(file.value) }
            if let credential { return try SecretFile.credential(credential.value) }
            parent.problems.add(node.place, section.path, "expected a text, {file: path} or {credential: name}")
        } catch {
            parent.problems.add(node.place, section.path, error.message)
        }
        return nil
    }

    private static func time(_ root: inout Section) -> TimeSettings {
        enum Clock: String, CaseIterable { case wall, event }
        var time = TimeSettings()
        guard var section = root.section("time") else { return time }
        time.zone = section.nonEmpty("zone") ?? time.zone
        time.usesEventClock = section.choice("clock", Clock.self) == .event
        time.maxFuture = section.duration("max_future", in: 0...86_400_000 * 36_500) ?? time.maxFuture
        section.finish()
        return time
    }

    private static func money(_ root: inout Section) -> MoneySettings {
        var money = MoneySettings()
        guard var section = root.section("money") else { return money }
        money.currency = section.nonEmpty("currency") ?? money.currency
        if var rates = section.section("rates") {
            for name in rates.names {
                guard let rate = rates.nonEmpty(name) else { continue }
                money.rates.append((Placed(name, place: rates.placeOfKey(name), key: rates.full(name)), rate))
            }
        }
        section.finish()
        return money
    }

    private static func preset(_ root: inout Section) -> Placed<String>? {
        guard let preset = root.nonEmpty("preset") else { return nil }
        if ["four-tier", "none"].contains(preset.value) { return preset }
        let planned = ["cn8", "shopify11", "metal"].contains(preset.value)
        root.problems.add(
            preset.place, "preset",
            planned
                ? "this version does not support '\(preset.value)' yet: use four-tier or none"
                : "'\(preset.value)' is none of four-tier, none")
        return nil
    }

    private static func halfLives(_ root: inout Section) -> [Int64]? {
        guard var section = root.section("activity") else { return nil }
        let nodes = section.items("half_lives")
        let place = section.placeOfKey("half_lives")
        let values = nodes.compactMap { node in
            section.text(of: node, key: "activity.half_lives").flatMap {
                section.duration($0, key: "activity.half_lives", in: 60_000...86_400_000 * 1_100)
            }
        }
        section.finish()
        guard !nodes.isEmpty, values.count == nodes.count else { return nil }
        guard values.count == 2, values[0] < values[1] else {
            root.problems.add(
                place, "activity.half_lives", "expected two durations, the shorter first, such as [7d, 28d]")
            return nil
        }
        return values
    }

    private static func outputs(_ root: inout Section) -> OutputSettings {
        var outputs = OutputSettings()
        guard var section = root.section("outputs") else { return outputs }
        if var topics = section.section("topics") {
            for key in topics.names { outputs.topics[key] = topics.checked(key, KafkaNames.topicProblem) }
        }
        outputs.format = section.choice("format", OutputSettings.Format.self) ?? .structured
        section.finish()
        return outputs
    }

    private static func snapshots(_ root: inout Section) -> SnapshotSettings {
        var snapshots = SnapshotSettings()
        guard var section = root.section("snapshots") else { return snapshots }
        snapshots.folder = section.nonEmpty("folder") ?? snapshots.folder
        snapshots.every = section.duration("every", in: 1_000...86_400_000 * 7) ?? snapshots.every
        snapshots.keep = section.integer("keep", in: 1...100) ?? snapshots.keep
        section.finish()
        return snapshots
    }

    private static func limits(_ root: inout Section) -> LimitSettings {
        var limits = LimitSettings()
        guard var section = root.section("limits") else { return limits }
        limits.customersPerShard = section.integer("customers_per_shard", in: 1...Limits.customersPerShard)
        limits.bytesPerShard = section.size("bytes_per_shard", in: 1 << 20...1 << 40)
        section.finish()
        return limits
    }

    private static func emitFrom(_ root: inout Section) -> Settings.EmitFrom? {
        guard let text = root.nonEmpty("emit_from") else { return nil }
        switch text.value {
        case "first-start": return .firstStart
        case "earliest": return .earliest
        default: return .instant(text.value, text.place)
        }
    }
}
