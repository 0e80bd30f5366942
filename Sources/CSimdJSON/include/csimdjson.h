// C view of simdjson: reads the values that a plan of JSON pointers names from one record, and checks the whole record.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  CSJ_ABSENT = 0,
  CSJ_NULL = 1,
  CSJ_STRING = 2,
  CSJ_NUMBER = 3,
  CSJ_BOOLEAN = 4,
  CSJ_CONTAINER = 5,
} csj_type;

// `bytes` is the unescaped text of a string, the digits of a number or the word of a boolean; valid until the parser's next call.
typedef struct {
  const char *bytes;
  uint32_t length;
  uint32_t type;
} csj_value;

typedef struct csj_plan csj_plan;
typedef struct csj_parser csj_parser;

csj_plan *csj_plan_new(void);
// Adds a JSON pointer (RFC 6901); returns the slot of its value, or -1 if it is none.
int csj_plan_add(csj_plan *plan, const char *pointer, size_t length);
void csj_plan_free(csj_plan *plan);

csj_parser *csj_parser_new(uint32_t depth);
// Copies a record to those that csj_next is to read: several are read faster than one by one. Once one was read, all are to be read
// before another is added: otherwise the process ends, for what was read would be another record's.
void csj_add(csj_parser *parser, const void *json, size_t length);
// Reads the first record that was added and not read yet, which is `json`: one value per slot. False if it is no JSON object, or deeper than
// the parser's depth. When a key stands twice, the last one counts.
bool csj_next(csj_parser *parser, const csj_plan *plan, const void *json, csj_value *values);
void csj_parser_free(csj_parser *parser);

#ifdef __cplusplus
}
#endif
