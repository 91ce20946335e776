/* Any bytes: found or not, never past the text; and what is found in a text is found when words
 * are put before it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/personal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 3); /* exactly as long: the sanitizer sees a byte too far */
    if (!copy)
        return 0;
    memcpy(copy, "a ", 2);
    if (size)
        memcpy(copy + 2, data, size);
    char *alone = malloc(size ? size : 1);
    if (alone && size) {
        memcpy(alone, data, size);
        unsigned found = personal_find((struct text){alone, size});
        if (found >= 1u << PERSONAL_KINDS)
            abort();
        if ((personal_find((struct text){copy, size + 2}) & found) != found)
            abort();
    }
    free(alone);
    free(copy);
    return 0;
}
