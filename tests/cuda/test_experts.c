/* Mixtures of experts piece by piece: the router's choice, products of single pairs, pairs grouped
 * in tiles, products of tiles, sums; against the scalar kernels. */
#include "tests/cuda/reference.h"

/* --- Routing --- */

struct choice {
    int expert;
    float weight;
};

/* As engine/experts.c chooses. */
static void choose(float *scores, int experts, int used, bool renormalise, struct choice *chosen)
{
    float sum = 0;
    kernels_choose("scalar")->softmax(scores, experts);
    for (int n = 0; n < used; n++) {
        int best = -1;
        for (int i = 0; i < experts; i++) {
            bool taken = false;
            for (int j = 0; j < n; j++)
                taken = taken || chosen[j].expert == i;
            if (!taken && (best < 0 || scores[i] > scores[best]))
                best = i;
        }
        chosen[n] = (struct choice){best, scores[best]};
        sum += scores[best];
    }
    for (int n = 0; renormalise && n < used; n++)
        chosen[n].weight /= fmaxf(sum, 6.103515625e-5f);
}

static void check_route(enum kernel_type type, int experts, int used, int rows, bool renormalise)
{
    int columns = 256, stride = 288;
    uint8_t *tensor = random_tensor(type, experts, columns, 0.05f);
    struct cuda_input in = {.stride = stride, .columns = columns, .epsilon = 1e-5f}, device;
    float *gate = random_floats((size_t)columns, 0.1f);
    in.values = random_rows(rows, columns, stride, 1);
    in.norm = random_floats((size_t)columns, 1);
    float *x = reference_input(&in, rows);
    device = in;
    device.values = to_device(in.values, (size_t)(rows * stride) * sizeof(float));
    device.norm = to_device(in.norm, (size_t)columns * sizeof(float));
    size_t pairs = (size_t)(rows * used);
    struct cuda_route a = {.router = matrix_to_device(type, experts, columns, tensor),
                           .in = device,
                           .rows = rows,
                           .used = used,
                           .renormalise = renormalise,
                           .shared_gate = to_device(gate, (size_t)columns * sizeof *gate),
                           .weights = device_room(pairs * sizeof(float)),
                           .experts = device_room(pairs * sizeof(int32_t)),
                           .shared_weight = device_room((size_t)rows * sizeof(float)),
                           .tickets = device_zeros(CUDA_GEMV_ROWS * sizeof(unsigned))};
    for (int again = 0; again < 2; again++) { /* the tickets are left as they were */
        a.scores = device_room((size_t)(rows * experts) * sizeof(float));
        must(cuda_route(&a, stream), "cuda_route");
    }
    int32_t *got = from_device(a.experts, pairs * sizeof *got);
    float *weights = from_device(a.weights, pairs * sizeof *weights);
    float *shared = from_device(a.shared_weight, (size_t)rows * sizeof *shared);
    float *scores = from_device(a.scores, (size_t)(rows * experts) * sizeof *scores);
    float *p = reference_product(type, experts, columns, tensor, x, stride, rows);
    CHECK(nmse(scores, p, (size_t)(rows * experts)) < 1e-9, "scores");
    for (int t = 0; t < rows; t++) {
        struct choice want[64];
        choose(scores + t * experts, experts, used, renormalise, want);
        for (int n = 0; n < used; n++)
            CHECK(got[t * used + n] == want[n].expert && weights[t * used + n] == want[n].weight,
                  "row %d, choice %d: %d (%g), not %d (%g)", t, n, got[t * used + n],
                  weights[t * used + n], want[n].expert, want[n].weight);
        double sum = 0;
        for (int c = 0; c < columns; c++)
            sum += (double)x[t * stride + c] * (double)gate[c];
        CHECK(fabs(shared[t] - 1 / (1 + exp(-sum))) < 1e-6, "the shared expert of row %d", t);
    }
    void *made[] = {
        tensor, gate,  (void *)(uintptr_t)in.values, (void *)(uintptr_t)in.norm, x, p, got, weights,
        shared, scores};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
    release_all();
}

static void test_route(void)
{
    check_route(KERNEL_F32, 60, 4, 3, false);
    check_route(KERNEL_F32, 8, 2, 19, true);
    check_route(KERNEL_F16, 33, 6, 16, true);
    check_route(KERNEL_F32, 7, 7, 16, true);
    check_route(KERNEL_Q8_0, 128, 8, 2, true);
    check_route(KERNEL_BF16, 5, 5, 1, false);
}

