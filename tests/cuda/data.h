/* Random data, memory of the device and comparisons for the tests of the GPU's kernels. */
#ifndef TESTS_CUDA_DATA_H
#define TESTS_CUDA_DATA_H

#include "tests/cuda/check.h"
#include "tests/random_weights.h"

/* --- Random data --- */

static inline void *host_new(size_t bytes)
{
    size_t whole = (bytes + KERNEL_ALIGNMENT) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
    void *p = aligned_alloc(KERNEL_ALIGNMENT, whole);
    CHECK(p, "no memory");
    memset(p, 0, whole);
    return p;
}

static inline float *random_floats(size_t count, float size)
{
    float *x = host_new(count * sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = size * random_normal();
    return x;
}

/* Rows of `columns` numbers, zeros up to the stride. */
static inline float *random_rows(int rows, int columns, int stride, float size)
{
    float *x = host_new((size_t)rows * (size_t)stride * sizeof *x);
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            x[(size_t)r * (size_t)stride + (size_t)c] = size * random_normal();
    return x;
}

/* A tensor as it lies in a file. */
static inline uint8_t *random_tensor(enum kernel_type type, int rows, int columns, float size)
{
    size_t count = (size_t)rows * (size_t)columns;
    uint8_t *tensor = host_new(random_weights_bytes(type, count));
    CHECK(random_weights(type, tensor, count, size), "no weights of this type");
    return tensor;
}

/* --- The device's memory: all of it is given back at once --- */

enum { MOST_PIECES = 4096 };
static void *pieces[MOST_PIECES];
static int piece_count;

/* Filled with NaNs. */
static inline void *device_room(size_t bytes)
{
    void *memory;
    CHECK(piece_count < MOST_PIECES, "too many pieces");
    must(cuda_alloc(&memory, bytes ? bytes : 16), "memory");
    must(cuda_fill(memory, 0xff, bytes, stream), "fill");
    pieces[piece_count++] = memory;
    return memory;
}

static inline void *to_device(const void *host, size_t bytes)
{
    void *memory = device_room(bytes);
    must(cuda_copy_in(memory, host, bytes, stream), "copy");
    must(cuda_stream_wait(stream), "copy");
    return memory;
}

static inline void *device_zeros(size_t bytes)
{
    void *memory = device_room(bytes);
    must(cuda_fill(memory, 0, bytes, stream), "fill");
    return memory;
}

/* Returns new. Waits for all that was launched. */
static inline void *from_device(const void *device, size_t bytes)
{
    void *host = host_new(bytes);
    must(cuda_copy_out(host, device, bytes, stream), "copy");
    must(cuda_stream_wait(stream), "kernels");
    return host;
}

static inline void release_all(void)
{
    must(cuda_stream_wait(stream), "kernels");
    while (piece_count)
        cuda_release(pieces[--piece_count]);
}

static inline struct cuda_matrix matrix_to_device(enum kernel_type type, int rows, int columns,
                                                  const uint8_t *tensor)
{
    struct cuda_matrix_layout layout = cuda_matrix_layout(type, rows, columns);
    uint8_t *packed = host_new(layout.bytes);
    memset(packed, 0xa5, layout.bytes);
    cuda_matrix_pack(packed, &layout, type, columns, tensor, 0, 0, rows);
    struct cuda_matrix m = cuda_matrix_at(type, rows, columns, to_device(packed, layout.bytes));
    free(packed);
    return m;
}

/* --- Comparing --- */

/* Normalised mean squared error: sum (a - b)^2 / sum b^2; infinite for what is no number. */
static inline double nmse(const float *a, const float *b, size_t count)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        error += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return error != error ? INFINITY : size > 0 ? error / size : error;
}

/* Is this memory as device_room left it? */
static inline bool is_untouched(const void *memory, size_t bytes)
{
    const uint8_t *p = memory;
    for (size_t i = 0; i < bytes; i++)
        if (p[i] != 0xff)
            return false;
    return true;
}

static inline bool is_zero(const float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (x[i] != 0)
            return false;
    return true;
}

#define RUN(...) RUN_THEN(release_all, __VA_ARGS__)

#endif
