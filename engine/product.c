/* Panels of all products are numbered through; a piece is a range of those numbers. */
#include "engine/product.h"

enum { PIECES_A_THREAD = 4 }; /* enough that one slow core does not hold up the others for long */

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

void products_run(struct threads *threads, const struct kernels *kernels,
                  const struct product *products, int count)
{
    struct run run = {kernels, products, count};
    int panels = 0, pieces = threads_count(threads) * PIECES_A_THREAD;
    for (int i = 0; i < count; i++)
        panels += kernel_matrix_panels(products[i].matrix);
    threads_for(threads, panels, (panels + pieces - 1) / pieces, run_work, &run);
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
