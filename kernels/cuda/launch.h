/* The GPU's kernels, one launcher each: device pointers, shapes and a stream in, a status out.
 *
 * A launcher only gives work to the stream: it never allocates, waits or reads device memory, so
 * that all of them may be recorded into a graph; what changes from step to step (tokens,
 * positions, pages, draws) is read from device memory by the kernels. Every result depends on its
 * own row, the launch's shape and `rows` alone: not on other rows' content, and not on timing (no
 * atomics on floats). Structs are copied at the call; pointers are to device memory.
 *
 * Row buffers: row t at base + t * stride (in elements); strides of inputs are multiples of 32,
 * their columns past `columns` up to the matrix's pitch are zeros, and whoever writes an input
 * writes those zeros. Buffers are aligned to 16 bytes, rows of inputs too. */
#ifndef KERNELS_CUDA_LAUNCH_H
#define KERNELS_CUDA_LAUNCH_H

#include "kernels/cuda/device.h"
#include "kernels/cuda/matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CUDA_GEMV_ROWS = 16,  /* most tokens of a GEMV launch */
    CUDA_FUSED_ROWS = 4,  /* up to here a GEMV should make its own norms */
    CUDA_MAX_SPLITS = 64, /* of one sequence's keys in decode attention */
    CUDA_MAX_TOPS = 32,
    CUDA_TILE_ROWS = 64, /* pairs of an expert are padded to this in cuda_group's lists */
};

/* --- The step, in device memory --- */

struct cuda_row {
    int32_t token;    /* below 0: padding of a bucket; its results mean nothing, and it neither
                         stores keys nor reads pages */
    int32_t position; /* in its sequence */
    int32_t pages;    /* where its sequence's page numbers start in the step's list */
    int32_t is_long;  /* uses the long rotary table */
    int32_t after;    /* 0; else 1 + a draw of the step before, whose token it is instead */
};

/* Consecutive rows of one sequence, for prefill attention. */
struct cuda_span {
    int32_t first, count; /* rows */
    int32_t position, pages;
};

/* --- Embedding and rotary tables --- */

enum { CUDA_ROPE_GLOBAL, CUDA_ROPE_LONG, CUDA_ROPE_LOCAL, CUDA_ROPES };

struct cuda_drawn {
    int32_t token; /* -1: not drawn, an earlier guess of the chain was wrong */
    float logprob;
};

struct cuda_begin {
    const struct cuda_row *rows;
    int count;
    const struct cuda_drawn *drawn; /* of the step before; read where a row comes after one */
    int32_t *tokens;                /* (count) each row's, for the sampler; or NULL */
    struct cuda_matrix embedding;
    float scale; /* of the embedding */
    float *x;    /* (count, x_stride): dequantised row of the token; zeros for padding rows and past
                    the width */
    int x_stride;
    /* Row t's angles: table[k][t * rotary + 2 i] = cos, + 1 = sin, of angle = position *
     * frequencies[.][i] in double, times magnitude. Table 0 takes LONG for is_long rows, else
     * GLOBAL; table 1 takes LOCAL. NULL frequencies: that table is not made. */
    int rotary;
    const double *frequencies[CUDA_ROPES]; /* (rotary / 2) */
    float magnitude[CUDA_ROPES];
    float *tables[2];
};
int cuda_begin(const struct cuda_begin *a, struct cuda_stream *stream);

/* --- Inputs of a product --- */

/* How the rows of a GEMV's input come about. `values`, then, where `y` is given, the part of the
 * layer before is added: values += y_norm ? rmsnorm(y + y_bias) * y_norm : y + y_bias, and one
 * block stores the sum to `sum_out` (another buffer than `values`, same stride). Then, where
 * `norm` is given: rmsnorm(values) * norm over `columns`. Block types quantise the result as
 * kernels->quantize does (scale = largest / 127, round to even, blocks below QUANTIZE_TINY are
 * zeros); float types take it as float. */
struct cuda_input {
    const float *values;
    int stride, columns;
    const float *norm;
    float epsilon;
    const float *y, *y_bias, *y_norm; /* y has `stride` too */
    float *sum_out;
    /* Block types: the rows already quantised, instead of all the above; or NULL. */
    const int8_t *quants; /* (rows, pitch) */
    const float *blocks;  /* (rows, pitch / 32, 2): scale, scale * sum of the quants */
};

/* --- GEMV: one to CUDA_GEMV_ROWS tokens --- */

