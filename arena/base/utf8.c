/* One decoder; everything else is a loop over it. */
#include "base/utf8.h"

size_t utf8_decode(const char *text, size_t length, uint32_t *code)
{
    const unsigned char *s = (const unsigned char *)text;
    if (!length)
        return 0;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    size_t need = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                  : (s[0] & 0xf0) == 0xe0       ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;
    if (!need || length < need)
        return 0;
    uint32_t value = s[0] & (0xffu >> (need + 1));
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (s[i] & 0x3fu);
    }
    static const uint32_t SMALLEST[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < SMALLEST[need] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0;
    *code = value;
    return need;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

size_t utf8_find_invalid(const char *text, size_t length)
{
    size_t i = 0;
    uint32_t code;
    while (i < length) {
        size_t n = utf8_decode(text + i, length - i, &code);
        if (!n)
            return i;
        i += n;
    }
    return length;
}

bool utf8_valid(const char *text, size_t length)
{
    return utf8_find_invalid(text, length) == length;
}

/* How many bytes at `s`, which start no valid character, form one maximal bad part: the longest
 * run that begins a valid character (Unicode 3.9, "maximal subpart"), at least one byte. */
static size_t bad_part(const unsigned char *s, size_t length)
{
    size_t need = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
                  : (s[0] & 0xf0) == 0xe0       ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 1;
    unsigned char low = 0x80, high = 0xbf;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    size_t n = 1;
    while (n < need && n < length && s[n] >= low && s[n] <= high) {
        low = 0x80;
        high = 0xbf;
        n++;
    }
    return n;
}

bool utf8_repair(struct buf *out, const char *text, size_t length)
{
    size_t i = 0;
    while (i < length) {
        size_t good = utf8_find_invalid(text + i, length - i);
        if (!buf_add(out, text + i, good))
            return false;
        i += good;
        if (i == length)
            break;
        i += bad_part((const unsigned char *)text + i, length - i);
        if (!buf_add(out, "\xef\xbf\xbd", 3))
            return false;
    }
    return true;
}

size_t utf8_complete_prefix(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t back = 1; back <= 3 && back <= length; back++) {
        unsigned char c = s[length - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xc2 && c < 0xe0   ? 2
                      : (c & 0xf0) == 0xe0    ? 3
                      : c >= 0xf0 && c < 0xf5 ? 4
                                              : 1;
        bool unfinished = need > back && bad_part(s + length - back, back) == back;
        return unfinished ? length - back : length;
    }
    return length;
}

size_t utf8_count(const char *text, size_t length)
{
    size_t count = 0;
    uint32_t code;
    for (size_t i = 0; i < length; count++) {
        size_t n = utf8_decode(text + i, length - i, &code);
        i += n ? n : 1;
    }
    return count;
}
