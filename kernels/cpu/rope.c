/* The table of rotary angles, in double precision: it is made once a position, not once a head.
 * And the size of a KV page, which allocation needs before any kernel runs. */
#include "kernels/cpu/tables.h"

#include <math.h>

void kernel_rope_table(float *table, int position, int rotary, double base, double scale,
                       const float *factors, double magnitude)
{
    for (int i = 0; i < rotary / 2; i++) {
        double angle = position * scale * pow(base, -2.0 * i / rotary);
        if (factors)
            angle /= (double)factors[i];
        table[2 * i] = (float)(magnitude * cos(angle));
        table[2 * i + 1] = (float)(magnitude * sin(angle));
    }
}

size_t kernel_kv_page_bytes(enum kernel_kv type, int kv_heads, int head_dim)
{
    return (size_t)kv_heads * kv_head_bytes(type, head_dim);
}

size_t kernel_attention_part(int head_dim)
{
    return PART_SUMS + (size_t)kv_padded(head_dim);
}
