// One event as it is written: fixed pieces and values by turns.
import Model
import Rules

/// Valid while the fixed bytes are.
struct EventText {
    let encoder: EventEncoder
    let fixed: FixedBytes
    let out: ByteBuffer

    @inline(__always)
    private func append(_ piece: FixedTexts.Piece) { out.append(contentsOf: fixed[piece]) }

    func appendStructured(_ effect: Effect, _ subject: Int, _ idPrefix: [UInt8], _ position: Int) {
        out.append(contentsOf: "{\"specversion\":\"1.0\",\"id\":\"")
        out.append(contentsOf: idPrefix)
        out.appendDecimal(Int64(position))
        append(head(effect.kind, subject))
        let customer = out.count
        out.appendJSON(effect.customer)
        let time = out.count
        out.append(contentsOf: ",\"time\":")
        let instant = out.count
        out.appendInstant(effect.decidedAt)
        let behind = out.count
        out.append(contentsOf: ",\"datacontenttype\":\"application/json\",\"partitionkey\":")
        out.appendAgain(customer..<time)
        out.append(contentsOf: ",\"data\":{\"customer_id\":")
        out.appendAgain(customer..<time)
        appendRest(effect, subject, decidedAt: instant..<behind)
        out.append(contentsOf: "}")
    }

    func appendData(_ effect: Effect, _ subject: Int) {
        out.append(contentsOf: "{\"customer_id\":")
        out.appendJSON(effect.customer)
        appendRest(effect, subject, decidedAt: nil)
    }

    @inline(__always)
    private func head(_ kind: EffectKind, _ subject: Int) -> FixedTexts.Piece {
        switch kind {
        case .rungChanged: encoder.texts.ladders[subject].head
        case .warningRaised: encoder.texts.warnings[subject - encoder.texts.ladders.count].raisedHead
        case .warningResolved: encoder.texts.warnings[subject - encoder.texts.ladders.count].resolvedHead
        }
    }

    /// The data from behind the customer on. `decidedAt`: where this instant stands already.
    private func appendRest(_ effect: Effect, _ subject: Int, decidedAt: Range<Int>?) {
        if effect.kind == .rungChanged {
            out.append(contentsOf: ",\"from\":")
            if let from = effect.from { out.appendJSON(from) } else { out.append(contentsOf: "null") }
            out.append(contentsOf: ",\"to\":")
            out.appendJSON(effect.to)
        } else {
            append(encoder.texts.warnings[subject - encoder.texts.ladders.count].severity)
            out.appendJSON(effect.to)
            appendEpisode(effect)
        }
        appendValues(effect)
        appendCause(effect, decidedAt)
        if effect.kind == .rungChanged {
            appendDistance(effect, encoder.texts.rungs[encoder.texts.ladders[subject].firstRung + Int(effect.rung)])
        } else {
            append(encoder.texts.warnings[subject - encoder.texts.ladders.count].rule)
        }
        appendDecision(effect, decidedAt)
        out.append(contentsOf: "}")
    }

    @inline(__always)
    private func appendDecision(_ effect: Effect, _ place: Range<Int>?) {
        if let place { out.appendAgain(place) } else { out.appendInstant(effect.decidedAt) }
    }

    /// An episode is named by its customer, its warning and the instant of its raise.
    private func appendEpisode(_ effect: Effect) {
        // What the name is made of is written where the name will stand.
        let start = out.count
        out.appendCounted(effect.customer)
        out.appendCounted(effect.name)
        out.append(effect.raisedAt)
        let episode = Digest(of: UnsafeRawBufferPointer(rebasing: out.bytes[start...]))
        out.cut(to: start)
        out.append(contentsOf: ",\"episode\":\"")
        episode.append(to: out)
        out.append(contentsOf: "\",\"raised_at\":")
        out.appendInstant(effect.raisedAt)
    }

    private func appendValues(_ effect: Effect) {
        out.append(contentsOf: ",\"values\":{\"recency\":")
        if let recency = effect.recency { out.appendDecimal(Int64(recency)) } else { out.append(contentsOf: "null") }
        out.append(contentsOf: ",\"orders\":{")
        for place in encoder.texts.windows.indices {
            append(encoder.texts.windows[place].key)
            out.appendDecimal(effect.windows[encoder.texts.windows[place].number].orders)
        }
        out.append(contentsOf: "},\"spend\":{")
        for place in encoder.texts.windows.indices {
            append(encoder.texts.windows[place].key)
            out.appendMoney(effect.windows[encoder.texts.windows[place].number].spend, exponent: encoder.exponent)
        }
    }

    private func appendCause(_ effect: Effect, _ decidedAt: Range<Int>?) {
        switch effect.cause {
        case .event:
            out.append(contentsOf: "}},\"cause\":{\"kind\":\"event\",\"event_id\":")
            out.appendJSON(effect.event)
        case .deadline:
            out.append(contentsOf: "}},\"cause\":{\"kind\":\"deadline\",\"due\":")
            appendDecision(effect, decidedAt)
        case .version:
            out.append(contentsOf: "}},\"cause\":{\"kind\":\"version\",\"version\":")
            append(encoder.texts.version)
        }
    }

    private func appendDistance(_ effect: Effect, _ rung: RungText) {
        append(rung.rule)
        append(rung.next, effect.distance.next)
        append(rung.between)
        append(rung.previous, effect.distance.previous)
        append(rung.end)
    }

    private func append(_ places: Range<Int>, _ values: EffectConditions) {
        precondition(places.count == values.count, "an effect is told with the rules that decided it")
        for place in 0..<places.count {
            let condition = encoder.texts.conditions[places.lowerBound + place]
            let measured = values[place]
            append(condition.head)
            append(measured.value, condition.unit)
            out.append(contentsOf: ",\"threshold\":")
            append(measured.threshold, condition.unit)
            append(measured.holds ? condition.holds : condition.fails)
        }
    }

    private func append(_ value: Int64?, _ unit: ValueType) {
        guard let value else { return out.append(contentsOf: "null") }
        switch unit {
        case .number: appendMillionths(value)
        case .money: out.appendMoney(value, exponent: encoder.exponent)
        case .duration: out.appendDecimal(value)
        case .text: append(encoder.texts.compared[Int(value)])
        case .boolean: preconditionFailure("conditions are not compared")
        }
    }

    /// A JSON number without zeros at its end: `3`, `-0.5`.
    @inline(__always)
    private func appendMillionths(_ value: Int64) {
        var (rest, digits) = (value, 6)
        if rest % 1_000_000 == 0 { return out.appendDecimal(rest / 1_000_000) }
        while rest % 10 == 0 { (rest, digits) = (rest / 10, digits - 1) }
        out.appendDecimal(rest, places: digits)
    }
}
