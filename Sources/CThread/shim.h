// The name of a thread: prctl takes a varying number of arguments, which Swift cannot call.
#pragma once
#include <sys/prctl.h>

// The calling thread's, of 15 bytes at most, as `top -H` and debuggers show it.
static inline void rfmd_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
