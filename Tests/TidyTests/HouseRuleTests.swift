// House rules that no compiler checks, by text.
import TestSupport
import Testing

@Suite struct HouseRuleTests {
    private func sources() throws -> [(path: String, text: String)] {
        try Repository.files("Sources", endings: [".swift"]).map { ($0, try Repository.text($0)) }
    }

    /// The core is pure: what it needs it is given.
    @Test(arguments: ["Model", "Rules", "Engine", "Codec"])
    func theCoreAsksTheSystemNothing(target: String) throws {
        let files = try sources().filter { $0.path.hasPrefix("Sources/\(target)/") }
        #expect(!files.isEmpty)
        for (path, text) in files {
            for word in ["Date()", ".random(", "SystemRandomNumberGenerator", "ContinuousClock", "async ", "await "] {
                #expect(!text.contains(word), "\(path) holds '\(word)'")
            }
        }
    }

    /// C objects have one owner each, in the target that wraps their library.
    @Test func opaquePointersStayWithTheirOwners() throws {
        // Beside librdkafka's: a raw record on its way to the decoder (a real one, or the simulation's number of one),
        // simdjson's two handles, the mock broker of the demo, the plain clients of a measurement, and the stack of a simulated thread.
        let allowed = [
            "Sources/KafkaTransport/", "Sources/Worker/Ports.swift", "Sources/Codec/RecordDecoder.swift",
            "Sources/Demo/", "Sources/Bench/KafkaClients.swift", "Sources/Bench/TransactionalCopy.swift",
            "Sources/SnapshotStore/", "Sources/Simulator/World.swift", "Sources/Simulator/Fiber.swift",
        ]
        for (path, text) in try sources() where text.contains("OpaquePointer") {
            #expect(allowed.contains { path.hasPrefix($0) }, "\(path) holds an OpaquePointer")
        }
    }

    @Test func everyFileSaysItsPurposeAndIsShort() throws {
        let files =
            try Repository.files("Sources", endings: [".swift"]) + Repository.files("Tests", endings: [".swift"])
        #expect(files.count > 60)
        for path in files {
            let lines = try Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false)
            #expect(lines[0].hasPrefix("// ") && lines[0].count > 20, "\(path): the first line says the purpose")
            #expect(lines.count <= 501, "\(path) has \(lines.count) lines")
        }
    }

    @Test func nothingIsLeftForLater() throws {
        let banned = ["TO" + "DO", "FIX" + "ME", "try" + "! ", "fatalError(" + "\"unimplemented"]
        for path in try Repository.files("Sources", endings: [".swift"])
            + Repository.files("Tests", endings: [".swift"])
        {
            let text = try Repository.text(path)
            for word in banned { #expect(!text.contains(word), "\(path) holds '\(word)'") }
        }
    }

    /// The project explains itself: no document that is not in it.
    @Test func nothingPointsOutside() throws {
        let files =
            try Repository.files("Sources", endings: [".swift", ".h", ".cpp"])
            + Repository.files("Tests", endings: [".swift", ".py"]) + Repository.files("docs", endings: [".md"])
        let outside = try Regex("\\b" + "DESI" + "GN\\b")
        for path in files {
            #expect(
                try Repository.text(path).firstMatch(of: outside) == nil, "\(path) names a document that is not here")
        }
    }
}
