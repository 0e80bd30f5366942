// Faults at named places in a process that this library is preloaded into (LD_PRELOAD), so that the daemon holds no code for its tests.
//
// RFMD_FAULT="ACTION,PLACE,EVERY,TIMES,MILLISECONDS" asks for one of them: at every EVERY-th time that the process comes to PLACE, ACTION
// is done, TIMES times at most.
//   PLACE   "before CALL" or "after CALL" of a wrapped function, "inside write" (half of it is written), "sent REQUEST" (a request of Kafka's
//           protocol has left, its answer has not come), "deadline" (an event that a deadline caused is about to be produced), "malloc",
//           or "clock" (the time of day is read).
//   ACTION  kill: SIGKILL. stop: SIGSTOP. sleep: MILLISECONDS. deaf: the connection's answers are lost. lose: the request is not sent, and
//           nobody is told (at "sent REQUEST" alone, as deaf is). fail: there is no memory (at "malloc" alone). shift: from here on the
//           time of day is MILLISECONDS later than it is (at "clock" alone).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char action[16], place[64];
static int every, most;
static long long milliseconds;
static atomic_int comings, strikes;
static atomic_char deaf[65536];

__attribute__((constructor)) static void read_plan(void) {
  const char *plan = getenv("RFMD_FAULT");
  if (plan && sscanf(plan, "%15[^,],%63[^,],%d,%d,%lld", action, place, &every, &most, &milliseconds) < 4) abort();
}

static void *real(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  return function;
}

static int is_asked_for(const char *when, const char *what) {
  size_t length = strlen(when);
  return every > 0 && strncmp(place, when, length) == 0 && strcmp(place + length, what) == 0;
}

// True if it is time to strike; says so in the log.
static int is_due(const char *when, const char *what) {
  if (!is_asked_for(when, what) || (atomic_fetch_add(&comings, 1) + 1) % every != 0) return 0;
  if (atomic_fetch_add(&strikes, 1) >= most) return 0;
  dprintf(2, "fault: %s at '%s'\n", action, place);
  return 1;
}

static void strike(void) {
  if (strcmp(action, "kill") == 0) kill(getpid(), SIGKILL);
  if (strcmp(action, "stop") == 0) raise(SIGSTOP);
  if (strcmp(action, "sleep") == 0) {
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
  }
}

static void reach(const char *when, const char *what) {
  if (is_due(when, what)) strike();
}

// A function of this process that comes before the one of the system or of librdkafka.
#define WRAP(type, name, parameters, arguments)                                                                        \
  type name parameters {                                                                                               \
    static type(*next) parameters;                                                                                     \
    if (!next) next = (type(*) parameters)real(#name);                                                                 \
    reach("before ", #name);                                                                                           \
    type result = next arguments;                                                                                      \
    int error = errno;                                                                                                 \
    reach("after ", #name);                                                                                            \
    errno = error;                                                                                                     \
    return result;                                                                                                     \
  }

WRAP(rd_kafka_error_t *, rd_kafka_init_transactions, (rd_kafka_t * client, int timeout), (client, timeout))
WRAP(rd_kafka_error_t *, rd_kafka_begin_transaction, (rd_kafka_t * client), (client))
WRAP(rd_kafka_error_t *, rd_kafka_commit_transaction, (rd_kafka_t * client, int timeout), (client, timeout))
WRAP(rd_kafka_error_t *, rd_kafka_send_offsets_to_transaction,
     (rd_kafka_t * client, const rd_kafka_topic_partition_list_t *offsets, const rd_kafka_consumer_group_metadata_t *group,
      int timeout),
     (client, offsets, group, timeout))
WRAP(rd_kafka_resp_err_t, rd_kafka_committed,
     (rd_kafka_t * client, rd_kafka_topic_partition_list_t *partitions, int timeout), (client, partitions, timeout))
WRAP(rd_kafka_message_t *, rd_kafka_consumer_poll, (rd_kafka_t * client, int timeout), (client, timeout))
WRAP(ssize_t, rd_kafka_consume_batch_queue,
     (rd_kafka_queue_t * queue, int timeout, rd_kafka_message_t **messages, size_t size), (queue, timeout, messages, size))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))

void rd_kafka_DeleteRecords(rd_kafka_t *client, rd_kafka_DeleteRecords_t **deletions, size_t count,
                            const rd_kafka_AdminOptions_t *options, rd_kafka_queue_t *queue) {
  static void (*next)(rd_kafka_t *, rd_kafka_DeleteRecords_t **, size_t, const rd_kafka_AdminOptions_t *,
                      rd_kafka_queue_t *);
  if (!next) next = real("rd_kafka_DeleteRecords");
  reach("before ", "rd_kafka_DeleteRecords");
  next(client, deletions, count, options, queue);
  reach("after ", "rd_kafka_DeleteRecords");
}

// Files and folders are different places.
int fsync(int descriptor) {
  static int (*next)(int);
  if (!next) next = real("fsync");
  struct stat status;
  int is_folder = fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode);
  const char *name = is_folder ? "fsync of a folder" : "fsync of a file";
  reach("before ", name);
  int result = next(descriptor);
  int error = errno;
  reach("after ", name);
  errno = error;
  return result;
}

