// The ready mappings and a mapping of a shop's own.
import Codec
import Model
import Testing

@Suite struct FormatTests {
    @Test func readsCloudEvents() {
        let mapping = Mapping.cloudEvents(topic: "t")
        let structured =
            #"{"specversion":"1.0","type":"com.shop.purchase","source":"/s","id":"ce1","subject":"c9","time":"2026-11-23T10:00:00Z","data":{"order_id":"o1","amount":"5.00"}}"#
        #expect(read(structured, mapping) == Read("purchase c9 ce1 o1 1795428000000 500"))
        let own =
            #"{"type":"click","id":"ce1","subject":"c9","time":"2026-11-23T10:00:00Z","data":{"customer_id":"c1","event_id":"k1","occurred_at":"2026-11-23T10:00:00.001Z"}}"#
        #expect(read(own, mapping) == Read("click c1 k1 k1 1795428000001 -"))
        #expect(read(structured.replacing("com.shop.purchase", with: "com.shop.login"), mapping) == Read("skipped"))
    }

    /// Binary: headers are the attributes, and the value is the data. What the data says itself comes first.
    @Test func readsCloudEventsInBinaryMode() {
        let mapping = Mapping.cloudEvents(topic: "t")
        let data = #"{"event_id":"e1","customer_id":"c7","amount":5,"occurred_at":"2026-11-23T10:00:00Z"}"#
        var headers = ["ce_type": "com.shop.purchase", "ce_source": "/s", "ce_id": "ce1", "ce_subject": "客"]
        #expect(read(data, mapping, headers: headers) == Read("purchase c7 e1 e1 1795428000000 500"))
        headers["ce_time"] = "2026-11-23T10:00:00.001Z"
        #expect(read(#"{"amount":5}"#, mapping, headers: headers) == Read("purchase 客 ce1 ce1 1795428000001 500"))
        // Names that are attributes in structured mode are the data's own here.
        let other = #"{"amount":5,"id":"x","subject":"y","time":"z","type":"click"}"#
        #expect(read(other, mapping, headers: headers) == Read("purchase 客 ce1 ce1 1795428000001 500"))
        var inSeconds = mapping
        inSeconds.timeUnit = .seconds
        #expect(read(#"{"amount":5}"#, inSeconds, headers: headers) == Read("purchase 客 ce1 ce1 1795428000001 500"))
        headers["ce_type"] = "com.shop.login"
        #expect(read(data, mapping, headers: headers) == Read("skipped"))
        headers["ce_type"] = nil
        #expect(read(data, mapping, headers: headers) == Read("missing_field type"))
        #expect(read(data, mapping) == Read("missing_field type"))
        #expect(read(#"{"amount":5}"#, mapping, headers: ["ce_type": "purchase"]) == Read("missing_field customer_id"))
        #expect(read(purchase(), headers: ["ce_type": "click", "ce_id": "x"]).text.hasPrefix("purchase c7 e1"))
    }

    /// A header is bytes; what is taken from it must be text.
    @Test func refusesAnAttributeThatIsNoText() {
        var attributes = CloudEventAttributes()
        attributes.take("ce_type", Array("purchase".utf8))
        attributes.take("ce_subject", [0x63, 0xFF])
        let decoder = RecordDecoder(.cloudEvents(topic: "t"), money: euro)
        let found = Array(#"{"event_id":"e1","amount":5,"occurred_at":"2026-11-23T10:00:00Z"}"#.utf8).withUnsafeBytes {
            data in
            guard case .rejected(let rejection) = decoder.decode(data, headers: attributes) else {
                return nil as Rejection?
            }
            return rejection
        }
        #expect(found?.reason == .wrongField && found?.field == "customer_id")
    }

