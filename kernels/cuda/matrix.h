/* A weight matrix as the GPU's kernels read it: codes, high bits and scales in planes of their own,
 * each row of each plane contiguous, every plane aligned to 256 bytes and every row of codes to 64.
 *
 * Host code, C: the bytes are made here (cuda_matrix_pack) and uploaded by whoever owns them. A
 * row holds whole chunks of 64 bytes of codes; columns past the model's `columns` are zeros, so
 * that kernels know no remainders. A block is 32 columns. `pitch` is the columns rounded up to a
 * block: what inputs must have; a row of a plane may hold more (cuda_matrix_layout).
 *
 * type             a chunk      high, a chunk   scales, a block      supers, 8 blocks
 * F32              16 columns   -               -                    -
 * F16 BF16         32 columns   -               -                    -
 * Q8_0             2 blocks     -               half d               -
 * Q4_0 IQ4_NL      4 blocks     -               half d               -
 * MXFP4            4 blocks     -               bfloat16 d           -
 * Q4_1             4 blocks     -               half d, half m       -
 * Q5_0             4 blocks     16 bytes        half d               -
 * Q5_1             4 blocks     16 bytes        half d, half m       -
 * Q4_K             4 blocks     -               uint8 scale, min     half d, half m
 * Q5_K             4 blocks     16 bytes        uint8 scale, min     half d, half m
 * Q6_K             4 blocks     32 bytes        int8 scale[2]        half d, half 0
 *
 * Floats lie in order. The codes of a chunk of blocks lie as the fragments of an mma want them:
 * lane t of four (0 … 3) owns bytes 16 t … 16 t + 15, and of each block the columns 4t … 4t + 3
 * (r = 0) and 16 + 4t … 16 + 4t + 3 (r = 1). Column c of those four, of the chunk's block p, is
 *   Q8_0       byte 8 p + 4 r + c of the lane's 16: the level
 *   4 to 6 bit byte 8 (p / 2) + 4 r + c, its low nibble where p is even, its high where it is odd
 *   5th bit    byte c of the lane's 4 high bytes, bit 2 p + r
 *   6 bit      byte 4 (p / 2) + c of the lane's 8 high bytes, bits 4 (p % 2) + 2 r and the next
 * A column's value, with `code` all its bits:
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

enum {
    CUDA_BLOCK = 32, /* columns */
    CUDA_SUPER = 8,  /* blocks */
    CUDA_CHUNK = 64, /* bytes of codes */
};

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
