/* What happens to rows outside products: embeddings, rotary tables, norms, conversions,
 * activations, and weights turned to 16-bit floats; against the scalar kernels. */
#include "tests/cuda/reference.h"

static int columns_of(enum kernel_type type, int i)
{
    int block = kernel_type_info(type)->block;
    return block == 1 ? 37 + 100 * i : block == 32 ? 32 * (1 + 4 * i) : 256 * (1 + i);
}

/* --- The beginning of a step --- */

static void check_tables(const struct cuda_begin *a, const struct cuda_row *rows, int count,
                         const struct cuda_begin *host)
{
    for (int which = 0; which < 2; which++) {
        size_t each = (size_t)a->rotary;
        float *got = from_device(a->tables[which], (size_t)count * each * sizeof *got);
        for (int t = 0; t < count; t++) {
            int k = which ? CUDA_ROPE_LOCAL : rows[t].is_long ? CUDA_ROPE_LONG : CUDA_ROPE_GLOBAL;
            for (int i = 0; rows[t].token >= 0 && i < a->rotary / 2; i++) {
                double angle = rows[t].position * host->frequencies[k][i];
                double m = (double)host->magnitude[k];
                const float *pair = got + (size_t)t * each + 2 * i;
                CHECK(fabs(pair[0] - m * cos(angle)) < 1e-6 &&
                          fabs(pair[1] - m * sin(angle)) < 1e-6,
                      "table %d, row %d, pair %d: %g %g", which, t, i, pair[0], pair[1]);
            }
        }
        free(got);
    }
}

static void check_begin(enum kernel_type type, int columns)
{
    enum { VOCABULARY = 19, ROTARY = 12, COUNT = 4 };
    static const struct cuda_row ROWS[COUNT] = {{.token = 3, .position = 1000},
                                                {.token = -1},
                                                {.token = 18, .is_long = 1, .position = 77},
                                                {.token = 0}};
    double frequencies[CUDA_ROPES][ROTARY / 2];
    uint8_t *tensor = random_tensor(type, VOCABULARY, columns, 1);
    float *row = host_new((size_t)columns * sizeof *row), *values;
    int stride = cuda_pitch(columns) + 32;
    struct cuda_begin a = {.embedding = matrix_to_device(type, VOCABULARY, columns, tensor),
                           .rows = to_device(ROWS, sizeof ROWS),
                           .count = COUNT,
                           .scale = columns % 2 ? 3.5f : 1,
                           .x_stride = stride,
                           .rotary = ROTARY,
                           .magnitude = {1, 1.25f, 1}};
    struct cuda_begin host = a;
    for (int k = 0; k < CUDA_ROPES; k++) {
        for (int i = 0; i < ROTARY / 2; i++)
            frequencies[k][i] = pow(1e4 * (k + 1), -2.0 * i / ROTARY);
        host.frequencies[k] = frequencies[k];
        a.frequencies[k] = to_device(frequencies[k], sizeof frequencies[k]);
    }
    a.x = device_room(COUNT * (size_t)stride * sizeof(float));
    a.tables[0] = device_room(COUNT * ROTARY * sizeof(float));
    a.tables[1] = device_room(COUNT * ROTARY * sizeof(float));
    must(cuda_begin(&a, stream), "cuda_begin");
    values = from_device(a.x, COUNT * (size_t)stride * sizeof *values);
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t bytes = (size_t)columns / (size_t)info->block * (size_t)info->bytes;
    for (int t = 0; t < COUNT; t++) {
        const float *got = values + t * stride;
        int known = ROWS[t].token < 0 ? 0 : columns;
        CHECK(is_zero(got + known, (size_t)(stride - known)), "row %d", t);
        if (!known)
            continue;
        kernel_dequantize(type, tensor + (size_t)ROWS[t].token * bytes, row, (size_t)columns);
        for (int c = 0; c < columns; c++)
            CHECK(got[c] == row[c] * a.scale, "%s, row %d, column %d: %g, not %g", info->name, t, c,
                  got[c], row[c] * a.scale);
    }
    check_tables(&a, ROWS, COUNT, &host);
    free(values);
    free(row);
    free(tensor);
    release_all();
}

