/* The ranges are those of Unicode's table 3-7 (no overlong forms, no surrogates, nothing past
 * U+10FFFF): the second byte's bounds depend on the first, all later ones are 80..BF. */
#include "engine/utf8.h"

#include <string.h>

/* Length of the character that starts with `lead`, and the bounds of its second byte; 0 for no
 * lead byte. */
static size_t lead_length(unsigned char lead, unsigned char *low, unsigned char *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 3;
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

struct utf8_step utf8_next(const char *bytes, size_t length)
{
    struct utf8_step step = {UTF8_REPLACEMENT, 1, false, false};
    if (length == 0)
        return (struct utf8_step){0, 0, false, false};
    const unsigned char *byte = (const unsigned char *)bytes;
    unsigned char low, high;
    size_t whole = lead_length(byte[0], &low, &high);
    if (whole == 0)
        return step;
    uint32_t point = whole == 1 ? byte[0] : byte[0] & (0xFFu >> (whole + 1));
    for (size_t i = 1; i < whole; i++, low = 0x80, high = 0xBF) {
        step.length = i;
        if (i == length) {
            step.cut = true;
            return step;
        }
        if (byte[i] < low || byte[i] > high)
            return step;
        point = point << 6 | (byte[i] & 0x3Fu);
    }
    return (struct utf8_step){point, whole, true, false};
}

size_t utf8_put(char *out, uint32_t point)
{
    unsigned char *byte = (unsigned char *)out;
    if (point < 0x80) {
        byte[0] = (unsigned char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6)
        byte[i] = (unsigned char)(0x80 | (point & 0x3F));
    byte[0] = (unsigned char)((0xF00u >> length & 0xFF) | point);
    return length;
}

size_t utf8_valid_prefix(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint64_t eight;
        if (length - at >= sizeof eight) {
            memcpy(&eight, bytes + at, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof eight;
                continue;
            }
        }
        struct utf8_step step = utf8_next(bytes + at, length - at);
        if (!step.valid)
            return at;
        at += step.length;
    }
    return length;
}
