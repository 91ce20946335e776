/* The leak detector on any name, organisation, alias and answer: it never crashes, and finds a
 * name that stands alone. / */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "battle/leak.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes one line off the input as a C string of at most LIMIT_NAME_BYTES. */
static char *take_line(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, '\n', *size);
    size_t length = end ? (size_t)(end - *data) : *size;
    char *line =
        strndup((const char *)*data, length < LIMIT_NAME_BYTES ? length : LIMIT_NAME_BYTES);
    *data += length + (end != NULL);
    *size -= length + (end != NULL);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *name = take_line(&data, &size), *organisation = take_line(&data, &size),
         *alias = take_line(&data, &size);
    struct competitor_config config = {
        .name = name, .organisation = organisation, .aliases = &alias, .alias_count = 1};
    struct err err = ERR_INIT;
    struct buf answer;
    buf_init(&answer, LIMIT_ANSWER_BYTES);
    utf8_repair(&answer, (const char *)data, size);
    struct leak *leak = leak_new(&config, &err);
    if (leak)
        leak_found(leak, buf_text(&answer));
    leak_free(leak);
    buf_done(&answer);
    free(name);
    free(organisation);
    free(alias);
    return 0;
}
