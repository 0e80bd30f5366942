// The ladders and warnings that a configuration gets without writing any.

package enum Presets {
    /// Tiers by value and recency, the lifecycle, and two warnings.
    package static let fourTierLadders: [LadderSource] = [
        LadderSource(
            name: "tier",
            rungs: [
                .init(
                    name: "high_value", labels: ["zh": "高价值", "en": "High value"],
                    rule: "orders(90d) >= 5 && average_order(90d) >= 100"),
                .init(
                    name: "potential", labels: ["zh": "潜力", "en": "Potential"],
                    rule: "recency < 30 || (orders_total == 0 && idle < 30d)"),
                .init(
                    name: "lost", labels: ["zh": "流失", "en": "Lost"],
                    rule: "recency >= 90 || (orders_total == 0 && idle >= 90d)"),
                .init(name: "ordinary", labels: ["zh": "普通", "en": "Ordinary"], rule: nil),
            ]),
        LadderSource(
            name: "lifecycle",
            rungs: [
                .init(name: "prospect", labels: ["zh": "潜客", "en": "Prospect"], rule: "orders_total == 0"),
                .init(name: "new", labels: ["zh": "新客", "en": "New"], rule: "orders_total == 1 && recency < 30"),
                .init(name: "active", labels: ["zh": "活跃", "en": "Active"], rule: "recency < 90"),
                .init(name: "dormant", labels: ["zh": "沉睡", "en": "Dormant"], rule: "recency < 180"),
                .init(name: "churned", labels: ["zh": "流失", "en": "Churned"], rule: nil),
            ]),
    ]

    package static let fourTierWarnings: [WarningSource] = [
        WarningSource(
            name: "slipping", severity: .low, rule: "activity_trend < 0.5 && recency >= 14 && orders_total >= 2"),
        WarningSource(name: "overdue", severity: .medium, rule: "since_order > 3 * typical_gap && orders_total >= 3"),
    ]

    /// The preset's ladders and warnings with those of a configuration in place of the ones of the same name, or after them.
    package static func merge(
        ladders: [LadderSource], warnings: [WarningSource],
        into preset: (ladders: [LadderSource], warnings: [WarningSource])
    ) -> (ladders: [LadderSource], warnings: [WarningSource]) {
        var result = preset
        for ladder in ladders {
            if let same = result.ladders.firstIndex(where: { $0.name == ladder.name }) {
                result.ladders[same] = ladder
            } else {
                result.ladders.append(ladder)
            }
        }
        for warning in warnings {
            if let same = result.warnings.firstIndex(where: { $0.name == warning.name }) {
                result.warnings[same] = warning
            } else {
                result.warnings.append(warning)
            }
        }
        return result
    }
}