/* Scores of which many are equal, or no numbers. */
static void test_equal_scores(void)
{
    enum { EXPERTS = 40, USED = 6 };
    float values[32] = {1}, tensor[EXPERTS * 32] = {0};
    tensor[7 * 32] = tensor[33 * 32] = 2;
    for (int kind = 0; kind < 2; kind++) {
        static const int WANT[2][USED] = {{7, 33, 0, 1, 2, 3}, {0, 1, 2, 3, 4, 5}};
        if (kind)
            values[0] = NAN;
        struct cuda_route a = {
            .router = matrix_to_device(KERNEL_F32, EXPERTS, 32, (uint8_t *)(void *)tensor),
            .in = {.values = to_device(values, sizeof values), .stride = 32, .columns = 32},
            .rows = 1,
            .used = USED,
            .scores = device_room(EXPERTS * sizeof(float)),
            .weights = device_room(USED * sizeof(float)),
            .experts = device_room(USED * sizeof(int32_t)),
            .tickets = device_zeros(sizeof(unsigned))};
        must(cuda_route(&a, stream), "cuda_route");
        int32_t *got = from_device(a.experts, USED * sizeof *got);
        for (int n = 0; n < USED; n++)
            CHECK(got[n] == WANT[kind][n], "choice %d: %d", n, got[n]);
        free(got);
    }
}

/* --- Products of pairs --- */

enum { EXPERTS = 6, USED = 3 };

static int32_t *random_choices(int rows)
{
    int32_t *experts = host_new((size_t)(rows * USED) * sizeof *experts);
    for (int t = 0; t < rows; t++)
        for (int n = 0; n < USED; n++)
            do
                experts[t * USED + n] = random_below(EXPERTS);
            while ((n > 0 && experts[t * USED + n] == experts[t * USED]) ||
                   (n > 1 && experts[t * USED + n] == experts[t * USED + 1]));
    return experts;
}

/* An expert's product with a row: (rows_each) of them. */
static float *expert_product(enum kernel_type type, int rows_each, int columns,
                             const uint8_t *tensor, int expert, const float *x)
{
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t row = (size_t)columns / (size_t)info->block * (size_t)info->bytes;
    return reference_product(type, rows_each, columns, tensor + (size_t)(expert * rows_each) * row,
                             x, cuda_pitch(columns), 1);
}

static void check_gate(enum kernel_type type, int half, int columns, enum cuda_out kind)
{
    enum { ROWS = 2 };
    int each = 2 * half, pairs = ROWS * USED, in_stride = cuda_pitch(columns);
    int stride = cuda_pitch(half) + 5;
    uint8_t *tensor = random_tensor(type, EXPERTS * each, columns, 0.1f);
    float *x = random_rows(ROWS, columns, in_stride, 1);
    int32_t *experts = random_choices(ROWS);
    struct cuda_expert_gemv a = {
        .matrix = matrix_to_device(type, EXPERTS * each, columns, tensor),
        .rows_each = each,
        .in = {.values = to_device(x, (size_t)(ROWS * in_stride) * sizeof *x),
               .stride = in_stride,
               .columns = columns},
        .rows = ROWS,
        .used = USED,
        .experts = to_device(experts, (size_t)pairs * sizeof *experts),
        .kind = kind,
        .out = device_room((size_t)(pairs * stride) * sizeof(float)),
        .out_stride = stride};
    must(cuda_expert_gemv(&a, stream), "cuda_expert_gemv");
    float *got = from_device(a.out, (size_t)(pairs * stride) * sizeof *got);
    float *want = host_new((size_t)half * sizeof *want);
    for (int i = 0; i < pairs; i++) {
        float *p =
            expert_product(type, each, columns, tensor, experts[i], x + i / USED * in_stride);
        for (int r = 0; r < half; r++)
            want[r] = act(kind, p[r], p[half + r]);
        double error = nmse(got + i * stride, want, (size_t)half);
        CHECK(error < 1e-7, "%s, pair %d: %g", kernel_type_info(type)->name, i, error);
        CHECK(is_zero(got + i * stride + half, (size_t)(cuda_pitch(half) - half)), "pair %d", i);
        free(p);
    }
    free(tensor);
    free(x);
    free(experts);
    free(got);
    free(want);
    release_all();
}

