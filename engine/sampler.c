/* No full sort anywhere: a vocabulary has up to 256k tokens, and sorting it would cost more than
 * the model's last layer. The k largest are found from the maxima of blocks of 64: the k-th
 * largest block maximum is a lower bound for the k-th largest logit, and only blocks that reach
 * it are looked into. top_p asks for the 64 largest, then for eight times as many, until they
 * hold enough of the mass.
 *
 * Exponentials are our own polynomial, four at a time in the compiler's portable vectors, so
 * that every machine gets the same digits and none waits for libm; its relative error is below
 * 2e-7. Sums run in a fixed order: blocks of floats into doubles. */
#include "engine/sampler.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/error.h"
#include "engine/mask.h"

enum { BLOCK = 64, FIRST_LOOK = 64 };

struct candidate {
    float logit;
    int32_t token;
};

struct sampler {
    struct engine_sampling sampling;
    struct engine_bias *biases;
    int vocabulary, blocks;
    struct mask *mask;            /* borrowed; NULL: any token may come */
    float *logits;                /* a changed copy, where penalties, biases or a mask change any */
    float *weights;               /* exponentials of all tokens, for a draw from all of them */
    float *maxima;                /* of each block */
    double *sums;                 /* of each block's weights */
    float *sorted;                /* scratch for choosing among maxima */
    struct candidate *candidates; /* the likeliest so far, in order */
    struct candidate *spare;      /* scratch for sorting them */
    size_t candidate_count;
    uint32_t *drawn;     /* how often each token is in the answer; NULL without penalties */
    unsigned char *seen; /* is it in prompt or answer? */
    int32_t *seen_list;  /* those, so that penalties touch no others */
    size_t seen_count;
};

/* --- Settings --- */

struct range {
    const char *name;
    double value, low, high;
};

bool sampler_check(const struct engine_sampling *sampling, int vocabulary,
                   struct engine_error *error)
{
    const struct range ranges[] = {
        {"temperature", sampling->temperature, 0, 100},
        {"top_p", sampling->top_p, 0, 1},
        {"min_p", sampling->min_p, 0, 1},
        {"top_k", sampling->top_k, 0, INT32_MAX},
        {"repetition_penalty", sampling->repetition_penalty, 0, 10},
        {"presence_penalty", sampling->presence_penalty, -10, 10},
        {"frequency_penalty", sampling->frequency_penalty, -10, 10},
        {"logit_bias (its count)", (double)sampling->logit_biases, 0, SAMPLER_MAX_BIASES},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return engine_fail(error, ENGINE_REQUEST, "%s is %g: it must be between %g and %g",
                               ranges[i].name, ranges[i].value, ranges[i].low, ranges[i].high);
    for (size_t i = 0; i < sampling->logit_biases; i++) {
        const struct engine_bias *bias = &sampling->logit_bias[i];
        if (bias->token < 0 || bias->token >= vocabulary)
            return engine_fail(error, ENGINE_REQUEST,
                               "logit_bias names token %d: the vocabulary has %d tokens",
                               bias->token, vocabulary);
        if (!(bias->bias >= -100 && bias->bias <= 100))
            return engine_fail(error, ENGINE_REQUEST,
                               "logit_bias of token %d is %g: it must be between -100 and 100",
                               bias->token, bias->bias);
    }
    return true;
}

static bool has_penalties(const struct engine_sampling *sampling)
{
    bool repetition = sampling->repetition_penalty > 0 && sampling->repetition_penalty != 1;
    return repetition || sampling->presence_penalty != 0 || sampling->frequency_penalty != 0;
}

static bool allocate(struct sampler *sampler)
{
    const struct engine_sampling *sampling = &sampler->sampling;
    size_t vocabulary = (size_t)sampler->vocabulary, blocks = (size_t)sampler->blocks;
    sampler->weights = malloc(vocabulary * sizeof *sampler->weights);
    sampler->maxima = malloc(blocks * sizeof *sampler->maxima);
    sampler->sorted = malloc(blocks * sizeof *sampler->sorted);
    sampler->candidates = malloc(vocabulary * sizeof *sampler->candidates);
    sampler->spare = malloc(vocabulary * sizeof *sampler->spare);
    sampler->sums = malloc(blocks * sizeof *sampler->sums);
    bool ok = sampler->sums && sampler->weights && sampler->maxima && sampler->sorted &&
              sampler->candidates && sampler->spare;
    if (has_penalties(sampling) || sampling->logit_biases > 0) {
        sampler->logits = malloc(vocabulary * sizeof *sampler->logits);
        ok = ok && sampler->logits;
    }
    if (has_penalties(sampling)) {
        sampler->drawn = calloc(vocabulary, sizeof *sampler->drawn);
        sampler->seen = calloc(vocabulary, sizeof *sampler->seen);
        sampler->seen_list = malloc(vocabulary * sizeof *sampler->seen_list);
        ok = ok && sampler->drawn && sampler->seen && sampler->seen_list;
    }
    if (sampling->logit_biases > 0) {
        size_t size = sampling->logit_biases * sizeof *sampler->biases;
        sampler->biases = malloc(size);
        if (sampler->biases)
            memcpy(sampler->biases, sampling->logit_bias, size);
        ok = ok && sampler->biases;
    }
    sampler->sampling.logit_bias = sampler->biases;
    return ok;
}

struct sampler *sampler_new(const struct engine_sampling *sampling, int vocabulary,
                            struct engine_error *error)
{
    if (!sampler_check(sampling, vocabulary, error))
        return NULL;
    struct sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler) {
        sampler->sampling = *sampling;
        sampler->vocabulary = vocabulary;
        sampler->blocks = (vocabulary + BLOCK - 1) / BLOCK;
        if (allocate(sampler))
            return sampler;
    }
    sampler_free(sampler);
    engine_no_memory(error, "a sampler");
    return NULL;
}

