/* A schema, then a text that is walked along it: "SCHEMA\nTEXT". Whatever comes, some byte leads on
 * from every place that is not the text's end. */
#include "engine/schema.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct grammar_walk walk;

static void walk_along(const struct grammar *grammar, const uint8_t *text, size_t length)
{
    grammar_walk_start(&walk, grammar);
    for (size_t i = 0; i < length; i++) {
        if (!grammar_walk_step(&walk, 0, text[i])) {
            int byte = 0;
            while (byte < 256 && !grammar_walk_step(&walk, 0, (unsigned char)byte))
                byte++;
            if (byte == 256 && !grammar_walk_may_end(&walk, 0))
                abort();
            if (byte == 256)
                return;
        }
        grammar_walk_settle(&walk, 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine_error error = {ENGINE_OK, ""};
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    size_t length = end ? (size_t)(end - data) : size;
    struct grammar *grammar = schema_compile((const char *)data, length, &error);
    if (!grammar && (error.code != ENGINE_REQUEST || !*error.message))
        abort();
    if (grammar)
        walk_along(grammar, data + length, size - length);
    grammar_free(grammar);
    return 0;
}
