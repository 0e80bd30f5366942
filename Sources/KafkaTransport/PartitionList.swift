// A list of partitions with offsets, owned.
import CRDKafka
import Worker

final class PartitionList {
    let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(_ partitions: [TopicPartition]) {
        pointer = rd_kafka_topic_partition_list_new(Int32(partitions.count))
        for partition in partitions { rd_kafka_topic_partition_list_add(pointer, partition.topic, partition.partition) }
    }

    init(_ positions: [(TopicPartition, Int64)]) {
        pointer = rd_kafka_topic_partition_list_new(Int32(positions.count))
        for (partition, offset) in positions {
            rd_kafka_topic_partition_list_add(pointer, partition.topic, partition.partition).pointee.offset = offset
        }
    }

    deinit { rd_kafka_topic_partition_list_destroy(pointer) }

    static func elements(_ list: UnsafePointer<rd_kafka_topic_partition_list_t>) -> [(
        partition: TopicPartition, offset: Int64, error: rd_kafka_resp_err_t
    )] {
        (0..<Int(list.pointee.cnt)).map { index in
            let element = list.pointee.elems[index]
            return (
                TopicPartition(topic: String(cString: element.topic), partition: element.partition), element.offset,
                element.err
            )
        }
    }
}
