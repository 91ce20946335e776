/* One table gives a code its status and word, so that no two places can disagree. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int status;
    const char *word;
} TABLE[ERR_COUNT] = {
#define X(name, status, word) [name] = {status, word},
    ERR_MAP(X)
#undef X
};

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->code = code;
    return false;
}

bool err_sys(struct err *err, enum err_code code, int errnum, const char *format, ...)
{
    if (!err)
        return false;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    err->code = code;
    size_t used = strlen(err->message);
    char reason[128];
    snprintf(err->message + used, sizeof err->message - used, ": %s",
             strerror_r(errnum, reason, sizeof reason));
    return false;
}

bool err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return false;
    struct err before = *err;
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", before.message);
    return false;
}

int err_status(enum err_code code)
{
    return (unsigned)code < ERR_COUNT ? TABLE[code].status : 500;
}

const char *err_word(enum err_code code)
{
    return (unsigned)code < ERR_COUNT ? TABLE[code].word : "internal";
}
