// What rfmd sees of librdkafka.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
