/* No memory, and memory that must be wiped: the linker's --wrap sends every allocation of our own
 * objects here (tests/CMakeLists.txt, by the file's name). Included by one .c file of a test. Any
 * thread. */
#ifndef ARENA_TESTS_NO_MEMORY_H
#define ARENA_TESTS_NO_MEMORY_H

#include "testing.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Counts allocations of whoever asks; fails the chosen one, or all from it on. */
static struct {
    _Atomic int64_t count, at; /* at 0: none fails */
    _Atomic bool sticky;
} allocation;

static bool refuse(void)
{
    int64_t at = atomic_load(&allocation.at), number = atomic_fetch_add(&allocation.count, 1) + 1;
    return at != 0 && (atomic_load(&allocation.sticky) ? number >= at : number == at);
}

static void memory_set(int64_t at, bool sticky)
{
    atomic_store(&allocation.at, 0);
    atomic_store(&allocation.count, 0);
    atomic_store(&allocation.sticky, sticky);
    atomic_store(&allocation.at, at);
}

/* What no block may still hold when it is freed or moved; NULL: anything. */
static const char *not_freed;

static void check_freed(const void *block)
{
    if (not_freed && block &&
        memmem(block, malloc_usable_size((void *)block), not_freed, strlen(not_freed)))
        fail_msg("freed memory still holds \"%s\"", not_freed);
}

/* Blocks begin empty then, lest they hold what a library freed before. */
static void *empty(void *block, size_t from)
{
    if (not_freed && block)
        memset((char *)block + from, 0, malloc_usable_size(block) - from);
    return block;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *block);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : empty(__real_malloc(size), 0);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    size_t had = old ? malloc_usable_size(old) : 0;
    if (refuse())
        return NULL;
    check_freed(old);
    void *block = __real_realloc(old, size);
    return empty(block, had < size ? had : size);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : __real_strdup(text);
}

void __wrap_free(void *block)
{
    check_freed(block);
    __real_free(block);
}

#endif