static void check_down(enum kernel_type type, int rows_each, int columns, enum cuda_out kind)
{
    enum { ROWS = 2 };
    int pairs = ROWS * USED, in_stride = cuda_pitch(columns), stride = rows_each + 3;
    uint8_t *tensor = random_tensor(type, EXPERTS * rows_each, columns, 0.1f);
    float *x = random_rows(pairs, columns, in_stride, 1), weights[ROWS * USED];
    float *want = random_floats((size_t)(ROWS * stride), 1);
    int32_t *experts = random_choices(ROWS);
    for (int i = 0; i < pairs; i++)
        weights[i] = 0.1f + (float)random_below(100) / 100;
    struct cuda_expert_gemv a = {
        .matrix = matrix_to_device(type, EXPERTS * rows_each, columns, tensor),
        .rows_each = rows_each,
        .in = {.values = to_device(x, (size_t)(pairs * in_stride) * sizeof *x),
               .stride = in_stride,
               .columns = columns},
        .rows = ROWS,
        .used = USED,
        .experts = to_device(experts, (size_t)pairs * sizeof *experts),
        .weights = to_device(weights, sizeof weights),
        .kind = kind,
        .out = to_device(want, (size_t)(ROWS * stride) * sizeof *want),
        .out_stride = stride};
    must(cuda_expert_gemv(&a, stream), "cuda_expert_gemv");
    float *got = from_device(a.out, (size_t)(ROWS * stride) * sizeof *got);
    for (int t = 0; t < ROWS; t++) {
        float *to = want + t * stride;
        memset(to, 0, kind == CUDA_OUT_STORE ? (size_t)rows_each * sizeof *to : 0);
        for (int i = t * USED; i < (t + 1) * USED; i++) {
            float *p =
                expert_product(type, rows_each, columns, tensor, experts[i], x + i * in_stride);
            for (int r = 0; r < rows_each; r++)
                to[r] += weights[i] * p[r];
            free(p);
        }
    }
    double error = nmse(got, want, (size_t)(ROWS * stride)); /* the gaps are as they were */
    CHECK(error < 1e-7, "%s: %g", kernel_type_info(type)->name, error);
    free(tensor);
    free(x);
    free(want);
    free(experts);
    free(got);
    release_all();
}

static void test_pairs(void)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        int columns = kernel_type_info(TYPES[i])->block == 1 ? 100 : 256;
        check_gate(TYPES[i], i % 2 ? 24 : 33, columns, i % 2 ? CUDA_OUT_GELU : CUDA_OUT_SILU);
        check_down(TYPES[i], i % 2 ? 40 : 17, columns, i % 2 ? CUDA_OUT_STORE : CUDA_OUT_ADD);
    }
}

/* --- Tiles --- */

struct group {
    int rows, tile_count;
    int32_t *experts, *slots, *tiles, *slot_of; /* on the host */
    struct cuda_group device;
};