static void test_begin(void)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        for (int j = 0; j < 2; j++)
            check_begin(TYPES[i], columns_of(TYPES[i], j));
}

static void check_dequantize(enum kernel_type type, int columns, bool is_half)
{
    enum { ROWS = 9, FIRST = 2, COUNT = 6 };
    uint8_t *tensor = random_tensor(type, ROWS, columns, 1);
    float *row = host_new((size_t)columns * sizeof *row);
    int pitch = cuda_pitch(columns);
    struct cuda_dequantize a = {.matrix = matrix_to_device(type, ROWS, columns, tensor),
                                .first = FIRST,
                                .rows = COUNT,
                                .out = device_room((size_t)(COUNT * pitch + 8) * 2),
                                .is_half = is_half};
    must(cuda_dequantize(&a, stream), "cuda_dequantize");
    uint16_t *got = from_device(a.out, (size_t)(COUNT * pitch + 8) * 2);
    const struct kernel_type_info *info = kernel_type_info(type);
    size_t bytes = (size_t)columns / (size_t)info->block * (size_t)info->bytes;
    for (int r = 0; r < COUNT; r++) {
        kernel_dequantize(type, tensor + (size_t)(r + FIRST) * bytes, row, (size_t)columns);
        for (int c = 0; c < pitch; c++) {
            float x = c < columns ? row[c] : 0;
            uint16_t want = is_half ? float_half(fmaxf(-65504, fminf(65504, x))) : float_bfloat(x);
            CHECK(got[r * pitch + c] == want, "%s, row %d, column %d: %x, not %x", info->name, r, c,
                  got[r * pitch + c], want);
        }
    }
    CHECK(is_untouched(got + COUNT * pitch, 16), "past the rows");
    free(got);
    free(row);
    free(tensor);
    release_all();
}

static void test_dequantize(void)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        for (int j = 0; j < 2; j++)
            check_dequantize(TYPES[i], columns_of(TYPES[i], j), (i + j) % 2);
}

/* --- Norms and activations --- */

static void check_forms(const struct cuda_forms *forms, const float *want, int rows, int columns)
{
    int stride = forms->stride, pitch = cuda_pitch(columns), blocks = pitch / 32;
    size_t all = (size_t)(rows * stride);
    float *f32 = from_device(forms->f32, all * sizeof *f32);
    uint16_t *b16 = from_device(forms->b16, all * sizeof *b16);
    int8_t *quants = from_device(forms->quants, (size_t)(rows * pitch));
    float *scales = from_device(forms->blocks, (size_t)(rows * blocks) * 2 * sizeof *scales);
    for (int r = 0; r < rows; r++) {
        const float *row = want + (size_t)(r * columns);
        CHECK(nmse(f32 + r * stride, row, (size_t)columns) < 1e-11, "row %d", r);
        CHECK(is_zero(f32 + r * stride + columns, (size_t)(stride - columns)), "row %d", r);
        for (int c = 0; c < stride; c++) {
            float x = f32[r * stride + c];
            uint16_t bits = forms->is_half ? float_half(x) : float_bfloat(x);
            CHECK(b16[r * stride + c] == bits, "row %d, column %d", r, c);
        }
        /* The quants are those of the row that the kernel itself made. */
        int8_t wanted[32];
        struct kernel_block block;
        for (int b = 0; b < blocks; b++) {
            struct kernel_activations x = {1, 32, f32 + r * stride + 32 * b, 32, wanted, &block};
            kernels_choose("scalar")->quantize(&x, 0, 1);
            CHECK(!memcmp(wanted, quants + r * pitch + 32 * b, 32), "row %d, block %d", r, b);
            CHECK(scales[2 * (r * blocks + b)] == block.scale, "row %d, block %d", r, b);
            CHECK(scales[2 * (r * blocks + b) + 1] == block.sum, "row %d, block %d", r, b);
        }
    }
    free(f32);
    free(b16);
    free(quants);
    free(scales);
}

