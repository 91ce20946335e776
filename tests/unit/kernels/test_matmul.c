/* Matrix products of every type: right against double precision, the same bits from every
 * instruction set, and the same bits whatever the number of tokens and however the panels are
 * cut. */
#include "tests/unit/kernels/kernel_data.h"

struct product {
    struct kernel_matrix w;
    struct kernel_activations x;
    uint8_t *tensor;
    float *values;
};

static void product_init(struct product *p, enum kernel_type type, int rows, int columns,
                         int tokens, float weight_size, float value_size)
{
    p->tensor = random_tensor(type, rows, columns, weight_size);
    p->w = (struct kernel_matrix){type, rows, columns, NULL};
    p->w.data = aligned_new(kernel_matrix_bytes(&p->w));
    kernel_matrix_pack(&p->w, p->tensor, 0, kernel_matrix_panels(&p->w));
    size_t stride = (size_t)columns + 3, count = (size_t)tokens * (size_t)columns;
    p->values = random_floats((size_t)tokens * stride, value_size);
    p->x = (struct kernel_activations){tokens, columns, p->values, stride, NULL, NULL};
    if (kernel_matrix_wants_int8(&p->w)) {
        p->x.quants = aligned_new(count);
        p->x.blocks = aligned_new(count / 32 * sizeof(struct kernel_block));
        kernels_choose("scalar")->quantize(&p->x, 0, tokens);
    }
}

static void product_done(struct product *p)
{
    free(p->tensor);
    free(p->w.data);
    free(p->values);
    free(p->x.quants);
    free(p->x.blocks);
}

/* The value of an activation as the product sees it. */
static double seen(const struct product *p, int t, int c)
{
    if (!p->x.quants)
        return p->values[(size_t)t * p->x.stride + (size_t)c];
    size_t at = (size_t)t * (size_t)p->x.columns + (size_t)c;
    return (double)p->x.quants[at] * p->x.blocks[at / 32].scale;
}

static double *exact(const struct product *p)
{
    size_t rows = (size_t)p->w.rows, columns = (size_t)p->w.columns;
    const struct kernel_type_info *info = kernel_type_info(p->w.type);
    float *row = aligned_new(columns * sizeof(float));
    double *out = calloc((size_t)p->x.tokens * rows, sizeof(double));
    assert_non_null(out);
    for (size_t r = 0; r < rows; r++) {
        kernel_dequantize(p->w.type,
                          p->tensor + r * columns / (size_t)info->block * (size_t)info->bytes, row,
                          columns);
        for (int t = 0; t < p->x.tokens; t++)
            for (size_t c = 0; c < columns; c++)
                out[(size_t)t * rows + r] += row[c] * seen(p, t, (int)c);
    }
    free(row);
    return out;
}

static const struct {
    int rows, columns;
} SHAPES[] = {{1, 32}, {16, 64}, {17, 96}, {40, 576}, {33, 544}, {100, 1056}};

/* K-quants need rows of whole super-blocks; float types take any width. */
static int columns_for(enum kernel_type type, int columns)
{
    int block = kernel_type_info(type)->block;
    return block == 1 ? columns - 5 : block == 256 ? (columns + 255) / 256 * 256 : columns;
}

static void test_against_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        for (size_t s = 0; s < sizeof(SHAPES) / sizeof(SHAPES[0]); s++) {
            struct product p;
            int rows = SHAPES[s].rows;
            product_init(&p, ALL_TYPES[i], rows, columns_for(ALL_TYPES[i], SHAPES[s].columns), 3,
                         0.02f, 1);
            float *out = aligned_new(3 * (size_t)rows * sizeof(float));
            double *want = exact(&p);
            kernels_choose("scalar")->matmul(&p.w, &p.x, out, (size_t)rows, 0,
                                             kernel_matrix_panels(&p.w));
            double error = nmse(out, want, 3 * (size_t)rows);
            if (!(error < 1e-11))
                fail_msg("%s %d x %d: nmse %g", kernel_type_info(ALL_TYPES[i])->name, rows,
                         p.w.columns, error);
            free(want);
            free(out);
            product_done(&p);
        }
}

