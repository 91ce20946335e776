/* Panels of all products are numbered through; a piece is a range of those numbers. Gate and up are
 * cut into units of the columns of one block, so that a piece can go on to the activation and its
 * int8 form while its columns are in the cache. */
#include "engine/product.h"

enum {
    PIECES_A_THREAD = 8,    /* enough that one slow core does not hold up the others for long */
    AHEAD_MOST = 192 << 10, /* bytes to fetch while waiting: they must stay in the second cache */
};

struct run {
    const struct kernels *kernels;
    const struct product *products;
    int count;
};

static void run_work(void *context, int first, int last, int thread)
{
    const struct run *run = context;
    int start = 0;
    (void)thread;
    for (int i = 0; i < run->count && start < last; i++) {
        const struct product *p = &run->products[i];
        int panels = kernel_matrix_panels(p->matrix);
        int from = first > start ? first - start : 0,
            to = last - start < panels ? last - start : panels;
        if (from < to)
            run->kernels->matmul(p->matrix, p->input, p->out, p->stride, from, to);
        start += panels;
    }
}

static int grain_of(const struct threads *threads, int panels)
{
    int pieces = threads_count(threads) * PIECES_A_THREAD;
    return (panels + pieces - 1) / pieces;
}

void products_run(struct threads *threads, const struct kernels *kernels,
                  const struct product *products, int count)
{
    struct run run = {kernels, products, count};
    int panels = 0;
    for (int i = 0; i < count; i++)
        panels += kernel_matrix_panels(products[i].matrix);
    threads_for(threads, panels, grain_of(threads, panels), run_work, &run);
}

/* --- Gate and up --- */

enum { UNIT = 32, UNIT_PANELS = UNIT / KERNEL_PANEL_ROWS };

struct gated_run {
    const struct kernels *kernels;
    enum activation activation;
    const struct gated *gated;
    int count;
};

static int units_of(const struct gated *g)
{
    return (g->inner->columns + UNIT - 1) / UNIT;
}

/* Columns [first, last) of the rows, whose products are there. */
static void activate(const struct gated_run *run, const struct gated *g, int first, int last)
{
    const struct kernels *k = run->kernels;
    struct kernel_activations part = *g->inner;
    bool int8 = kernel_matrix_wants_int8(&g->expert->down);
    part.tokens = 1;
    part.columns = last - first;
    for (int t = 0; t < g->inner->tokens; t++) {
        size_t at = (size_t)t * (size_t)g->inner->columns + (size_t)first;
        float *gate = (float *)(uintptr_t)g->inner->values + (size_t)t * part.stride + first;
        if (run->activation == ACTIVATION_GELU)
            k->gelu_multiply(gate, gate, gate + g->inner->columns, part.columns);
        else
            k->silu_multiply(gate, gate, gate + g->inner->columns, part.columns);
        part.values = gate;
        part.quants = g->inner->quants + at;
        part.blocks = g->inner->blocks + at / UNIT;
        if (int8)
            k->quantize(&part, 0, 1);
    }
}

static void run_units(const struct gated_run *run, const struct gated *g, int from, int to)
{
    const struct kernel_matrix *matrices = g->expert->gate_up.matrices;
    float *out = (float *)(uintptr_t)g->inner->values;
    int columns = g->inner->columns, panels = kernel_matrix_panels(matrices);
    int first = from * UNIT_PANELS, last = to * UNIT_PANELS < panels ? to * UNIT_PANELS : panels;
    run->kernels->matmul(&matrices[0], g->input, out, g->inner->stride, first, last);
    run->kernels->matmul(&matrices[1], g->input, out + columns, g->inner->stride, first, last);
    activate(run, g, from * UNIT, to * UNIT < columns ? to * UNIT : columns);
}

static void gated_work(void *context, int first, int last, int thread)
{
    const struct gated_run *run = context;
    int start = 0;
    (void)thread;
    for (int i = 0; i < run->count && start < last; i++) {
        int units = units_of(&run->gated[i]);
        int from = first > start ? first - start : 0,
            to = last - start < units ? last - start : units;
        if (from < to)
            run_units(run, &run->gated[i], from, to);
        start += units;
    }
}

void products_run_gated(struct threads *threads, const struct kernels *kernels,
                        enum activation activation, const struct gated *gated, int count)
{
    struct gated_run run = {kernels, activation, gated, count};
    int units = 0;
    for (int i = 0; i < count; i++)
        units += units_of(&gated[i]);
    threads_for(threads, units, grain_of(threads, units), gated_work, &run);
}

/* --- What comes next --- */

/* Where panel `panel` of the matrices lies, and the bytes from there to its matrix's end. */
static const uint8_t *panel_at(const struct kernel_matrix *matrix, int panel, size_t *bytes)
{
    while (panel >= kernel_matrix_panels(matrix))
        panel -= kernel_matrix_panels(matrix++);
    size_t whole = kernel_matrix_bytes(matrix);
    size_t from = whole / (size_t)kernel_matrix_panels(matrix) * (size_t)panel;
    *bytes = whole - from;
    return matrix->data + from;
}

void products_ahead(struct threads *threads, const struct kernel_matrix *matrices, int count)
{
    int panels = 0;
    for (int i = 0; i < count; i++)
        panels += kernel_matrix_panels(&matrices[i]);
    int grain = grain_of(threads, panels);
    for (int i = 0; i < threads_count(threads); i++) {
        int first, last;
        size_t bytes = 0;
        threads_share(threads, i, (panels + grain - 1) / grain, &first, &last);
        const uint8_t *from = first < last ? panel_at(matrices, first * grain, &bytes) : NULL;
        threads_read_ahead(threads, i, from, bytes < AHEAD_MOST ? bytes : AHEAD_MOST);
    }
}

int product_add_group(struct product *list, int count, const struct weights_group *group,
                      const struct kernel_activations *input, float *out, size_t stride)
{
    for (int i = 0; i < group->count; i++) {
        list[count++] = (struct product){&group->matrices[i], input, out, stride};
        out += group->matrices[i].rows;
    }
    return count;
}

bool product_group_wants_int8(const struct weights_group *group)
{
    bool wants = false;
    for (int i = 0; i < group->count; i++)
        wants |= kernel_matrix_wants_int8(&group->matrices[i]);
    return wants;
}
