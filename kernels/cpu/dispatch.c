/* The tables, best last to first, and whether this CPU can run them. A binary holds all of them;
 * which one runs is seen at start, so one build serves every x86-64 machine. */
#include "kernels/cpu/tables.h"

#include <string.h>
#if defined(KERNELS_X86)
#include <cpuid.h>
#endif

#define KERNEL_TABLE(set)                                                                          \
    {                                                                                              \
#set, set##_quantize, set##_matmul, set##_rmsnorm, set##_rope, set##_kv_store,             \
            set##_attention, set##_attention_span, set##_attention_join, set##_silu_multiply,      \
            set##_gelu_multiply, set##_add, set##_scale, set##_multiply_add, set##_softcap,        \
            set##_softmax, set##_argmax                                                            \
    }

static bool always(void)
{
    return true;
}

#if defined(KERNELS_X86)
/* clang 14's __builtin_cpu_supports does not know f16c: CPUID leaf 1, ECX bit 29. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c >> 29 & 1);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

/* CPUID leaf 7.1, EAX bit 4. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

static const struct {
    struct kernels table;
    bool (*runs)(void);
} SETS[] = {
#if defined(KERNELS_X86)
    {KERNEL_TABLE(avx512), has_avx512},
    {KERNEL_TABLE(avxvnni), has_avxvnni},
    {KERNEL_TABLE(avx2), has_avx2},
#endif
    {KERNEL_TABLE(scalar), always},
};

const struct kernels *kernels_choose(const char *name)
{
    for (size_t i = 0; i < sizeof(SETS) / sizeof(SETS[0]); i++)
        if ((!name || !strcmp(name, SETS[i].table.name)) && SETS[i].runs())
            return &SETS[i].table;
    return NULL;
}