/* The error that int8 activations bring, against the floats themselves. */
static void test_activation_error(void **state)
{
    (void)state;
    struct product p;
    product_init(&p, KERNEL_Q8_0, 64, 576, 4, 0.02f, 1);
    float *out = aligned_new(4 * 64 * sizeof(float));
    kernels_choose(NULL)->matmul(&p.w, &p.x, out, 64, 0, 4);
    int8_t *quants = p.x.quants;
    p.x.quants = NULL;
    double *want = exact(&p);
    p.x.quants = quants;
    assert_true(nmse(out, want, 4 * 64) < 1e-4);
    free(want);
    free(out);
    product_done(&p);
}

static const int TOKENS[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 24, 35};
enum { TOKEN_COUNTS = sizeof(TOKENS) / sizeof(TOKENS[0]), MOST_TOKENS = 35 };

/* Each set, any number of tokens from any first token, panels cut anywhere: the reference's
 * bits, nothing else written. */
static void check_bits(const struct kernels *k, const struct product *p, const float *want)
{
    size_t rows = (size_t)p->w.rows, stride = rows + 5, columns = (size_t)p->w.columns;
    float *out = aligned_new(MOST_TOKENS * stride * sizeof(float));
    for (int n = 0; n < TOKEN_COUNTS; n++) {
        int from = random_below(MOST_TOKENS - TOKENS[n] + 1),
            cut = random_below(kernel_matrix_panels(&p->w) + 1);
        struct kernel_activations x = p->x;
        x.tokens = TOKENS[n];
        x.values += (size_t)from * x.stride;
        if (x.quants) {
            x.quants += (size_t)from * columns;
            x.blocks += (size_t)from * columns / 32;
        }
        memset(out, 0xa5, MOST_TOKENS * stride * sizeof(float));
        k->matmul(&p->w, &x, out, stride, cut, kernel_matrix_panels(&p->w));
        k->matmul(&p->w, &x, out, stride, 0, cut);
        for (size_t t = 0; t < (size_t)x.tokens; t++) {
            if (memcmp(out + t * stride, want + ((size_t)from + t) * rows, rows * sizeof(float)) !=
                0)
                fail_msg("%s %s %d x %d: %d tokens differ", k->name,
                         kernel_type_info(p->w.type)->name, p->w.rows, p->w.columns, x.tokens);
            for (size_t i = rows; i < stride; i++)
                assert_int_equal(float_bits(out[t * stride + i]), 0xa5a5a5a5);
        }
    }
    free(out);
}

static void check_type(enum kernel_type type, int rows, int columns, float weight_size,
                       float value_size)
{
    const struct kernels *sets[SIMD_SETS];
    int count = simd_sets(sets);
    struct product p;
    product_init(&p, type, rows, columns, MOST_TOKENS, weight_size, value_size);
    float *want = aligned_new(MOST_TOKENS * (size_t)rows * sizeof(float));
    kernels_choose("scalar")->matmul(&p.w, &p.x, want, (size_t)rows, 0, kernel_matrix_panels(&p.w));
    for (int i = 0; i < count; i++)
        check_bits(sets[i], &p, want);
    free(want);
    product_done(&p);
}

static void test_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++)
        for (size_t s = 0; s < sizeof(SHAPES) / sizeof(SHAPES[0]); s++)
            check_type(ALL_TYPES[i], SHAPES[s].rows, columns_for(ALL_TYPES[i], SHAPES[s].columns),
                       0.02f, 1);
}

static void test_extreme_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        int columns = columns_for(ALL_TYPES[i], 96);
        check_type(ALL_TYPES[i], 20, columns, 0, 1);          /* zero scales */
        check_type(ALL_TYPES[i], 20, columns, 3000, 1e25f);   /* near overflow */
        check_type(ALL_TYPES[i], 20, columns, 6e-8f, 1e-29f); /* half denormals, tiny activations */
        check_type(ALL_TYPES[i], 20, columns, 1, 1e-40f); /* denormal activations: zeros as int8 */
    }
}

