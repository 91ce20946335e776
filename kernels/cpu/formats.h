/* The block formats of GGUF tensors, one place for all their facts.
 *
 * Every integer format is read through one shape: 32 codes of at most 8 bits with the raw scale
 * words beside them (struct unpacked). Dequantising, packing into panels and the scalar product
 * all start from it, so a format is one row of facts and one unpacking function. A code stands
 * for the level code - bias, or for levels[code]. */
#ifndef KERNELS_CPU_FORMATS_H
#define KERNELS_CPU_FORMATS_H

#include "kernels/kernels.h"

#include <string.h>

enum { FORMAT_BLOCK = 32 }; /* columns that share an activation scale */

struct unpacked {
    uint8_t codes[FORMAT_BLOCK];
    uint16_t d, m;    /* scale and minimum words of the block or super-block */
    uint8_t scale[2]; /* K-quants: the sub-block's own scale (Q6_K: one a half, signed) */
    uint8_t min;      /* K-quants: the sub-block's own minimum */
};

enum format_kind {
    FORMAT_FLOAT,  /* no blocks */
    FORMAT_SCALE,  /* value = d * level */
    FORMAT_MIN,    /* value = d * level + m */
    FORMAT_SUPER,  /* value = (d * scale) * level - (m * min) */
    FORMAT_HALVES, /* value = (d * scale[half]) * level */
};

struct format {
    struct kernel_type_info info;
    enum format_kind kind;
    int bits;             /* of a code: 4, 5, 6 or 8 */
    int bias;             /* level = code - bias, unless `levels` is set */
    const int8_t *levels; /* 16 levels, or NULL */
    bool bfloat_scale;    /* d is a bfloat16 (MXFP4), else a float16 */
    void (*unpack)(const uint8_t *block, int part, struct unpacked *u);
};

/* What the 16 codes of these types stand for. */
extern const int8_t FORMAT_LEVELS_IQ4_NL[16], FORMAT_LEVELS_MXFP4[16];

/* Returns borrowed; NULL for an unknown type. */
const struct format *format_find(uint32_t type);

/* The 32 floats of an unpacked block, in the arithmetic its specification states. */
void format_floats(const struct format *f, const struct unpacked *u, float *out);

/* The float factors of an unpacked block as the products use them: scales of both halves and
 * what is added. */
struct factors {
    float scale[2];
    float min;
};
struct factors format_factors(const struct format *f, const struct unpacked *u);

/* Level of a code. */
static inline int format_level(const struct format *f, uint8_t code)
{
    return f->levels ? f->levels[code] : code - f->bias;
}

static inline float bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline float bfloat_float(uint16_t bits)
{
    return bits_float((uint32_t)bits << 16);
}

float half_float(uint16_t bits);
uint16_t float_half(float value);   /* to nearest, ties to even; too large: infinity */
uint16_t float_bfloat(float value); /* to nearest, ties to even */

#endif
