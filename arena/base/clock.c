#include "base/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t frozen_mono = -1, frozen_wall = -1;

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * CLOCK_S + now.tv_nsec;
}

int64_t clock_mono_ns(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_mono, memory_order_relaxed);
    return frozen >= 0 ? frozen : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_ms(void)
{
    int64_t frozen = atomic_load_explicit(&frozen_wall, memory_order_relaxed);
    if (frozen >= 0)
        return frozen;
    return read_ns(CLOCK_REALTIME) / CLOCK_MS;
}

void clock_freeze(int64_t mono_ns, int64_t wall_ms)
{
    atomic_store(&frozen_mono, mono_ns);
    atomic_store(&frozen_wall, wall_ms);
}