/* -128 codes, which no quantiser makes but a file may hold, against +-127: the largest sums
 * there can be. */
static void test_largest_codes(void **state)
{
    (void)state;
    const struct kernels *sets[SIMD_SETS];
    int count = simd_sets(sets);
    struct product p;
    product_init(&p, KERNEL_Q8_0, 16, 64, 8, 1, 1);
    for (size_t b = 0; b < 32; b++)
        memset(p.tensor + b * 34 + 2, b % 3 == 0 ? 0x80 : b % 3 == 1 ? 0x7f : 0x81, 32);
    kernel_matrix_pack(&p.w, p.tensor, 0, 1);
    for (size_t i = 0; i < 8 * 64; i++)
        p.values[i / 64 * p.x.stride + i % 64] = (i / 64) % 2 ? 1.0f : i % 2 ? -1.0f : 1.0f;
    kernels_choose("scalar")->quantize(&p.x, 0, 8);
    float want[8 * 16], out[8 * 16];
    kernels_choose("scalar")->matmul(&p.w, &p.x, want, 16, 0, 1);
    double *truth = exact(&p);
    assert_true(nmse(want, truth, 8 * 16) < 1e-12);
    for (int i = 0; i < count; i++)
        for (int tokens = 1; tokens <= 8; tokens += 7) {
            p.x.tokens = tokens;
            sets[i]->matmul(&p.w, &p.x, out, 16, 0, 1);
            assert_memory_equal(out, want, (size_t)tokens * 16 * sizeof(float));
        }
    free(truth);
    product_done(&p);
}

/* Packing keeps every value: a row read back out of its panel is the row of the file, bit for
 * bit. */
static void test_rows_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        struct product p;
        const struct kernel_type_info *info = kernel_type_info(ALL_TYPES[i]);
        int columns = columns_for(info->type, 96);
        product_init(&p, info->type, 37, columns, 1, 0.3f, 1);
        float *got = aligned_new((size_t)columns * 4), *want = aligned_new((size_t)columns * 4);
        for (int r = 0; r < 37; r++) {
            kernel_matrix_row(&p.w, r, got);
            size_t at = (size_t)(r * columns / info->block * info->bytes);
            kernel_dequantize(info->type, p.tensor + at, want, (size_t)columns);
            assert_memory_equal(got, want, (size_t)columns * 4);
        }
        free(got);
        free(want);
        product_done(&p);
    }
}

/* Packed by two threads' ranges, with the file at an odd address, it is the same matrix. */
static void test_pack_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        struct product p;
        product_init(&p, ALL_TYPES[i], 70, 512, 1, 0.3f, 1);
        const struct kernel_type_info *info = kernel_type_info(ALL_TYPES[i]);
        size_t file = (size_t)(70 * 512 / info->block * info->bytes),
               bytes = kernel_matrix_bytes(&p.w);
        uint8_t *odd = aligned_new(file + 1);
        memcpy(odd + 1, p.tensor, file);
        struct kernel_matrix again = p.w;
        again.data = aligned_new(bytes);
        kernel_matrix_pack(&again, odd + 1, 2, 5);
        kernel_matrix_pack(&again, odd + 1, 0, 2);
        assert_memory_equal(again.data, p.w.data, bytes);
        assert_true(bytes <= file * 80 / 70 * 106 / 100);
        free(odd);
        free(again.data);
        product_done(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_exact), cmocka_unit_test(test_activation_error),
        cmocka_unit_test(test_same_bits),     cmocka_unit_test(test_extreme_sizes),
        cmocka_unit_test(test_largest_codes), cmocka_unit_test(test_rows_read_back),
        cmocka_unit_test(test_pack_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
