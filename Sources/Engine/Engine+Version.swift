// A new version comes into force: every customer is decided anew, some each slice, as of the instant of the change.
import Model
import Rules

extension Engine {
    /// Rung numbers from here to 254 stand for rungs that the version in force does not have.
    static let goneRung = 128

    /// Why a version cannot follow the one in force.
    package enum VersionRefusal: Error, Equatable, Sendable {
        /// Orders are kept for `kept` days only, and these rules want more.
        case longerWindow(kept: Int, rules: [String])
        case otherHalfLives
    }

    /// Checks, without changing anything, that `rules` can follow.
    package func check(_ new: Ruleset) throws(VersionRefusal) {
        if new.longestWindow > rules.longestWindow && table.count > 0 {
            throw .longerWindow(kept: rules.longestWindow, rules: new.users(ofWindowsOver: rules.longestWindow))
        }
        let (old, changed) = (rules.constants, new.constants)
        if table.count > 0 && (old.halfLife0 != changed.halfLife0 || old.halfLife1 != changed.halfLife1) {
            throw .otherHalfLives
        }
    }

    /// Puts `new` in force. Only while `isSettled`, and with rules that `check` accepts. Limits that are lower than what is there
    /// take nothing away.
    package func install(_ new: Ruleset, limits: StateLimits) {
        precondition(isSettled, "a version waits until no deadline is left")
        self.limits = limits
        let old = (rules, names)
        rules = new
        names = RuleNames(new)
        versionNumber += 1
        forgetDays()
        guard let clock, table.count > 0 else { return }
        sweep = Sweep(cursor: 0, clock: clock, oldRules: old.0, oldNames: old.1)
    }

    func continueSweep(_ budget: inout Int) {
        guard var sweep else { return }
        while budget > 0 && sweep.cursor < table.count {
            let row = table.row(sweep.cursor)
            if row.pointee.version != UInt8(truncatingIfNeeded: versionNumber) {
                preserve(sweep.cursor)
                catchUpVersion(sweep.cursor, row)
                wheel.update(sweep.cursor, table.rows)
                budget -= 1
            }
            sweep.cursor += 1
        }
        self.sweep = sweep.cursor < table.count ? sweep : nil
    }

    /// Decides a customer by the version in force, if he was last decided by the one before.
    @inline(__always)
    func catchUpVersion(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>) {
        if row.pointee.version != UInt8(truncatingIfNeeded: versionNumber) { changeVersion(ordinal, row) }
    }

    private func changeVersion(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>) {
        guard let sweep else { preconditionFailure("a customer of an old version after the sweep") }
        row.pointee.version = UInt8(truncatingIfNeeded: versionNumber)
        translateRungs(row, sweep)
        let kept = store.open(row)
        defer { store.close(row, kept) }
        let entries = store.entries(of: row)
        for index in entries.indices where entries[index].kind != .warning {
            entries[index].setTime(entries[index].time, zone: rules.constants.zone)
        }
        let mute = mute(ofDeadline: sweep.clock)
        resolveRemovedWarnings(ordinal, row, sweep, mute)
        decide(ordinal, row, at: sweep.clock, cause: .version, mute: mute, event: nil)
    }

    /// Rungs keep their names, wherever they stand in the new ladders.
    private func translateRungs(_ row: UnsafeMutablePointer<CustomerRow>, _ sweep: Sweep) {
        let old = row.pointee.rungs
        let oldRungs = [old.0, old.1, old.2, old.3]
        for ladder in 0..<Limits.ladders {
            var rung = CustomerRow.noRung
            if ladder < rules.ladders.count,
                let place = sweep.oldRules.ladders.firstIndex(where: {
                    $0.source.name == rules.ladders[ladder].source.name
                }),
                oldRungs[place] != CustomerRow.noRung
            {
                let name = sweep.oldRules.ladders[place].source.rungs[Int(oldRungs[place])].name
                let now = rules.ladders[ladder].source.rungs.firstIndex { $0.name == name }
                rung = UInt8(now ?? Engine.goneRung + Int(oldRungs[place]))
            }
            row.pointee.setRung(ladder, rung)
        }
    }

    func goneNames(_ ladder: Int, _ rung: UInt8) -> UnsafeRawBufferPointer? {
        guard let sweep,
            let place = sweep.oldRules.ladders.firstIndex(where: { $0.source.name == rules.ladders[ladder].source.name }
            )
        else { return nil }
        return sweep.oldNames.rung(Int(rung) - Engine.goneRung, of: place)
    }

    private func resolveRemovedWarnings(
        _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, _ sweep: Sweep, _ mute: Mute
    ) {
        var index = 0
        while index < Int(row.pointee.entryCount) {
            let entry = store.first(of: row)[index]
            guard entry.kind == .warning, !rules.warnings.contains(where: { $0.key == entry.key }) else {
                index += 1
                continue
            }
            if entry.flags.contains(.open), !entry.flags.contains(.muted), mute == .none,
                let old = sweep.oldRules.warnings.firstIndex(where: { $0.key == entry.key })
            {
                let features = features(ordinal, row, at: sweep.clock)
                let decision = Decision(
                    ordinal: ordinal, instant: sweep.clock, cause: .version, mute: mute, event: nil,
                    recency: features.ordersTotal == 0 ? -1 : Int32(truncatingIfNeeded: features.recency))
                emit(
                    decision, .warningResolved, name: sweep.oldNames.warnings[old], from: nil,
                    to: sweep.oldNames.severities[old], rung: 0, raisedAt: entry.time)
            }
            remove(index, row)
        }
    }
}
