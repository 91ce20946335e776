/* Formatting only: messages are one line, so control characters that came out of a file are
 * replaced here, once. */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>

void engine_error_set(struct engine_error *error, enum engine_error_code code, const char *format,
                      ...)
{
    if (!error)
        return;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    for (unsigned char *c = (unsigned char *)error->message; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
}
