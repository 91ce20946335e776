/* What the files of gpu_forward share: its buffers, the form in which rows go into products, and
 * the stages of a layer. For them alone. */
#ifndef ENGINE_GPU_FORWARD_INTERNAL_H
#define ENGINE_GPU_FORWARD_INTERNAL_H

#include "engine/gpu_forward.h"
#include "kernels/cuda/gemm.h"

enum {
    GPU_GRAPHS = 8,      /* buckets 1, 2, 4 … 128 */
    GPU_EXPERT_ROWS = 8, /* up to here each token's experts are computed for it alone */
};

/* Forms in which products take their rows. */
enum want { WANT_F32 = 1, WANT_BFLOAT = 2, WANT_HALF = 4, WANT_QUANTS = 8 };

#define RUN(f, call)                                                                               \
    do {                                                                                           \
        if (!(f)->status)                                                                          \
            (f)->status = (call);                                                                  \
    } while (0)

/* Device memory, cut from one piece. Sizes are in gpu_forward_bytes' order: cut_buffers. */
struct buffers {
    float *x, *other; /* the residual stream, and where a fused norm leaves its sum */
    float *y, *qkv, *mixed, *inner, *activated, *f32, *blocks, *logits, *tables[2], *parts;
    uint16_t *b16, *expert_b16, *scratch;
    int8_t *quants;
    unsigned *tickets;
    int32_t *tokens; /* of the step's rows */
    void *sample;
    uint32_t *counts;
    float *scores, *route_weights, *shared_weight, *expert_parts, *expert_activated;
    int32_t *experts, *slots, *tiles, *slot_of;
};

struct gpu_forward {
    const struct config *config;
    const struct gpu_weights *weights;
    struct cuda_info device;
    struct cuda_stream *stream;
    enum kernel_kv kv;
    struct cuda_gemm *gemm; /* NULL: the tile kernel does its work */
    uint8_t *memory, *cache;
    size_t page_stride, layer_stride;
    struct buffers b;
    int width_pitch, query_width, query_pitch, qkv_width, qkv_pitch, inner, inner_pitch;
    int shared_pitch, logits_pitch;
    size_t scratch_bytes;
    struct cuda_graph *graphs[GPU_GRAPHS];
    bool known[GPU_GRAPHS], no_graphs, recording;

    /* Of the step and layer being given to the stream. */
    const struct gpu_step *step;
    const struct gpu_layer *layer;
    int layer_number, rows, status;
    bool pending; /* y is still to be added to x, with a bias and through a norm of its own */
    const float *pending_bias, *pending_norm;
};

/* Rows on their way into products: as they are, and the forms they already have. */
struct input {
    struct cuda_input raw;
    unsigned has;
};

/* --- gpu_buffers.c --- */

/* Widths and memory; a status. */
int gpu_buffers_make(struct gpu_forward *forward, int pages);

/* Parts of a row's keys in decode attention: enough blocks to fill the device. */
int gpu_splits(const struct gpu_forward *forward, int rows);

/* Room for the pairs of `rows` tokens and their experts, in tiles. */
int gpu_tiles(const struct gpu_forward *forward, int rows);

/* --- gpu_products.c --- */

/* How a GEMV ends, for gpu_product; a larger product only stores (and caps). */
struct ending {
    enum cuda_out kind;
    const float *bias, *row_scale;
    float softcap;
};

extern const struct ending GPU_STORE;

/* The residual stream, with what is pending, through a norm (NULL: none); and, when all kernels
 * that take it have been given to the stream, its end. */
struct input gpu_residual_input(const struct gpu_forward *forward, const float *norm);
void gpu_residual_done(struct gpu_forward *forward, const struct input *in);

struct input gpu_plain_input(const float *values, int stride, int columns);

/* The form that products of `forward->rows` rows with weights of this type take. */
enum want gpu_want(const struct gpu_forward *forward, enum kernel_type type);
struct cuda_forms gpu_forms(const struct gpu_forward *forward, enum want want, int columns);

/* Makes the form, unless it is there; the first one made also adds what is pending. */
void gpu_need(struct gpu_forward *forward, struct input *in, enum want want);

void gpu_product(struct gpu_forward *forward, struct input *in, const struct cuda_matrix *matrix,
                 float *out, int out_stride, const struct ending *ending);

/* Side by side. */
void gpu_product_group(struct gpu_forward *forward, struct input *in, const struct gpu_group *group,
                       float *out, int out_stride);

/* The type that gpu_product_narrow may write: BF16 where the product is of that, else F32. */
enum kernel_type gpu_narrow_type(const struct gpu_forward *forward, enum kernel_type type);
void gpu_product_narrow(struct gpu_forward *forward, struct input *in,
                        const struct cuda_matrix *matrix, void *out, int out_stride,
                        enum kernel_type out_type);

/* --- gpu_layers.c --- */

void gpu_run_layer(struct gpu_forward *forward);

#endif
