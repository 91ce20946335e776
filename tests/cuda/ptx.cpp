/* What the instructions of kernels/cuda/ptx.cuh that a warp does together, or that run by
 * themselves, do on the host. */
#include "tests/cuda/shim.h"

#include "kernels/cuda/ptx.cuh"

#include <deque>

/* --- mma --- */

struct product {
    const uint32_t *a, *b;
    int deep; /* bytes of a row of A: 16 or 32 */
    void *c;
};

static uint32_t byte_of(uint32_t word, int i)
{
    return word >> 8 * i & 255;
}

/* A[row][column] of 8-bit elements: register row / 8 + 2 (column / 16). */
static uint32_t a_byte(void **operands, int row, int column)
{
    auto *p = static_cast<struct product *>(operands[row % 8 * 4 + column % 16 / 4]);
    return byte_of(p->a[row / 8 + column / 16 * 2], column % 4);
}

static int8_t b_byte(void **operands, int row, int column)
{
    auto *p = static_cast<struct product *>(operands[column * 4 + row % 16 / 4]);
    return (int8_t)byte_of(p->b[row / 16], row % 4);
}

template <bool SIGNED> static void integer_all(void **operands, unsigned mask)
{
    (void)mask;
    int deep = static_cast<struct product *>(operands[0])->deep;
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            int sum = 0;
            for (int k = 0; k < deep; k++) {
                uint32_t a = a_byte(operands, row, k);
                sum += (SIGNED ? (int)(int8_t)a : (int)a) * b_byte(operands, k, column);
            }
            auto *p = static_cast<struct product *>(operands[row % 8 * 4 + column / 2]);
            static_cast<int *>(p->c)[row / 8 * 2 + column % 2] += sum;
        }
}

void mma_signed(int c[4], const uint32_t a[4], const uint32_t b[2])
{
    struct product mine = {a, b, 32, c};
    shim_meet(ALL_LANES, integer_all<true>, &mine);
}

void mma_unsigned(int c[4], const uint32_t a[4], const uint32_t b[2])
{
    struct product mine = {a, b, 32, c};
    shim_meet(ALL_LANES, integer_all<false>, &mine);
}

void mma_unsigned_half(int c[4], uint32_t a0, uint32_t a1, uint32_t b)
{
    uint32_t a[2] = {a0, a1};
    struct product mine = {a, &b, 16, c};
    shim_meet(ALL_LANES, integer_all<false>, &mine);
}

static float wide(uint16_t bits, bool brain)
{
    return brain ? bfloat_to_float(bits) : half_to_float(bits);
}

/* A[row][column] of 16-bit elements: register row / 8 + 2 (column / 8). */
template <bool BRAIN> static void float_all(void **operands, unsigned mask)
{
    (void)mask;
    float a[16][16], b[16][8];
    for (int lane = 0; lane < WARP; lane++) {
        auto *p = static_cast<struct product *>(operands[lane]);
        int g = lane / 4, t = lane % 4;
        for (int i = 0; i < 8; i++)
            a[g + i / 2 % 2 * 8][2 * t + i % 2 + i / 4 * 8] =
                wide((uint16_t)(p->a[i / 2] >> i % 2 * 16), BRAIN);
        for (int i = 0; i < 4; i++)
            b[2 * t + i % 2 + i / 2 * 8][g] = wide((uint16_t)(p->b[i / 2] >> i % 2 * 16), BRAIN);
    }
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 8; column++) {
            auto *p = static_cast<struct product *>(operands[row % 8 * 4 + column / 2]);
            float *c = static_cast<float *>(p->c) + row / 8 * 2 + column % 2;
            double sum = *c;
            for (int k = 0; k < 16; k++)
                sum += (double)a[row][k] * (double)b[k][column];
            *c = (float)sum;
        }
}

void mma_half(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    struct product mine = {a, b, 32, c};
    shim_meet(ALL_LANES, float_all<false>, &mine);
}

void mma_bfloat(float c[4], const uint32_t a[4], const uint32_t b[2])
{
    struct product mine = {a, b, 32, c};
    shim_meet(ALL_LANES, float_all<true>, &mine);
}

/* --- ldmatrix --- */

struct fragment {
    const void *row;
    uint32_t *r;
};

static uint16_t element(void **operands, int matrix, int row, int column)
{
    auto *f = static_cast<struct fragment *>(operands[matrix * 8 + row]);
    return static_cast<const uint16_t *>(f->row)[column];
}

template <bool TURNED> static void load_all(void **operands, unsigned mask)
{
    (void)mask;
    for (int lane = 0; lane < WARP; lane++)
        for (int m = 0; m < 4; m++) {
            int g = lane / 4, t = lane % 4 * 2;
            uint32_t low = TURNED ? element(operands, m, t, g) : element(operands, m, g, t);
            uint32_t high =
                TURNED ? element(operands, m, t + 1, g) : element(operands, m, g, t + 1);
            static_cast<struct fragment *>(operands[lane])->r[m] = high << 16 | low;
        }
}

void load_matrices(uint32_t r[4], const void *row)
{
    if (shim_watch)
        shim_watch(row, 16, false);
    struct fragment mine = {row, r};
    shim_meet(ALL_LANES, load_all<false>, &mine);
}

void load_matrices_turned(uint32_t r[4], const void *row)
{
    if (shim_watch)
        shim_watch(row, 16, false);
    struct fragment mine = {row, r};
    shim_meet(ALL_LANES, load_all<true>, &mine);
}

/* --- cp.async --- */

struct copy {
    void *shared;
    const void *global;
    bool valid;
    int group;
};

struct copies {
    std::deque<struct copy> waiting;
    int group;
};

static struct copies *mine(void)
{
    static struct copies all[1024];
    return &all[threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)];
}

static void do_copy(const struct copy *c)
{
    if (shim_watch)
        shim_watch(c->shared, 16, true);
    if (c->valid)
        memcpy(c->shared, c->global, 16);
    else
        memset(c->shared, 0, 16);
}

void copy_async(void *shared, const void *global, bool valid)
{
    struct copies *c = mine();
    struct copy next = {shared, global, valid, c->group};
    if (shim_watch && valid)
        shim_watch(global, 16, false);
    if (shim_copies_at_once())
        do_copy(&next);
    else
        c->waiting.push_back(next);
}

void copy_commit(void)
{
    mine()->group++;
}

void copy_wait_left(int left)
{
    struct copies *c = mine();
    while (!c->waiting.empty() && c->waiting.front().group < c->group - left) {
        do_copy(&c->waiting.front());
        c->waiting.pop_front();
    }
}
