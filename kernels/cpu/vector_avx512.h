/* vector.h by AVX-512 F, BW, VL, DQ and VNNI. */
#ifndef KERNELS_CPU_VECTOR_AVX512_H
#define KERNELS_CPU_VECTOR_AVX512_H

#define VECTOR_SET avx512

typedef __m512 v16;
typedef __m512i n16;
typedef __m512i b64;

/* --- Floats --- */

INLINE v16 v_set(float x)
{
    return _mm512_set1_ps(x);
}
INLINE v16 v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
INLINE void v_store(float *p, v16 x)
{
    _mm512_storeu_ps(p, x);
}
INLINE v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
INLINE v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
INLINE v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
INLINE v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
INLINE v16 v_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
} /* a > b ? a : b */
INLINE v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
} /* a < b ? a : b */
INLINE v16 v_abs(v16 x)
{
    return _mm512_abs_ps(x);
}
INLINE v16 v_round(v16 x)
{
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
INLINE float v_largest(v16 x)
{
    return _mm512_reduce_max_ps(x);
}

INLINE __mmask16 lanes_below(int n)
{
    return (__mmask16)((1u << n) - 1);
}
INLINE v16 v_load_part(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(lanes_below(n), p);
}
INLINE void v_store_part(float *p, v16 x, int n)
{
    _mm512_mask_storeu_ps(p, lanes_below(n), x);
}

/* Lanes i with low <= i <= high; the others are `other`. */
INLINE v16 v_keep(v16 x, int low, int high, float other)
{
    uint32_t below_high = high >= 15 ? 0xffff : high < 0 ? 0 : (2u << high) - 1;
    uint32_t above_low = low <= 0 ? 0xffff : low > 15 ? 0 : ~((1u << low) - 1);
    return _mm512_mask_mov_ps(_mm512_set1_ps(other), (__mmask16)(below_high & above_low), x);
}

INLINE v16 v_zero_unless_at_least(v16 x, v16 test, float bound)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(test, _mm512_set1_ps(bound), _CMP_GE_OQ), x);
}

/* x * 2^n for a whole n that keeps it normal. */
INLINE v16 v_add_exponent(v16 x, v16 n)
{
    __m512i shift = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), shift));
}

/* Lane i + lane i + 8, then + 4, + 2, + 1. */
INLINE float v_fold(v16 x)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* --- Pairs of neighbours --- */

INLINE v16 v_evens(v16 x)
{
    return _mm512_moveldup_ps(x);
}
INLINE v16 v_odds(v16 x)
{
    return _mm512_movehdup_ps(x);
}
INLINE v16 v_swapped(v16 x)
{
    return _mm512_permute_ps(x, 0xb1);
}

/* x * y - z in even lanes, x * y + z in odd ones. */
INLINE v16 v_fma_alternate(v16 x, v16 y, v16 z)
{
    return _mm512_fmaddsub_ps(x, y, z);
}

/* --- Half floats --- */

INLINE v16 v_half(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256(p));
}

INLINE v16 v_bfloat(const void *p)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16));
}

/* --- Integers --- */

INLINE n16 n_zero(void)
{
    return _mm512_setzero_si512();
}
INLINE n16 n_add(n16 a, n16 b)
{
    return _mm512_add_epi32(a, b);
}
INLINE v16 v_from(n16 x)
{
    return _mm512_cvtepi32_ps(x);
}
INLINE v16 v_from_bytes(const uint8_t *p)
{
    return v_from(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p)));
}
INLINE v16 v_from_signed(const uint8_t *p)
{
    return v_from(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p)));
}

/* Rounds 32 floats to int8 (values within -127..127). */
INLINE __m256i b_from(v16 a, v16 b)
{
    return _mm256_set_m128i(_mm512_cvtepi32_epi8(_mm512_cvtps_epi32(b)),
                            _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

/* --- Bytes and their products --- */

INLINE b64 b_load(const uint8_t *p)
{
    return _mm512_load_si512(p);
}
INLINE b64 b_low(b64 x)
{
    return _mm512_and_si512(x, _mm512_set1_epi8(15));
}
INLINE b64 b_high(b64 x)
{
    return b_low(_mm512_srli_epi16(x, 4));
}

/* Byte i of x gains 16 where bit i of the word is set. */
INLINE b64 b_fifth(b64 x, const uint8_t *word)
{
    uint64_t bits;
    memcpy(&bits, word, sizeof(bits));
    return _mm512_mask_add_epi8(x, bits, x, _mm512_set1_epi8(16));
}

/* Bits 2k and 2k + 1 of every byte of `high` as bits 4 and 5 of x. */
INLINE b64 b_sixth(b64 x, b64 high, int k)
{
    __m512i moved = k < 2 ? _mm512_slli_epi16(high, 4 - 2 * k) : _mm512_srli_epi16(high, 2 * k - 4);
    return _mm512_ternarylogic_epi32(x, moved, _mm512_set1_epi8(0x30),
                                     0xf8); /* x | (moved & 0x30) */
}

/* Narrow codes to wide ones, by the table of 16 levels. */
INLINE b64 b_lookup(b64 codes, const int8_t levels[16])
{
    __m128i table = _mm_xor_si128(_mm_loadu_si128((const void *)levels), _mm_set1_epi8(-128));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), codes);
}

INLINE b64 b_wide(b64 codes)
{
    return codes;
}

/* The start of a sum of (code - 2^shift) * x, from - 128 * sum of x; shift < 0: of code * x. */
INLINE n16 dot_start(int32_t lift, int shift, bool wide)
{
    (void)wide;
    if (shift < 0)
        return _mm512_setzero_si512();
    n16 start = _mm512_set1_epi32(lift);
    return shift == 7 ? start : _mm512_srai_epi32(start, (unsigned)(7 - shift));
}

/* Four activations in every lane. */
INLINE b64 x_load(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof(four));
    return _mm512_set1_epi32(four);
}

/* --- Pairs of int16 --- */

/* Rounds to int16 (values within -32767..32767). */
INLINE void h_store(int16_t *p, v16 x)
{
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(x)));
}

/* 32 int8 as int16. */
INLINE b64 h_load_bytes(const uint8_t *p)
{
    return _mm512_cvtepi8_epi16(_mm256_load_si256((const void *)p));
}

/* sum + the two products of each lane. */
INLINE n16 dot_pairs(n16 sum, b64 a, b64 b)
{
    return _mm512_dpwssd_epi32(sum, a, b);
}

/* sum + the four products of each lane. */
INLINE n16 dot(n16 sum, b64 codes, b64 x, bool wide)
{
    (void)wide;
    return _mm512_dpbusd_epi32(sum, codes, x);
}

#endif
