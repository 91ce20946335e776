/* The kernels that work on a row: right against libm in double precision, and the reference's
 * bits from every set. */
#include "tests/unit/kernels/kernel_data.h"

#include <float.h>

static const int LENGTHS[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 100, 288, 576, 1000};
enum { LENGTH_COUNT = sizeof(LENGTHS) / sizeof(LENGTHS[0]), MOST = 1000, ROOM = MOST + 16 };

/* Values of every kind a row may hold: normal, zero of both signs, tiny, huge. */
static void mixed_values(float *x, int n, float size)
{
    static const float SPECIAL[] = {0,   -0.0f, 1e-40f, -1e-40f, 1e-20f, 80, -80,
                                    100, -100,  1e4f,   -1e4f,   1,      -1};
    for (int i = 0; i < n; i++)
        x[i] = i % 5 == 3 ? SPECIAL[random_below(sizeof(SPECIAL) / sizeof(SPECIAL[0]))]
                          : size * random_normal();
}

/* One call of each kernel, all writing to out. */
enum op {
    RMSNORM,
    RMSNORM_PLAIN,
    SILU,
    GELU,
    ADD,
    SCALE,
    MULTIPLY_ADD,
    SOFTCAP,
    SOFTMAX,
    ROPE_NORM,
    ROPE_NEOX,
    OPS
};

static void run(const struct kernels *k, enum op op, float *out, const float *a, const float *b,
                int n)
{
    memcpy(out, a, (size_t)n * sizeof(float));
    switch (op) {
    case RMSNORM:
        k->rmsnorm(out, a, b, n, 1e-5f);
        break;
    case RMSNORM_PLAIN:
        k->rmsnorm(out, out, NULL, n, 1e-6f);
        break;
    case SILU:
        k->silu_multiply(out, a, b, n);
        break;
    case GELU:
        k->gelu_multiply(out, out, b, n);
        break;
    case ADD:
        k->add(out, a, b, n);
        break;
    case SCALE:
        k->scale(out, a, 0.37f, n);
        break;
    case MULTIPLY_ADD:
        k->multiply_add(out, b, -1.7f, n);
        break;
    case SOFTCAP:
        k->softcap(out, 30, n);
        break;
    case SOFTMAX:
        k->softmax(out, n);
        break;
    default:
        if (n >= 8)
            k->rope(out, n / 8, 8, 6, b, op == ROPE_NORM ? KERNEL_ROPE_NORM : KERNEL_ROPE_NEOX);
    }
}

static void test_same_bits(void **state)
{
    (void)state;
    const struct kernels *sets[SIMD_SETS], *scalar = kernels_choose("scalar");
    int count = simd_sets(sets);
    static float a[MOST], b[ROOM], want[ROOM], got[ROOM];
    for (int s = 0; s < count; s++)
        for (int i = 0; i < LENGTH_COUNT; i++)
            for (int op = 0; op < OPS; op++) {
                mixed_values(a, LENGTHS[i], 2);
                mixed_values(b, LENGTHS[i] + 8, 1);
                memset(want, 0xa5, sizeof(want));
                memset(got, 0xa5, sizeof(got));
                run(scalar, (enum op)op, want, a, b, LENGTHS[i]);
                run(sets[s], (enum op)op, got, a, b, LENGTHS[i]);
                if (memcmp(want, got, sizeof(want)) != 0)
                    fail_msg("%s: kernel %d differs at length %d", sets[s]->name, op, LENGTHS[i]);
            }
}

static double exact_one(enum op op, double a, double b, double factor)
{
    switch (op) {
    case RMSNORM:
        return a * factor * b;
    case SILU:
        return a / (1 + exp(-a)) * b;
    case GELU:
        return 0.5 * a * (1 + tanh(sqrt(2 / acos(-1)) * (a + 0.044715 * a * a * a))) * b;
    case ADD:
        return a + b;
    case SCALE:
        return a * (double)0.37f;
    case MULTIPLY_ADD:
        return a + b * (double)-1.7f;
    case SOFTCAP:
        return 30 * tanh(a / 30);
    default:
        return exp(a) * factor;
    }
}

