/* vector.h by AVX2, FMA and F16C; with AVX-VNNI, whose products take wide codes as they are
 * stored, as a set of its own. */
#ifndef KERNELS_CPU_VECTOR_AVX2_H
#define KERNELS_CPU_VECTOR_AVX2_H

#if defined(__AVXVNNI__)
#define VECTOR_SET avxvnni
enum { SIGNED_WIDE = 0 };
#else
#define VECTOR_SET avx2
enum { SIGNED_WIDE = 1 }; /* wide codes become signed: pairs of lifted ones overflow 16 bits */
#endif

typedef struct {
    __m256 a, b;
} v16;
typedef struct {
    __m256i a, b;
} n16;
typedef struct {
    __m256i a, b;
} b64;

/* --- Floats --- */

#define V_BOTH(f) ((v16){f(x.a, y.a), f(x.b, y.b)})

INLINE v16 v_set(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
INLINE v16 v_load(const float *p)
{
    return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}
INLINE v16 v_add(v16 x, v16 y)
{
    return V_BOTH(_mm256_add_ps);
}
INLINE v16 v_sub(v16 x, v16 y)
{
    return V_BOTH(_mm256_sub_ps);
}
INLINE v16 v_mul(v16 x, v16 y)
{
    return V_BOTH(_mm256_mul_ps);
}
INLINE v16 v_div(v16 x, v16 y)
{
    return V_BOTH(_mm256_div_ps);
}
INLINE v16 v_max(v16 x, v16 y)
{
    return V_BOTH(_mm256_max_ps);
} /* x > y ? x : y */
INLINE v16 v_min(v16 x, v16 y)
{
    return V_BOTH(_mm256_min_ps);
} /* x < y ? x : y */

INLINE void v_store(float *p, v16 x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

INLINE v16 v_fma(v16 x, v16 y, v16 z)
{
    return (v16){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

INLINE v16 v_abs(v16 x)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}

INLINE v16 v_round(v16 x)
{
    return (v16){_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

INLINE float v_largest(v16 x)
{
    __m256 both = _mm256_max_ps(x.a, x.b);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}

/* All ones in the lanes from + i with low <= from + i <= high. */
INLINE __m256i lanes_between(int low, int high, int from)
{
    __m256i i =
        _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(from));
    __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(low), i),
                                      _mm256_cmpgt_epi32(i, _mm256_set1_epi32(high)));
    return _mm256_xor_si256(outside, _mm256_set1_epi32(-1));
}

INLINE v16 v_load_part(const float *p, int n)
{
    return (v16){_mm256_maskload_ps(p, lanes_between(0, n - 1, 0)),
                 _mm256_maskload_ps(p + 8, lanes_between(0, n - 1, 8))};
}

INLINE void v_store_part(float *p, v16 x, int n)
{
    _mm256_maskstore_ps(p, lanes_between(0, n - 1, 0), x.a);
    _mm256_maskstore_ps(p + 8, lanes_between(0, n - 1, 8), x.b);
}

/* Lanes i with low <= i <= high; the others are `other`. */
INLINE v16 v_keep(v16 x, int low, int high, float other)
{
    __m256 o = _mm256_set1_ps(other);
    return (v16){_mm256_blendv_ps(o, x.a, _mm256_castsi256_ps(lanes_between(low, high, 0))),
                 _mm256_blendv_ps(o, x.b, _mm256_castsi256_ps(lanes_between(low, high, 8)))};
}

INLINE v16 v_zero_unless_at_least(v16 x, v16 test, float bound)
{
    __m256 b = _mm256_set1_ps(bound);
    return (v16){_mm256_and_ps(x.a, _mm256_cmp_ps(test.a, b, _CMP_GE_OQ)),
                 _mm256_and_ps(x.b, _mm256_cmp_ps(test.b, b, _CMP_GE_OQ))};
}

INLINE __m256 add_exponent(__m256 x, __m256 n)
{
    __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), shift));
}

