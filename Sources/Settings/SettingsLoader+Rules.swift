// Inputs, ladders and warnings of the configuration.
import Model

extension SettingsLoader {
    static func inputs(_ root: inout Section) -> [InputSettings] {
        let before = root.problems.list.count
        let items = root.items("inputs")
        if items.isEmpty && root.problems.list.count == before {
            root.problems.add(
                root.placeOfKey("inputs"), "inputs", "at least one is required, such as '- { topic: shop.events }'")
        }
        if items.count > Limits.inputs {
            root.problems.add(
                root.placeOfKey("inputs"), "inputs", "there are \(items.count) inputs; at most \(Limits.inputs)")
        }
        var inputs: [InputSettings] = []
        for (index, item) in items.enumerated() {
            let input = input(item, "inputs[\(index)]", root.problems)
            if let topic = inputs.first(where: { $0.topic.value == input.topic.value && !$0.topic.value.isEmpty }) {
                root.problems.add(
                    input.topic.place, "inputs[\(index)].topic", "'\(topic.topic.value)' is already an input")
            }
            inputs.append(input)
        }
        return inputs
    }

    private enum SameOrder: String, CaseIterable { case ignore, add }

    private static func input(_ node: YAMLNode, _ path: String, _ problems: Problems) -> InputSettings {
        var input = InputSettings()
        var section = Section(node, path: path, problems: problems)
        if let topic = section.required("topic", at: node.place) {
            input.topic = topic
            if let problem = KafkaNames.topicProblem(topic.value) {
                problems.add(topic.place, "\(path).topic", problem)
            }
        }
        input.format = section.choice("format", InputSettings.Format.self) ?? .native
        if var kind = section.section("kind") {
            input.kindAt = fieldSource(&kind, "at")
            for name in ["purchase", "refund", "click"] {
                let values = kind.items(name).compactMap { kind.text(of: $0, key: kind.full(name)) }
                if !values.isEmpty { input.kinds[name] = values }
            }
            kind.finish()
        }
        if var fields = section.section("fields") {
            for name in ["event_id", "customer_id", "order_id", "amount", "currency", "occurred_at"] {
                input.fields[name] = fieldSource(
                    &fields, name, unit: name == "occurred_at" ? { input.timeUnit = $0 } : nil)
            }
            // Accepted and not read yet: rules do not ask for them.
            for name in ["channel", "region", "store", "category", "coupon", "action", "product"] {
                _ = fieldSource(&fields, name)
            }
            fields.finish()
        }
        input.addsToOrder = section.choice("same_order", SameOrder.self) == .add
        input.clickDeduplication = section.duration("click_dedup", in: 1...86_400_000 * 90) ?? 0
        section.finish()
        checkMapped(input, node, path, problems)
        return input
    }

    private static func checkMapped(_ input: InputSettings, _ node: YAMLNode, _ path: String, _ problems: Problems) {
        guard input.format == .mapped else { return }
        if input.kinds.isEmpty || (input.kindAt == nil) {
            problems.add(
                node.place, "\(path).kind",
                "is required for format mapped: { at: /event, purchase: [sale], refund: [return], click: [view] }")
        }
        for name in ["event_id", "customer_id", "occurred_at"] where input.fields[name] == nil {
            problems.add(
                node.place, "\(path).fields.\(name)", "is required for format mapped: a JSON pointer such as /\(name)")
        }
        if input.kinds["purchase"] != nil && input.fields["amount"] == nil {
            problems.add(
                node.place, "\(path).fields.amount",
                "is required where purchases come in: a JSON pointer such as /amount")
        }
        if input.kinds["refund"] != nil && input.fields["order_id"] == nil {
            problems.add(
                node.place, "\(path).fields.order_id",
                "is required where refunds come in: a JSON pointer such as /order/no")
        }
    }

