/* The block formats, against blocks built by hand from the specification of each. */
#include "tests/unit/kernels/kernel_data.h"

static void expect(enum kernel_type type, const uint8_t *block, const float *want)
{
    float got[256];
    int n = kernel_type_info(type)->block;
    kernel_dequantize(type, block, got, (size_t)n);
    for (int i = 0; i < n; i++)
        if (float_bits(got[i]) != float_bits(want[i]))
            fail_msg("%s element %d: %g, not %g", kernel_type_info(type)->name, i, got[i], want[i]);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        enum kernel_type type;
        const char *name;
        int block, bytes;
    } WANT[] = {
        {KERNEL_F32, "F32", 1, 4},       {KERNEL_F16, "F16", 1, 2},
        {KERNEL_BF16, "BF16", 1, 2},     {KERNEL_Q8_0, "Q8_0", 32, 34},
        {KERNEL_Q4_0, "Q4_0", 32, 18},   {KERNEL_Q4_1, "Q4_1", 32, 20},
        {KERNEL_Q5_0, "Q5_0", 32, 22},   {KERNEL_Q5_1, "Q5_1", 32, 24},
        {KERNEL_Q4_K, "Q4_K", 256, 144}, {KERNEL_Q5_K, "Q5_K", 256, 176},
        {KERNEL_Q6_K, "Q6_K", 256, 210}, {KERNEL_IQ4_NL, "IQ4_NL", 32, 18},
        {KERNEL_MXFP4, "MXFP4", 32, 17},
    };
    for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
        const struct kernel_type_info *info = kernel_type_info(WANT[i].type);
        assert_string_equal(info->name, WANT[i].name);
        assert_true(info->block == WANT[i].block && info->bytes == WANT[i].bytes);
    }
    assert_null(kernel_type_info(4));
    assert_null(kernel_type_info(10));
    assert_null(kernel_type_info(4000000000u));
}

/* Every half float there is: by its definition, and back to the same word. */
static void test_halves(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        int exponent = i >> 10 & 31, mantissa = i & 1023;
        float value = half_float((uint16_t)i), sign = i & 0x8000 ? -1.0f : 1.0f;
        if (exponent == 31 && mantissa) {
            assert_true(isnan(value) && isnan(half_float(float_half(value))));
            continue;
        }
        float want = exponent == 31 ? INFINITY
                     : exponent     ? ldexpf((float)(1024 + mantissa), exponent - 25)
                                    : ldexpf((float)mantissa, -24);
        assert_int_equal(float_bits(value), float_bits(sign * want));
        assert_int_equal(float_half(value), i);
    }
    assert_int_equal(float_half(65519.996f), 0x7bff);
    assert_int_equal(float_half(65520), 0x7c00);
    assert_int_equal(float_half(1 + 0x1p-11f), 0x3c00);     /* a tie, to even */
    assert_int_equal(float_half(1 + 3 * 0x1p-11f), 0x3c02); /* a tie, to even */
    assert_int_equal(float_half(0x1p-25f), 0);              /* a tie, to even */
    assert_int_equal(float_half(-0x1.8p-25f), 0x8001);
    assert_int_equal(float_bfloat(1 + 0x1p-8f), 0x3f80);
    assert_int_equal(float_bfloat(1 + 3 * 0x1p-8f), 0x3f82);
    assert_true(isnan(bfloat_float(float_bfloat(bits_float(0x7f800001)))));
}

/* Codes i for element i (mod 16): low nibbles are the first half of the elements. */
static void counting_nibbles(uint8_t *p)
{
    for (int i = 0; i < 16; i++)
        p[i] = (uint8_t)(i | (15 - i) << 4);
}

static int counting(int i)
{
    return i < 16 ? i : 31 - i;
}

