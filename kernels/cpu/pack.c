/* Packing writes a panel block by block from unpacked codes, four columns (one 32-bit lane) at a
 * time; reading a row back is its mirror image and serves the embedding look-up and the scalar
 * product. */
#include "kernels/cpu/pack.h"

struct layout pack_layout(const struct format *f)
{
    static const size_t SCALE_BYTES[] = {[FORMAT_SCALE] = 2 * 32,
                                         [FORMAT_MIN] = 4 * 32,
                                         [FORMAT_SUPER] = 64 + 256,
                                         [FORMAT_HALVES] = 256 + 64};
    struct layout l = {.group = f->info.block == 256 ? 8 : 2};
    l.quants = f->bits == 8 ? 512 : 256;
    l.high = f->bits == 5 ? 64 : f->bits == 6 ? 128 : 0;
    l.bytes = (size_t)l.group * (l.quants + l.high) + SCALE_BYTES[f->kind];
    return l;
}

size_t pack_panel_bytes(const struct kernel_matrix *matrix)
{
    const struct format *f = format_find(matrix->type);
    if (f->kind == FORMAT_FLOAT) {
        size_t bytes = (size_t)matrix->columns * ROWS * (size_t)f->info.bytes;
        return (bytes + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
    }
    struct layout l = pack_layout(f);
    int blocks = matrix->columns / FORMAT_BLOCK;
    return (size_t)((blocks + l.group - 1) / l.group) * l.bytes;
}

int kernel_matrix_panels(const struct kernel_matrix *matrix)
{
    return matrix->rows / ROWS + (matrix->rows % ROWS != 0);
}

size_t kernel_matrix_bytes(const struct kernel_matrix *matrix)
{
    return (size_t)kernel_matrix_panels(matrix) * pack_panel_bytes(matrix);
}

bool kernel_matrix_wants_int8(const struct kernel_matrix *matrix)
{
    return format_find(matrix->type)->kind != FORMAT_FLOAT;
}

/* --- One block of one row, in and out --- */

static uint32_t lane(const uint8_t *codes, int j)
{
    uint32_t value;
    memcpy(&value, codes + 4 * j, sizeof(value));
    return value;
}

static void put_lane(uint8_t *p, int j, int row, uint32_t value)
{
    memcpy(p + j * 64 + row * 4, &value, sizeof(value));
}

static uint32_t get_lane(const uint8_t *p, int j, int row)
{
    uint32_t value;
    memcpy(&value, p + j * 64 + row * 4, sizeof(value));
    return value;
}

static void put_quants(const struct format *f, uint8_t *p, int row, const uint8_t *codes)
{
    if (f->bits == 8) {
        for (int j = 0; j < 8; j++)
            put_lane(p, j, row, lane(codes, j));
        return;
    }
    for (int j = 0; j < 4; j++)
        put_lane(p, j, row, (lane(codes, j) & 0x0f0f0f0f) | (lane(codes, j + 4) & 0x0f0f0f0f) << 4);
}

/* Bit 4 of four codes as the four bits of a nibble. */
static uint8_t fifth(uint32_t codes)
{
    return (uint8_t)((codes >> 4 & 1) | (codes >> 11 & 2) | (codes >> 18 & 4) | (codes >> 25 & 8));
}

static void put_high(const struct format *f, uint8_t *p, int row, const uint8_t *codes)
{
    for (int j = 0; f->bits == 5 && j < 8; j++)
        p[j * 8 + row / 2] |= (uint8_t)(fifth(lane(codes, j)) << row % 2 * 4);
    for (int j = 0; f->bits == 6 && j < 8; j++) {
        uint32_t high = get_lane(p, j / 4, row) | (lane(codes, j) >> 4 & 0x03030303) << j % 4 * 2;
        put_lane(p, j / 4, row, high);
    }
}

/* Where the scale words of block `at` of a group lie: d, m, scale bytes, minimum bytes of row 0. */
struct places {
    size_t d, m, scale, min;
};

static struct places scale_places(const struct format *f, const struct layout *l, int at)
{
    size_t base = (size_t)l->group * (l->quants + l->high), i = (size_t)at;
    switch (f->kind) {
    case FORMAT_MIN:
        return (struct places){base + 32 * i, base + 64 + 32 * i, 0, 0};
    case FORMAT_SUPER:
        return (struct places){base, base + 32, base + 64 + 16 * i, base + 192 + 16 * i};
    case FORMAT_HALVES:
        return (struct places){base + 256, 0, base + 32 * i, 0};
    default:
        return (struct places){base + 32 * i, 0, 0, 0};
    }
}

static void put_scales(const struct format *f, const struct layout *l, uint8_t *group, int row,
                       int at, const struct unpacked *u)
{
    struct places p = scale_places(f, l, at);
    memcpy(group + p.d + 2 * row, &u->d, 2);
    if (f->kind == FORMAT_MIN || f->kind == FORMAT_SUPER)
        memcpy(group + p.m + 2 * row, &u->m, 2);
    if (f->kind == FORMAT_SUPER) {
        group[p.scale + (size_t)row] = u->scale[0];
        group[p.min + (size_t)row] = u->min;
    } else if (f->kind == FORMAT_HALVES) {
        group[p.scale + (size_t)row] = u->scale[0];
        group[p.scale + 16 + (size_t)row] = u->scale[1];
    }
}

static void get_scales(const struct format *f, const struct layout *l, const uint8_t *group,
                       int row, int at, struct unpacked *u)
{
    struct places p = scale_places(f, l, at);
    memcpy(&u->d, group + p.d + 2 * row, 2);
    if (f->kind == FORMAT_MIN || f->kind == FORMAT_SUPER)
        memcpy(&u->m, group + p.m + 2 * row, 2);
    if (f->kind == FORMAT_SUPER) {
        u->scale[0] = u->scale[1] = group[p.scale + (size_t)row];
        u->min = group[p.min + (size_t)row];
    } else if (f->kind == FORMAT_HALVES) {
        u->scale[0] = group[p.scale + (size_t)row];
        u->scale[1] = group[p.scale + 16 + (size_t)row];
    }
}

void pack_read(const struct format *f, const uint8_t *panel, int row, int block, struct unpacked *u)
{
    struct layout l = pack_layout(f);
    const uint8_t *group = panel + (size_t)(block / l.group) * l.bytes;
    int at = block % l.group;
    const uint8_t *quants = group + (size_t)at * l.quants;
    const uint8_t *high = group + (size_t)l.group * l.quants + (size_t)at * l.high;
    for (int j = 0; j < 8; j++) {
        uint32_t codes = get_lane(quants, f->bits == 8 ? j : j % 4, row);
        if (f->bits != 8)
            codes = codes >> j / 4 * 4 & 0x0f0f0f0f;
        if (f->bits == 6)
            codes |= (get_lane(high, j / 4, row) >> j % 4 * 2 & 0x03030303) << 4;
        for (int c = 0; c < 4; c++) {
            uint8_t code = (uint8_t)(codes >> 8 * c);
            if (f->bits == 5)
                code |= (uint8_t)((high[j * 8 + row / 2] >> (row % 2 * 4 + c) & 1) << 4);
            u->codes[4 * j + c] = code;
        }
    }
    get_scales(f, &l, group, row, at, u);
}

/* --- Whole panels --- */

static void pack_blocks(const struct format *f, const uint8_t *source, uint8_t *panel, int row,
                        int blocks)
{
    struct layout l = pack_layout(f);
    int parts = f->info.block / FORMAT_BLOCK;
    struct unpacked u = {0};
    for (int b = 0; b < blocks; b++) {
        f->unpack(source + (size_t)(b / parts) * (size_t)f->info.bytes, b % parts, &u);
        uint8_t *group = panel + (size_t)(b / l.group) * l.bytes;
        int at = b % l.group;
        put_quants(f, group + (size_t)at * l.quants, row, u.codes);
        put_high(f, group + (size_t)l.group * l.quants + (size_t)at * l.high, row, u.codes);
        put_scales(f, &l, group, row, at, &u);
    }
}

static void pack_floats(const struct format *f, const uint8_t *source, uint8_t *panel, int row,
                        int columns)
{
    if (f->info.bytes == 4)
        for (size_t c = 0; c < (size_t)columns; c++)
            memcpy(panel + (c * ROWS + (size_t)row) * 4, source + c * 4, 4);
    else
        for (size_t c = 0; c < (size_t)columns; c++)
            memcpy(panel + (c * ROWS + (size_t)row) * 2, source + c * 2, 2);
}

void kernel_matrix_pack(const struct kernel_matrix *matrix, const void *tensor, int first, int last)
{
    const struct format *f = format_find(matrix->type);
    size_t panel_bytes = pack_panel_bytes(matrix);
    size_t row_bytes = (size_t)(matrix->columns / f->info.block) * (size_t)f->info.bytes;
    for (int p = first; p < last; p++) {
        uint8_t *panel = matrix->data + (size_t)p * panel_bytes;
        memset(panel, 0, panel_bytes);
        for (int r = 0; r < ROWS && p * ROWS + r < matrix->rows; r++) {
            const uint8_t *source = (const uint8_t *)tensor + (size_t)(p * ROWS + r) * row_bytes;
            if (f->kind == FORMAT_FLOAT)
                pack_floats(f, source, panel, r, matrix->columns);
            else
                pack_blocks(f, source, panel, r, matrix->columns / FORMAT_BLOCK);
        }
    }
}

float pack_float(const struct kernel_matrix *matrix, const uint8_t *panel, int row, int column)
{
    float value;
    size_t at = (size_t)column * ROWS + (size_t)row;
    kernel_dequantize(matrix->type, panel + at * (matrix->type == KERNEL_F32 ? 4 : 2), &value, 1);
    return value;
}

void kernel_matrix_row(const struct kernel_matrix *matrix, int row, float *out)
{
    const struct format *f = format_find(matrix->type);
    const uint8_t *panel = matrix->data + (size_t)(row / ROWS) * pack_panel_bytes(matrix);
    if (f->kind == FORMAT_FLOAT) {
        for (int c = 0; c < matrix->columns; c++)
            out[c] = pack_float(matrix, panel, row % ROWS, c);
        return;
    }
    struct unpacked u = {0};
    for (int b = 0; b < matrix->columns / FORMAT_BLOCK; b++) {
        pack_read(f, panel, row % ROWS, b, &u);
        format_floats(f, &u, out + b * FORMAT_BLOCK);
    }
}
