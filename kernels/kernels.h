/* The numeric kernels of the engine on the CPU: weights packed for SIMD, and a table of
 * functions an instruction set.
 *
 * Nothing here allocates, starts threads, takes locks or keeps state: the caller owns every
 * buffer and calls the functions on ranges (of panels, tokens, heads) from as many threads as it
 * likes. Ranges given to different threads must not overlap in what they write. Inputs and
 * outputs never alias unless a function says they may.
 *
 * Batch-invariant to the bit: each number a kernel writes depends on its own row and column
 * alone, never on how many tokens, panels or queries are in the call, how they are cut into
 * ranges, or on which thread they run. Inside a block of 32 columns the sum is an exact int32;
 * the fp32 additions of one output run in one stated order, whatever the tile. The order is the
 * same for every instruction set: "scalar", "avx2", "avxvnni" and "avx512" give the same bits.
 *
 * Sizes are ints: rows, columns and tokens stay below 2^31; byte counts are size_t. Buffers of
 * floats need the natural alignment of float only; packed weights, quantised activations and KV
 * pages need KERNEL_ALIGNMENT. Weights on huge pages (madvise MADV_HUGEPAGE, 2 MiB alignment)
 * are read up to a fifth faster by one core.
 *
 *     const struct kernels *k = kernels_choose(NULL);
 *     struct kernel_matrix w = {.type = KERNEL_Q8_0, .rows = 576, .columns = 1536};
 *     w.data = aligned_alloc(KERNEL_ALIGNMENT, kernel_matrix_bytes(&w));
 *     kernel_matrix_pack(&w, tensor, 0, kernel_matrix_panels(&w));
 *     k->quantize(&x, 0, x.tokens); // only if kernel_matrix_wants_int8(&w)
 *     k->matmul(&w, &x, out, 576, 0, kernel_matrix_panels(&w)); */
#ifndef KERNELS_KERNELS_H
#define KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KERNEL_ALIGNMENT = 64,     /* of packed weights, activations and KV pages */
    KERNEL_PANEL_ROWS = 16,    /* rows of a panel: the unit in which a matrix product is cut */
    KERNEL_KV_BLOCK = 32,      /* positions of a KV page */
    KERNEL_KV_SPAN = 512,      /* positions whose attention is summed apart: what threads share */
    KERNEL_MAX_HEAD_DIM = 512, /* of attention: bounds the scratch on the stack */
};

/* --- Types --- */

/* Ids as GGUF stores them. */
enum kernel_type {
    KERNEL_F32 = 0,
    KERNEL_F16 = 1,
    KERNEL_Q4_0 = 2,
    KERNEL_Q4_1 = 3,
    KERNEL_Q5_0 = 6,
    KERNEL_Q5_1 = 7,
    KERNEL_Q8_0 = 8,
    KERNEL_Q4_K = 12,
    KERNEL_Q5_K = 13,
    KERNEL_Q6_K = 14,
    KERNEL_IQ4_NL = 20,
    KERNEL_BF16 = 30,
    KERNEL_MXFP4 = 39,
};

struct kernel_type_info {
    enum kernel_type type;
    const char *name; /* "Q4_1" */
    int block;        /* elements of a block; a row must hold whole blocks */
    int bytes;        /* of a block, as in the file */
};

/* What is known of a type id from a file; NULL if it is not one of the above. */
const struct kernel_type_info *kernel_type_info(uint32_t type);

/* `count` elements (whole blocks) as they lie in a GGUF tensor to floats, bit for bit as the
 * format is specified. */
void kernel_dequantize(enum kernel_type type, const void *source, float *out, size_t count);

/* Floats to the blocks of a GGUF tensor, for --weights: F32, F16, BF16, Q8_0 and Q4_1 only;
 * false for another type. */
bool kernel_quantize_weights(enum kernel_type type, const float *values, void *out, size_t count);

/* --- Weights --- */

/* A weight matrix (out = W x: `rows` outputs, `columns` inputs) packed into panels of 16 rows:
 * one 512-bit register holds 16 rows by 4 columns. Packed bytes are at most 6 % more than the
 * file's, plus the padding of the last panel. The caller fills type, rows and columns, allocates
 * `data` and owns it. */