static void test_four_bits(void **state)
{
    (void)state;
    uint8_t block[20];
    float want[32];
    put_half(block, -0.37f);
    put_half(block + 2, 1.7f);
    float d = half_float(float_half(-0.37f)), m = half_float(float_half(1.7f));
    counting_nibbles(block + 4);
    for (int i = 0; i < 32; i++)
        want[i] = (float)counting(i) * d + m;
    expect(KERNEL_Q4_1, block, want);

    counting_nibbles(block + 2);
    for (int i = 0; i < 32; i++)
        want[i] = (float)(counting(i) - 8) * d;
    expect(KERNEL_Q4_0, block, want);

    static const float LEVELS[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
    for (int i = 0; i < 32; i++)
        want[i] = LEVELS[counting(i)] * d;
    expect(KERNEL_IQ4_NL, block, want);
}

static void test_mxfp4(void **state)
{
    (void)state;
    static const float LEVELS[16] = {0, 0.5f,  1,  1.5f,  2,  3,  4,  6,
                                     0, -0.5f, -1, -1.5f, -2, -3, -4, -6};
    for (int e = 0; e < 255; e++) {
        uint8_t block[17] = {(uint8_t)e};
        float want[32];
        counting_nibbles(block + 1);
        for (int i = 0; i < 32; i++)
            want[i] = ldexpf(2 * LEVELS[counting(i)], e - 128);
        expect(KERNEL_MXFP4, block, want);
    }
}

static void test_five_bits(void **state)
{
    (void)state;
    uint8_t block[24];
    float want[32];
    uint32_t high = 0xa5c3f019;
    put_half(block, 0.11f);
    put_half(block + 2, -2.5f);
    float d = half_float(float_half(0.11f)), m = half_float(float_half(-2.5f));
    memcpy(block + 4, &high, 4);
    counting_nibbles(block + 8);
    for (int i = 0; i < 32; i++)
        want[i] = (float)(counting(i) + (high >> i & 1 ? 16 : 0)) * d + m;
    expect(KERNEL_Q5_1, block, want);

    memcpy(block + 2, &high, 4);
    counting_nibbles(block + 6);
    for (int i = 0; i < 32; i++)
        want[i] = (float)(counting(i) + (high >> i & 1 ? 16 : 0) - 16) * d;
    expect(KERNEL_Q5_0, block, want);
}

static void test_q8_0(void **state)
{
    (void)state;
    uint8_t block[34];
    float want[32];
    put_half(block, 0.013f);
    for (int i = 0; i < 32; i++) {
        int8_t q = (int8_t)(i * 8 - 128);
        block[2 + i] = (uint8_t)q;
        want[i] = (float)q * half_float(float_half(0.013f));
    }
    expect(KERNEL_Q8_0, block, want);
}

/* Scales 6 s + 3 (mod 64) and minima 63 - 7 s (mod 64) of the eight parts, packed as the
 * K-quants do: the low four bits of parts 4..7 in the last four bytes, their high two bits above
 * those of parts 0..3. */
static int part_scale(int s)
{
    return (6 * s + 35) % 64;
}

static int part_min(int s)
{
    return (63 - 7 * s) % 64;
}

static void put_part_scales(uint8_t *p)
{
    for (int s = 0; s < 4; s++) {
        p[s] = (uint8_t)(part_scale(s) | part_scale(s + 4) >> 4 << 6);
        p[s + 4] = (uint8_t)(part_min(s) | part_min(s + 4) >> 4 << 6);
        p[s + 8] = (uint8_t)((part_scale(s + 4) & 15) | (part_min(s + 4) & 15) << 4);
    }
}

static void test_super_blocks(void **state)
{
    (void)state;
    uint8_t four[144], five[176];
    float want[256];
    put_half(four, 0.0021f);
    put_half(four + 2, -0.0304f);
    float d = half_float(float_half(0.0021f)), m = half_float(float_half(-0.0304f));
    put_part_scales(four + 4);
    for (int i = 0; i < 128; i++)
        four[16 + i] = (uint8_t)(i * 37 + 11);
    memcpy(five, four, 16);
    for (int i = 0; i < 32; i++)
        five[16 + i] = (uint8_t)(i * 91 + 5);
    memcpy(five + 48, four + 16, 128);
    for (int i = 0; i < 256; i++) {
        int s = i / 32, code = four[16 + s / 2 * 32 + i % 32] >> s % 2 * 4 & 15;
        want[i] = d * (float)part_scale(s) * (float)code - m * (float)part_min(s);
    }
    expect(KERNEL_Q4_K, four, want);
    for (int i = 0; i < 256; i++) {
        int s = i / 32, code = four[16 + s / 2 * 32 + i % 32] >> s % 2 * 4 & 15;
        code += five[16 + i % 32] >> s & 1 ? 16 : 0;
        want[i] = d * (float)part_scale(s) * (float)code - m * (float)part_min(s);
    }
    expect(KERNEL_Q5_K, five, want);
}

static void test_q6_k(void **state)
{
    (void)state;
    uint8_t block[210];
    float want[256], d = half_float(float_half(-0.0017f));
    for (int i = 0; i < 192; i++)
        block[i] = (uint8_t)(i * 53 + 29);
    for (int s = 0; s < 16; s++)
        block[192 + s] = (uint8_t)(s * 17 - 130);
    put_half(block + 208, -0.0017f);
    for (int i = 0; i < 256; i++) {
        int half = i / 128, j = i % 128, quarter = j / 32;
        int low = block[half * 64 + j % 64] >> (j >= 64 ? 4 : 0) & 15;
        int high = block[128 + half * 32 + j % 32] >> 2 * quarter & 3;
        want[i] = d * (float)(int8_t)block[192 + i / 16] * (float)((low | high << 4) - 32);
    }
    expect(KERNEL_Q6_K, block, want);
}

static void test_quantize_weights(void **state)
{
    (void)state;
    static const struct {
        enum kernel_type type;
        double error;
    } WANT[] = {{KERNEL_F32, 1e-30},
                {KERNEL_F16, 1e-7},
                {KERNEL_BF16, 1e-5},
                {KERNEL_Q8_0, 1e-4},
                {KERNEL_Q4_1, 1e-2}};
    float *values = random_floats(1024, 0.05f), back[1024];
    double want[1024];
    uint8_t out[4096];
    for (int i = 0; i < 1024; i++)
        want[i] = values[i];
    for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
        assert_true(kernel_quantize_weights(WANT[i].type, values, out, 1024));
        kernel_dequantize(WANT[i].type, out, back, 1024);
        assert_true(nmse(back, want, 1024) < WANT[i].error);
    }
    assert_false(kernel_quantize_weights(KERNEL_Q4_K, values, out, 1024));
    free(values);
}

/* What a quantiser must keep exactly: zeros, and the ends of a block's range. */
static void test_quantize_ends(void **state)
{
    (void)state;
    float values[32] = {0}, back[32];
    uint8_t out[34];
    static const enum kernel_type TYPES[] = {KERNEL_Q8_0, KERNEL_Q4_1};
    for (int t = 0; t < 2; t++) {
        memset(values, 0, sizeof(values));
        assert_true(kernel_quantize_weights(TYPES[t], values, out, 32));
        kernel_dequantize(TYPES[t], out, back, 32);
        for (int i = 0; i < 32; i++)
            assert_true(back[i] == 0);
        values[3] = 7.5f;
        assert_true(kernel_quantize_weights(TYPES[t], values, out, 32));
        kernel_dequantize(TYPES[t], out, back, 32);
        assert_true(fabsf(back[3] - 7.5f) < 0.005f && back[4] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_four_bits),
        cmocka_unit_test(test_mxfp4),
        cmocka_unit_test(test_five_bits),
        cmocka_unit_test(test_q8_0),
        cmocka_unit_test(test_super_blocks),
        cmocka_unit_test(test_q6_k),
        cmocka_unit_test(test_quantize_weights),
        cmocka_unit_test(test_quantize_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
