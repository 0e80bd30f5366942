// Every file in Scripts: the trace is as it was read and committed. UPDATE=1 writes it anew, to be read before it is committed.
import Foundation
import TestSupport
import Testing

@Suite struct ScriptTests {
    @Test(arguments: try Repository.files("Tests/EngineTests/Scripts", endings: [".txt"]))
    func behaves(path: String) throws {
        let text = try Repository.text(path)
        let actual = try Script.run(text)
        if Repository.updates {
            try actual.write(to: Repository.root.appending(path: path), atomically: true, encoding: .utf8)
        }
        #expect(actual == text, "read the difference, then: UPDATE=1 swift test --filter ScriptTests")
    }
}