enum cuda_out {
    CUDA_OUT_STORE, /* out[t][r] = p + bias[r] */
    CUDA_OUT_ADD,   /* out[t][r] += (p + bias[r]) * row_scale[t] */
    CUDA_OUT_SILU,  /* the matrix holds gate rows, then as many up rows: */
    CUDA_OUT_GELU,  /* out[t][r] = act(gate p) * up p */
};

struct cuda_gemv {
    struct cuda_matrix matrix;
    struct cuda_input in;
    int rows; /* tokens */
    enum cuda_out kind;
    float *out; /* nothing past the matrix's rows is written, but zeros up to the next multiple of
                   32 for SILU and GELU (where out_stride has room) */
    int out_stride;
    const float *bias, *row_scale; /* or NULL */
    float softcap;                 /* STORE: cap * tanh(p / cap); 0: none */
};
int cuda_gemv(const struct cuda_gemv *a, struct cuda_stream *stream);

/* --- Attention --- */

/* A KV page of one layer holds 32 positions: for each KV head keys [32][dim_pitch], then values
 * [32][dim_pitch], as F16 held within +-65504, or (KERNEL_KV_Q8) as int8, each part followed by its
 * 32 positions' scales as floats (largest / 127, as the CPU has it); dim_pitch = head_dim rounded
 * up to 16, the rest zeros. Page p lies at cache + p * page_stride. */
static inline int cuda_dim_pitch(int head_dim)
{
    return (head_dim + 15) / 16 * 16;
}

static inline size_t cuda_page_bytes(enum kernel_kv kv, int kv_heads, int head_dim)
{
    size_t row = (size_t)cuda_dim_pitch(head_dim);
    row = kv == KERNEL_KV_F16 ? 2 * row : row + sizeof(float);
    return (size_t)kv_heads * 2 * KERNEL_KV_BLOCK * row;
}

enum cuda_qk_norm { CUDA_QK_NONE, CUDA_QK_HEAD, CUDA_QK_FULL };

/* What is common to both kinds of attention. */
struct cuda_attention {
    const struct cuda_row *rows;
    const int32_t
        *pages; /* the step's list; entry row.pages + i holds positions 32 i … 32 i + 31 */
    int count;  /* rows */
    int heads, kv_heads, head_dim;
    int window; /* 0: none; else the query at p sees p - window + 1 … p */
    float scale, softcap;
    float *qkv; /* (count, qkv_stride): queries, keys, values of all heads, as the product left
                   them: no bias, norm or rotation yet */
    int qkv_stride;
    const float *bias; /* over the qkv row, or NULL */
    enum cuda_qk_norm qk_norm;
    const float *query_norm, *key_norm; /* (head_dim), or over all heads for FULL */
    float epsilon;
    enum kernel_rope pairing;
    int rotary;
    const float *table; /* of cuda_begin for this kind of layer, or NULL: no rotation */
    enum kernel_kv kv;
    uint8_t *cache; /* this layer's pages */
    size_t page_stride;
    float *out; /* (count, out_stride): heads * head_dim, zeros up to the next multiple of 32 */
    int out_stride;
};

/* Decode, in one launch: places (bias, norms, rotation, F16 keys and values into the page of its
 * own position) and attends; every row is of another sequence. A sequence's keys are split over
 * up to `splits` blocks a KV head, each query head of the group sharing what is read; the last
 * block of a row and KV head to finish sums the parts in the order of the splits. The cut depends
 * on row.position, window and `splits` alone. `parts`: count * heads * splits * (head_dim + 2)
 * floats; `tickets`: count * kv_heads zeros, left zeros. */
struct cuda_decode {
    struct cuda_attention a;
    int splits;
    float *parts;
    unsigned *tickets;
};
int cuda_attend_decode(const struct cuda_decode *d, struct cuda_stream *stream);

/* Prefill, first part: places all rows; queries stay in `qkv`, keys and values go to the pages. */
int cuda_place(const struct cuda_attention *a, struct cuda_stream *stream);

/* Prefill, second part (after cuda_place of all rows): flash attention on tensor cores; queries
 * and weights as F16, fp32 sums. `spans` cover all rows but the padding; `tiles` is a list of
 * (span, first query within the span) pairs, CUDA_QUERIES queries each, costliest first. */
enum { CUDA_QUERIES = 64 };
struct cuda_prefill {
    struct cuda_attention a;
    const struct cuda_span *spans;
    const int32_t *tiles; /* (tile_count, 2) */
    int tile_count;
};
int cuda_attend_prefill(const struct cuda_prefill *p, struct cuda_stream *stream);

