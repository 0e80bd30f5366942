// The first switch to a stack is made by ucontext; later ones by _setjmp and _longjmp, which need no system call.
#include "fiber.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

struct rfmd_fiber {
  ucontext_t first;
  ucontext_t outside;
  jmp_buf inside;
  jmp_buf resumer;
  void (*entry)(void *);
  void *argument;
  void *stack;
  size_t bytes;
  int has_begun;
  int has_ended;
};

enum { guard_bytes = 4096 };

rfmd_fiber *rfmd_fiber_new(size_t bytes) {
  rfmd_fiber *fiber = calloc(1, sizeof *fiber);
  if (!fiber) return NULL;
  fiber->bytes = bytes + guard_bytes;
  fiber->stack = mmap(NULL, fiber->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (fiber->stack == MAP_FAILED) {
    free(fiber);
    return NULL;
  }
  // A stack that overflows ends the process and nothing else.
  mprotect(fiber->stack, guard_bytes, PROT_NONE);
  fiber->has_ended = 1;
  return fiber;
}

static void run(unsigned int high, unsigned int low) {
  rfmd_fiber *fiber = (rfmd_fiber *)(((uintptr_t)high << 32) | low);
  fiber->entry(fiber->argument);
  fiber->has_ended = 1;
  _longjmp(fiber->resumer, 1);
}

void rfmd_fiber_start(rfmd_fiber *fiber, void (*entry)(void *), void *argument) {
  fiber->entry = entry;
  fiber->argument = argument;
  fiber->has_begun = 0;
  fiber->has_ended = 0;
}

int rfmd_fiber_resume(rfmd_fiber *fiber) {
  if (_setjmp(fiber->resumer) == 0) {
    if (fiber->has_begun) _longjmp(fiber->inside, 1);
    fiber->has_begun = 1;
    getcontext(&fiber->first);
    fiber->first.uc_stack.ss_sp = (char *)fiber->stack + guard_bytes;
    fiber->first.uc_stack.ss_size = fiber->bytes - guard_bytes;
    fiber->first.uc_link = NULL;
    uintptr_t address = (uintptr_t)fiber;
    makecontext(&fiber->first, (void (*)(void))run, 2, (unsigned int)(address >> 32), (unsigned int)address);
    swapcontext(&fiber->outside, &fiber->first);
  }
  return fiber->has_ended;
}

void rfmd_fiber_suspend(rfmd_fiber *fiber) {
  if (_setjmp(fiber->inside) == 0) _longjmp(fiber->resumer, 1);
}

void rfmd_fiber_free(rfmd_fiber *fiber) {
  munmap(fiber->stack, fiber->bytes);
  free(fiber);
}

void rfmd_keep_memory(void) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}
