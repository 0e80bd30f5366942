// How fast one core makes events of native records.
import CMemory
import Codec
import Model

enum DecodeBench {
    private static let recordsInMemory = 100_000

    static func measure(records count: Int) -> [Figure] {
        // Purchases, as those have all fields.
        let workload = Workload(customers: recordsInMemory, mixed: 0)
        let writer = RecordWriter()
        let bytes = UnsafeMutableRawPointer.allocate(
            byteCount: recordsInMemory * Workload.recordBytes, alignment: 64)
        defer { bytes.deallocate() }
        for number in 0..<recordsInMemory {
            writer.write(workload.event(number), number: number, to: bytes + number * Workload.recordBytes)
        }
        let decoder = RecordDecoder(WorkerRun.version.mappings[0], money: WorkerRun.version.money)
        let cpuBegan = Machine.cpuSeconds
        let began = Machine.seconds()
        var amounts: Int64 = 0
        func record(_ number: Int) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(
                start: bytes + number % recordsInMemory * Workload.recordBytes, count: Workload.recordBytes)
        }
        var read = 0
        for number in 0..<count {
            // As a worker does it.
            if number == read { read += decoder.readAhead(count - number) { record(number + $0) } }
            guard case .event = decoder.decode(record(number)) else {
                preconditionFailure("the bench's own records are usable")
            }
            amounts += decoder.event.pointee.amount ?? 0
        }
        let (seconds, cpu) = (Machine.seconds() - began, Machine.cpuSeconds - cpuBegan)
        precondition(amounts > 0, "what was decoded is used")
        let reading = Machine.fastest { touch(bytes, count) } / Double(count)
        return [
            Figure(
                "decode_rate", Double(count) / seconds, "records/s", over: 1 / reading,
                "records of the same bytes that are only copied"),
            Figure("decode_cpu", cpu / Double(count) * 1e9, "ns/record"),
            Figure(
                "decode_throughput", Double(count * Workload.recordBytes) / seconds / 1e6, "MB/s"),
        ]
    }

    private static func touch(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
        withUnsafeTemporaryAllocation(byteCount: Workload.recordBytes, alignment: 64) { copy in
            for number in 0..<count {
                let record = bytes + number % recordsInMemory * Workload.recordBytes
                copy.copyMemory(from: UnsafeRawBufferPointer(start: record, count: Workload.recordBytes))
                rfmd_is_read(copy.baseAddress!)
            }
        }
    }
}
