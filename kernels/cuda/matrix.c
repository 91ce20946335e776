/* One table of bytes a block for each type, and a repacking over kernels/cpu/formats.h's unpacked
 * blocks: what a format's bits mean stands there alone. */
#include "kernels/cuda/matrix.h"

#include "kernels/cpu/formats.h"

enum { PLANE_ALIGNMENT = 256 };

/* Bytes of a chunk in each plane, of a super-block's words, and the columns of a chunk. */
struct chunk_bytes {
    int columns, high, scales, supers;
};

static struct chunk_bytes chunk_bytes(const struct format *f)
{
    int columns = f->bits == 8 ? 2 * CUDA_BLOCK : 4 * CUDA_BLOCK, blocks = columns / CUDA_BLOCK;
    int high = f->bits == 5 ? 16 : f->bits == 6 ? 32 : 0;
    switch (f->kind) {
    case FORMAT_FLOAT:
        return (struct chunk_bytes){CUDA_CHUNK / f->info.bytes, 0, 0, 0};
    case FORMAT_MIN:
        return (struct chunk_bytes){columns, high, 4 * blocks, 0};
    case FORMAT_SUPER:
    case FORMAT_HALVES:
        return (struct chunk_bytes){columns, high, 2 * blocks, 4};
    default:
        return (struct chunk_bytes){columns, high, 2 * blocks, 0};
    }
}

static size_t place(size_t *end, size_t row, int64_t rows)
{
    size_t at = *end, bytes = row * (size_t)rows;
    *end = at + (bytes + PLANE_ALIGNMENT - 1) / PLANE_ALIGNMENT * PLANE_ALIGNMENT;
    return at;
}

struct cuda_matrix_layout cuda_matrix_layout(enum kernel_type type, int64_t rows, int columns)
{
    struct chunk_bytes bytes = chunk_bytes(format_find(type));
    size_t chunks = ((size_t)columns + (size_t)bytes.columns - 1) / (size_t)bytes.columns, end = 0;
    struct cuda_matrix_layout layout = {
        .row_codes = chunks * CUDA_CHUNK,
        .row_high = chunks * (size_t)bytes.high,
        .row_scales = chunks * (size_t)bytes.scales,
        .row_supers = (size_t)columns / CUDA_BLOCK / CUDA_SUPER * (size_t)bytes.supers,
    };
    layout.codes = place(&end, layout.row_codes, rows);
    layout.high = place(&end, layout.row_high, rows);
    layout.scales = place(&end, layout.row_scales, rows);
    layout.supers = place(&end, layout.row_supers, rows);
    layout.bytes = end;
    return layout;
}

struct cuda_matrix cuda_matrix_at(enum kernel_type type, int rows, int columns,
                                  const uint8_t *memory)
{
    struct cuda_matrix_layout layout = cuda_matrix_layout(type, rows, columns);
    return (struct cuda_matrix){
        .type = type,
        .rows = rows,
        .columns = columns,
        .pitch = cuda_pitch(columns),
        .codes = memory + layout.codes,
        .high = layout.row_high ? memory + layout.high : NULL,
        .scales = layout.row_scales ? memory + layout.scales : NULL,
        .supers = layout.row_supers ? memory + layout.supers : NULL,
    };
}

/* --- Packing --- */

static void put_word(uint8_t *out, uint16_t word)
{
    out[0] = (uint8_t)word;
    out[1] = (uint8_t)(word >> 8);
}

/* Block p of its chunk; see the header for where a column's bits lie. */
static void pack_codes(const struct format *f, const struct unpacked *u, int p, uint8_t *codes,
                       uint8_t *high)
{
    for (int i = 0; i < CUDA_BLOCK; i++) {
        int r = i / 16, t = i % 16 / 4, c = i % 4, code = u->codes[i];
        if (f->bits == 8) {
            codes[16 * t + 8 * p + 4 * r + c] = (uint8_t)(code - f->bias);
            continue;
        }
        codes[16 * t + 8 * (p / 2) + 4 * r + c] |= (uint8_t)((code & 15) << 4 * (p % 2));
        if (f->bits == 5)
            high[4 * t + c] |= (uint8_t)((code >> 4 & 1) << (2 * p + r));
        if (f->bits == 6)
            high[8 * t + 4 * (p / 2) + c] |= (uint8_t)((code >> 4 & 3) << (4 * (p % 2) + 2 * r));
    }
}

/* A block's own scales, and its super-block's words: every block of it writes the same ones. */
static void pack_scales(const struct format *f, const struct unpacked *u, uint8_t *scales,
                        uint8_t *supers)
{
    switch (f->kind) {
    case FORMAT_MIN:
        put_word(scales, u->d);
        put_word(scales + 2, u->m);
        return;
    case FORMAT_SUPER:
    case FORMAT_HALVES:
        scales[0] = u->scale[0];
        scales[1] = f->kind == FORMAT_SUPER ? u->min : u->scale[1];
        put_word(supers, u->d);
        put_word(supers + 2, f->kind == FORMAT_SUPER ? u->m : 0);
        return;
    default:
        put_word(scales, u->d);
    }
}

static void pack_row(const struct format *f, const struct cuda_matrix_layout *layout,
                     uint8_t *memory, const uint8_t *source, int columns, int64_t row)
{
    struct chunk_bytes bytes = chunk_bytes(f);
    struct unpacked u = {0};
    int parts = f->info.block / CUDA_BLOCK, each = bytes.columns / CUDA_BLOCK;
    uint8_t *codes = memory + layout->codes + (size_t)row * layout->row_codes;
    uint8_t *high = memory + layout->high + (size_t)row * layout->row_high;
    uint8_t *scales = memory + layout->scales + (size_t)row * layout->row_scales;
    uint8_t *supers = memory + layout->supers + (size_t)row * layout->row_supers;
    memset(codes, 0, layout->row_codes);
    memset(high, 0, layout->row_high);
    memset(scales, 0, layout->row_scales);
    for (int i = 0; i < columns / CUDA_BLOCK; i++) {
        f->unpack(source + (size_t)(i / parts) * (size_t)f->info.bytes, i % parts, &u);
        pack_codes(f, &u, i % each, codes + i / each * CUDA_CHUNK, high + i / each * bytes.high);
        pack_scales(f, &u, scales + i * (bytes.scales / each),
                    supers + i / CUDA_SUPER * bytes.supers);
    }
}

void cuda_matrix_pack(uint8_t *memory, const struct cuda_matrix_layout *layout,
                      enum kernel_type type, int columns, const void *tensor, int64_t at,
                      int64_t first, int64_t last)
{
    const struct format *f = format_find(type);
    size_t row_bytes = (size_t)columns / (size_t)f->info.block * (size_t)f->info.bytes;
    for (int64_t row = first; row < last; row++) {
        const uint8_t *source = (const uint8_t *)tensor + (size_t)row * row_bytes;
        if (f->kind != FORMAT_FLOAT) {
            pack_row(f, layout, memory, source, columns, at + row);
            continue;
        }
        uint8_t *out = memory + layout->codes + (size_t)(at + row) * layout->row_codes;
        memcpy(out, source, row_bytes);
        memset(out + row_bytes, 0, layout->row_codes - row_bytes);
    }
}
