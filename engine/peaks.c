/* Reading: each thread takes pieces of the buffer and sums them in eight streams with vectors as
 * wide as the CPU's. Multiplying: independent chains of the one instruction that matters, all in
 * registers. */
#include "engine/peaks.h"

#include "engine/request.h"
#include "engine/slab.h"
#include "engine/threads.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    PIECE = 1 << 18, /* bytes: small enough to balance, long enough for the prefetchers */
    STREAMS = 8,
    PASSES = 12,
    CHAINS = 12,
    ROUNDS = 2000000,
};

/* --- Reading --- */

struct reading {
    const unsigned char *bytes;
    uint64_t
        sums[THREADS_MAX * 8]; /* a cache line apart: kept so that reading is not optimised away */
};

#define SUM_PIECE(name, attributes, vector, zero, load, add, store)                                \
    attributes static uint64_t name(const unsigned char *bytes)                                    \
    {                                                                                              \
        vector sums[STREAMS];                                                                      \
        uint64_t out[sizeof(vector) / 8], total = 0;                                               \
        const size_t stride = PIECE / STREAMS;                                                     \
        for (int s = 0; s < STREAMS; s++)                                                          \
            sums[s] = zero;                                                                        \
        for (size_t at = 0; at < stride; at += sizeof(vector))                                     \
            for (int s = 0; s < STREAMS; s++)                                                      \
                sums[s] = add(sums[s], load((const void *)(bytes + (size_t)s * stride + at)));     \
        for (int s = 1; s < STREAMS; s++)                                                          \
            sums[0] = add(sums[0], sums[s]);                                                       \
        store((void *)out, sums[0]);                                                               \
        for (size_t i = 0; i < sizeof out / sizeof *out; i++)                                      \
            total += out[i];                                                                       \
        return total;                                                                              \
    }

#if defined(__x86_64__)
SUM_PIECE(sum_512, __attribute__((target("avx512f"))), __m512i, _mm512_setzero_si512(),
          _mm512_loadu_si512, _mm512_add_epi64, _mm512_storeu_si512)
SUM_PIECE(sum_256, __attribute__((target("avx2"))), __m256i, _mm256_setzero_si256(),
          _mm256_loadu_si256, _mm256_add_epi64, _mm256_storeu_si256)
#endif

static uint64_t load_word(const void *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static void store_word(void *to, uint64_t word)
{
    memcpy(to, &word, sizeof word);
}

#define ADD_WORDS(a, b) ((a) + (b))
SUM_PIECE(sum_64, , uint64_t, 0, load_word, ADD_WORDS, store_word)

static uint64_t sum_piece(const unsigned char *bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        return sum_512(bytes);
    if (__builtin_cpu_supports("avx2"))
        return sum_256(bytes);
#endif
    return sum_64(bytes);
}

static void read_work(void *context, int first, int last, int thread)
{
    struct reading *reading = context;
    for (int i = first; i < last; i++)
        reading->sums[thread * 8] += sum_piece(reading->bytes + (size_t)i * PIECE);
}

double peaks_read_rate(size_t bytes, int count)
{
    struct threads *threads = threads_new(count, NULL);
    struct reading *reading = calloc(1, sizeof *reading);
    size_t pieces = bytes / PIECE ? bytes / PIECE : 1;
    struct slab slab = {0}; /* as the weights lie */
    unsigned char *buffer = slab_take(&slab, pieces * PIECE);
    double best = 0;
    if (threads && reading && buffer && pieces < 1 << 30) {
        memset(buffer, 1, pieces * PIECE);
        reading->bytes = buffer;
        for (int pass = 0; pass < PASSES; pass++) {
            double start = request_clock();
            threads_for(threads, (int)pieces, 4, read_work, reading);
            double rate = (double)(pieces * PIECE) / (request_clock() - start);
            best = rate > best ? rate : best;
        }
    }
    slab_done(&slab);
    free(reading);
    threads_free(threads);
    return best;
}

/* --- Multiplying --- */

/* In assembler: compilers keep such sums in memory. Twelve chains hide the latency of one. */
#if defined(__x86_64__)
#define FOR_CHAINS(step)                                                                           \
    step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7) step(8) step(9) step(10)       \
        step(11)
#define CHAIN_REGISTERS                                                                            \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "cc"
#define STEP_512(n) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #n "\n\t"
#define STEP_256(n)                                                                                \
    "vpmaddubsw %%ymm12, %%ymm13, %%ymm14\n\t"                                                     \
    "vpmaddwd %%ymm12, %%ymm14, %%ymm14\n\t"                                                       \
    "vpaddd %%ymm14, %%ymm" #n ", %%ymm" #n "\n\t"

static void chains_512(void)
{
    int64_t left = ROUNDS;
    __asm__ volatile("1:\n\t" FOR_CHAINS(STEP_512) "dec %0\n\tjnz 1b\n\t"
                                                   "vzeroupper"
                     : "+r"(left)
                     :
                     : CHAIN_REGISTERS);
}

static void chains_256(void)
{
    int64_t left = ROUNDS;
    __asm__ volatile("1:\n\t" FOR_CHAINS(STEP_256) "dec %0\n\tjnz 1b\n\t"
                                                   "vzeroupper"
                     : "+r"(left)
                     :
                     : CHAIN_REGISTERS);
}
#endif

/* Runs the chains; returns how many operations that was. */
static double run_chains(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni")) {
        chains_512();
        return 2.0 * 64 * CHAINS * ROUNDS;
    }
    if (__builtin_cpu_supports("avx2")) {
        chains_256();
        return 2.0 * 32 * CHAINS * ROUNDS;
    }
#endif
    return 0;
}

static void chain_work(void *context, int first, int last, int thread)
{
    double *operations = context;
    (void)thread;
    for (int i = first; i < last; i++)
        operations[i] = run_chains();
}

double peaks_int8_rate(int count)
{
    struct threads *threads = threads_new(count, NULL);
    double operations[THREADS_MAX] = {0}, best = 0;
    for (int pass = 0; threads && pass < PASSES; pass++) {
        double start = request_clock(), all = 0;
        threads_for(threads, threads_count(threads), 1, chain_work, operations);
        for (int i = 0; i < threads_count(threads); i++)
            all += operations[i];
        double rate = all / (request_clock() - start);
        best = rate > best ? rate : best;
    }
    threads_free(threads);
    return best;
}
