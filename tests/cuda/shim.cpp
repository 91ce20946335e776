/* Fibers are switched by a few instructions of assembly where we have them: swapcontext asks the
 * kernel for the signal mask each time, which is a hundred times slower, and a test makes millions
 * of switches. A fiber's stack lives as long as the program and is used by block after block.
 *
 * The scheduler passes over the warps of a block in the chosen order again and again, letting each
 * run ahead of the others as far as it can: to a barrier of the block, or its end. A pass in which
 * none could run means that they wait for something that cannot come. */
#include "tests/cuda/shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#define UNCHECKED __attribute__((no_sanitize_address))
#elif defined(__clang__)
#define UNCHECKED __attribute__((no_sanitize("address")))
#else
#define UNCHECKED
#endif

enum {
    WARP = 32,
    MAX_THREADS = 1024,
    MAX_GRID = 65535,         /* of y and z */
    MAX_SHARED = 227 * 1024,  /* dynamic, of a block */
    STACK_BYTES = 256 * 1024, /* only what is touched is ever backed by memory */
};

struct uint3 threadIdx, blockIdx;
struct dim3 blockDim, gridDim;

enum state { READY, AT_BARRIER, AT_WARP, DONE };

struct fiber {
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
    unsigned char *stack;
    enum state state;
    struct uint3 thread;
};

/* What some lanes of a warp are meeting for. */
struct meeting {
    unsigned mask, arrived;
    void (*all)(void **, unsigned);
    void *operands[WARP];
};

enum { MEETINGS = 4 }; /* at once: parted lanes may meet each with their own */

struct warp {
    struct meeting meetings[MEETINGS];
};

static struct fiber fibers[MAX_THREADS], scheduler, *current;
static struct warp warps[MAX_THREADS / WARP];
static unsigned threads, alive, at_barrier, barrier_or, barrier_result;
static void (*body)(void *);
static void *body_context;
static unsigned char *dynamic_shared;
static size_t dynamic_bytes;
static enum shim_order order = SHIM_FORWARD;
static unsigned long launches, full_launch;
static unsigned block_time, warp_times[MAX_THREADS / WARP];
static bool waited[MAX_THREADS];

extern "C" void shim_set_order(enum shim_order chosen)
{
    order = chosen;
}

extern "C" unsigned long shim_launches(void)
{
    return launches;
}

bool shim_copies_at_once(void)
{
    return order == SHIM_BACKWARD;
}

[[noreturn]] static void die(const char *what)
{
    fprintf(stderr, "shim: block (%u %u %u), thread %u: %s\n", blockIdx.x, blockIdx.y, blockIdx.z,
            current ? (unsigned)(current - fibers) : 0, what);
    abort();
}

/* --- Fibers --- */

#if defined(__x86_64__)
extern "C" void shim_switch(void **save, void *load);
__asm__(".text\n"
        ".globl shim_switch\n"
        ".type shim_switch, @function\n"
        "shim_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size shim_switch, . - shim_switch\n");

static void switch_to(struct fiber *from, struct fiber *to)
{
    shim_switch(&from->sp, to->sp);
}

/* The stack as shim_switch would have left it: six registers, then where to go on. */
UNCHECKED static void prepare(struct fiber *f, void (*start)(void))
{
    void **sp = reinterpret_cast<void **>(f->stack + STACK_BYTES) - 8;
    for (int i = 0; i < 6; i++)
        sp[i] = nullptr;
    sp[6] = reinterpret_cast<void *>(start);
    sp[7] = nullptr;
    f->sp = sp;
}
#else
static void switch_to(struct fiber *from, struct fiber *to)
{
    swapcontext(&from->context, &to->context);
}

static void prepare(struct fiber *f, void (*start)(void))
{
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = nullptr;
    makecontext(&f->context, start, 0);
}
#endif

static void wait_as(enum state state)
{
    struct fiber *me = current;
    me->state = state;
    switch_to(me, &scheduler);
    current = me;
    threadIdx = me->thread;
}

static void release_barrier(void)
{
    if (!at_barrier || at_barrier < alive)
        return;
    for (unsigned i = 0; i < threads; i++)
        if (fibers[i].state == AT_BARRIER)
            fibers[i].state = READY;
    block_time++;
    barrier_result = barrier_or;
    at_barrier = barrier_or = 0;
}