    /// A JSON pointer, `{at: pointer, unit: ms}` or `{value: constant}`.
    private static func fieldSource(_ section: inout Section, _ key: String, unit: ((String) -> Void)? = nil)
        -> InputSettings.FieldSource?
    {
        guard let node = section.node(key) else { return nil }
        let path = section.full(key)
        guard case .mapping = node.content else { return pointer(section.text(of: node, key: path), section.problems) }
        var inner = Section(node, path: path, problems: section.problems)
        let at = inner.text("at")
        let value = inner.text("value")
        if let unit, let name = inner.text("unit") {
            if ["rfc3339", "s", "ms", "us"].contains(name.value) {
                unit(name.value)
            } else {
                section.problems.add(name.place, "\(path).unit", "'\(name.value)' is none of rfc3339, s, ms, us")
            }
        }
        inner.finish()
        if let at, value != nil {
            section.problems.add(at.place, path, "either {at: pointer} or {value: constant}, not both")
        }
        if let at { return pointer(at, section.problems) }
        if let value { return .constant(value) }
        section.problems.add(node.place, path, "expected a JSON pointer, {at: pointer} or {value: constant}")
        return nil
    }

    private static func pointer(_ text: Placed<String>?, _ problems: Problems) -> InputSettings.FieldSource? {
        guard let text else { return nil }
        var bytes = Substring(text.value)
        var isValid = bytes.hasPrefix("/")
        while let tilde = bytes.firstIndex(of: "~") {
            bytes = bytes[bytes.index(after: tilde)...]
            if bytes.first != "0" && bytes.first != "1" { isValid = false }
        }
        if isValid { return .pointer(text) }
        problems.add(
            text.place, text.key,
            "'\(text.value)' is no JSON pointer: it begins with '/', and '~' is written '~0' (RFC 6901)")
        return nil
    }

    static func ladder(_ node: YAMLNode, _ path: String, _ problems: Problems) -> LadderSettings? {
        var section = Section(node, path: path, problems: problems)
        let name = section.required("name", at: node.place)
        let before = problems.list.count
        let items = section.items("rungs")
        if items.isEmpty && problems.list.count == before {
            problems.add(node.place, "\(path).rungs", "at least one rung is required")
        }
        var rungs: [LadderSettings.Rung] = []
        for (index, item) in items.enumerated() {
            var rung = Section(item, path: "\(path).rungs[\(index)]", problems: problems)
            var labels: [String: String] = [:]
            if var label = rung.section("label") {
                for language in label.names { labels[language] = label.text(language)?.value }
            }
            let when = rung.nonEmpty("when")
            guard let rungName = rung.required("name", at: item.place) else { continue }
            rung.finish()
            checkName(rungName, problems)
            if index == items.count - 1, let when {
                problems.add(
                    when.place, when.key, "the last rung has no rule: it is the rest. Add one more rung after it")
            } else if index < items.count - 1, when == nil {
                problems.add(item.place, "\(path).rungs[\(index)].when", "is required: only the last rung has no rule")
            }
            if rungs.contains(where: { $0.name == rungName.value }) {
                problems.add(rungName.place, rungName.key, "the ladder already has a rung '\(rungName.value)'")
            }
            rungs.append(.init(name: rungName.value, labels: labels, when: when, place: item.place))
        }
        section.finish(planned: ["min_dwell", "downgrade_grace"])
        guard let name else { return nil }
        checkName(name, problems)
        return LadderSettings(name: name, rungs: rungs)
    }

    private enum Severity: String, CaseIterable { case low, medium, high }

    static func warning(_ node: YAMLNode, _ path: String, _ problems: Problems) -> WarningSettings? {
        var section = Section(node, path: path, problems: problems)
        let name = section.required("name", at: node.place)
        let severity = section.choice("severity", Severity.self)
        let when = section.required("when", at: node.place)
        let cooldown = section.duration("cooldown", in: 1...86_400_000 * 3_650)
        section.finish()
        guard let name, let when else { return nil }
        checkName(name, problems)
        return WarningSettings(name: name, severity: severity?.rawValue ?? "medium", when: when, cooldown: cooldown)
    }

    /// Names stand in topics, rules and events.
    private static func checkName(_ name: Placed<String>, _ problems: Problems) {
        let good = name.value.utf8.allSatisfy {
            ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x41 && $0 <= 0x5A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5F
                || $0 == 0x2D
        }
        if !good || name.value.utf8.count > 64 {
            problems.add(name.place, name.key, "a name has at most 64 letters (a-z), digits, '_' and '-'")
        }
    }
}
