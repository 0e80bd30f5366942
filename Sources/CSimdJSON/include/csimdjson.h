// C view of simdjson: reads the values that a plan of JSON pointers names from one record, and checks the whole record.
#pragma once
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

// `bytes` is the unescaped text of a string or the digits of a number; valid until the parser's next call.
typedef struct {
  const char *bytes;
  uint32_t length;
  uint32_t type;
} csj_value;

typedef enum { CSJ_OK = 0, CSJ_NOT_JSON = 1, CSJ_TOO_DEEP = 2, CSJ_NOT_AN_OBJECT = 3 } csj_result;

typedef struct csj_plan csj_plan;
typedef struct csj_parser csj_parser;

csj_plan *csj_plan_new(void);
// Adds a JSON pointer (RFC 6901); returns the slot of its value, or -1 if it is none.
int csj_plan_add(csj_plan *plan, const char *pointer, size_t length);
void csj_plan_free(csj_plan *plan);

csj_parser *csj_parser_new(uint32_t depth);
// Fills one value per slot. When a key stands twice, the last one counts.
csj_result csj_parse(csj_parser *parser, const csj_plan *plan, const void *json, size_t length, csj_value *values);
void csj_parser_free(csj_parser *parser);

#ifdef __cplusplus
}
#endif