static void thread_main(void)
{
    body(body_context);
    if (shim_watch_end)
        shim_watch_end();
    alive--;
    release_barrier(); /* those who have left are not waited for */
    current->state = DONE;
    switch_to(current, &scheduler);
    abort();
}

/* --- Waiting for each other --- */

int __syncthreads_or(int predicate)
{
    at_barrier++;
    barrier_or |= predicate != 0;
    current->state = AT_BARRIER;
    release_barrier();
    if (current->state == AT_BARRIER)
        wait_as(AT_BARRIER);
    return (int)barrier_result;
}

void __syncthreads(void)
{
    __syncthreads_or(0);
}

unsigned shim_lane(void)
{
    return (unsigned)(current - fibers) % WARP;
}

/* The meeting under way of these lanes, or a new one. */
static struct meeting *join(struct warp *w, unsigned mask, void (*all)(void **, unsigned))
{
    struct meeting *unused = nullptr;
    for (struct meeting &m : w->meetings) {
        if (!m.arrived)
            unused = &m;
        else if (m.mask == mask && m.all == all)
            return &m;
        else if (m.mask == mask)
            die("lanes of one warp meet at different instructions");
    }
    if (!unused)
        die("a warp is parted too far");
    unused->mask = mask;
    unused->all = all;
    return unused;
}

void shim_meet(unsigned mask, void (*all)(void **operands, unsigned mask), void *operand)
{
    unsigned index = (unsigned)(current - fibers), lane = index % WARP;
    if (!(mask >> lane & 1))
        die("a lane that its own mask does not name");
    struct meeting *m = join(&warps[index / WARP], mask, all);
    m->operands[lane] = operand;
    m->arrived |= 1u << lane;
    if (m->arrived != mask) {
        wait_as(AT_WARP);
        return;
    }
    all(m->operands, mask);
    m->arrived = 0;
    for (unsigned i = 0; i < WARP; i++)
        if (mask >> i & 1)
            fibers[index / WARP * WARP + i].state = READY;
}

/* --- Blocks --- */

/* The i-th of `count` in the chosen order. */
static unsigned turn(unsigned i, unsigned count)
{
    if (order == SHIM_FORWARD)
        return i;
    if (order == SHIM_BACKWARD)
        return count - 1 - i;
    unsigned step = 7919; /* a prime: a permutation of any count that it does not divide */
    return count % step ? (unsigned)(((unsigned long)i * step + count / 3) % count) : i;
}

/* Of all threads, side by side. */
static unsigned char *stacks;

static void make_stacks(void)
{
    void *memory = mmap(nullptr, (size_t)MAX_THREADS * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        die("no memory for the threads' stacks");
    stacks = static_cast<unsigned char *>(memory);
    for (unsigned i = 0; i < MAX_THREADS; i++)
        fibers[i].stack = stacks + (size_t)i * STACK_BYTES;
}

bool shim_is_local(const void *address)
{
    uintptr_t at = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(stacks);
    return at < (size_t)MAX_THREADS * STACK_BYTES;
}

static void begin_threads(void)
{
    alive = threads;
    at_barrier = barrier_or = 0;
    memset(warps, 0, sizeof warps);
    memset(waited, 0, sizeof waited);
    block_time++;
    if (!stacks)
        make_stacks();
    for (unsigned i = 0; i < threads; i++) {
        struct fiber *f = &fibers[i];
        f->state = READY;
        f->thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        prepare(f, thread_main);
    }
}

/* Lets a warp's threads run until all of them wait or have left. Returns whether any could. */
static bool run_warp(unsigned warp)
{
    unsigned first = warp * WARP, lanes = threads - first < WARP ? threads - first : (unsigned)WARP;
    bool ran = false;
    for (unsigned i = 0, idle = 0; idle < lanes; i = i + 1 < lanes ? i + 1 : 0) {
        struct fiber *f = &fibers[first + turn(i, lanes)];
        idle++;
        if (f->state != READY)
            continue;
        idle = 0;
        ran = true;
        current = f;
        threadIdx = f->thread;
        switch_to(&scheduler, f);
    }
    return ran;
}

static void run_block(void)
{
    begin_threads();
    while (alive) {
        unsigned count = (threads + WARP - 1) / WARP;
        bool ran = false;
        for (unsigned i = 0; i < count; i++)
            ran = run_warp(turn(i, count)) || ran;
        if (!ran)
            die("threads wait for others that will not come: some have left, or wait elsewhere");
    }
}

static void check_launch(struct dim3 grid, struct dim3 block, size_t shared)
{
    unsigned long size = (unsigned long)block.x * block.y * block.z;
    current = nullptr;
    blockIdx = {0, 0, 0};
    if (size < 1 || size > MAX_THREADS)
        die("a launch with no threads in a block, or more than 1,024");
    if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.y > MAX_GRID || grid.z > MAX_GRID)
        die("a launch with an empty grid, or one past 65,535 in y or z");
    if (shared > MAX_SHARED)
        die("a launch with more than 227 KiB of shared memory");
}

