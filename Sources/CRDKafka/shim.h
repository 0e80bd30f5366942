// What rfmd sees of librdkafka, and functions for its variadic producer call.
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

// Produces one message; takes `headers` on success. A timestamp of 0 is the client's clock.
#define RFMD_PRODUCE(client, target, partition, key, key_length, value, value_length, headers, timestamp, opaque)      \
  rd_kafka_producev(client, target, RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),         \
                    RD_KAFKA_V_KEY(key, key_length), RD_KAFKA_V_VALUE((void *)value, value_length),                    \
                    RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_OPAQUE(opaque),           \
                    RD_KAFKA_V_END)

static inline rd_kafka_resp_err_t rfmd_produce(rd_kafka_t *client, const char *topic, int32_t partition, const void *key,
                                               size_t key_length, const void *value, size_t value_length,
                                               rd_kafka_headers_t *headers, int64_t timestamp, void *opaque) {
  return RFMD_PRODUCE(client, RD_KAFKA_V_TOPIC(topic), partition, key, key_length, value, value_length, headers, timestamp,
                      opaque);
}

// The same by a topic's handle, which saves looking it up.
static inline rd_kafka_resp_err_t rfmd_produce_to(rd_kafka_t *client, rd_kafka_topic_t *topic, int32_t partition,
                                                  const void *key, size_t key_length, const void *value,
                                                  size_t value_length, rd_kafka_headers_t *headers, int64_t timestamp,
                                                  void *opaque) {
  return RFMD_PRODUCE(client, RD_KAFKA_V_RKT(topic), partition, key, key_length, value, value_length, headers, timestamp,
                      opaque);
}
