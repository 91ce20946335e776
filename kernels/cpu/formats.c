/* A table of formats and one unpacking function each: what the GGUF specification and ggml's
 * block structures say, in bytes, so that no packed structs or alignment are needed. Word order
 * is little-endian, as this engine's machines. */
#include "kernels/cpu/formats.h"

#include <math.h>

/* --- Float words --- */

float half_float(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 0x3ff;
    if (exponent == 31)
        return bits_float(sign | 0x7f800000 | mantissa << 13);
    if (exponent)
        return bits_float(sign | (exponent + 112) << 23 | mantissa << 13);
    float tiny = (float)mantissa * 0x1p-24f;
    return sign ? -tiny : tiny;
}

uint16_t float_half(float value)
{
    uint32_t bits = float_bits(value), magnitude = bits & 0x7fffffff;
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000)
        return sign | 0x7e00;
    if (magnitude >= 0x477ff000) /* 65520 and more round to infinity */
        return sign | 0x7c00;
    if (magnitude < 0x38800000) /* below 2^-14: a multiple of 2^-24 */
        return sign | (uint16_t)nearbyintf(bits_float(magnitude) * 0x1p24f);
    uint32_t odd = magnitude >> 13 & 1;
    return sign | (uint16_t)((magnitude - 0x38000000 + 0xfff + odd) >> 13);
}

uint16_t float_bfloat(float value)
{
    uint32_t bits = float_bits(value);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 64);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* --- Unpacking --- */

