/* Floats to the file formats that weights may be converted to at load. Rounding follows ggml's
 * reference quantisers, so that a converted model equals one converted by its tools. */
#include "kernels/cpu/formats.h"

#include <math.h>

static void put_word(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void block_q8_0(const float *x, uint8_t *out)
{
    float largest = 0;
    for (int i = 0; i < FORMAT_BLOCK; i++)
        largest = fmaxf(largest, fabsf(x[i]));
    float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    put_word(out, float_half(d));
    for (int i = 0; i < FORMAT_BLOCK; i++) {
        float q = roundf(x[i] * inverse);
        out[2 + i] = (uint8_t)(int8_t)fmaxf(-127, fminf(127, q));
    }
}

static uint8_t code_q4_1(float value)
{
    return (uint8_t)fmaxf(0, fminf(15, value + 0.5f));
}

static void block_q4_1(const float *x, uint8_t *out)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < FORMAT_BLOCK; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    float d = (high - low) / 15, inverse = d != 0 ? 1 / d : 0;
    put_word(out, float_half(d));
    put_word(out + 2, float_half(low));
    for (int i = 0; i < 16; i++) {
        uint8_t a = code_q4_1((x[i] - low) * inverse), b = code_q4_1((x[i + 16] - low) * inverse);
        out[4 + i] = (uint8_t)(a | b << 4);
    }
}

bool kernel_quantize_weights(enum kernel_type type, const float *values, void *out, size_t count)
{
    uint8_t *bytes = out;
    switch (type) {
    case KERNEL_F32:
        memcpy(out, values, count * sizeof(float));
        return true;
    case KERNEL_F16:
        for (size_t i = 0; i < count; i++)
            put_word(bytes + 2 * i, float_half(values[i]));
        return true;
    case KERNEL_BF16:
        for (size_t i = 0; i < count; i++)
            put_word(bytes + 2 * i, float_bfloat(values[i]));
        return true;
    case KERNEL_Q8_0:
        for (size_t i = 0; i < count / FORMAT_BLOCK; i++)
            block_q8_0(values + i * FORMAT_BLOCK, bytes + i * 34);
        return true;
    case KERNEL_Q4_1:
        for (size_t i = 0; i < count / FORMAT_BLOCK; i++)
            block_q4_1(values + i * FORMAT_BLOCK, bytes + i * 20);
        return true;
    default:
        return false;
    }
}