void shim_run(struct dim3 grid, struct dim3 block, size_t shared, void (*kernel)(void *),
              void *context)
{
    check_launch(grid, block, shared);
    unsigned blocks = grid.x * grid.y * grid.z;
    size_t room = (shared + 127) / 128 * 128;
    unsigned char *memory = static_cast<unsigned char *>(aligned_alloc(128, room ? room : 128));
    if (!memory)
        die("no memory for a block's shared memory");
    launches++;
    gridDim = grid;
    blockDim = block;
    threads = block.x * block.y * block.z;
    body = kernel;
    body_context = context;
    dynamic_bytes = shared;
    dynamic_shared = memory + (room - shared) / 16 * 16; /* ends where the allocation ends */
    for (unsigned i = 0; i < blocks; i++) {
        unsigned b = turn(i, blocks);
        blockIdx = {b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y};
        memset(memory, 0xff, room);
        run_block();
    }
    free(memory);
    current = nullptr;
}

/* --- What the time is --- */

bool shim_now(struct shim_moment *now)
{
    if (!current)
        return false;
    unsigned thread = (unsigned)(current - fibers);
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    *now = {launches, full_launch, block, thread, block_time, warp_times[thread / WARP],
            waited[thread]};
    return true;
}

void shim_wait_grid(void)
{
    waited[current - fibers] = true;
}

void shim_copied(void)
{
    full_launch = launches;
}

void *shim_dynamic_shared(void)
{
    return dynamic_shared;
}

size_t shim_dynamic_bytes(void)
{
    return dynamic_bytes;
}

/* --- Votes --- */

struct vote {
    int predicate;
    unsigned result;
};

static void vote_all(void **operands, unsigned mask)
{
    unsigned result = 0;
    for (unsigned i = 0; i < WARP; i++)
        if (mask >> i & 1 && static_cast<struct vote *>(operands[i])->predicate)
            result |= 1u << i;
    for (unsigned i = 0; i < WARP; i++)
        if (mask >> i & 1)
            static_cast<struct vote *>(operands[i])->result = result;
}

unsigned __ballot_sync(unsigned mask, int predicate)
{
    struct vote mine = {predicate, 0};
    shim_meet(mask, vote_all, &mine);
    return mine.result;
}

int __any_sync(unsigned mask, int predicate)
{
    return __ballot_sync(mask, predicate) != 0;
}

int __all_sync(unsigned mask, int predicate)
{
    return __ballot_sync(mask, predicate) == mask;
}

static void pass_time(void **operands, unsigned mask)
{
    (void)operands;
    (void)mask;
    warp_times[(current - fibers) / WARP]++;
}

void __syncwarp(unsigned mask)
{
    shim_meet(mask, pass_time, nullptr);
}

/* --- Instructions --- */

unsigned __byte_perm(unsigned a, unsigned b, unsigned selector)
{
    uint64_t bytes = (uint64_t)b << 32 | a;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) {
        unsigned s = selector >> 4 * i & 15;
        unsigned byte = (unsigned)(bytes >> 8 * (s & 7)) & 255;
        if (s & 8)
            byte = byte & 128 ? 255 : 0;
        result |= byte << 8 * i;
    }
    return result;
}

int __dp4a(int a, int b, int c)
{
    for (int i = 0; i < 4; i++)
        c += (int8_t)(a >> 8 * i) * (int8_t)(b >> 8 * i);
    return c;
}