struct kernel_matrix {
    enum kernel_type type;
    int rows, columns;
    uint8_t *data; /* kernel_matrix_bytes, aligned to KERNEL_ALIGNMENT */
};

int kernel_matrix_panels(const struct kernel_matrix *matrix);
size_t kernel_matrix_bytes(const struct kernel_matrix *matrix);

/* Whether its products take int8 activations (all block types) or float ones (F32, F16, BF16). */
bool kernel_matrix_wants_int8(const struct kernel_matrix *matrix);

/* Packs panels [first, last) from `tensor`, the whole matrix as it lies in the file (row after
 * row, no padding; any alignment). Rows past the end are packed as zeros. Distinct ranges may be
 * packed by distinct threads. */
void kernel_matrix_pack(const struct kernel_matrix *matrix, const void *tensor, int first,
                        int last);

/* One row of a packed matrix as `columns` floats, the same bits as kernel_dequantize gives: the
 * look-up of an embedding that is the output matrix too. */
void kernel_matrix_row(const struct kernel_matrix *matrix, int row, float *out);

/* --- Activations --- */

/* What a product must know of 32 int8 activations beside their values. */
struct kernel_block {
    float scale;        /* largest magnitude / 127 */
    float sum;          /* scale * sum of the quants */
    int32_t lift;       /* - 128 * sum of all 32 quants: undoes codes lifted by 128 */
    int32_t lift_first; /* - 128 * sum of the first 16 */
};

/* `tokens` rows of `columns` inputs, as floats and (after quantize) as int8. The caller fills
 * all fields; quants and blocks may be NULL where only float products follow. */
struct kernel_activations {
    int tokens, columns;
    const float *values;         /* row t at values + t * stride */
    size_t stride;               /* in floats, >= columns */
    int8_t *quants;              /* tokens * columns, aligned to KERNEL_ALIGNMENT */
    struct kernel_block *blocks; /* tokens * columns / 32, aligned to KERNEL_ALIGNMENT */
};

/* --- Rotary positions --- */

enum kernel_rope {
    KERNEL_ROPE_NORM, /* pairs (2i, 2i+1) */
    KERNEL_ROPE_NEOX, /* pairs (i, i + rotary/2) */
};

/* Fills `table` with cos, sin of the rotary/2 angles of one position: table[2i] = magnitude *
 * cos(a), table[2i+1] = magnitude * sin(a), a = position * scale * base^(-2i/rotary) /
 * factors[i] (factors NULL: 1). Computed in double precision. */
void kernel_rope_table(float *table, int position, int rotary, double base, double scale,
                       const float *factors, double magnitude);

/* --- Paged attention --- */

enum kernel_kv {
    KERNEL_KV_F16, /* 16 bits: F16 on a GPU, here int16 under one scale a position and head */
    KERNEL_KV_Q8,  /* int8 under such scales: half the bytes */
};

/* A KV page holds 32 positions of one layer, all its KV heads: for each head the keys with
 * positions innermost ([head_dim / 2][32][2]: pairs of 16 positions fill a register), then the
 * values with the head's dimension innermost ([16][head_dim rounded up to 16][2], pairs of
 * positions), each followed by the 32 positions' scales as floats. Only kv_store writes it; it
 * needs no clearing before use. */
size_t kernel_kv_page_bytes(enum kernel_kv type, int kv_heads, int head_dim);

/* One sequence's attention in one layer. Query q stands at position `position + q` and sees
 * positions 0 .. position + q, with a window only the last `window` of them; their keys and
 * values must have been stored before. */
struct kernel_attention {
    int heads, kv_heads,
        head_dim;         /* heads is a multiple of kv_heads; head_dim <= KERNEL_MAX_HEAD_DIM */
    int window;           /* 0: none */
    float scale;          /* of query . key */
    float softcap;        /* cap * tanh(score / cap); 0: none */
    int position, count;  /* of query 0; number of queries */
    const float *queries; /* query q, head h at queries + q * stride + h * head_dim */
    float *out;           /* the same shape, may be `queries` itself */
    size_t query_stride, out_stride; /* in floats */
    const uint8_t *cache; /* this layer's pages: page p at cache + p * page_stride bytes */
    size_t page_stride;   /* a multiple of KERNEL_ALIGNMENT */
    const int32_t *pages; /* pages[i] holds positions 32 i .. 32 i + 31 */
    enum kernel_kv type;  /* what the pages hold */
};

