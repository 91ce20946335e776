/* Weights in 8-bit floats (F8_E4M3 with a scale) are turned into Q8_0 as they are read: blocks of
 * 32 int8 under a scale of their own. A weight moves by at most 1/254 of its block's largest, where
 * the 8-bit float itself had rounded by 1/32; the bytes a token reads are 6 % more, and everything
 * that runs Q8_0 runs these. */
#include "engine/checkpoint_internal.h"
#include "engine/error.h"
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { SCALE_BLOCK = 128, SHOWN = 80 };

static bool refuse(const struct checkpoint *checkpoint, const struct safetensor *tensor,
                   const char *what)
{
    return engine_fail(
        checkpoint->error, ENGINE_UNSUPPORTED, "%s: tensor \"%.*s\" %s", checkpoint->folder,
        (int)(tensor->name_length < SHOWN ? tensor->name_length : SHOWN), tensor->name, what);
}

static bool ends_with(const struct safetensor *tensor, const char *end)
{
    size_t length = strlen(end);
    return tensor->name_length >= length &&
           !memcmp(tensor->name + tensor->name_length - length, end, length);
}

bool checkpoint_is_scale(const struct safetensor *tensor)
{
    static const char *const ENDS[] = {".weight_scale",   ".weight_scale_inv", ".input_scale",
                                       ".input_scale_ub", ".k_scale",          ".v_scale"};
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
        if (ends_with(tensor, ENDS[i]))
            return true;
    return false;
}

/* --- Scales --- */

/* Shorter names first, then by bytes. */
static int compare_name(const char *a, size_t a_length, const struct safetensor *b)
{
    if (a_length != b->name_length)
        return a_length < b->name_length ? -1 : 1;
    return memcmp(a, b->name, a_length);
}

static int by_name(const void *a, const void *b)
{
    const struct safetensor *const *x = a, *const *y = b;
    return compare_name((*x)->name, (*x)->name_length, *y);
}

bool checkpoint_list_scales(const struct checkpoint *checkpoint, const struct safetensors *files,
                            struct checkpoint_scales *scales)
{
    size_t count = safetensors_count(files);
    *scales = (struct checkpoint_scales){0};
    scales->list = malloc((count + 1) * sizeof *scales->list);
    if (!scales->list)
        return engine_no_memory(checkpoint->error, checkpoint->folder);
    for (size_t i = 0; i < count; i++)
        if (checkpoint_is_scale(safetensors_at(files, i)))
            scales->list[scales->count++] = safetensors_at(files, i);
    qsort(scales->list, scales->count, sizeof *scales->list, by_name);
    return true;
}