/* --- Rows, where products are not fused --- */

/* Forms in which rows are wanted by the products that follow; NULL where not wanted. */
struct cuda_forms {
    float *f32;
    uint16_t *b16; /* bfloat16, or half where is_half (held within +-65504) */
    bool is_half;
    int stride;     /* of f32 and b16: zeros up to it */
    int8_t *quants; /* (rows, pitch of the columns) */
    float *blocks;  /* as in cuda_input */
};

/* Row i = rmsnorm(x of row `index ? index[i] : i`) * norm, with the same first part as cuda_input:
 * `y` is added first and the sum stored to `sum_out` (which may be `values` itself here). norm
 * NULL: values as they are. y and index do not come together. `in.quants` is not used. */
struct cuda_norm {
    struct cuda_input in;
    const int32_t *index;
    int rows;
    struct cuda_forms out;
};
int cuda_norm(const struct cuda_norm *a, struct cuda_stream *stream);

/* out row = act(gate) * up of `gate_up` rows (gate's `columns`, then up's), F32, or bfloat16 or
 * half where b16 is given. */
struct cuda_activate {
    const float *f32;
    const uint16_t *b16;
    bool is_half, is_gelu;
    int stride, columns, rows;
    struct cuda_forms out;
};
int cuda_activate(const struct cuda_activate *a, struct cuda_stream *stream);

/* Rows [first, first + rows) of a matrix of any type as (rows, pitch) bfloat16 or half. */
struct cuda_dequantize {
    struct cuda_matrix matrix;
    int64_t first;
    int rows;
    uint16_t *out;
    bool is_half;
};
int cuda_dequantize(const struct cuda_dequantize *a, struct cuda_stream *stream);

/* x = cap * tanh(x / cap) over (rows, columns). */
int cuda_softcap(float *x, int rows, int columns, int stride, float cap,
                 struct cuda_stream *stream);

/* --- Experts --- */

/* Scores by the router, softmax over all experts, the `used` likeliest in order (the lower number
 * among equals); renormalised: divided by their sum (at least 6.103515625e-5). Where shared_gate
 * is given, shared_weight[t] = sigmoid(normed row t . shared_gate). `scores` (rows, experts) is
 * scratch, `tickets` CUDA_GEMV_ROWS zeros, left zeros. Any number of rows; up to CUDA_GEMV_ROWS and
 * with a router of floats it is one launch. `in` has no y. */
struct cuda_route {
    struct cuda_matrix router;
    struct cuda_input in;
    int rows, used;
    bool renormalise;
    const float *shared_gate; /* (columns) or NULL */
    float *scores, *weights;  /* weights (rows, used) */
    int32_t *experts;         /* (rows, used) */
    float *shared_weight;     /* (rows) */
    unsigned *tickets;
};
int cuda_route(const struct cuda_route *a, struct cuda_stream *stream);

/* Few tokens: each (token, choice) pair by itself. The matrix holds all experts' rows, expert e's
 * from e * rows_each on. SILU or GELU: out row t * used + n = act(gate) * up of input row t. ADD:
 * out[t] += sum over n in order of weights[t][n] * (matrix . input row t * used + n); `weights`
 * NULL is not allowed there. STORE: as ADD, but instead of adding to what is there. */
struct cuda_expert_gemv {
    struct cuda_matrix matrix;
    int rows_each;
    struct cuda_input in; /* quants: not used */
    int rows, used;       /* tokens; rows * used pairs */
    const int32_t *experts;
    const float *weights;
    enum cuda_out kind;
    float *out;
    int out_stride;
};
int cuda_expert_gemv(const struct cuda_expert_gemv *a, struct cuda_stream *stream);

/* Many tokens: pairs listed expert by expert, each expert's from a multiple of CUDA_TILE_ROWS on,
 * in the order of their numbers t * used + n; -1 for padding. `tiles[i]` is the expert of slots
 * 64 i … 64 i + 63, or -1 past the end. Room for rows * used + experts * 64 slots, rounded up. */
struct cuda_group {
    const int32_t *experts;
    int rows, used, expert_count;
    int32_t *slots, *tiles;
    int32_t *slot_of; /* (rows * used) each pair's slot */
    int tile_count;   /* room, in tiles */
};
int cuda_group(const struct cuda_group *a, struct cuda_stream *stream);