// Of files only, and not of the log.
ssize_t write(int descriptor, const void *bytes, size_t count) {
  static ssize_t (*next)(int, const void *, size_t);
  if (!next) next = real("write");
  struct stat status;
  if (descriptor <= 2 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return next(descriptor, bytes, count);
  reach("before ", "write");
  if (is_asked_for("inside ", "write")) {
    ssize_t half = next(descriptor, bytes, (count + 1) / 2);
    reach("inside ", "write");
    return half;
  }
  ssize_t result = next(descriptor, bytes, count);
  int error = errno;
  reach("after ", "write");
  errno = error;
  return result;
}

// glibc's own name for it: looking up the next one by dlsym would ask for memory.
void *__libc_malloc(size_t size);

void *malloc(size_t size) {
  if (is_due("malloc", "")) {
    errno = ENOMEM;
    return NULL;
  }
  return __libc_malloc(size);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static int (*next)(clockid_t, struct timespec *);
  if (!next) next = real("clock_gettime");
  int result = next(clock, now);
  if (result == 0 && clock == CLOCK_REALTIME && is_asked_for("clock", "") &&
      (atomic_load(&strikes) > 0 || is_due("clock", ""))) {
    now->tv_sec += milliseconds / 1000;
  }
  return result;
}

// Its arguments are a list with an end, which librdkafka also takes as an array.
rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *client, ...) {
  rd_kafka_vu_t units[16];
  size_t count = 0;
  va_list list;
  va_start(list, client);
  for (;;) {
    rd_kafka_vu_t unit = {.vtype = (rd_kafka_vtype_t)va_arg(list, int)};
    if (unit.vtype == RD_KAFKA_VTYPE_END) break;
    switch (unit.vtype) {
    case RD_KAFKA_VTYPE_TOPIC: unit.u.cstr = va_arg(list, const char *); break;
    case RD_KAFKA_VTYPE_RKT: unit.u.rkt = va_arg(list, rd_kafka_topic_t *); break;
    case RD_KAFKA_VTYPE_PARTITION: unit.u.i32 = va_arg(list, int32_t); break;
    case RD_KAFKA_VTYPE_MSGFLAGS: unit.u.i = va_arg(list, int); break;
    case RD_KAFKA_VTYPE_KEY:
    case RD_KAFKA_VTYPE_VALUE:
      unit.u.mem.ptr = va_arg(list, void *);
      unit.u.mem.size = va_arg(list, size_t);
      break;
    case RD_KAFKA_VTYPE_HEADERS: unit.u.headers = va_arg(list, rd_kafka_headers_t *); break;
    case RD_KAFKA_VTYPE_TIMESTAMP: unit.u.i64 = va_arg(list, int64_t); break;
    case RD_KAFKA_VTYPE_OPAQUE: unit.u.ptr = va_arg(list, void *); break;
    default: abort();
    }
    if (count == sizeof units / sizeof *units) abort();
    units[count++] = unit;
    static const char cause[] = "\"kind\":\"deadline\"";
    if (unit.vtype == RD_KAFKA_VTYPE_VALUE && unit.u.mem.ptr &&
        memmem(unit.u.mem.ptr, unit.u.mem.size, cause, sizeof cause - 1))
      reach("deadline", "");
  }
  va_end(list);
  reach("before ", "rd_kafka_producev");
  rd_kafka_error_t *error = rd_kafka_produceva(client, units, count);
  reach("after ", "rd_kafka_producev");
  rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
  if (error) rd_kafka_error_destroy(error);
  return code;
}

// Kafka's requests on the wire: four bytes of length, two that say which request it is.
static const char *request_name(int key) {
  switch (key) {
  case 0: return "Produce";
  case 9: return "OffsetFetch";
  case 11: return "JoinGroup";
  case 14: return "SyncGroup";
  case 21: return "DeleteRecords";
  case 22: return "InitProducerId";
  case 24: return "AddPartitionsToTxn";
  case 25: return "AddOffsetsToTxn";
  case 26: return "EndTxn";
  case 28: return "TxnOffsetCommit";
  default: return NULL;
  }
}

ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
  static ssize_t (*next)(int, const struct msghdr *, int);
  if (!next) next = real("sendmsg");
  size_t total = 0;
  for (size_t part = 0; part < (size_t)message->msg_iovlen; part++) total += message->msg_iov[part].iov_len;
  const char *name = NULL;
  if (total >= 8 && message->msg_iov[0].iov_len >= 8) {
    uint32_t length;
    uint16_t key;
    memcpy(&length, message->msg_iov[0].iov_base, sizeof length);
    memcpy(&key, (const char *)message->msg_iov[0].iov_base + sizeof length, sizeof key);
    // What is left of a request that was sent in pieces does not begin so.
    if (ntohl(length) + sizeof length == total) name = request_name(ntohs(key));
  }
  if (!name || !is_asked_for("sent ", name) || !is_due("sent ", name)) return next(descriptor, message, flags);
  if (strcmp(action, "lose") == 0) return (ssize_t)total;
  if (strcmp(action, "deaf") == 0 && descriptor < (int)sizeof deaf) atomic_store(&deaf[descriptor], 1);
  ssize_t result = next(descriptor, message, flags);
  int error = errno;
  strike();
  errno = error;
  return result;
}

ssize_t recvmsg(int descriptor, struct msghdr *message, int flags) {
  static ssize_t (*next)(int, struct msghdr *, int);
  if (!next) next = real("recvmsg");
  ssize_t result = next(descriptor, message, flags);
  // The end of a connection is seen; what came before it is not.
  if (result <= 0 || descriptor >= (int)sizeof deaf || !atomic_load(&deaf[descriptor])) return result;
  errno = EAGAIN;
  return -1;
}

// A new connection may have the number of an old one.
int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
  static int (*next)(int, const struct sockaddr *, socklen_t);
  if (!next) next = real("connect");
  if (descriptor >= 0 && descriptor < (int)sizeof deaf) atomic_store(&deaf[descriptor], 0);
  return next(descriptor, address, length);
}
