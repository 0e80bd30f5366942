// `rfmd bench`: reads what is to be measured, and prints it.
import Bench
import Glibc
import Options

enum BenchVerb {
    private static let largestCount = 100_000_000

    static func run(_ invocation: Invocation) -> Int32 {
        var parts: [Bench.Part] = []
        for name in invocation.operands {
            guard let part = Bench.Part(rawValue: name) else {
                let known = Bench.Part.allCases.map(\.rawValue).joined(separator: ", ")
                return usage("'\(name)' cannot be measured; there are \(known)")
            }
            if !parts.contains(part) { parts.append(part) }
        }
        guard let customers = count(invocation, "customers", fallback: 1_000_000),
            let events = count(invocation, "events", fallback: 4_000_000),
            let rate = count(invocation, "rate", fallback: 40_000)
        else { return ExitCode.usage }
        let bootstrap = invocation.value("bootstrap")
        if parts.isEmpty {
            let hasBroker = bootstrap != nil || getenv("KAFKA_HOME") != nil
            parts = Bench.Part.allCases.filter { hasBroker || !$0.isOfKafka }
        }
        let bench = Bench(customers: customers, events: events, bootstrap: bootstrap, rate: rate)
        var figures: [Figure] = []
        let isJSON = invocation.flags.contains("json")
        do throws(Bench.Problem) {
            try bench.measure(parts) { measured in
                figures += measured
                // A part takes a while: what is known is told.
                if !isJSON { printOut(Figure.table(measured)) }
            }
        } catch {
            printError("rfmd bench: \(error.text)\n")
            return ExitCode.failed
        }
        if isJSON { printOut(Figure.json(figures)) }
        return ExitCode.done
    }

    private static func usage(_ text: String) -> Int32 {
        printError("rfmd bench: \(text)\n")
        return ExitCode.usage
    }

    private static func count(_ invocation: Invocation, _ name: String, fallback: Int) -> Int? {
        guard let text = invocation.value(name) else { return fallback }
        if let count = Int(text), (1...largestCount).contains(count) { return count }
        printError("rfmd bench: --\(name): '\(text)' is no number from 1 to \(largestCount)\n")
        return nil
    }
}
