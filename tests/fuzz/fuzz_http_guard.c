/* Everything that reads a header's or an address's text, with any bytes: the first one says which.
 * Properties: what is let in as a loopback name contains nothing else; a decoded address is UTF-8
 * without control characters. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "http/guard.h"
#include "http/listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(struct text text)
{
    struct http_context context = {0};
    struct err err = ERR_INIT;
    if (!guard_host(&context, text, &err))
        return;
    for (size_t i = 0; i < text.length; i++)
        assert(strchr("0123456789abcdef.:[]localhstLOCALHSTABCDEF", text.data[i]));
}

static void escapes(struct text text)
{
    char *copy = malloc(text.length + 1);
    size_t length = text.length;
    if (!copy)
        return;
    memcpy(copy, text.data, length);
    copy[length] = '\0';
    if (guard_unescape(copy, &length)) {
        assert(length <= text.length && utf8_valid(copy, length));
        assert(strlen(copy) == length);
    }
    free(copy);
}

static void addresses(struct text text)
{
    char copy[128] = "";
    struct sockaddr_storage address;
    socklen_t length;
    struct err err = ERR_INIT;
    memcpy(copy, text.data, text.length < sizeof copy - 1 ? text.length : sizeof copy - 1);
    if (listener_read_address(copy, &address, &length, &err))
        (void)listener_is_loopback(&address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    struct text text = {(const char *)data + 1, size - 1};
    struct guard_sender sender = {text, text, text};
    struct http_context context = {0};
    uint64_t length;
    switch (*data % 4) {
    case 0:
        names(text);
        guard_origin(&context, &sender, NULL);
        break;
    case 1:
        escapes(text);
        break;
    case 2:
        addresses(text);
        break;
    default:
        guard_is_json(text);
        guard_length(text, &length);
        guard_accepts(text, "gzip");
        guard_matches(text, "\"a\"");
    }
    return 0;
}
