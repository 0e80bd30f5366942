// What a client fetches ahead stays inside the published bounds, whatever number of partitions it has.
import Model
import Testing

@testable import KafkaTransport

@Suite struct FetchAheadTests {
    @Test(arguments: [1, 2, 3, 4, 8, 13, 64, 1_000]) func boundsAreSharedOut(partitions: Int) {
        let ahead = FetchAhead(partitions: partitions)
        #expect(ahead.records >= 20_000 && ahead.kilobytes >= 8_192)
        #expect(ahead.records == 20_000 || ahead.records * partitions <= Limits.waitingRecords)
        #expect(ahead.kilobytes == 8_192 || ahead.kilobytes * partitions <= Limits.waitingKilobytes)
    }

    @Test func fewPartitionsHaveAllOfIt() {
        #expect(FetchAhead(partitions: 1).records == Limits.waitingRecords)
        #expect(FetchAhead(partitions: 4).records == Limits.waitingRecords / 4)
    }
}