static uint16_t word(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* Low nibbles are columns 0..15, high nibbles 16..31. */
static void nibbles(const uint8_t *p, uint8_t *codes)
{
    for (int i = 0; i < 16; i++) {
        codes[i] = p[i] & 15;
        codes[i + 16] = p[i] >> 4;
    }
}

/* Bit i of a 32-bit word is bit 4 of code i. */
static void fifth_bits(const uint8_t *p, uint8_t *codes)
{
    uint32_t bits;
    memcpy(&bits, p, sizeof(bits));
    for (int i = 0; i < FORMAT_BLOCK; i++)
        codes[i] |= (uint8_t)((bits >> i & 1) << 4);
}

static void unpack_q8_0(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = word(p);
    for (int i = 0; i < FORMAT_BLOCK; i++)
        u->codes[i] = p[2 + i] ^ 0x80;
}

static void unpack_q4_0(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = word(p);
    nibbles(p + 2, u->codes);
}

static void unpack_q4_1(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = word(p);
    u->m = word(p + 2);
    nibbles(p + 4, u->codes);
}

static void unpack_q5_0(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = word(p);
    nibbles(p + 6, u->codes);
    fifth_bits(p + 2, u->codes);
}

static void unpack_q5_1(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = word(p);
    u->m = word(p + 2);
    nibbles(p + 8, u->codes);
    fifth_bits(p + 4, u->codes);
}

/* A block's exponent byte e means 2^(e-127) for levels 0, 0.5, 1 … 6; with the levels doubled it
 * is 2^(e-128), which a bfloat16 holds exactly (the two lowest as denormals). */
static void unpack_mxfp4(const uint8_t *p, int part, struct unpacked *u)
{
    (void)part;
    u->d = p[0] < 2 ? (uint16_t)(0x20 << p[0]) : (uint16_t)((p[0] - 1) << 7);
    nibbles(p + 1, u->codes);
}

/* Eight 6-bit scales and minima in 12 bytes: the first four of each whole, the other four in
 * pieces. */
static void super_scales(const uint8_t *p, int part, struct unpacked *u)
{
    if (part < 4) {
        u->scale[0] = p[part] & 63;
        u->min = p[part + 4] & 63;
    } else {
        u->scale[0] = (uint8_t)((p[part + 4] & 15) | (p[part - 4] >> 6) << 4);
        u->min = (uint8_t)(p[part + 4] >> 4 | (p[part] >> 6) << 4);
    }
    u->scale[1] = u->scale[0];
}

/* Parts 2i and 2i+1 are the low and high nibbles of the same 32 bytes. */
static void super_nibbles(const uint8_t *p, int part, struct unpacked *u)
{
    const uint8_t *q = p + part / 2 * 32;
    int shift = part % 2 * 4;
    for (int i = 0; i < FORMAT_BLOCK; i++)
        u->codes[i] = q[i] >> shift & 15;
}

static void unpack_q4_k(const uint8_t *p, int part, struct unpacked *u)
{
    u->d = word(p);
    u->m = word(p + 2);
    super_scales(p + 4, part, u);
    super_nibbles(p + 16, part, u);
}

static void unpack_q5_k(const uint8_t *p, int part, struct unpacked *u)
{
    u->d = word(p);
    u->m = word(p + 2);
    super_scales(p + 4, part, u);
    super_nibbles(p + 48, part, u);
    for (int i = 0; i < FORMAT_BLOCK; i++)
        u->codes[i] |= (uint8_t)((p[16 + i] >> part & 1) << 4);
}

/* Halves of 128 columns; in each, four parts of 32: low bits in two nibbles of 64 bytes, high
 * bits two by two. */
static void unpack_q6_k(const uint8_t *p, int part, struct unpacked *u)
{
    int half = part / 4, quarter = part % 4;
    const uint8_t *low = p + half * 64 + quarter % 2 * 32;
    const uint8_t *high = p + 128 + half * 32;
    for (int i = 0; i < FORMAT_BLOCK; i++)
        u->codes[i] =
            (uint8_t)((low[i] >> quarter / 2 * 4 & 15) | (high[i] >> quarter * 2 & 3) << 4);
    u->scale[0] = p[192 + part * 2];
    u->scale[1] = p[192 + part * 2 + 1];
    u->d = word(p + 208);
}

/* --- The table --- */

const int8_t FORMAT_LEVELS_IQ4_NL[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};
const int8_t FORMAT_LEVELS_MXFP4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static const struct format FORMATS[] = {
    {{KERNEL_F32, "F32", 1, 4}, FORMAT_FLOAT, 32, 0, NULL, false, NULL},
    {{KERNEL_F16, "F16", 1, 2}, FORMAT_FLOAT, 16, 0, NULL, false, NULL},
    {{KERNEL_BF16, "BF16", 1, 2}, FORMAT_FLOAT, 16, 0, NULL, false, NULL},
    {{KERNEL_Q8_0, "Q8_0", 32, 34}, FORMAT_SCALE, 8, 128, NULL, false, unpack_q8_0},
    {{KERNEL_Q4_0, "Q4_0", 32, 18}, FORMAT_SCALE, 4, 8, NULL, false, unpack_q4_0},
    {{KERNEL_Q4_1, "Q4_1", 32, 20}, FORMAT_MIN, 4, 0, NULL, false, unpack_q4_1},
    {{KERNEL_Q5_0, "Q5_0", 32, 22}, FORMAT_SCALE, 5, 16, NULL, false, unpack_q5_0},
    {{KERNEL_Q5_1, "Q5_1", 32, 24}, FORMAT_MIN, 5, 0, NULL, false, unpack_q5_1},
    {{KERNEL_Q4_K, "Q4_K", 256, 144}, FORMAT_SUPER, 4, 0, NULL, false, unpack_q4_k},
    {{KERNEL_Q5_K, "Q5_K", 256, 176}, FORMAT_SUPER, 5, 0, NULL, false, unpack_q5_k},
    {{KERNEL_Q6_K, "Q6_K", 256, 210}, FORMAT_HALVES, 6, 32, NULL, false, unpack_q6_k},
    {{KERNEL_IQ4_NL, "IQ4_NL", 32, 18},
     FORMAT_SCALE,
     4,
     0,
     FORMAT_LEVELS_IQ4_NL,
     false,
     unpack_q4_0},
    {{KERNEL_MXFP4, "MXFP4", 32, 17}, FORMAT_SCALE, 4, 0, FORMAT_LEVELS_MXFP4, true, unpack_mxfp4},
};

const struct format *format_find(uint32_t type)
{
    for (size_t i = 0; i < sizeof(FORMATS) / sizeof(FORMATS[0]); i++)
        if (FORMATS[i].info.type == type)
            return &FORMATS[i];
    return NULL;
}

const struct kernel_type_info *kernel_type_info(uint32_t type)
{
    const struct format *f = format_find(type);
    return f ? &f->info : NULL;
}

/* --- To floats --- */

struct factors format_factors(const struct format *f, const struct unpacked *u)
{
    float d = f->bfloat_scale ? bfloat_float(u->d) : half_float(u->d);
    switch (f->kind) {
    case FORMAT_MIN:
        return (struct factors){{d, d}, half_float(u->m)};
    case FORMAT_SUPER:
        return (struct factors){{d * (float)u->scale[0], d * (float)u->scale[0]},
                                -(half_float(u->m) * (float)u->min)};
    case FORMAT_HALVES:
        return (struct factors){{d * (float)(int8_t)u->scale[0], d * (float)(int8_t)u->scale[1]},
                                0};
    default:
        return (struct factors){{d, d}, 0};
    }
}

void format_floats(const struct format *f, const struct unpacked *u, float *out)
{
    struct factors k = format_factors(f, u);
    for (int i = 0; i < FORMAT_BLOCK; i++)
        out[i] = k.scale[i / 16] * (float)format_level(f, u->codes[i]);
    if (f->kind == FORMAT_MIN || f->kind == FORMAT_SUPER)
        for (int i = 0; i < FORMAT_BLOCK; i++)
            out[i] += k.min;
}

static void dequantize_floats(enum kernel_type type, const uint8_t *source, float *out,
                              size_t count)
{
    if (type == KERNEL_F32) {
        memcpy(out, source, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = type == KERNEL_F16 ? half_float(word(source + 2 * i))
                                    : bfloat_float(word(source + 2 * i));
}

void kernel_dequantize(enum kernel_type type, const void *source, float *out, size_t count)
{
    const struct format *f = format_find(type);
    if (f->kind == FORMAT_FLOAT) {
        dequantize_floats(type, source, out, count);
        return;
    }
    int parts = f->info.block / FORMAT_BLOCK;
    struct unpacked u = {0};
    for (size_t i = 0; i < count / FORMAT_BLOCK; i++) {
        const uint8_t *block = (const uint8_t *)source + i / (size_t)parts * (size_t)f->info.bytes;
        f->unpack(block, (int)(i % (size_t)parts), &u);
        format_floats(f, &u, out + i * FORMAT_BLOCK);
    }
}
