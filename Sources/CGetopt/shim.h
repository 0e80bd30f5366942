// What rfmd sees of getopt_long; its global variables behind functions, which Swift's checks accept.
#pragma once
#include <getopt.h>

static inline void rfmd_getopt_reset(void) {
  optind = 0;
  opterr = 0;
}
static inline int rfmd_getopt_index(void) { return optind; }
static inline const char *rfmd_getopt_argument(void) { return optarg; }
