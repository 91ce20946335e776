/* Sixteen lanes, whatever the instruction set: the SIMD kernels (simd_*.c) are written once on
 * these and compiled once an instruction set. One 512-bit register, or two of 256 bits that work
 * as one.
 *
 *     v16  sixteen floats
 *     n16  sixteen int32
 *     b64  sixty-four bytes (sixteen lanes of four)
 *
 * Two widths of codes are told apart by `wide` (a constant at every call): narrow ones are
 * unsigned and below 64; wide ones are any level + 128. VNNI multiplies unsigned by signed
 * bytes, so a bias is undone by the start value of the sum (dot_start); AVX2 sums pairs in 16
 * bits, which wide codes would overflow, so there they become signed first (b_wide) and dot
 * moves their sign over to the activation. */
#ifndef KERNELS_CPU_VECTOR_H
#define KERNELS_CPU_VECTOR_H

#include "kernels/cpu/tables.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#include "kernels/cpu/vector_avx512.h"
#else
#include "kernels/cpu/vector_avx2.h"
#endif

#define SIMD_JOIN(set, name) set##_##name
#define SIMD_NAME(set, name) SIMD_JOIN(set, name)
#define SIMD(name) SIMD_NAME(VECTOR_SET, name)

INLINE v16 v_zero(void)
{
    return v_set(0);
}

/* The first n (1..16) lanes from memory, zeros after them; v_load_n(p, 16) is a plain load. */
INLINE v16 v_load_n(const float *p, int n)
{
    return n == 16 ? v_load(p) : v_load_part(p, n);
}

INLINE void v_store_n(float *p, v16 x, int n)
{
    if (n == 16)
        v_store(p, x);
    else
        v_store_part(p, x, n);
}

/* Sums of the first and the second 16 of 32 int8: as unsigned bytes, 128 too large each, which
 * the CPU sums by eights. */
INLINE void b_sums(__m256i bytes, int32_t sums[2])
{
    __m256i lifted = _mm256_xor_si256(bytes, _mm256_set1_epi8(-128));
    __m256i eights = _mm256_sad_epu8(lifted, _mm256_setzero_si256());
    __m256i halves = _mm256_add_epi32(eights, _mm256_shuffle_epi32(eights, 0x4e));
    sums[0] = _mm256_cvtsi256_si32(halves) - 16 * 128;
    sums[1] = _mm_cvtsi128_si32(_mm256_extracti128_si256(halves, 1)) - 16 * 128;
}

/* See tables.h. */
INLINE v16 v_exp(v16 given)
{
    v16 x = v_min(given, v_set(EXP_HIGH));
    v16 n = v_round(v_mul(x, v_set(EXP_LOG2E)));
    v16 r = v_fma(n, v_set(EXP_LN2_LOW), v_fma(n, v_set(EXP_LN2_HIGH), x));
    v16 p = v_fma(v_set(EXP_P0), r, v_set(EXP_P1));
    p = v_fma(p, r, v_set(EXP_P2));
    p = v_fma(p, r, v_set(EXP_P3));
    p = v_fma(p, r, v_set(EXP_P4));
    p = v_fma(p, r, v_set(EXP_P5));
    p = v_add(v_fma(p, v_mul(r, r), r), v_set(1));
    return v_zero_unless_at_least(v_add_exponent(p, n), given, EXP_LOW);
}

INLINE v16 v_tanh(v16 x)
{
    return v_sub(v_set(1), v_div(v_set(2), v_add(v_set(1), v_exp(v_add(x, x)))));
}

#endif
