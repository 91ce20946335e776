/* Products of a few tokens, of every type, against the scalar reference. */
#include "tests/cuda/reference.h"

/* --- Cases --- */

struct one {
    enum kernel_type type;
    enum cuda_out kind;
    int rows, columns, tokens;
    bool norm, y, y_norm, bias, row_scale, quants;
    float softcap;
};

/* What must be in `out` (tokens, stride) for the products p. */
static void reference_out(const struct one *c, const float *p, const float *bias,
                          const float *row_scale, float *out, int stride)
{
    const struct kernels *k = kernels_choose("scalar");
    bool pairs = c->kind == CUDA_OUT_SILU || c->kind == CUDA_OUT_GELU;
    int rows = pairs ? c->rows / 2 : c->rows;
    for (int t = 0; t < c->tokens; t++)
        for (int r = 0; r < rows; r++) {
            float *to = out + (size_t)t * (size_t)stride + (size_t)r;
            const float *from = p + (size_t)t * (size_t)c->rows + (size_t)r;
            float sum = bias ? *from + bias[r] : *from;
            if (pairs)
                *to = act(c->kind, *from, from[rows]);
            else if (c->kind == CUDA_OUT_ADD)
                *to += row_scale ? sum * row_scale[t] : sum;
            else
                *to = sum;
            if (c->softcap > 0)
                k->softcap(to, c->softcap, 1);
        }
}

static void fill_input(const struct one *c, struct cuda_input *host, struct cuda_input *device)
{
    size_t columns = (size_t)c->columns;
    int stride = cuda_pitch(c->columns) + 32 * random_below(2);
    size_t all = (size_t)c->tokens * (size_t)stride;
    *host = (struct cuda_input){.stride = stride, .columns = c->columns, .epsilon = 1e-5f};
    *device = *host;
    host->values = random_rows(c->tokens, c->columns, stride, 2);
    host->norm = c->norm ? random_floats(columns, 1) : NULL;
    host->y = c->y ? random_rows(c->tokens, c->columns, stride, 1) : NULL;
    host->y_bias = c->y && c->bias ? random_floats(columns, 1) : NULL;
    host->y_norm = c->y_norm ? random_floats(columns, 1) : NULL;
    host->sum_out = c->y ? host_new(all * sizeof(float)) : NULL;
    device->values = to_device(host->values, all * sizeof(float));
    device->norm = optional(c->norm, host->norm, columns);
    device->y = optional(c->y, host->y, all);
    device->y_bias = optional(host->y_bias, host->y_bias, columns);
    device->y_norm = optional(c->y_norm, host->y_norm, columns);
    device->sum_out = c->y ? device_room(all * sizeof(float)) : NULL;
}

/* The quantised form that cuda_norm would have given. */
static void give_quants(struct cuda_input *device, const float *x, int stride, int tokens)
{
    int columns = device->columns, blocks = columns / 32;
    struct kernel_activations a = {
        .tokens = tokens, .columns = columns, .values = x, .stride = (size_t)stride};
    a.quants = host_new((size_t)tokens * (size_t)columns);
    a.blocks = host_new((size_t)(tokens * blocks) * sizeof *a.blocks);
    kernels_choose("scalar")->quantize(&a, 0, tokens);
    float *scales = host_new((size_t)(tokens * blocks) * 2 * sizeof *scales);
    for (int i = 0; i < tokens * blocks; i++) {
        scales[2 * i] = a.blocks[i].scale;
        scales[2 * i + 1] = a.blocks[i].sum;
    }
    device->quants = to_device(a.quants, (size_t)(tokens * columns));
    device->blocks = to_device(scales, (size_t)(tokens * blocks) * 2 * sizeof *scales);
    device->values = NULL;
    device->norm = device->y = NULL;
    device->sum_out = NULL;
    free(a.quants);
    free(a.blocks);
    free(scales);
}

