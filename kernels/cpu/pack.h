/* How a packed matrix lies in memory; shared by packing and by every product.
 *
 * A matrix is a row of panels; a panel holds 16 rows. For float types it is [columns][16]
 * elements. For block types it is a row of groups of 2 (or, for K-quants, 8) blocks of 32
 * columns, and a group of G blocks is
 *
 *     quants  G x 256 bytes: register j (0..3), byte 4 row + c: low nibble column 4j + c, high
 *             nibble 16 + 4j + c
 *             G x 512 for 8-bit codes: register j (0..7), byte 4 row + c: column 4j + c
 *     high    5-bit: G x 8 words of 64 bits: word j, bit 4 row + c is bit 4 of the code of
 *             column 4j + c
 *             6-bit: G x 128 bytes: register j / 4, byte 4 row + c, bits 2 (j % 4): bits 4 and 5
 *                 of column 4j + c
 *     scales  SCALE: G x 16 words d         MIN: G x 16 words d, G x 16 words m
 *             SUPER: 16 d, 16 m, 8 x 16 scale bytes, 8 x 16 minimum bytes
 *             HALVES: 16 x 16 scale bytes, 16 d, 32 bytes unused
 *
 * so that all registers are loaded from aligned addresses and memory is read in one ascending
 * stream. Where the number of blocks is odd, the last group's second half is zeros that are
 * never read. */
#ifndef KERNELS_CPU_PACK_H
#define KERNELS_CPU_PACK_H

#include "kernels/cpu/formats.h"

enum { ROWS = KERNEL_PANEL_ROWS };

struct layout {
    int group;     /* blocks in a group */
    size_t quants; /* bytes of one block's quants: 256 or 512 */
    size_t high;   /* bytes of one block's high bits: 0, 64 or 128 */
    size_t bytes;  /* of a whole group */
};

struct layout pack_layout(const struct format *f);
size_t pack_panel_bytes(const struct kernel_matrix *matrix);

/* Reads one row's block back out of its panel. */
void pack_read(const struct format *f, const uint8_t *panel, int row, int block,
               struct unpacked *u);

/* One element of a float panel. */
float pack_float(const struct kernel_matrix *matrix, const uint8_t *panel, int row, int column);

#endif
