/* Only texts come in here, so that every rule is tested without a socket and fuzzed. */
#include "http/guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

static bool same_word(struct text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

static struct text trim(struct text text)
{
    while (text.length && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.length--;
    }
    while (text.length && (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* Takes the part before `separator` off the front of *rest. */
static struct text cut(struct text *rest, char separator)
{
    const char *end = rest->length ? memchr(rest->data, separator, rest->length) : NULL;
    struct text part = {rest->data, end ? (size_t)(end - rest->data) : rest->length};
    size_t used = part.length + (end ? 1 : 0);
    rest->data += used;
    rest->length -= used;
    return part;
}

static bool is_port(struct text text)
{
    if (text.length < 1 || text.length > 5)
        return false;
    for (size_t i = 0; i < text.length; i++)
        if (!isdigit((unsigned char)text.data[i]))
            return false;
    return true;
}

static bool is_name(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!isalnum((unsigned char)text.data[i]) && text.data[i] != '.' && text.data[i] != '-')
            return false;
    return text.length > 0;
}

struct text guard_host_name(struct text host)
{
    static const struct text NONE = {"", 0};
    struct text rest = host, name;
    bool has_port = false;
    if (host.length && host.data[0] == '[') {
        rest.data++;
        rest.length--;
        if (!memchr(rest.data, ']', rest.length))
            return NONE;
        name = cut(&rest, ']');
        has_port = rest.length > 0;
        if (has_port && *rest.data != ':')
            return NONE;
        rest.data += has_port;
        rest.length -= has_port;
    } else {
        has_port = host.length && memchr(host.data, ':', host.length);
        name = cut(&rest, ':');
        if (!is_name(name))
            return NONE;
    }
    return has_port && !is_port(rest) ? NONE : name;
}

bool guard_is_loopback(struct text name)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr four;
    struct in6_addr six;
    if (same_word(name, "localhost"))
        return true;
    if (name.length >= sizeof copy || memchr(name.data, '\0', name.length))
        return false;
    memcpy(copy, name.data, name.length);
    copy[name.length] = '\0';
    if (inet_pton(AF_INET, copy, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, copy, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool guard_host(const struct http_context *context, struct text host, struct err *err)
{
    struct text name = guard_host_name(host);
    if (!name.length)
        return err_set(err, ERR_BAD_HOST, "the Host header is not a name with an optional port");
    if (guard_is_loopback(name))
        return true;
    for (const char *const *known = context->hosts; known && *known; known++)
        if (same_word(name, *known))
            return true;
    return err_set(err, ERR_BAD_HOST, "this server does not answer to the name in the Host header");
}

bool guard_origin(const struct http_context *context, const struct guard_sender *sender,
                  struct err *err)
{
    struct text site = sender->fetch_site, origin = sender->origin;
    if (site.length && !same_word(site, "same-origin") && !same_word(site, "none"))
        return err_set(err, ERR_BAD_ORIGIN, "the request comes from another site's page");
    if (!origin.length)
        return true;
    const char *scheme = context->https ? "https://" : "http://";
    size_t length = strlen(scheme);
    if (origin.length == length + sender->host.length &&
        strncasecmp(origin.data, scheme, length) == 0 &&
        strncasecmp(origin.data + length, sender->host.data, sender->host.length) == 0)
        return true;
    return err_set(err, ERR_BAD_ORIGIN, "the request's Origin is not this server's own");
}

bool guard_is_json(struct text content_type)
{
    struct text rest = content_type;
    return same_word(trim(cut(&rest, ';')), "application/json");
}

bool guard_length(struct text text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (!isdigit((unsigned char)text.data[i]) || *out > UINT64_MAX / 20)
            return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
    }
    return text.length > 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* Decodes the escape or byte at text[*at] and moves *at behind it; -1: not allowed. */
static int next_byte(const char *text, size_t length, size_t *at)
{
    int value = (unsigned char)text[*at];
    if (value == '%') {
        int high = *at + 2 < length ? hex_value(text[*at + 1]) : -1;
        int low = *at + 2 < length ? hex_value(text[*at + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        value = high * 16 + low;
        *at += 2;
    }
    *at += 1;
    return value < 0x20 || value == 0x7f ? -1 : value;
}

bool guard_unescape(char *text, size_t *length)
{
    size_t used = 0, size = *length;
    for (size_t at = 0; at < size;) {
        int value = next_byte(text, size, &at);
        if (value < 0) {
            *length = 0;
            text[0] = '\0';
            return false;
        }
        text[used++] = (char)value;
    }
    text[used] = '\0';
    *length = used;
    if (utf8_valid(text, used))
        return true;
    *length = 0;
    text[0] = '\0';
    return false;
}

/* True for q=0, q=0.0 and so on. */
static bool is_zero_weight(struct text one)
{
    if (one.length < 3 || strncasecmp(one.data, "q=0", 3) != 0)
        return false;
    for (size_t i = 3; i < one.length; i++)
        if (one.data[i] != '.' && one.data[i] != '0')
            return false;
    return true;
}

static bool refused(struct text parameters)
{
    while (parameters.length)
        if (is_zero_weight(trim(cut(&parameters, ';'))))
            return true;
    return false;
}

bool guard_accepts(struct text header, const char *token)
{
    while (header.length) {
        struct text one = cut(&header, ',');
        struct text name = trim(cut(&one, ';'));
        if (same_word(name, token))
            return !refused(one);
    }
    return false;
}

bool guard_matches(struct text if_none_match, const char *etag)
{
    while (if_none_match.length) {
        struct text one = trim(cut(&if_none_match, ','));
        if (one.length > 2 && strncmp(one.data, "W/", 2) == 0) {
            one.data += 2;
            one.length -= 2;
        }
        if (text_equal(one, text_of(etag)) || text_equal(one, text_of("*")))
            return true;
    }
    return false;
}
