// What Kafka and its clients take as a name or an address: found when the configuration is read, not by the brokers later.

package enum KafkaNames {
    private static let longest = 249

    /// What is wrong with the name of a topic.
    static func topicProblem(_ name: String) -> String? {
        if name == "." || name == ".." { return "'\(name)' is no name for a topic" }
        return problem(name, longest: longest)
    }

    /// What is wrong with an instance: with the number of a worker and a digest it names a member of the group.
    static func instanceProblem(_ name: String) -> String? { problem(name, longest: 200) }

    private static func problem(_ name: String, longest: Int) -> String? {
        if !name.unicodeScalars.allSatisfy(isPlain) {
            return "'\(name)' has other characters than a-z, A-Z, 0-9, '.', '_' and '-'"
        }
        return name.utf8.count > longest ? "is longer than \(longest) characters" : nil
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", ".", "_", "-": true
        default: false
        }
    }

    /// `name` with what no instance may have replaced.
    package static func instance(ofHost name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.prefix(200).map { isPlain($0) ? $0 : "-" }))
    }

    /// Groups may be called anything that can be printed.
    static func groupProblem(_ name: String) -> String? {
        if name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            return "has a control character"
        }
        return name.utf8.count > longest ? "is longer than \(longest) bytes" : nil
    }

    /// What is wrong with `host:port,host:port`; a port may be left out (9092).
    static func bootstrapProblem(_ text: String) -> String? {
        for address in text.split(separator: ",", omittingEmptySubsequences: false) {
            if let problem = addressProblem(address) { return "'\(address)' is no broker's address: \(problem)" }
        }
        return nil
    }

    private static func addressProblem(_ address: Substring) -> String? {
        var rest = address.drop { $0 == " " }
        while rest.last == " " { rest.removeLast() }
        // librdkafka takes the protocol before the name.
        if let colon = rest.firstRange(of: "://") { rest = rest[colon.upperBound...] }
        var host = rest
        var port: Substring?
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { return "']' is missing" }
            host = rest[rest.index(after: rest.startIndex)..<end]
            let behind = rest[rest.index(after: end)...]
            if !behind.isEmpty {
                guard behind.first == ":" else { return "expected [address]:port" }
                port = behind.dropFirst()
            }
        } else if let colon = rest.lastIndex(of: ":") {
            (host, port) = (rest[..<colon], rest[rest.index(after: colon)...])
            if host.contains(":") { return "an IPv6 address stands in brackets, [::1]:9092" }
        }
        if host.isEmpty { return "expected host:port" }
        for scalar in host.unicodeScalars where !isPlain(scalar) && scalar != ":" && scalar != "%" {
            return "a host's name has no '\(scalar)'"
        }
        guard let port else { return nil }
        guard port.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(port), (1...65_535).contains(number)
        else {
            return "a port is a number from 1 to 65535"
        }
        return nil
    }
}