/* x * 2^n for a whole n that keeps it normal. */
INLINE v16 v_add_exponent(v16 x, v16 n)
{
    return (v16){add_exponent(x.a, n.a), add_exponent(x.b, n.b)};
}

/* Lane i + lane i + 8, then + 4, + 2, + 1. */
INLINE float v_fold(v16 x)
{
    __m256 a = _mm256_add_ps(x.a, x.b);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    b = _mm_add_ps(b, _mm_movehl_ps(b, b));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* --- Pairs of neighbours --- */

INLINE v16 v_evens(v16 x)
{
    return (v16){_mm256_moveldup_ps(x.a), _mm256_moveldup_ps(x.b)};
}
INLINE v16 v_odds(v16 x)
{
    return (v16){_mm256_movehdup_ps(x.a), _mm256_movehdup_ps(x.b)};
}
INLINE v16 v_swapped(v16 x)
{
    return (v16){_mm256_permute_ps(x.a, 0xb1), _mm256_permute_ps(x.b, 0xb1)};
}

/* x * y - z in even lanes, x * y + z in odd ones. */
INLINE v16 v_fma_alternate(v16 x, v16 y, v16 z)
{
    return (v16){_mm256_fmaddsub_ps(x.a, y.a, z.a), _mm256_fmaddsub_ps(x.b, y.b, z.b)};
}

/* --- Half floats --- */

INLINE v16 v_half(const void *p)
{
    const __m128i *h = p;
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128(h)), _mm256_cvtph_ps(_mm_loadu_si128(h + 1))};
}

INLINE __m256 bfloats(const __m128i *p)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16));
}

INLINE v16 v_bfloat(const void *p)
{
    return (v16){bfloats(p), bfloats((const __m128i *)p + 1)};
}

/* --- Integers --- */

INLINE n16 n_zero(void)
{
    return (n16){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
INLINE n16 n_add(n16 x, n16 y)
{
    return (n16){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}
INLINE v16 v_from(n16 x)
{
    return (v16){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

INLINE v16 v_from_bytes(const uint8_t *p)
{
    return v_from((n16){_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p)),
                        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)(p + 8)))});
}

INLINE v16 v_from_signed(const uint8_t *p)
{
    return v_from((n16){_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p)),
                        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(p + 8)))});
}

/* Rounds 32 floats to int8 (values within -127..127). */
INLINE __m256i b_from(v16 a, v16 b)
{
    __m256i first = _mm256_packs_epi32(_mm256_cvtps_epi32(a.a), _mm256_cvtps_epi32(a.b));
    __m256i second = _mm256_packs_epi32(_mm256_cvtps_epi32(b.a), _mm256_cvtps_epi32(b.b));
    return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second),
                                       _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* --- Bytes and their products --- */

INLINE b64 b_load(const uint8_t *p)
{
    return (b64){_mm256_load_si256((const void *)p), _mm256_load_si256((const void *)(p + 32))};
}

INLINE b64 b_and(b64 x, int bits)
{
    __m256i mask = _mm256_set1_epi8((char)bits);
    return (b64){_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}

INLINE b64 b_low(b64 x)
{
    return b_and(x, 15);
}
INLINE b64 b_high(b64 x)
{
    return b_and((b64){_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)}, 15);
}

INLINE __m256i fifth_bits(const uint8_t *word)
{
    int32_t bits;
    memcpy(&bits, word, sizeof(bits));
    __m256i spread =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    __m256i each = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i bytes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), spread), each);
    return _mm256_and_si256(_mm256_cmpeq_epi8(bytes, each), _mm256_set1_epi8(16));
}

/* Byte i of x gains 16 where bit i of the word is set. */
INLINE b64 b_fifth(b64 x, const uint8_t *word)
{
    return (b64){_mm256_or_si256(x.a, fifth_bits(word)),
                 _mm256_or_si256(x.b, fifth_bits(word + 4))};
}

