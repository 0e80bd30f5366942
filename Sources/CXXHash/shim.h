// What rfmd sees of libxxhash: XXH3, inlined, so that the hash of a short key costs no call.
#pragma once
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t rfmd_hash64(const void *bytes, size_t length, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, length, seed);
}

typedef struct {
  uint64_t high, low;
} rfmd_hash128_t;

static inline rfmd_hash128_t rfmd_hash128(const void *bytes, size_t length, uint64_t seed) {
  XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, length, seed);
  rfmd_hash128_t result = {hash.high64, hash.low64};
  return result;
}