static struct cuda_forms forms_room(int rows, int columns, bool is_half)
{
    int stride = cuda_pitch(columns) + 64;
    return (struct cuda_forms){
        .f32 = device_room((size_t)(rows * stride) * sizeof(float)),
        .b16 = device_room((size_t)(rows * stride) * sizeof(uint16_t)),
        .is_half = is_half,
        .stride = stride,
        .quants = device_room((size_t)(rows * cuda_pitch(columns))),
        .blocks = device_room((size_t)(rows * cuda_pitch(columns) / 16) * sizeof(float))};
}

/* `variant`: bit 0 a norm, bit 1 y, bit 2 y's norm and bias, bit 3 an index. */
static void check_norm(int columns, int variant)
{
    enum { ROWS = 3 };
    static const int32_t INDEX[2] = {2, 0};
    int stride = cuda_pitch(columns) + 32, rows = variant & 8 ? 2 : ROWS;
    size_t all = (size_t)(ROWS * stride), bytes = all * sizeof(float);
    struct cuda_input in = {.stride = stride, .columns = columns, .epsilon = 1e-6f}, device;
    in.values = random_rows(ROWS, columns, stride, 1);
    in.norm = variant & 1 ? random_floats((size_t)columns, 1) : NULL;
    in.y = variant & 2 ? random_rows(ROWS, columns, stride, 1) : NULL;
    in.y_norm = variant & 4 ? random_floats((size_t)columns, 1) : NULL;
    in.y_bias = variant & 4 ? random_floats((size_t)columns, 1) : NULL;
    in.sum_out = variant & 2 ? host_new(bytes) : NULL;
    float *x = reference_input(&in, ROWS), *want = host_new(bytes);
    for (int r = 0; r < rows; r++)
        memcpy(want + r * columns, x + (variant & 8 ? INDEX[r] : r) * stride,
               (size_t)columns * sizeof *want);
    device = in;
    device.values = to_device(in.values, bytes);
    device.norm = optional(in.norm, in.norm, (size_t)columns);
    device.y = optional(in.y, in.y, all);
    device.y_norm = optional(in.y_norm, in.y_norm, (size_t)columns);
    device.y_bias = optional(in.y_bias, in.y_bias, (size_t)columns);
    device.sum_out = in.y ? (float *)(uintptr_t)device.values : NULL;
    struct cuda_norm a = {.in = device,
                          .index = variant & 8 ? to_device(INDEX, sizeof INDEX) : NULL,
                          .rows = rows,
                          .out = forms_room(rows, columns, variant & 1)};
    must(cuda_norm(&a, stream), "cuda_norm");
    check_forms(&a.out, want, rows, columns);
    if (in.y) {
        float *sums = from_device(device.sum_out, bytes);
        for (int r = 0; r < ROWS; r++)
            CHECK(nmse(sums + r * stride, in.sum_out + r * stride, (size_t)columns) < 1e-12,
                  "the sum of row %d", r);
        free(sums);
    }
    void *made[] = {(void *)(uintptr_t)in.values,
                    (void *)(uintptr_t)in.norm,
                    (void *)(uintptr_t)in.y,
                    (void *)(uintptr_t)in.y_norm,
                    (void *)(uintptr_t)in.y_bias,
                    in.sum_out,
                    x,
                    want};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        free(made[i]);
    release_all();
}

static void test_norm(void)
{
    static const int COLUMNS[] = {7, 96, 1050}, VARIANTS[] = {0, 1, 3, 7, 9, 2};
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 6; j++)
            check_norm(COLUMNS[i], VARIANTS[j]);
}

static void check_activate(int columns, bool is_gelu, bool from16)
{
    enum { ROWS = 4 };
    int stride = 2 * columns + 3;
    float *x = random_rows(ROWS, 2 * columns, stride, 3), *want = host_new(sizeof *want * 8000);
    uint16_t *b16 = host_new(sizeof *b16 * (size_t)(ROWS * stride));
    for (int i = 0; from16 && i < ROWS * stride; i++) {
        b16[i] = is_gelu ? float_half(x[i]) : float_bfloat(x[i]);
        x[i] = is_gelu ? half_float(b16[i]) : bfloat_float(b16[i]);
    }
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < columns; c++)
            want[r * columns + c] = act(is_gelu ? CUDA_OUT_GELU : CUDA_OUT_SILU, x[r * stride + c],
                                        x[r * stride + columns + c]);
    struct cuda_activate a = {.is_half = is_gelu,
                              .is_gelu = is_gelu,
                              .stride = stride,
                              .columns = columns,
                              .rows = ROWS,
                              .out = forms_room(ROWS, columns, is_gelu)};
    if (from16)
        a.b16 = to_device(b16, sizeof *b16 * (size_t)(ROWS * stride));
    else
        a.f32 = to_device(x, sizeof *x * (size_t)(ROWS * stride));
    must(cuda_activate(&a, stream), "cuda_activate");
    check_forms(&a.out, want, ROWS, columns);
    free(x);
    free(want);
    free(b16);
    release_all();
}

