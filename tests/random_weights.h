/* Random weights of every type, as they lie in a file, for the tests of both sides' kernels. */
#ifndef TESTS_RANDOM_WEIGHTS_H
#define TESTS_RANDOM_WEIGHTS_H

#include <string.h>

#include "kernels/cpu/formats.h"
#include "tests/random_numbers.h"

static inline void put_half(uint8_t *p, float value)
{
    uint16_t h = float_half(value);
    memcpy(p, &h, 2);
}

/* Random codes, and scales of about `size`. */
static inline void random_block(const struct kernel_type_info *info, uint8_t *block, float size)
{
    for (int i = 0; i < info->bytes; i++)
        block[i] = (uint8_t)random_bits();
    if (info->type == KERNEL_Q6_K) {
        put_half(block + 208, size * random_normal() / 16);
    } else if (info->type == KERNEL_MXFP4) {
        block[0] = (uint8_t)(118 + random_below(12));
    } else {
        put_half(block, size * random_normal());
        if (info->type == KERNEL_Q4_1 || info->type == KERNEL_Q5_1 || info->block == 256)
            put_half(block + 2, size * random_normal());
    }
}

static inline size_t random_weights_bytes(enum kernel_type type, size_t count)
{
    const struct kernel_type_info *info = kernel_type_info(type);
    return count / (size_t)info->block * (size_t)info->bytes;
}

/* `count` elements of about `size`; false: such weights cannot be made. */
static inline bool random_weights(enum kernel_type type, uint8_t *weights, size_t count, float size)
{
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t blocks = count / (size_t)info->block;
    bool made = true;
    for (size_t i = 0; i < blocks; i++) {
        uint8_t *block = weights + i * (size_t)info->bytes;
        float value = size * random_normal();
        if (info->block > 1)
            random_block(info, block, size);
        else
            made &= kernel_quantize_weights(type, &value, block, 1);
    }
    return made;
}

#endif
