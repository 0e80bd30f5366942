// The committer tells the result of a commit at once, and takes the next batch when it has rested.
import Codec
import Testing

@testable import Bench
@testable import Worker

@Suite struct CommitterTests {
    /// Does at once what it is given.
    private final class SameThread: Lane {
        func run(_ work: @escaping @Sendable () -> Void) { work() }
        func end() {}
    }

    private final class Member: Membership {}

    @Test func theResultIsThereWhileItRests() throws {
        let sink = KeepingSink()
        let committer = Committer(
            sink: sink, lane: SameThread(), topics: MemoryCluster.outputs, format: .structured, wake: {})
        var (rests, wasIdle) = (0, false)
        sink.onRest = {
            rests += 1
            #expect(committer.takeResult() == .committed(CommitReport()))
            wasIdle = wasIdle || committer.isIdle
        }
        committer.initialize()
        #expect(rests == 0, "there was no transaction")
        #expect(committer.takeResult() == .committed(CommitReport()))
        for _ in 1...2 {
            #expect(committer.isIdle)
            sink.outcomes = [.committed(offsets: [])]
            committer.commit(SealedBatch(parts: [], membership: Member(), versions: [], encoders: [:]))
        }
        #expect(rests == 2 && !wasIdle)
        #expect(committer.isIdle)
    }
}
