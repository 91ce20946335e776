/* A weight matrix as the GPU's kernels read it: codes, high bits and scales in planes of their own,
 * each row of each plane contiguous, every plane aligned to 256 bytes and every row of codes to 16.
 *
 * Host code, C: the bytes are made here (cuda_matrix_pack) and uploaded by whoever owns them. A
 * row holds `pitch` columns, the model's `columns` rounded up to 32; the rest are zeros, so that
 * kernels know no remainders. A block is 32 columns; `blocks` = pitch / 32.
 *
 * type             codes, a row              high, a block   scales, a block      supers, 8 blocks
 * F32 F16 BF16     pitch elements            -               -                    -
 * Q8_0             pitch int8 (the level)    -               half d               -
 * Q4_0 IQ4_NL      16 bytes a block          -               half d               -
 * MXFP4            16 bytes a block          -               bfloat16 d           -
 * Q4_1             16 bytes a block          -               half d, half m       -
 * Q5_0             16 bytes a block          4 bytes         half d               -
 * Q5_1             16 bytes a block          4 bytes         half d, half m       -
 * Q4_K             16 bytes a block          -               uint8 scale, min     half d, half m
 * Q5_K             16 bytes a block          4 bytes         uint8 scale, min     half d, half m
 * Q6_K             16 bytes a block          8 bytes         int8 scale[2]        half d, half 0
 *
 * Byte i of a block's 16 holds the low four bits of columns i (low nibble) and i + 16 (high).
 * Bit i of the four high bytes (little-endian word) is the fifth bit of column i. Byte k of the
 * eight high bytes holds bits four and five of columns k, k + 8, k + 16 and k + 24, two bits each
 * from the lowest. A column's value, with `code` all its bits:
 *   Q8_0            d * level
 *   Q4_0, Q5_0      d * (code - 8), d * (code - 16)
 *   IQ4_NL, MXFP4   d * FORMAT_LEVELS_…[code] (kernels/cpu/formats.h)
 *   Q4_1, Q5_1      d * code + m
 *   Q4_K, Q5_K      (d * scale) * code - (m * min)
 *   Q6_K            (d * scale[column / 16 in the block]) * (code - 32) */
#ifndef KERNELS_CUDA_MATRIX_H
#define KERNELS_CUDA_MATRIX_H

#include "kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CUDA_BLOCK = 32, CUDA_SUPER = 8 /* blocks */ };

/* On the device. Several tensors of one type and width may lie in one matrix, rows after rows. */
struct cuda_matrix {
    enum kernel_type type;
    int rows, columns, pitch;
    const uint8_t *codes, *high, *scales, *supers; /* NULL where the type has none */
};

/* Offsets of the planes in the one piece of memory that holds a matrix. */
struct cuda_matrix_layout {
    size_t codes, high, scales, supers, bytes;
    size_t row_codes, row_high, row_scales, row_supers; /* bytes of a row in each plane */
};

struct cuda_matrix_layout cuda_matrix_layout(enum kernel_type type, int64_t rows, int columns);

/* The matrix at `memory` (on the device). */
struct cuda_matrix cuda_matrix_at(enum kernel_type type, int rows, int columns,
                                  const uint8_t *memory);

/* Packs the rows [first, last) of `tensor` (as it lies in the file) to where rows [at + first,
 * at + last) of a matrix of this layout lie; `memory` (host) holds the whole matrix. Distinct
 * ranges may be packed by distinct threads. */
void cuda_matrix_pack(uint8_t *memory, const struct cuda_matrix_layout *layout,
                      enum kernel_type type, int columns, const void *tensor, int64_t at,
                      int64_t first, int64_t last);

static inline int cuda_pitch(int columns)
{
    return (columns + CUDA_BLOCK - 1) / CUDA_BLOCK * CUDA_BLOCK;
}

#ifdef __cplusplus
}
#endif
#endif