static void check_out(const struct one *c, const float *got, const float *want, int stride)
{
    bool pairs = c->kind == CUDA_OUT_SILU || c->kind == CUDA_OUT_GELU;
    int rows = pairs ? c->rows / 2 : c->rows, zeros = pairs ? cuda_pitch(rows) - rows : 0;
    for (int t = 0; t < c->tokens; t++) {
        const float *g = got + (size_t)t * (size_t)stride, *w = want + (size_t)t * (size_t)stride;
        double error = nmse(g, w, (size_t)rows);
        /* A single sum may be small beside what was added. */
        double most = rows < 8 ? 1e-5 : c->type == KERNEL_BF16 ? 1e-7 : 1e-8;
        CHECK(error < most, "%s kind %d, %d x %d, token %d of %d: %g",
              kernel_type_info(c->type)->name, c->kind, c->rows, c->columns, t, c->tokens, error);
        CHECK(is_zero(g + rows, (size_t)zeros), "no zeros after %d rows", rows);
        CHECK(is_untouched(g + rows + zeros, (size_t)(stride - rows - zeros) * sizeof *g),
              "written past %d rows", rows);
    }
}

static void check_one(const struct one *c)
{
    struct cuda_input host, device;
    bool pairs = c->kind == CUDA_OUT_SILU || c->kind == CUDA_OUT_GELU;
    int outputs = pairs ? c->rows / 2 : c->rows, stride = cuda_pitch(outputs) + 7;
    size_t all = (size_t)(c->tokens * stride);
    uint8_t *tensor = random_tensor(c->type, c->rows, c->columns, 0.1f);
    float *bias = random_floats((size_t)c->rows, 1), *scale = random_floats(16, 1);
    fill_input(c, &host, &device);
    float *x = reference_input(&host, c->tokens);
    float *p = reference_product(c->type, c->rows, c->columns, tensor, x, host.stride, c->tokens);
    if (c->quants)
        give_quants(&device, x, host.stride, c->tokens);

    float *want = host_new(all * sizeof *want);
    memset(want, 0xff, all * sizeof *want);
    for (int t = 0; c->kind == CUDA_OUT_ADD && t < c->tokens; t++)
        for (int r = 0; r < outputs; r++)
            want[t * stride + r] = random_normal();
    struct cuda_gemv a = {.matrix = matrix_to_device(c->type, c->rows, c->columns, tensor),
                          .in = device,
                          .rows = c->tokens,
                          .kind = c->kind,
                          .out = to_device(want, all * sizeof *want),
                          .out_stride = stride,
                          .bias = optional(c->bias && !pairs, bias, (size_t)c->rows),
                          .row_scale = optional(c->row_scale, scale, 16),
                          .softcap = c->softcap};
    must(cuda_gemv(&a, stream), "cuda_gemv");
    float *got = from_device(a.out, all * sizeof *got);
    reference_out(c, p, a.bias ? bias : NULL, a.row_scale ? scale : NULL, want, stride);
    check_out(c, got, want, stride);
    if (device.sum_out) {
        size_t bytes = (size_t)c->tokens * (size_t)host.stride * sizeof(float);
        float *sums = from_device(device.sum_out, bytes);
        for (int t = 0; t < c->tokens; t++)
            CHECK(nmse(sums + t * host.stride, host.sum_out + t * host.stride, (size_t)c->columns) <
                      1e-12,
                  "the sum of token %d", t);
        free(sums);
    }
    void *made[] = {tensor,
                    bias,
                    scale,
                    x,
                    p,
                    want,
                    got,
                    (void *)(uintptr_t)host.values,
                    (void *)(uintptr_t)host.norm,
                    (void *)(uintptr_t)host.y,
                    (void *)(uintptr_t)host.y_bias,
                    (void *)(uintptr_t)host.y_norm,
                    host.sum_out};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
    release_all();
}

