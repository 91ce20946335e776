#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t frozen_mono = -1, frozen_wall = -1;

int64_t clock_mono_ns(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_mono, memory_order_relaxed);
    if (frozen >= 0)
        return frozen;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * CLOCK_S + now.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_wall, memory_order_relaxed);
    if (frozen >= 0)
        return frozen;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_freeze(int64_t mono_ns, int64_t wall_ms)
{
    atomic_store(&frozen_mono, mono_ns);
    atomic_store(&frozen_wall, wall_ms);
}
