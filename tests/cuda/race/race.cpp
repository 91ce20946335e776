/* Watches what kernels read and write, where they are compiled with -fsanitize=thread and linked
 * with this in place of its runtime: the compiler then calls a function at each access, and here
 * stand these functions. Threads of the shim run one after another, so that a race never shows as
 * a wrong result in every order; but each access has a time (shim_moment), and two of one place, one
 * of them a write, by two threads with no barrier between them are a race in any order.
 *
 * What ends the program:
 * - in shared or global memory, such a pair within a block (threads of one warp may have a
 *   __syncwarp between them instead);
 * - in global memory, such a pair of two blocks of one launch, but for atomics and __ldcg, and but
 *   for writes of what is there already;
 * - a kernel that writes global memory before its grid_wait, or reads there what a kernel has
 *   written that may still be running (no copy or fill has waited for it);
 * - a thread that ends without grid_wait: the kernel after the next would not wait for all.
 *
 * Of each byte the last write is known, and the last reader and whether it was the only one. */
#include "tests/cuda/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <unordered_map>

enum { PAGE = 4096, WARP = 32 };

struct access {
    unsigned long launch;
    unsigned block, thread, time, warp_time;
    bool others; /* other threads too, at this time of the block */
    bool warps;  /* … of other warps */
    bool shared; /* of the block's own memory, which is the heap's afterwards */
    const void *from;
};

struct place {
    struct access write, read;
};

struct page {
    struct place places[PAGE];
};

static std::unordered_map<uintptr_t, struct page *> pages;

extern "C" char __data_start, _end; /* what is static: shared memory, beside constants */

static struct place *place_of(uintptr_t at)
{
    static uintptr_t last_number = ~(uintptr_t)0;
    static struct page *last;
    if (at / PAGE != last_number) {
        struct page *&p = pages[at / PAGE];
        if (!p)
            p = static_cast<struct page *>(calloc(1, sizeof *p));
        if (!p)
            abort();
        last = p;
        last_number = at / PAGE;
    }
    return &last->places[at % PAGE];
}

/* --- Judging --- */

[[noreturn]] static void report(const char *what, const struct shim_moment *now, const void *from,
                                const struct access *before)
{
    fprintf(stderr, "race: %s: block %u thread %u at %p", what, now->block, now->thread, from);
    if (before)
        fprintf(stderr, ", block %u thread %u at %p", before->block, before->thread, before->from);
    fprintf(stderr, "\n");
    abort();
}

/* May the two have happened in the other order, or at once? */
static bool is_race(const struct access *before, const struct shim_moment *now, bool shared)
{
    if (before->launch != now->launch)
        return false;
    if (before->block != now->block)
        return !shared;
    if (before->time != now->time || (before->thread == now->thread && !before->others))
        return false;
    bool one_warp = before->thread / WARP == now->thread / WARP && !before->warps;
    return !one_warp || before->warp_time == now->warp_time;
}

static void note(struct access *a, const struct shim_moment *now, bool shared, const void *from)
{
    bool same = a->launch == now->launch && a->block == now->block && a->time == now->time;
    bool warp = same && a->thread / WARP == now->thread / WARP;
    bool others = same && (a->others || a->thread != now->thread) &&
                  !(warp && !a->warps && a->warp_time != now->warp_time);
    bool warps = same && (a->warps || !warp);
    *a = {now->launch, now->block, now->thread, now->time, now->warp_time, others, warps, shared,
          from};
}

/* Bytes that the write under way must leave as they are, since another block uses them too. */
static struct {
    const unsigned char *at;
    unsigned char value;
    struct shim_moment now;
    struct access before;
    const void *from;
} kept[16];
static int kept_count;

static void keep(const struct shim_moment *now, const struct access *before, uintptr_t at,
                 const void *from)
{
    const unsigned char *byte = reinterpret_cast<const unsigned char *>(at);
    if (kept_count < 16)
        kept[kept_count++] = {byte, *byte, *now, *before, from};
}

