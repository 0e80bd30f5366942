// Memory for large tables: zeroed, on huge pages where the kernel has them; the processor's hint to fetch a line early; and, for
// measurements, what the allocator keeps given back, and a copy that the optimizer must not leave out.
#pragma once
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define RFMD_HUGE_PAGE ((size_t)2 << 20)

// Zeroed memory that is touched when it is used first, aligned to a huge page; NULL if there is none. Behind the first `small` bytes
// it comes in huge pages. Freed by rfmd_pages_free.
static inline void *rfmd_pages(size_t bytes, size_t small) {
  size_t wanted = bytes + RFMD_HUGE_PAGE;
  uint8_t *raw = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return NULL;
  uint8_t *start = (uint8_t *)(((uintptr_t)raw + RFMD_HUGE_PAGE - 1) & ~(uintptr_t)(RFMD_HUGE_PAGE - 1));
  if (start > raw) munmap(raw, start - raw);
  if (raw + wanted > start + bytes) {
    uint8_t *end = (uint8_t *)(((uintptr_t)start + bytes + 4095) & ~(uintptr_t)4095);
    if (raw + wanted > end) munmap(end, raw + wanted - end);
  }
  if (small < bytes) madvise(start + small, bytes - small, MADV_HUGEPAGE);
  return start;
}

// Touches pages as the first write to them would, and changes nothing in them; on kernels before 5.14 nothing happens. One huge page at
// a time, for whoever changes the address space waits as long as a call takes.
static inline void rfmd_pages_touch(const void *start, size_t bytes) {
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
  for (size_t at = 0; at < bytes; at += RFMD_HUGE_PAGE) {
    size_t rest = bytes - at;
    madvise((uint8_t *)start + at, rest < RFMD_HUGE_PAGE ? rest : RFMD_HUGE_PAGE, MADV_POPULATE_WRITE);
  }
}

// What they hold goes back to the system; they are zeroed again. Others of the process may be touched meanwhile.
static inline void rfmd_pages_empty(void *start, size_t bytes) { madvise(start, bytes, MADV_DONTNEED); }

static inline void rfmd_pages_free(void *start, size_t bytes) { munmap(start, (bytes + 4095) & ~(size_t)4095); }

static inline void rfmd_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

// The same for what will only be read.
static inline void rfmd_prefetch_to_read(const void *address) { __builtin_prefetch(address, 0, 3); }

// The same for the lines of some bytes, the first 64 * `most` of them: beyond a few the processor sees by itself where the reading goes.
static inline void rfmd_prefetch_lines_to_read(const void *start, size_t bytes, size_t most) {
  for (size_t line = 0; line < most && line * 64 < bytes; line++) {
    rfmd_prefetch_to_read((const uint8_t *)start + line * 64);
  }
}

// Whoever optimizes has to take it that what stands there is read now: for measurements of copies that nobody reads.
static inline void rfmd_is_read(const void *start) { __asm__ volatile("" : : "r"(start) : "memory"); }

// What the allocator holds and nobody uses goes back to the system: for measurements.
static inline void rfmd_give_back(void) { malloc_trim(0); }
