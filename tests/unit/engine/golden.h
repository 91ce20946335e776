/* Numbers out of a fixture's JSON, as far as the engine's tests need them: the engine has no JSON
 * of its own. A golden is found by its "file" and a key after it; nested arrays of numbers come out
 * flat. */
#ifndef TESTS_ENGINE_GOLDEN_H
#define TESTS_ENGINE_GOLDEN_H

#include "testing.h"

/* The value of `key` after the place where "file" is `file` (NULL: from the start). */
static inline const char *golden_value(const char *json, const char *file, const char *key)
{
    char wanted[160];
    if (file) {
        snprintf(wanted, sizeof wanted, "\"file\": \"%s\"", file);
        json = strstr(json, wanted);
        assert_non_null(json);
    }
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    json = strstr(json, wanted);
    return json ? json + strlen(wanted) : NULL;
}

static inline double golden_number(const char *json, const char *file, const char *key)
{
    const char *value = golden_value(json, file, key);
    assert_non_null(value);
    return strtod(value, NULL);
}

/* The numbers of the array that `value` starts with. */
static inline size_t golden_numbers(const char *value, double *out, size_t most)
{
    size_t count = 0;
    int depth = 0;
    for (const char *c = value; *c; c++) {
        depth += *c == '[';
        if (*c == ']' && --depth == 0)
            return count;
        if ((*c >= '0' && *c <= '9') || *c == '-') {
            char *end;
            double number = strtod(c, &end);
            assert_true(count < most);
            out[count++] = number;
            c = end - 1;
        }
    }
    return count;
}

static inline size_t golden_tokens(const char *value, int32_t *out, size_t most)
{
    double *numbers = malloc(most * sizeof *numbers);
    assert_non_null(numbers);
    size_t count = golden_numbers(value, numbers, most);
    for (size_t i = 0; i < count; i++)
        out[i] = (int32_t)numbers[i];
    free(numbers);
    return count;
}

#endif
