// rfmd-simulate as people use it: counts, exit codes, and the command that repeats a failure.
import Foundation
import TestSupport
import Testing

@Suite struct CommandTests {
    @Test func itCountsAndSaysHowToRepeat() throws {
        let program = try SeedTests.program()
        let good = try Command.run(program, ["--seeds", "12", "--first", "5"])
        #expect(good.status == 0)
        #expect(good.outputText.hasSuffix("12 passed, 0 failed\n"))
        #expect(good.outputText.contains("seeds a second"))

        let bad = try Command.run(program, ["--seeds", "12", "--mutation", "commitBeforeFlush"])
        #expect(bad.status == 1)
        let failed = try #require(bad.outputText.firstMatch(of: /repeat it by 'make simulate SEED=(\d+) MUTATION=/))
        let count = bad.outputText.matches(of: /repeat it by/).count
        #expect(bad.outputText.hasSuffix("\(12 - count) passed, \(count) failed\n"))

        let again = try Command.run(program, ["--seed", String(failed.1), "--mutation", "commitBeforeFlush"])
        #expect(again.status == 1)
        #expect(again.outputText.hasSuffix("0 passed, 1 failed\n"))
    }

    @Test(arguments: [["--seeds"], ["--seeds", "many"], ["--jobs", "0"], ["--mutation", "none"], ["--what", "1"]])
    func itRefusesWhatItDoesNotUnderstand(arguments: [String]) throws {
        let result = try Command.run(try SeedTests.program(), arguments)
        #expect(result.status == 64)
        #expect(result.errorText.contains("usage: rfmd-simulate"))
    }
}
