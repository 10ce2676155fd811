#include "crc32.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace jic {
namespace {

// Polynomials over GF(2) with the coefficient of x^0 in the highest bit, as the checksum has them.
constexpr uint32_t kPolynomial = 0xEDB88320;

constexpr uint32_t times_x(uint32_t p) { return (p >> 1) ^ (p & 1 ? kPolynomial : 0); }

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t p = i;
    for (int bit = 0; bit < 8; ++bit) p = times_x(p);
    table[i] = p;
  }
  return table;
}
constexpr auto kTable = make_table();

uint32_t by_bytes(uint32_t state, const unsigned char *p, size_t size) {
  for (; size; --size) state = (state >> 8) ^ kTable[(state ^ *p++) & 255];
  return state;
}

#if defined(__x86_64__)

// x^n modulo the polynomial, as a factor for reversed operands: their product is one place further right.
constexpr uint64_t power(int n) {
  uint32_t p = 0x80000000;
  while (n--) p = times_x(p);
  return uint64_t(p) << 1;
}

// `block` times x^bits, in so few bits that it can be added to what comes that much later. The first half of a block is the one
// with the higher powers: 64 more. A carry-less product has 32 bits to spare.
template <int bits> __attribute__((target("pclmul,sse4.1"))) inline __m128i moved(__m128i block) {
  const __m128i factors = _mm_set_epi64x(int64_t(power(bits - 32)), int64_t(power(bits + 32)));
  return _mm_xor_si128(_mm_clmulepi64_si128(block, factors, 0x00), _mm_clmulepi64_si128(block, factors, 0x11));
}

__attribute__((target("pclmul,sse4.1"))) uint32_t by_blocks(uint32_t state, const unsigned char *&p, size_t &size) {
  auto load = [&p](int i) __attribute__((target("pclmul,sse4.1"))) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(p) + i);
  };
  __m128i a = _mm_xor_si128(load(0), _mm_cvtsi32_si128(int(state))), b = load(1), c = load(2), d = load(3);
  for (p += 64, size -= 64; size >= 64; p += 64, size -= 64) {
    a = _mm_xor_si128(moved<512>(a), load(0));
    b = _mm_xor_si128(moved<512>(b), load(1));
    c = _mm_xor_si128(moved<512>(c), load(2));
    d = _mm_xor_si128(moved<512>(d), load(3));
  }
  a = _mm_xor_si128(moved<128>(a), b);
  a = _mm_xor_si128(moved<128>(a), c);
  a = _mm_xor_si128(moved<128>(a), d);
  unsigned char rest[16];  // has the same remainder as all that was read
  std::memcpy(rest, &a, sizeof rest);
  return by_bytes(0, rest, sizeof rest);
}

bool has_blocks() {
  static const bool has = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return has;
}

#endif

}  // namespace

uint32_t crc32(const void *data, size_t size, uint32_t before) {
  auto *p = static_cast<const unsigned char *>(data);
  uint32_t state = ~before;
#if defined(__x86_64__)
  if (size >= 64 && has_blocks()) state = by_blocks(state, p, size);
#endif
  return ~by_bytes(state, p, size);
}

}  // namespace jic
