/* The machine's own limits, to state figures against: int8 products a second of one core, and
 * how fast memory of a given size can be read. */
#include "tests/bench/kernels_peak.h"

#include <immintrin.h>

/* Twelve independent chains hide the latency; written in assembler, for compilers move such
 * loops through memory. */
double peak_products(int64_t rounds)
{
    int64_t left = rounds;
    __asm__ volatile("1: vpdpbusd %%zmm12, %%zmm13, %%zmm0\n vpdpbusd %%zmm12, %%zmm13, %%zmm1\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm2\n vpdpbusd %%zmm12, %%zmm13, %%zmm3\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm4\n vpdpbusd %%zmm12, %%zmm13, %%zmm5\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm6\n vpdpbusd %%zmm12, %%zmm13, %%zmm7\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm8\n vpdpbusd %%zmm12, %%zmm13, %%zmm9\n"
                     "vpdpbusd %%zmm12, %%zmm13, %%zmm10\n vpdpbusd %%zmm12, %%zmm13, %%zmm11\n"
                     "dec %0\n jnz 1b\n"
                     : "+r"(left)
                     :
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "cc");
    return 12.0 * 128 * (double)rounds;
}

void peak_read(const uint8_t *from, size_t bytes)
{
    __m512i s[8];
    for (int i = 0; i < 8; i++)
        s[i] = _mm512_setzero_si512();
    for (size_t at = 0; at + 512 <= bytes; at += 512) {
        _mm_prefetch((const char *)from + at + 4096, _MM_HINT_T0);
        for (int i = 0; i < 8; i++)
            s[i] = _mm512_xor_si512(s[i], _mm512_load_si512(from + at + 64 * (size_t)i));
    }
    for (int i = 1; i < 8; i++)
        s[0] = _mm512_xor_si512(s[0], s[i]);
    volatile int sink = _mm512_reduce_add_epi32(s[0]);
    (void)sink;
}
