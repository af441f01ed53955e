// Random numbers as TensorFlow draws them.

#pragma once

#include <stdint.h>
#include <string.h>

namespace {

// Philox 4x32-10 of Salmon et al. (2011), keyed as TensorFlow keys it, from the seed (s0, s1): 23 random bits each.
void philox_uniform(int32_t s0, int32_t s1, int64_t count, float* out) {
  auto rounds = [](uint32_t* c, uint32_t k0, uint32_t k1) {
    for (int i = 0; i < 10; i++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
      const uint32_t n0 = (uint32_t)(b >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(a >> 32) ^ c[3] ^ k1;
      c[0] = n0, c[1] = (uint32_t)b, c[2] = n2, c[3] = (uint32_t)a;
    }
  };
  uint32_t key[4] = {(uint32_t)s0, (uint32_t)(s0 >> 31), (uint32_t)s1, (uint32_t)(s1 >> 31)};
  rounds(key, 0x3ec8f720u, 0x02461e29u);
  for (int64_t block = 0; 4 * block < count; block++) {
    uint32_t c[4] = {(uint32_t)block, (uint32_t)((uint64_t)block >> 32), key[2], key[3]};
    rounds(c, key[0], key[1]);
    for (int j = 0; j < 4 && 4 * block + j < count; j++) {
      const uint32_t bits = (c[j] & 0x7FFFFF) | 0x3F800000;
      float f;
      memcpy(&f, &bits, 4);
      out[4 * block + j] = f - 1.0f;
    }
  }
}

}  // namespace