static const struct safetensor *find(const struct checkpoint_scales *scales, const char *name,
                                     size_t length)
{
    size_t low = 0, high = scales->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(name, length, scales->list[middle]);
        if (!order)
            return scales->list[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct safetensor *find_scale(const struct checkpoint_scales *scales,
                                           const struct safetensor *weight)
{
    static const char *const ENDS[] = {"_scale", "_scale_inv"};
    const struct safetensor *found = NULL;
    char name[280];
    for (size_t i = 0; i < 2 && !found && weight->name_length < 256; i++) {
        int length =
            snprintf(name, sizeof name, "%.*s%s", (int)weight->name_length, weight->name, ENDS[i]);
        found = find(scales, name, (size_t)length);
    }
    return found;
}

/* How a matrix's scales lie: those of rows `row_step` apart and columns `column_step` apart. */
struct grid {
    const struct safetensor *scale;
    int64_t row_step, column_step, row_count;
};

/* One for all, one a row, or one a block of 128 by 128. */
static bool read_grid(const struct checkpoint *checkpoint, const struct safetensor *weight,
                      struct grid *grid)
{
    const struct safetensor *s = grid->scale;
    int64_t rows = weight->size[0], columns = weight->size[1], count = 1;
    int64_t down = (rows + SCALE_BLOCK - 1) / SCALE_BLOCK;
    int64_t across = (columns + SCALE_BLOCK - 1) / SCALE_BLOCK;
    if (s->type > KERNEL_F16 && s->type != KERNEL_BF16)
        return refuse(checkpoint, s, "is a scale that is no plain number");
    for (int i = 0; i < s->dims; i++)
        count *= s->size[i];
    if (count == 1)
        *grid = (struct grid){s, rows, columns, 1};
    else if (s->size[0] == rows && count == rows)
        *grid = (struct grid){s, 1, columns, 1};
    else if (s->dims == 2 && s->size[0] == down && s->size[1] == across)
        *grid = (struct grid){s, SCALE_BLOCK, SCALE_BLOCK, across};
    else
        return refuse(checkpoint, s,
                      "is a scale neither for the whole tensor, nor a row, nor 128 x 128 weights");
    return true;
}

static float scale_at(const struct grid *grid, int64_t row, int64_t column)
{
    size_t at = (size_t)(row / grid->row_step * grid->row_count + column / grid->column_step);
    size_t size = grid->scale->type == KERNEL_F32 ? 4 : 2;
    float scale;
    kernel_dequantize((enum kernel_type)grid->scale->type, grid->scale->data + at * size, &scale,
                      1);
    return scale;
}

/* --- Weights --- */

/* Four bits of exponent (bias 7), three of mantissa; no infinities, NaN where all are set. */
static float float8(uint8_t bits)
{
    int exponent = bits >> 3 & 15, mantissa = bits & 7;
    if (exponent == 15 && mantissa == 7)
        return NAN;
    float value =
        exponent ? ldexpf((float)(8 + mantissa), exponent - 10) : ldexpf((float)mantissa, -9);
    return bits & 128 ? -value : value;
}

/* Row after row through floats. False: a weight is not finite. */
static bool convert_rows(const struct safetensor *weight, const struct grid *grid, float *row,
                         unsigned char *out, size_t out_row)
{
    float table[256], scale = 0;
    for (int i = 0; i < 256; i++)
        table[i] = float8((uint8_t)i);
    size_t columns = (size_t)weight->size[1];
    for (int64_t r = 0; r < weight->size[0]; r++) {
        const unsigned char *from = weight->data + (size_t)r * columns;
        bool finite = true;
        for (size_t c = 0; c < columns; c++) {
            if (c % SCALE_BLOCK == 0)
                scale = scale_at(grid, r, (int64_t)c);
            row[c] = table[from[c]] * scale;
            finite &= row[c] - row[c] == 0;
        }
        if (!finite)
            return false;
        kernel_quantize_weights(KERNEL_Q8_0, row, out + (size_t)r * out_row, columns);
    }
    return true;
}

bool checkpoint_convert_float8(const struct checkpoint *checkpoint, struct checkpoint_store *store,
                               const struct checkpoint_scales *scales,
                               const struct safetensor *weight, struct safetensor *out)
{
    const struct kernel_type_info *q8 = kernel_type_info(KERNEL_Q8_0);
    struct grid grid = {.scale = find_scale(scales, weight)};
    if (weight->dims != 2 || weight->size[1] % q8->block || !weight->size[1] || !weight->size[0])
        return refuse(checkpoint, weight, "is F8_E4M3 but no matrix of a multiple of 32 columns");
    if (!grid.scale)
        return refuse(checkpoint, weight, "is F8_E4M3, and no weight_scale(_inv) lies beside it");
    if (!read_grid(checkpoint, weight, &grid))
        return false;
    size_t columns = (size_t)weight->size[1];
    size_t out_row = columns / (size_t)q8->block * (size_t)q8->bytes;
    *out = *weight;
    out->type = KERNEL_Q8_0;
    out->bytes = out_row * (size_t)weight->size[0];
    unsigned char *data = checkpoint_store_get(checkpoint, store, out->bytes);
    float *row = malloc(columns * sizeof *row);
    out->data = data;
    bool room = data && row;
    bool ok = room && convert_rows(weight, &grid, row, data, out_row);
    free(row);
    if (!room)
        return engine_no_memory(checkpoint->error, checkpoint->folder);
    return ok || refuse(checkpoint, weight, "holds weights that are not finite");
}