/* At the next access, whosever it is: threads do not take turns between. */
static void check_kept(void)
{
    for (int i = 0; i < kept_count; i++)
        if (*kept[i].at != kept[i].value)
            report("a write beside another block's use", &kept[i].now, kept[i].from,
                   &kept[i].before);
    kept_count = 0;
}

static void check_pair(const struct access *before, const struct shim_moment *now, bool shared,
                       bool write, uintptr_t at, const char *what, const void *from)
{
    if (!is_race(before, now, shared))
        return;
    if (!write || before->block == now->block)
        report(what, now, from, before);
    keep(now, before, at, from);
}

static void check_place(uintptr_t at, const struct shim_moment *now, bool shared, bool write,
                        const void *from)
{
    struct place *p = place_of(at);
    if (!shared && !now->waited && write)
        report("a write before grid_wait", now, from, nullptr);
    if (!shared && !now->waited && p->write.launch > now->full && !p->write.shared)
        report("a read before grid_wait of what an unfinished kernel writes", now, from, &p->write);
    check_pair(&p->write, now, shared, write, at, write ? "two writes" : "a read beside a write",
               from);
    if (write)
        check_pair(&p->read, now, shared, write, at, "a write beside a read", from);
    note(write ? &p->write : &p->read, now, shared, from);
}

static bool is_shared(uintptr_t at)
{
    uintptr_t dynamic = at - reinterpret_cast<uintptr_t>(shim_dynamic_shared());
    return dynamic < shim_dynamic_bytes() ||
           (at >= reinterpret_cast<uintptr_t>(&__data_start) &&
            at < reinterpret_cast<uintptr_t>(&_end));
}

static void look(const void *address, size_t bytes, bool write, const void *from)
{
    struct shim_moment now;
    uintptr_t at = reinterpret_cast<uintptr_t>(address);
    check_kept();
    if (!shim_now(&now) || shim_is_local(address))
        return;
    bool shared = is_shared(at);
    for (size_t i = 0; i < bytes; i++)
        check_place(at + i, &now, shared, write, from);
}

/* --- What is called --- */

extern "C" {
void shim_watch(const void *address, size_t bytes, bool write)
{
    look(address, bytes, write, __builtin_return_address(0));
}

void shim_watch_end(void)
{
    struct shim_moment now;
    check_kept();
    if (shim_now(&now) && !now.waited)
        report("the thread has not been at grid_wait", &now, nullptr, nullptr);
}

#define WATCH(name, bytes, write)                                                                  \
    void __tsan_##name(void *address);                                                             \
    void __tsan_##name(void *address)                                                              \
    {                                                                                              \
        look(address, bytes, write, __builtin_return_address(0));                                  \
    }
WATCH(read1, 1, false)
WATCH(read2, 2, false)
WATCH(read4, 4, false)
WATCH(read8, 8, false)
WATCH(read16, 16, false)
WATCH(unaligned_read2, 2, false)
WATCH(unaligned_read4, 4, false)
WATCH(unaligned_read8, 8, false)
WATCH(unaligned_read16, 16, false)
WATCH(write1, 1, true)
WATCH(write2, 2, true)
WATCH(write4, 4, true)
WATCH(write8, 8, true)
WATCH(write16, 16, true)
WATCH(unaligned_write2, 2, true)
WATCH(unaligned_write4, 4, true)
WATCH(unaligned_write8, 8, true)
WATCH(unaligned_write16, 16, true)

void __tsan_read_range(void *address, size_t bytes);
void __tsan_read_range(void *address, size_t bytes)
{
    look(address, bytes, false, __builtin_return_address(0));
}

void __tsan_write_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes)
{
    look(address, bytes, true, __builtin_return_address(0));
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *);
void __tsan_func_entry(void *)
{
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_vptr_update(void **, void *);
void __tsan_vptr_update(void **, void *)
{
}
}