static int columns_of(enum kernel_type type, int i)
{
    int block = kernel_type_info(type)->block;
    static const int FLOATS[] = {37, 100, 288, 5}, BLOCKS[] = {1, 9, 3, 18},
                     SUPERS[] = {1, 3, 2, 1};
    return block == 1 ? FLOATS[i % 4] : block == 32 ? 32 * BLOCKS[i % 4] : 256 * SUPERS[i % 4];
}

static void test_every_type(void)
{
    static const int ROWS[] = {33, 16, 130, 1}, TOKENS[] = {1, 4, 9, 16};
    for (int i = 0; i < TYPE_COUNT; i++)
        for (int j = 0; j < 4; j++)
            check_one(&(struct one){.type = TYPES[i],
                                    .rows = ROWS[j],
                                    .columns = columns_of(TYPES[i], j + i),
                                    .tokens = TOKENS[(i + j) % 4],
                                    .norm = j == 0,
                                    .bias = j % 2,
                                    .quants = j == 2 && kernel_type_info(TYPES[i])->block > 1});
}

static void test_every_kind(void)
{
    for (int i = 0; i < TYPE_COUNT; i += 3)
        for (int kind = CUDA_OUT_STORE; kind <= CUDA_OUT_GELU; kind++)
            for (int j = 0; j < 2; j++)
                check_one(&(struct one){.type = TYPES[i],
                                        .kind = (enum cuda_out)kind,
                                        .rows = 2 * (19 + 50 * j),
                                        .columns = columns_of(TYPES[i], j + 1),
                                        .tokens = 1 + 2 * j,
                                        .norm = true,
                                        .y = j,
                                        .y_norm = kind % 2,
                                        .bias = true,
                                        .row_scale = j && kind == CUDA_OUT_ADD,
                                        .softcap = j && kind == CUDA_OUT_STORE ? 5.0f : 0});
}

/* More columns than shared memory holds for sixteen tokens. */
static void test_tiles(void)
{
    static const enum kernel_type SOME[] = {KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_1, KERNEL_F32};
    for (int i = 0; i < 4; i++)
        check_one(&(struct one){.type = SOME[i],
                                .kind = i % 2 ? CUDA_OUT_SILU : CUDA_OUT_STORE,
                                .rows = 34,
                                .columns = 5184,
                                .tokens = 13 + i});
}

/* A token's bits do not depend on who else is in the batch. */
static void test_alone_or_together(void)
{
    enum { ROWS = 50, COLUMNS = 576, TOKENS = 16 };
    for (int i = 0; i < TYPE_COUNT; i++) {
        if (kernel_type_info(TYPES[i])->block == 256)
            continue;
        uint8_t *tensor = random_tensor(TYPES[i], ROWS, COLUMNS, 0.1f);
        float *x = random_rows(TOKENS, COLUMNS, COLUMNS, 1);
        float *in = to_device(x, TOKENS * COLUMNS * sizeof *x);
        struct cuda_gemv a = {.matrix = matrix_to_device(TYPES[i], ROWS, COLUMNS, tensor),
                              .in = {.values = in, .stride = COLUMNS, .columns = COLUMNS},
                              .rows = TOKENS,
                              .out = device_room(TOKENS * ROWS * sizeof(float)),
                              .out_stride = ROWS};
        must(cuda_gemv(&a, stream), "cuda_gemv");
        float *all = from_device(a.out, TOKENS * ROWS * sizeof *all);
        for (int t = 0; t < TOKENS; t += 5) {
            a.in.values = in + t * COLUMNS;
            a.rows = 1;
            must(cuda_gemv(&a, stream), "cuda_gemv");
            float *one = from_device(a.out, ROWS * sizeof *one);
            CHECK(!memcmp(one, all + t * ROWS, ROWS * sizeof *one), "%s, token %d",
                  kernel_type_info(TYPES[i])->name, t);
            free(one);
        }
        free(all);
        free(x);
        free(tensor);
        release_all();
    }
}

RUN(test_every_type, test_every_kind, test_tiles, test_alone_or_together)