    @Test func readsSegmentAndRudderStack() {
        let mapping = Mapping.segment(topic: "t")
        let order =
            #"{"type":"track","event":"Order Completed","messageId":"m1","userId":"u1","timestamp":"2026-11-23T10:00:01Z","originalTimestamp":"2026-11-23T10:00:00Z","properties":{"order_id":"o1","total":27.5,"currency":"EUR"}}"#
        #expect(read(order, mapping) == Read("purchase u1 m1 o1 1795428000000 2750"))
        #expect(
            read(order.replacing("Order Completed", with: " order COMPLETED "), mapping)
                == Read("purchase u1 m1 o1 1795428000000 2750"))
        #expect(
            read(order.replacing("Order Completed", with: "Order Refunded"), mapping)
                == Read("refund u1 m1 o1 1795428000000 2750"))
        #expect(
            read(order.replacing("Order Completed", with: "Product Viewed"), mapping)
                == Read("click u1 m1 m1 1795428000000 -"))
        #expect(read(order.replacing("Order Completed", with: "Signed Up"), mapping) == Read("skipped"))
        #expect(
            read(order.replacing("\"userId\":\"u1\"", with: "\"userId\":null,\"anonymousId\":\"a1\""), mapping)
                == Read("purchase a1 m1 o1 1795428000000 2750"))
        #expect(
            read(order.replacing("\"total\"", with: "\"revenue\""), mapping)
                == Read("purchase u1 m1 o1 1795428000000 2750"))
        for call in ["identify", "page", "screen", "group", "alias"] {
            #expect(read(#"{"type":"\#(call)","userId":"u1"}"#, mapping) == Read("skipped"))
        }
        #expect(read(#"{"type":"track","userId":"u1"}"#, mapping) == Read("missing_field type"))
    }

    @Test(arguments: [true, false])
    func readsDebezium(hasEnvelope: Bool) {
        let mapping = Mapping.debezium(topic: "t")
        func change(_ operation: String, _ after: String) -> Read {
            let payload = "{\"before\":null,\"after\":\(after),\"op\":\"\(operation)\"}"
            return read(hasEnvelope ? "{\"schema\":{\"type\":\"struct\"},\"payload\":\(payload)}" : payload, mapping)
        }
        #expect(change("c", purchase()) == Read("purchase c7 e1 o1 1795428000123 12345"))
        #expect(change("r", purchase()) == Read("purchase c7 e1 o1 1795428000123 12345 backfill"))
        #expect(change("u", purchase()) == Read("purchase c7 e1 o1 1795428000123 12345"))
        for operation in ["d", "t", "m"] { #expect(change(operation, "null") == Read("skipped")) }
        #expect(change("c", "null") == Read("missing_field type"))
    }

    @Test func readsAMappingOfItsOwn() {
        var mapping = Mapping(
            topic: "pos", kindAt: .pointers(["/event"]), kinds: ["sale": .purchase, "return": .refund, "view": .click],
            fields: [
                .eventID: .pointers(["/id"]), .customerID: .pointers(["/member/id"]),
                .orderID: .pointers(["/order/no"]),
                .amount: .pointers(["/order/lines/1/total"]), .currency: .constant("USD"),
                .occurredAt: .pointers(["/a~1b/~0ts"]),
            ], timeUnit: .milliseconds)
        let sale =
            #"{"event":"sale","id":77,"member":{"id":"m1"},"order":{"no":"n1","lines":[{"total":1},{"total":"10"}]},"a/b":{"~ts":1795428000123}}"#
        #expect(read(sale, mapping) == Read("purchase m1 77 n1 1795428000123 925"))
        #expect(read(sale.replacing("sale", with: "return"), mapping) == Read("refund m1 77 n1 1795428000123 925"))
        #expect(read(sale.replacing("sale", with: "purchase"), mapping) == Read("skipped"))
        mapping.kindAt = .constant("view")
        #expect(read(sale, mapping) == Read("click m1 77 77 1795428000123 -"))
    }

    /// What comes from outside is read to its end or refused, whatever it is.
    @Test func refusesEveryBeginningOfARecord() {
        let mappings: [Mapping] = [
            .native(topic: "t"), .cloudEvents(topic: "t"), .segment(topic: "t"), .debezium(topic: "t"),
        ]
        let good = Array(purchase("x", #"{"a":[1,2.5e3,"\u00e9\n",null,true]}"#).utf8)
        for mapping in mappings {
            for length in 0..<good.count { #expect(read(Array(good[..<length]), mapping) == Read("not_json")) }
        }
    }
}
