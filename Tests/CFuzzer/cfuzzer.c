#include "cfuzzer.h"

// Weak: only a build with -sanitize=fuzzer has it.
__attribute__((weak)) int LLVMFuzzerRunDriver(int *count, char ***arguments, cfuzzer_check check);

int cfuzzer_run(int *count, char ***arguments, cfuzzer_check check) {
  return LLVMFuzzerRunDriver == NULL ? -1 : LLVMFuzzerRunDriver(count, arguments, check);
}