void sampler_free(struct sampler *sampler)
{
    if (!sampler)
        return;
    void *owned[] = {sampler->biases, sampler->logits,    sampler->weights,    sampler->maxima,
                     sampler->sums,   sampler->sorted,    sampler->candidates, sampler->drawn,
                     sampler->seen,   sampler->seen_list, sampler->spare};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    free(sampler);
}

bool sampler_constrain(struct sampler *sampler, struct mask *mask, struct engine_error *error)
{
    if (!sampler->logits)
        sampler->logits = malloc((size_t)sampler->vocabulary * sizeof *sampler->logits);
    if (!sampler->logits)
        return engine_no_memory(error, "a sampler");
    sampler->mask = mask;
    return true;
}

void sampler_see(struct sampler *sampler, int32_t token, bool drawn)
{
    if (sampler->mask && drawn)
        mask_take(sampler->mask, token);
    if (!sampler->seen || token < 0 || token >= sampler->vocabulary)
        return;
    if (!sampler->seen[token]) {
        sampler->seen[token] = 1;
        sampler->seen_list[sampler->seen_count++] = token;
    }
    sampler->drawn[token] += drawn;
}

const struct engine_sampling *sampler_settings(const struct sampler *sampler)
{
    return &sampler->sampling;
}

bool sampler_has_penalties(const struct sampler *sampler)
{
    return sampler->seen;
}

size_t sampler_seen_count(const struct sampler *sampler)
{
    return sampler->seen_count;
}

int32_t sampler_seen_token(const struct sampler *sampler, size_t number, uint32_t *drawn)
{
    int32_t token = sampler->seen_list[number];
    *drawn = sampler->drawn[token];
    return token;
}

size_t sampler_mask_words(const struct sampler *sampler)
{
    return sampler->mask ? ((size_t)sampler->vocabulary + 31) / 32 : 0;
}