static void test_activate(void)
{
    for (int i = 0; i < 4; i++)
        check_activate(i % 2 ? 33 : 1536, i / 2, i % 3 == 0);
}

/* --- Element by element --- */

static void test_elements(void)
{
    enum { ROWS = 5, COLUMNS = 301, STRIDE = 320 };
    const struct kernels *k = kernels_choose("scalar");
    float *x = random_rows(ROWS, COLUMNS, STRIDE, 40), *y = random_rows(ROWS, COLUMNS, STRIDE, 1);
    float scale[ROWS] = {1, -2, 0, 0.5f, 3}, *out = to_device(x, ROWS * STRIDE * sizeof *x);
    must(cuda_softcap(out, ROWS, COLUMNS, STRIDE, 30, stream), "cuda_softcap");
    float *in = to_device(y, ROWS * STRIDE * sizeof *y);
    float *by = to_device(scale, sizeof scale);
    must(cuda_add_rows(out, STRIDE, in, STRIDE, by, ROWS, COLUMNS, stream), "cuda_add_rows");
    must(cuda_add_rows(out, STRIDE, in, STRIDE, NULL, ROWS, COLUMNS, stream), "cuda_add_rows");
    float *got = from_device(out, ROWS * STRIDE * sizeof *got);
    for (int r = 0; r < ROWS; r++) {
        k->softcap(x + r * STRIDE, 30, COLUMNS);
        k->multiply_add(x + r * STRIDE, y + r * STRIDE, scale[r], COLUMNS);
        k->add(x + r * STRIDE, x + r * STRIDE, y + r * STRIDE, COLUMNS);
        CHECK(nmse(got + r * STRIDE, x + r * STRIDE, STRIDE) < 1e-11, "row %d", r);
    }
    free(x);
    free(y);
    free(got);
}

static void test_random(void)
{
    enum { COUNT = 5000 };
    float *memory = device_room((COUNT + 4) * sizeof *memory);
    must(cuda_random(memory, KERNEL_F32, COUNT, 7, 2, stream), "cuda_random");
    float *got = from_device(memory, (COUNT + 4) * sizeof *got);
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) {
        sum += (double)got[i];
        squares += (double)got[i] * (double)got[i];
    }
    CHECK(fabs(sum / COUNT) < 0.1 && fabs(squares / COUNT - 4) < 0.4, "%g %g", sum, squares);
    CHECK(is_untouched(got + COUNT, 4 * sizeof *got), "past the end");
    free(got);
    uint16_t *halves = device_room(COUNT * sizeof *halves);
    must(cuda_random(halves, KERNEL_F16, COUNT, 7, 2, stream), "cuda_random");
    must(cuda_random(memory, KERNEL_BF16, COUNT, 7, 2, stream), "cuda_random");
    must(cuda_random(memory, KERNEL_Q8_0, COUNT, 7, 2, stream), "cuda_random");
    uint8_t *bytes = from_device(memory, COUNT);
    int kinds[256] = {0}, missing = 0;
    for (int i = 0; i < COUNT; i++)
        kinds[bytes[i]] = 1;
    for (int i = 0; i < 256; i++)
        missing += !kinds[i];
    CHECK(missing < 3, "%d of all bytes are missing", missing);
    float *sink = device_zeros(sizeof *sink);
    must(cuda_read_stream(memory, COUNT / 16 * 16, sink, stream), "cuda_read_stream");
    free(from_device(sink, sizeof *sink));
    free(bytes);
}

RUN(test_begin, test_dequantize, test_norm, test_activate, test_elements, test_random)