/* Tensor-core product of any weight type, in tiles of 64 slots: for each slot s with pair p >= 0,
 * out[s][r] = matrix row (tiles[s / 64] * rows_each + r) . input row (per_pair ? s : p / used).
 * Inputs are bfloat16 or half; weights are turned to the same; fp32 sums. slots NULL: slot s is
 * row s, expert 0, `rows` in all: a plain product, for where cuBLASLt is missing and for batches
 * between GEMV and GEMM. */
struct cuda_tile_product {
    struct cuda_matrix matrix;
    int rows_each;
    const uint16_t *in;
    bool is_half;
    int in_stride;
    const int32_t *slots, *tiles;
    int tile_count, used;
    bool per_pair;
    int rows;
    float *out;
    int out_stride;
};
int cuda_tile_product(const struct cuda_tile_product *a, struct cuda_stream *stream);

/* out[t] = sum over n in order of weights[t][n] * parts[slot_of[t * used + n]]. */
struct cuda_expert_sum {
    const float *parts, *weights;
    const int32_t *slot_of;
    int stride, columns, rows, used;
    float *out;
    int out_stride;
};
int cuda_expert_sum(const struct cuda_expert_sum *a, struct cuda_stream *stream);

/* out[t] += scale[t] * x[t] (scale NULL: 1). */
int cuda_add_rows(float *out, int out_stride, const float *x, int x_stride, const float *scale,
                  int rows, int columns, struct cuda_stream *stream);

/* --- Sampling: engine/sampler.h on the device --- */

/* One draw. What engine/sampler.h says, in its order: log-probabilities of the logits as they
 * came; then penalties, biases, what is allowed, temperature, top_k, top_p, min_p, draw with
 * `uniform`. */
struct cuda_draw {
    int32_t row;       /* of the logits */
    int32_t penalties; /* row of `counts`, or -1 */
    int32_t unseen;    /* 0; else 1 + the row whose token (tokens[row]) `counts` does not know of */
    int32_t first_bias, biases;
    int32_t top_k; /* 0: off */
    int32_t tops;  /* likeliest wanted */
    int32_t want_logprob;
    int32_t guess; /* the draw after this one in its chain counts only where this draw gives
                      this token; -1: last of the chain */
    float scale;   /* 1 / temperature; 0: take the likeliest */
    float repetition, presence, frequency; /* repetition 1: off */
    double top_p, min_p;                   /* 1 and 0: off */
    double uniform;                        /* in [0, 1) */
    const uint32_t *allowed; /* one bit a token, lowest first: those that may be drawn; NULL: all */
};

struct cuda_bias {
    int32_t token;
    float bias;
};

/* Chains of draws, a block each: chain c is draws chains[c] … chains[c + 1] - 1, in order. At most
 * `most` chains; how many there are stands in *chain_count, in device memory (a graph's launch
 * holds for any number). counts[row][token]: bit 31 set when the token is in the prompt or the
 * answer, the other bits how often it was drawn; the kernel counts what it draws, and first what is
 * `unseen`. The logits may be overwritten. */
struct cuda_sample {
    float *logits;
    int vocabulary, stride, most;
    const int32_t *chain_count, *chains;
    const struct cuda_draw *draws;
    const struct cuda_bias *biases;
    const int32_t *tokens;    /* of cuda_begin; NULL where nothing is unseen */
    uint32_t *counts;         /* (slots, vocabulary) or NULL */
    struct cuda_drawn *drawn; /* one a draw */
    struct cuda_drawn *tops; /* (draws, CUDA_MAX_TOPS): token -1, -infinity where there are fewer */
    void *scratch;           /* most * cuda_sample_scratch(vocabulary) bytes */
};
size_t cuda_sample_scratch(int vocabulary);
int cuda_sample(const struct cuda_sample *a, struct cuda_stream *stream);

/* counts row `slot`: cleared, then what `list` (pairs token, count with bit 31) says. */
int cuda_count_tokens(uint32_t *counts, int vocabulary, int slot, const uint32_t *list, int pairs,
                      struct cuda_stream *stream);

/* --- Measuring --- */

/* Reads `bytes` (a multiple of 16) once, as the GEMVs do: the device's read rate. */
int cuda_read_stream(const void *memory, size_t bytes, float *sink, struct cuda_stream *stream);

/* `count` normal-ish random numbers of `type` (F32, F16, BF16), or random bytes for block types'
 * planes (type KERNEL_Q8_0), from `seed`. */
int cuda_random(void *memory, enum kernel_type type, size_t count, uint64_t seed, float scale,
                struct cuda_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