void sampler_allowed(struct sampler *sampler, uint32_t *words)
{
    const uint64_t *allowed = mask_allowed(sampler->mask);
    size_t own = ((size_t)mask_size(sampler->mask) + 31) / 32;
    for (size_t i = 0; i < sampler_mask_words(sampler); i++)
        words[i] = i < own ? (uint32_t)(allowed[i / 2] >> i % 2 * 32) : 0;
}

/* --- Numbers --- */

/* splitmix64's mixing of a counter: neighbouring counters and seeds give unrelated numbers. */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

double sampler_uniform(uint64_t seed, uint64_t position)
{
    uint64_t key = mix(seed + 0x9E3779B97F4A7C15u);
    return (double)(mix(key + (position + 1) * 0x9E3779B97F4A7C15u) >> 11) * 0x1p-53;
}

typedef float four __attribute__((vector_size(16)));
typedef int32_t four_bits __attribute__((vector_size(16)));

/* exp(x) for x <= 0; 0 below -88 and for NaN. exp(x) = 2^n exp(r), n the nearest integer to x /
 * ln 2: adding and taking away 1.5 * 2^23 rounds to it, and n = -127 makes the power's bits
 * zero. */
static inline four exponential4(four x)
{
    const four lowest = {-88, -88, -88, -88};
    four_bits inside = x > lowest;
    four kept = (four)(((four_bits)x & inside) | ((four_bits)lowest & ~inside));
    four n = kept * 1.44269504f + 12582912.0f;
    n -= 12582912.0f;
    four r = kept - n * 0.693359375f + n * 2.12194440e-4f;
    four p = r * 1.9875691e-4f + 1.3981999e-3f;
    p = p * r + 8.3334519e-3f;
    p = p * r + 4.1665796e-2f;
    p = p * r + 1.6666665e-1f;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;
    return p * (four)((__builtin_convertvector(n, four_bits) + 127) << 23);
}

static float exponential(float x)
{
    return exponential4((four){x, x, x, x})[0];
}

/* weights[i] = exp((logits[i] - top) * scale), and the sum of each block; returns the sum of
 * all. */
static double exponentials(struct sampler *sampler, const float *logits, float top, float scale)
{
    double total = 0;
    for (int block = 0; block < sampler->blocks; block++) {
        int i = block * BLOCK;
        int to = i + BLOCK < sampler->vocabulary ? i + BLOCK : sampler->vocabulary;
        four sum = {0, 0, 0, 0};
        for (; i + 4 <= to; i += 4) {
            four x;
            memcpy(&x, logits + i, sizeof x);
            x = exponential4((x - top) * scale);
            memcpy(sampler->weights + i, &x, sizeof x);
            sum += x;
        }
        for (; i < to; i++)
            sum[0] += sampler->weights[i] = exponential((logits[i] - top) * scale);
        sampler->sums[block] = (double)sum[0] + (double)sum[1] + (double)sum[2] + (double)sum[3];
        total += sampler->sums[block];
    }
    return total;
}

/* The larger of each pair: b for a NaN in a. */
static inline four larger(four a, four b)
{
    four_bits more = a > b;
    return (four)(((four_bits)a & more) | ((four_bits)b & ~more));
}

/* NaN becomes minus infinity in every comparison: `a > b` is false for it. Two chains, since each
 * step of one waits for the one before. */
static float largest_of(const float *values, int count)
{
    four a = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, b = a;
    int i = 0;
    for (; i + 8 <= count; i += 8) {
        four x, y;
        memcpy(&x, values + i, sizeof x);
        memcpy(&y, values + i + 4, sizeof y);
        a = larger(x, a);
        b = larger(y, b);
    }
    a = larger(a, b);
    float largest = -INFINITY;
    for (int lane = 0; lane < 4; lane++)
        largest = a[lane] > largest ? a[lane] : largest;
    for (; i < count; i++)
        largest = values[i] > largest ? values[i] : largest;
    return largest;
}