static void test_against_libm(void **state)
{
    (void)state;
    static const enum op OPERATIONS[] = {RMSNORM, SILU,         GELU,    ADD,
                                         SCALE,   MULTIPLY_ADD, SOFTCAP, SOFTMAX};
    static float a[MOST], b[MOST], got[MOST];
    static double want[MOST];
    for (size_t o = 0; o < sizeof(OPERATIONS) / sizeof(OPERATIONS[0]); o++)
        for (int i = 0; i < LENGTH_COUNT; i++) {
            int n = LENGTHS[i];
            double squares = 0, weights = 0;
            for (int j = 0; j < n; j++) {
                a[j] = 3 * random_normal();
                b[j] = random_normal();
                squares += (double)a[j] * a[j];
                weights += exp(a[j]);
            }
            double factor = OPERATIONS[o] == RMSNORM ? 1 / sqrt(squares / n + 1e-5) : 1 / weights;
            for (int j = 0; j < n; j++)
                want[j] = exact_one(OPERATIONS[o], a[j], b[j], factor);
            run(kernels_choose(NULL), OPERATIONS[o], got, a, b, n);
            double error = nmse(got, want, (size_t)n);
            if (!(error < 1e-11))
                fail_msg("kernel %d at length %d: nmse %g", OPERATIONS[o], n, error);
        }
}

/* The exponential through softmax of two: relative error below 3 units in the last place over
 * its whole range. */
static void test_exponential(void **state)
{
    (void)state;
    for (float x = -80; x <= 0; x += 0.00731f) {
        float pair[2] = {0, x};
        kernels_choose(NULL)->softmax(pair, 2);
        double want = exp(x) / (1 + exp(x));
        assert_true(fabs(pair[1] - want) < want * 4e-7);
    }
    float pair[3] = {0, -INFINITY, -200};
    kernels_choose(NULL)->softmax(pair, 3);
    assert_true(pair[0] == 1 && pair[1] == 0 && pair[2] == 0);
}