/* Bits 2k and 2k + 1 of every byte of `high` as bits 4 and 5 of x. */
INLINE b64 b_sixth(b64 x, b64 high, int k)
{
    b64 moved =
        k < 2 ? (b64){_mm256_slli_epi16(high.a, 4 - 2 * k), _mm256_slli_epi16(high.b, 4 - 2 * k)}
              : (b64){_mm256_srli_epi16(high.a, 2 * k - 4), _mm256_srli_epi16(high.b, 2 * k - 4)};
    moved = b_and(moved, 0x30);
    return (b64){_mm256_or_si256(x.a, moved.a), _mm256_or_si256(x.b, moved.b)};
}

/* Narrow codes to wide ones by the table of 16 levels. */
INLINE b64 b_lookup(b64 codes, const int8_t levels[16])
{
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)levels));
    if (!SIGNED_WIDE)
        table = _mm256_xor_si256(table, _mm256_set1_epi8(-128));
    return (b64){_mm256_shuffle_epi8(table, codes.a), _mm256_shuffle_epi8(table, codes.b)};
}

/* Stored wide codes to what dot takes. */
INLINE b64 b_wide(b64 codes)
{
    __m256i flip = _mm256_set1_epi8(SIGNED_WIDE ? -128 : 0);
    return (b64){_mm256_xor_si256(codes.a, flip), _mm256_xor_si256(codes.b, flip)};
}

/* The start of a sum of (code - 2^shift) * x; shift < 0: of code * x. */
INLINE n16 dot_start(int32_t lift, int shift, bool wide)
{
    if ((wide && SIGNED_WIDE) || shift < 0)
        return (n16){_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i start = _mm256_set1_epi32(lift >> (7 - shift));
    return (n16){start, start};
}

/* Four activations in every lane. */
INLINE b64 x_load(const int8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof(four));
    return (b64){_mm256_set1_epi32(four), _mm256_set1_epi32(four)};
}

/* --- Pairs of int16 --- */

/* Rounds to int16 (values within -32767..32767). */
INLINE void h_store(int16_t *p, v16 x)
{
    __m256i both = _mm256_packs_epi32(_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b));
    _mm256_storeu_si256((void *)p, _mm256_permute4x64_epi64(both, 0xd8));
}

/* 32 int8 as int16. */
INLINE b64 h_load_bytes(const uint8_t *p)
{
    const __m128i *bytes = (const void *)p;
    return (b64){_mm256_cvtepi8_epi16(_mm_load_si128(bytes)),
                 _mm256_cvtepi8_epi16(_mm_load_si128(bytes + 1))};
}

INLINE __m256i dot_pairs_half(__m256i sum, __m256i a, __m256i b)
{
#if defined(__AVXVNNI__)
    return _mm256_dpwssd_avx_epi32(sum, a, b);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
#endif
}

/* sum + the two products of each lane. */
INLINE n16 dot_pairs(n16 sum, b64 a, b64 b)
{
    return (n16){dot_pairs_half(sum.a, a.a, b.a), dot_pairs_half(sum.b, a.b, b.b)};
}

INLINE __m256i dot_half(__m256i sum, __m256i w, __m256i x, bool wide)
{
#if defined(__AVXVNNI__)
    (void)wide;
    return _mm256_dpbusd_avx_epi32(sum, w, x);
#else
    if (wide) {
        x = _mm256_sign_epi8(x, w);
        w = _mm256_abs_epi8(w);
    }
    __m256i pairs = _mm256_maddubs_epi16(w, x);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}

/* sum + the four products of each lane. */
INLINE n16 dot(n16 sum, b64 codes, b64 x, bool wide)
{
    return (n16){dot_half(sum.a, codes.a, x.a, wide), dot_half(sum.b, codes.b, x.b, wide)};
}

#endif