static float block_maxima(const struct sampler *sampler, const float *logits)
{
    float top = -INFINITY;
    for (int block = 0; block < sampler->blocks; block++) {
        int from = block * BLOCK, left = sampler->vocabulary - from;
        float largest = largest_of(logits + from, left < BLOCK ? left : BLOCK);
        sampler->maxima[block] = largest;
        top = largest > top ? largest : top;
    }
    return top;
}

/* --- The likeliest --- */

/* The k-th largest (k from 0) of `count` numbers, which are put into another order. */
static float nth_largest(float *values, int count, int k)
{
    int low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (values[i] > pivot)
                i++;
            while (values[j] < pivot)
                j--;
            if (i <= j) {
                float swap = values[i];
                values[i++] = values[j];
                values[j--] = swap;
            }
        }
        if (k <= j)
            high = j;
        else if (k >= i)
            low = i;
        else
            break;
    }
    return values[k];
}

static int by_logit(const void *first, const void *second)
{
    const struct candidate *a = first, *b = second;
    if (a->logit != b->logit)
        return a->logit < b->logit ? 1 : -1;
    return (a->token > b->token) - (a->token < b->token);
}

/* Larger logits have smaller keys; both zeros have one. */
static uint32_t sort_key(float logit)
{
    uint32_t bits;
    float plain = logit + 0.0f;
    memcpy(&bits, &plain, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7fffffff;
}

/* By logit, likeliest first, equal ones by id. They come by id, so a stable sort of the logits
 * alone will do: by digits of 11 bits, since a flat distribution has candidates by the ten
 * thousand. */
static void sort_candidates(struct sampler *sampler)
{
    enum { BITS = 11, DIGITS = 1 << BITS, FEW = 512 };
    size_t count = sampler->candidate_count;
    if (count < FEW) {
        qsort(sampler->candidates, count, sizeof *sampler->candidates, by_logit);
        return;
    }
    for (int shift = 0; shift < 32; shift += BITS) {
        size_t places[DIGITS] = {0}, place = 0;
        for (size_t i = 0; i < count; i++)
            places[sort_key(sampler->candidates[i].logit) >> shift & (DIGITS - 1)]++;
        for (int digit = 0; digit < DIGITS; digit++) {
            size_t here = places[digit];
            places[digit] = place;
            place += here;
        }
        for (size_t i = 0; i < count; i++) {
            struct candidate c = sampler->candidates[i];
            sampler->spare[places[sort_key(c.logit) >> shift & (DIGITS - 1)]++] = c;
        }
        struct candidate *sorted = sampler->spare;
        sampler->spare = sampler->candidates;
        sampler->candidates = sorted;
    }
}

/* Collects every logit that is at least `bound`, by id. */
static void collect(struct sampler *sampler, const float *logits, float bound)
{
    size_t count = 0;
    for (int block = 0; block < sampler->blocks; block++) {
        if (!(sampler->maxima[block] >= bound))
            continue;
        int to =
            (block + 1) * BLOCK < sampler->vocabulary ? (block + 1) * BLOCK : sampler->vocabulary;
        for (int32_t i = block * BLOCK; i < to; i++)
            if (logits[i] >= bound)
                sampler->candidates[count++] = (struct candidate){logits[i], i};
    }
    sampler->candidate_count = count;
}

/* The k likeliest, in order; fewer when fewer are possible. */
static void likeliest(struct sampler *sampler, const float *logits, int k)
{
    float bound = -INFINITY;
    if (k <= sampler->blocks) {
        memcpy(sampler->sorted, sampler->maxima, (size_t)sampler->blocks * sizeof *sampler->sorted);
        bound = nth_largest(sampler->sorted, sampler->blocks, k - 1);
    }
    collect(sampler, logits, bound > -FLT_MAX ? bound : -FLT_MAX); /* the impossible never */
    sort_candidates(sampler);
    if (sampler->candidate_count > (size_t)k)
        sampler->candidate_count = (size_t)k;
}

/* --- Drawing --- */

static void penalise(struct sampler *sampler)
{
    const struct engine_sampling *sampling = &sampler->sampling;
    float repetition =
        sampling->repetition_penalty > 0 ? (float)sampling->repetition_penalty : 1.0f;
    for (size_t i = 0; i < sampler->seen_count; i++) {
        int32_t token = sampler->seen_list[i];
        float *logit = &sampler->logits[token];
        *logit = *logit > 0 ? *logit / repetition : *logit * repetition;
        uint32_t drawn = sampler->drawn[token];
        *logit -= (float)sampling->frequency_penalty * (float)drawn;
        *logit -= drawn > 0 ? (float)sampling->presence_penalty : 0.0f;
    }
}

/* The logits after penalties, biases and mask: the caller's own where none is set. */
static const float *adjusted(struct sampler *sampler, const float *logits)
{
    if (!sampler->logits)
        return logits;
    memcpy(sampler->logits, logits, (size_t)sampler->vocabulary * sizeof *logits);
    if (sampler->seen)
        penalise(sampler);
    for (size_t i = 0; i < sampler->sampling.logit_biases; i++)
        sampler->logits[sampler->biases[i].token] += (float)sampler->biases[i].bias;
    if (sampler->mask)
        mask_apply(sampler->mask, sampler->logits, sampler->vocabulary);
    return sampler->logits;
}

static int32_t argmax(const struct sampler *sampler, const float *logits, float top)
{
    for (int block = 0; block < sampler->blocks; block++) {
        if (sampler->maxima[block] != top)
            continue;
        for (int i = block * BLOCK; i < sampler->vocabulary; i++)
            if (logits[i] == top)
                return i;
    }
    return 0;
}

/* Draws from all tokens: finds the block, then the token, where the sum of weights passes the
 * goal. */
static int32_t draw_any(struct sampler *sampler, const float *logits, float top, float scale,
                        double uniform)
{
    double goal = exponentials(sampler, logits, top, scale) * uniform;
    int block = 0, chosen = 0;
    for (double sum = 0; block < sampler->blocks; block++) {
        if (sampler->sums[block] > 0)
            chosen = block;
        if ((sum += sampler->sums[block]) > goal)
            break;
    }
    for (int i = 0; i < chosen; i++)
        goal -= sampler->sums[i];
    int to =
        (chosen + 1) * BLOCK < sampler->vocabulary ? (chosen + 1) * BLOCK : sampler->vocabulary;
    int32_t last = chosen * BLOCK;
    double sum = 0;
    for (int32_t i = chosen * BLOCK; i < to && sum <= goal; i++) {
        sum += (double)sampler->weights[i];
        last = sampler->weights[i] > 0 ? i : last;
    }
    return last;
}

static double candidate_weights(struct sampler *sampler, float top, float scale)
{
    double sum = 0;
    for (size_t i = 0; i < sampler->candidate_count; i++) {
        sampler->weights[i] = exponential((sampler->candidates[i].logit - top) * scale);
        sum += (double)sampler->weights[i];
    }
    return sum;
}

static int32_t draw_candidate(const struct sampler *sampler, double total, double uniform)
{
    double goal = total * uniform, sum = 0;
    size_t i = 0;
    for (; i + 1 < sampler->candidate_count; i++) {
        sum += (double)sampler->weights[i];
        if (sum > goal)
            break;
    }
    return sampler->candidates[i].token;
}

/* Keeps the fewest candidates that hold `share` of `total`; false if all of them together do
 * not. */
static bool cut_to_mass(struct sampler *sampler, double total, double share, double *kept)
{
    double sum = 0;
    for (size_t i = 0; i < sampler->candidate_count; i++) {
        sum += (double)sampler->weights[i];
        if (sum >= total * share) {
            sampler->candidate_count = i + 1;
            *kept = sum;
            return true;
        }
    }
    *kept = sum;
    return false;
}

/* top_p over all tokens: looks at more and more of the likeliest until they hold enough. Returns
 * what they weigh. */
static double nucleus(struct sampler *sampler, const float *logits, float top, float scale)
{
    double total = exponentials(sampler, logits, top, scale), kept;
    for (int k = FIRST_LOOK;; k = k < sampler->vocabulary / 8 ? k * 8 : sampler->vocabulary) {
        likeliest(sampler, logits, k);
        candidate_weights(sampler, top, scale);
        if (cut_to_mass(sampler, total, sampler->sampling.top_p, &kept) || k >= sampler->vocabulary)
            return kept;
    }
}

/* min_p, once the candidates are in order: drops those lighter than a share of the heaviest. */
static double cut_to_share(struct sampler *sampler, double share)
{
    double sum = 0;
    size_t i = 0;
    for (; i < sampler->candidate_count; i++) {
        if (i > 0 && (double)sampler->weights[i] < share * (double)sampler->weights[0])
            break;
        sum += (double)sampler->weights[i];
    }
    sampler->candidate_count = i;
    return sum;
}

static int32_t draw_filtered(struct sampler *sampler, const float *logits, float top, float scale,
                             double uniform)
{
    const struct engine_sampling *sampling = &sampler->sampling;
    bool nuclear = sampling->top_p > 0 && sampling->top_p < 1;
    double total;
    if (sampling->top_k > 0) {
        likeliest(sampler, logits,
                  sampling->top_k < sampler->vocabulary ? sampling->top_k : sampler->vocabulary);
        total = candidate_weights(sampler, top, scale);
        if (nuclear)
            cut_to_mass(sampler, total, sampling->top_p, &total);
    } else if (nuclear) {
        total = nucleus(sampler, logits, top, scale);
    } else { /* min_p alone: everything above a bound, a little below it so that rounding drops
                nothing */
        collect(sampler, logits, top + (float)log(sampling->min_p) / scale * 1.000001f - 1e-6f);
        qsort(sampler->candidates, sampler->candidate_count, sizeof *sampler->candidates, by_logit);
        total = candidate_weights(sampler, top, scale);
    }
    if (sampling->min_p > 0)
        total = cut_to_share(sampler, sampling->min_p);
    return sampler->candidate_count > 0 ? draw_candidate(sampler, total, uniform) : 0;
}

int32_t sampler_draw(struct sampler *sampler, const float *logits, uint64_t position)
{
    const struct engine_sampling *sampling = &sampler->sampling;
    logits = adjusted(sampler, logits);
    float top = block_maxima(sampler, logits);
    if (sampler->mask && top == -INFINITY)
        return mask_first(sampler->mask);
    if (sampling->temperature < 1e-5 || !isfinite(top))
        return argmax(sampler, logits, top);
    float scale = (float)(1.0 / sampling->temperature);
    double uniform = sampler_uniform(sampling->seed, position);
    bool filtered =
        sampling->top_k > 0 || (sampling->top_p > 0 && sampling->top_p < 1) || sampling->min_p > 0;
    return filtered ? draw_filtered(sampler, logits, top, scale, uniform)
                    : draw_any(sampler, logits, top, scale, uniform);
}

float sampler_logprobs(struct sampler *sampler, const float *logits, int32_t token,
                       struct engine_logprob *top, int tops)
{
    float largest = block_maxima(sampler, logits);
    double sum = exponentials(sampler, logits, largest, 1);
    double norm = (double)largest + log(sum);
    if (tops > SAMPLER_MAX_TOP)
        tops = SAMPLER_MAX_TOP;
    if (tops > 0) {
        likeliest(sampler, logits, tops < sampler->vocabulary ? tops : sampler->vocabulary);
        for (int i = 0; i < tops; i++) {
            bool have = (size_t)i < sampler->candidate_count;
            top[i].token = have ? sampler->candidates[i].token : -1;
            top[i].logprob =
                have ? (float)((double)sampler->candidates[i].logit - norm) : -INFINITY;
        }
    }
    return token >= 0 && token < sampler->vocabulary ? (float)((double)logits[token] - norm)
                                                     : -INFINITY;
}
