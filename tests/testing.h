/* What every unit test needs: cmocka with its headers in the right order, and where the fixtures
 * are. */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A fixture's path, or NULL (the test calls skip(), by name) where there are no fixtures. The
 * buffer is reused. */
static inline const char *fixture(const char *name)
{
    static char path[4096];
    const char *folder = getenv("ARENA_FIXTURES");
    if (!folder || !*folder)
        return NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A file of tests/data: by ctest from anywhere, by hand from the repository's root. The buffer is
 * reused. */
static inline const char *test_data(const char *name)
{
    static char path[4096];
    const char *folder = getenv("ARENA_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "tests/data", name);
    return path;
}

/* A whole file as a string, NULL where there is none; the caller frees it. */
static inline char *read_whole(const char *path)
{
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = malloc((size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    text[size] = '\0';
    fclose(file);
    return text;
}

#endif