static void make_group(struct group *g, int rows)
{
    int pairs = rows * USED;
    g->rows = rows;
    g->tile_count = (pairs + EXPERTS * CUDA_TILE_ROWS + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS;
    g->experts = random_choices(rows);
    size_t slots = (size_t)(g->tile_count * CUDA_TILE_ROWS) * sizeof(int32_t);
    g->device =
        (struct cuda_group){.experts = to_device(g->experts, (size_t)pairs * sizeof *g->experts),
                            .rows = rows,
                            .used = USED,
                            .expert_count = EXPERTS,
                            .slots = device_room(slots),
                            .tiles = device_room((size_t)g->tile_count * sizeof(int32_t)),
                            .slot_of = device_room((size_t)pairs * sizeof(int32_t)),
                            .tile_count = g->tile_count};
    must(cuda_group(&g->device, stream), "cuda_group");
    g->slots = from_device(g->device.slots, slots);
    g->tiles = from_device(g->device.tiles, (size_t)g->tile_count * sizeof(int32_t));
    g->slot_of = from_device(g->device.slot_of, (size_t)pairs * sizeof(int32_t));
}

static void free_group(struct group *g)
{
    free(g->experts);
    free(g->slots);
    free(g->tiles);
    free(g->slot_of);
    release_all();
}

static void test_group(void)
{
    static const int ROWS[] = {1, 30, 213};
    for (int i = 0; i < 3; i++) {
        struct group g;
        make_group(&g, ROWS[i]);
        int tile = 0;
        for (int e = 0; e < EXPERTS; e++) {
            int at = tile * CUDA_TILE_ROWS, begin = at;
            for (int pair = 0; pair < g.rows * USED; pair++)
                if (g.experts[pair] == e) {
                    CHECK(g.slots[at] == pair && g.slot_of[pair] == at, "pair %d", pair);
                    at++;
                }
            for (; (at - begin) % CUDA_TILE_ROWS; at++)
                CHECK(g.slots[at] == -1, "slot %d", at);
            for (; tile < at / CUDA_TILE_ROWS; tile++)
                CHECK(g.tiles[tile] == e, "tile %d", tile);
        }
        for (int s = tile * CUDA_TILE_ROWS; s < g.tile_count * CUDA_TILE_ROWS; s++)
            CHECK(g.slots[s] == -1 && g.tiles[s / CUDA_TILE_ROWS] == -1, "slot %d", s);
        free_group(&g);
    }
}

static float narrowed(float x, bool is_half)
{
    return is_half ? half_float(float_half(x)) : bfloat_float(float_bfloat(x));
}

static uint16_t *narrow(float *x, size_t count, bool is_half)
{
    uint16_t *bits = host_new(count * sizeof *bits);
    for (size_t i = 0; i < count; i++) {
        bits[i] = is_half ? float_half(x[i]) : float_bfloat(x[i]);
        x[i] = narrowed(x[i], is_half);
    }
    return bits;
}

/* Row `row` of the matrix with 16-bit weights, times x. */
static float narrow_dot(enum kernel_type type, int columns, const uint8_t *tensor, int row,
                        const float *x, bool is_half)
{
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t bytes = (size_t)columns / (size_t)info->block * (size_t)info->bytes;
    float weights[1024];
    double sum = 0;
    kernel_dequantize(type, tensor + (size_t)row * bytes, weights, (size_t)columns);
    for (int c = 0; c < columns; c++)
        sum += (double)narrowed(weights[c], is_half) * (double)x[c];
    return (float)sum;
}

static void check_tiles(enum kernel_type type, int rows_each, int columns, bool per_pair,
                        bool is_half)
{
    struct group g;
    make_group(&g, 30);
    int slots = g.tile_count * CUDA_TILE_ROWS, inputs = per_pair ? slots : g.rows;
    int in_stride = cuda_pitch(columns) + 32, stride = rows_each + 3;
    uint8_t *tensor = random_tensor(type, EXPERTS * rows_each, columns, 0.1f);
    float *x = random_rows(inputs, columns, in_stride, 1);
    uint16_t *in = narrow(x, (size_t)(inputs * in_stride), is_half);
    struct cuda_tile_product a = {.matrix =
                                      matrix_to_device(type, EXPERTS * rows_each, columns, tensor),
                                  .rows_each = rows_each,
                                  .in = to_device(in, (size_t)(inputs * in_stride) * sizeof *in),
                                  .is_half = is_half,
                                  .in_stride = in_stride,
                                  .slots = g.device.slots,
                                  .tiles = g.device.tiles,
                                  .tile_count = g.tile_count,
                                  .used = USED,
                                  .per_pair = per_pair,
                                  .out = device_room((size_t)(slots * stride) * sizeof(float)),
                                  .out_stride = stride};
    must(cuda_tile_product(&a, stream), "cuda_tile_product");
    float *got = from_device(a.out, (size_t)(slots * stride) * sizeof *got);
    float *want = host_new((size_t)rows_each * sizeof *want);
    for (int s = 0; s < slots; s++) {
        int pair = g.slots[s], used = pair < 0 ? 0 : rows_each;
        const float *row = x + (per_pair ? s : pair / USED) * in_stride;
        for (int r = 0; r < used; r++)
            want[r] =
                narrow_dot(type, columns, tensor, g.experts[pair] * rows_each + r, row, is_half);
        double error = nmse(got + s * stride, want, (size_t)used);
        CHECK(error < 1e-10, "%s, slot %d: %g", kernel_type_info(type)->name, s, error);
        CHECK(is_untouched(got + s * stride + used, (size_t)(stride - used) * sizeof *got),
              "past slot %d", s);
    }
    free(tensor);
    free(x);
    free(in);
    free(got);
    free(want);
    free_group(&g);
}

static void test_tiles(void)
{
    for (int i = 0; i < TYPE_COUNT; i++) {
        int columns = kernel_type_info(TYPES[i])->block == 256 ? 256 : 160;
        check_tiles(TYPES[i], i % 2 ? 40 : 70, columns, i % 2, i / 2 % 2);
    }
}

/* Without slots: a plain product. */
static void test_plain(void)
{
    enum { ROWS = 70, MATRIX_ROWS = 67, COLUMNS = 384 };
    uint8_t *tensor = random_tensor(KERNEL_Q4_0, MATRIX_ROWS, COLUMNS, 0.1f);
    float *x = random_rows(ROWS, COLUMNS, COLUMNS, 1);
    uint16_t *in = narrow(x, ROWS * COLUMNS, false);
    struct cuda_tile_product a = {.matrix =
                                      matrix_to_device(KERNEL_Q4_0, MATRIX_ROWS, COLUMNS, tensor),
                                  .rows_each = MATRIX_ROWS,
                                  .in = to_device(in, ROWS * COLUMNS * sizeof *in),
                                  .in_stride = COLUMNS,
                                  .rows = ROWS,
                                  .out = device_room((ROWS + 1) * MATRIX_ROWS * sizeof(float)),
                                  .out_stride = MATRIX_ROWS};
    must(cuda_tile_product(&a, stream), "cuda_tile_product");
    float *got = from_device(a.out, (ROWS + 1) * MATRIX_ROWS * sizeof *got), want[MATRIX_ROWS];
    for (int t = 0; t < ROWS; t++) {
        for (int r = 0; r < MATRIX_ROWS; r++)
            want[r] = narrow_dot(KERNEL_Q4_0, COLUMNS, tensor, r, x + t * COLUMNS, false);
        CHECK(nmse(got + t * MATRIX_ROWS, want, MATRIX_ROWS) < 1e-10, "row %d", t);
    }
    CHECK(is_untouched(got + ROWS * MATRIX_ROWS, MATRIX_ROWS * sizeof *got), "past the rows");
    free(tensor);
    free(x);
    free(in);
    free(got);
}

static void test_sum(void)
{
    enum { COLUMNS = 301, STRIDE = 320 };
    struct group g;
    make_group(&g, 13);
    int slots = g.tile_count * CUDA_TILE_ROWS;
    float *parts = random_floats((size_t)(slots * STRIDE), 1);
    float *weights = random_floats((size_t)(g.rows * USED), 1);
    struct cuda_expert_sum a = {.parts = to_device(parts, (size_t)(slots * STRIDE) * sizeof *parts),
                                .weights =
                                    to_device(weights, (size_t)(g.rows * USED) * sizeof *weights),
                                .slot_of = g.device.slot_of,
                                .stride = STRIDE,
                                .columns = COLUMNS,
                                .rows = g.rows,
                                .used = USED,
                                .out = device_room((size_t)(g.rows * STRIDE) * sizeof(float)),
                                .out_stride = STRIDE};
    must(cuda_expert_sum(&a, stream), "cuda_expert_sum");
    float *got = from_device(a.out, (size_t)(g.rows * STRIDE) * sizeof *got), want[COLUMNS];
    for (int t = 0; t < g.rows; t++) {
        memset(want, 0, sizeof want);
        for (int n = 0; n < USED; n++)
            kernels_choose("scalar")->multiply_add(want, parts + g.slot_of[t * USED + n] * STRIDE,
                                                   weights[t * USED + n], COLUMNS);
        CHECK(nmse(got + t * STRIDE, want, COLUMNS) < 1e-12, "row %d", t);
        CHECK(is_untouched(got + t * STRIDE + COLUMNS, (STRIDE - COLUMNS) * sizeof *got),
              "past row %d", t);
    }
    free(parts);
    free(weights);
    free(got);
    free_group(&g);
}

RUN(test_route, test_equal_scores, test_pairs, test_group, test_tiles, test_plain, test_sum)
