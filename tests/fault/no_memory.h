/* No memory: the linker's --wrap sends every allocation of our own objects here
 * (tests/CMakeLists.txt, by the file's name). Included by one .c file of a test. Any thread. */
#ifndef ARENA_TESTS_NO_MEMORY_H
#define ARENA_TESTS_NO_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return refuse() ? NULL : __real_strdup(text);
}

#endif