static void test_rope(void **state)
{
    (void)state;
    float table[8], factors[4] = {1, 2, 4, 8};
    kernel_rope_table(table, 1000, 8, 10000, 0.5, factors, 1.25);
    for (int i = 0; i < 4; i++) {
        double angle = 500 * pow(10000, -i / 4.0) / factors[i];
        assert_true(fabs(table[2 * i] - 1.25 * cos(angle)) < 1e-6 &&
                    fabs(table[2 * i + 1] - 1.25 * sin(angle)) < 1e-6);
    }
    float norm[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, neox[10] = {1, 3, 5, 7, 2, 4, 6, 8, 9, 10};
    kernels_choose(NULL)->rope(norm, 1, 10, 8, table, KERNEL_ROPE_NORM);
    kernels_choose(NULL)->rope(neox, 1, 10, 8, table, KERNEL_ROPE_NEOX);
    for (int i = 0; i < 4; i++) {
        float c = table[2 * i], s = table[2 * i + 1], u = (float)(2 * i + 1),
              v = (float)(2 * i + 2);
        assert_true(fabsf(norm[2 * i] - (u * c - v * s)) < 1e-5f &&
                    fabsf(norm[2 * i + 1] - (u * s + v * c)) < 1e-5f);
        assert_true(neox[i] == norm[2 * i] && neox[i + 4] == norm[2 * i + 1]);
    }
    assert_true(norm[8] == 9 && norm[9] == 10 && neox[8] == 9 && neox[9] == 10);
}

static void test_argmax(void **state)
{
    (void)state;
    static const char *const SETS[] = {"scalar", "avx2", "avxvnni", "avx512"};
    for (int s = 0; s < 4; s++) {
        const struct kernels *k = kernels_choose(SETS[s]);
        if (!k)
            continue;
        float x[40];
        for (int i = 0; i < 40; i++)
            x[i] = (float)-i;
        assert_int_equal(k->argmax(x, 40), 0);
        x[35] = x[17] = 5;
        assert_int_equal(k->argmax(x, 40), 17);
        assert_int_equal(k->argmax(x, 17), 0);
        x[0] = x[20] = NAN;
        assert_int_equal(k->argmax(x, 40), 17);
        assert_int_equal(k->argmax(x, 1), 0);
        x[39] = INFINITY;
        assert_int_equal(k->argmax(x, 40), 39);
        for (int i = 0; i < 40; i++)
            x[i] = i < 3 ? NAN : -INFINITY;
        assert_int_equal(k->argmax(x, 40), 3);
        assert_int_equal(k->argmax(x, 3), 0);
    }
}

/* --- Activations --- */

static void check_quantize(const struct kernels *k, const float *values, int tokens)
{
    int8_t quants[5 * 96], want_quants[5 * 96];
    struct kernel_block blocks[15], want_blocks[15];
    struct kernel_activations x = {tokens, 96, values, 100, want_quants, want_blocks};
    kernels_choose("scalar")->quantize(&x, 0, tokens);
    x.quants = quants;
    x.blocks = blocks;
    k->quantize(&x, 2, tokens);
    k->quantize(&x, 0, 2);
    assert_memory_equal(quants, want_quants, (size_t)tokens * 96);
    assert_memory_equal(blocks, want_blocks, (size_t)tokens * 3 * sizeof(blocks[0]));
    for (int b = 0; b < tokens * 3; b++) {
        int sum = 0, first = 0;
        for (int i = 0; i < 32; i++) {
            const float *v = values + b / 3 * 100 + b % 3 * 32;
            sum += quants[b * 32 + i];
            first += i < 16 ? quants[b * 32 + i] : 0;
            assert_true(quants[b * 32 + i] > -128);
            if (blocks[b].scale > 0)
                assert_true(fabs((double)quants[b * 32 + i] * blocks[b].scale - v[i]) <=
                            blocks[b].scale * 0.5001);
        }
        assert_true(blocks[b].lift == -128 * sum && blocks[b].lift_first == -128 * first);
    }
}

static void test_quantize(void **state)
{
    (void)state;
    static const float SIZES[] = {0, 1e-45f, 1e-38f, 1e-29f, 1e-6f, 1, 1e20f, 5e37f};
    const struct kernels *sets[SIMD_SETS];
    int count = simd_sets(sets);
    for (int s = 0; s < count; s++)
        for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
            float *values = random_floats(5 * 100, SIZES[i]);
            values[7] = 0;
            values[33] = SIZES[i] * 6;
            check_quantize(sets[s], values, 5);
            free(values);
        }
}

/* What is not finite becomes zeros, so that nothing undefined is computed from it. */
static void test_quantize_infinite(void **state)
{
    (void)state;
    static const char *const SETS[] = {"scalar", "avx2", "avxvnni", "avx512"};
    float values[32] = {1, 2, INFINITY};
    int8_t quants[32];
    struct kernel_block block;
    struct kernel_activations x = {1, 32, values, 32, quants, &block};
    for (int s = 0; s < 4; s++)
        if (kernels_choose(SETS[s])) {
            kernels_choose(SETS[s])->quantize(&x, 0, 1);
            assert_true(block.scale == 0 && quants[0] == 0 && block.lift == 0);
        }
}

static void test_choose(void **state)
{
    (void)state;
    assert_string_equal(kernels_choose("scalar")->name, "scalar");
    assert_non_null(kernels_choose(NULL));
    assert_null(kernels_choose("sse9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_against_libm),
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_rope),
        cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_quantize),
        cmocka_unit_test(test_quantize_infinite),
        cmocka_unit_test(test_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