/* Floats of a part: one query's and head's attention to one span, before the weights are divided
 * out. */
size_t kernel_attention_part(int head_dim);

/* --- The table of an instruction set --- */

struct kernels {
    const char *name; /* "scalar", "avx2", "avxvnni", "avx512" */

    /* int8 form of the tokens [first, last): per 32 columns, quant = round to even(value * 127 /
     * largest magnitude). A block with no magnitude above 2^-100 is all zeros. `columns` must be
     * a multiple of 32. */
    void (*quantize)(const struct kernel_activations *x, int first, int last);

    /* out[t * stride + r] = sum over columns of W[r][c] * x[t][c], for all tokens t of x and the
     * rows r of the panels [first, last). Takes the quants of x if kernel_matrix_wants_int8,
     * else its values. Nothing past `rows` is written. Any number of tokens; from about 6 on
     * they share each read of the weights at full arithmetic speed. */
    void (*matmul)(const struct kernel_matrix *w, const struct kernel_activations *x, float *out,
                   size_t stride, int first, int last);

    /* out = x / sqrt(mean(x^2) + epsilon) * weight (weight NULL: 1), one row of n; out may be x. */
    void (*rmsnorm)(float *out, const float *x, const float *weight, int n, float epsilon);

    /* Rotates `heads` heads of head_dim floats in place; the first `rotary` (even) of each take
     * part. */
    void (*rope)(float *x, int heads, int head_dim, int rotary, const float *table,
                 enum kernel_rope pairing);

    /* Stores one token's keys and values (kv_heads * head_dim floats each) at `slot` (0..31) of
     * a page. */
    void (*kv_store)(enum kernel_kv type, uint8_t *page, int slot, int kv_heads, int head_dim,
                     const float *keys, const float *values);

    /* The query heads that share one KV head, for queries [first, last): reads each key and
     * value once for all query heads. Cut the work over threads by (sequence, KV head, range of
     * queries); any cut gives the same bits. */
    void (*attention)(const struct kernel_attention *a, int kv_head, int first, int last);

    /* The same in two steps, to the bit. First the parts of one span, the positions
     * [span * KERNEL_KV_SPAN, (span + 1) * KERNEL_KV_SPAN), whether seen or not: that of query q
     * and head h of the KV head's at parts + ((q - first) * heads / kv_heads + h) *
     * kernel_attention_part floats. Then all spans 0 .. `spans` - 1, to that of the last query,
     * whose parts follow one another. Parts need KERNEL_ALIGNMENT. */
    void (*attention_span)(const struct kernel_attention *a, int kv_head, int first, int last,
                           int span, float *parts);
    void (*attention_join)(const struct kernel_attention *a, int kv_head, int first, int last,
                           int spans, const float *parts);

    /* Element by element; out may be either input. */
    void (*silu_multiply)(float *out, const float *gate, const float *up,
                          int n); /* silu(gate) * up */
    void (*gelu_multiply)(float *out, const float *gate, const float *up,
                          int n); /* tanh form of gelu */
    void (*add)(float *out, const float *a, const float *b, int n);
    void (*scale)(float *out, const float *a, float factor, int n);
    void (*multiply_add)(float *out, const float *a, float factor, int n); /* out += factor * a */
    void (*softcap)(float *x, float cap, int n);                           /* cap * tanh(x / cap) */
    void (*softmax)(float *x, int n);                                      /* in place */

    /* Index of the largest of n >= 1 values, the first of equals; NaNs are passed over (0 if
     * there is nothing else). */
    int (*argmax)(const float *x, int n);
};

/* The table of that name, or of the best instruction set this CPU has for NULL. NULL if the name
 * is unknown or this CPU lacks it. */
const struct kernels *kernels_choose(const char *name);

#endif
