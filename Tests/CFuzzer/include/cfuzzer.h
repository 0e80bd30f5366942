// libFuzzer's driver, if the program was built with it (`make fuzz`).
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef int (*cfuzzer_check)(const uint8_t *bytes, size_t count);

// Runs it with these arguments and returns the exit code; -1 if the program was built without it.
int cfuzzer_run(int *count, char ***arguments, cfuzzer_check check);
