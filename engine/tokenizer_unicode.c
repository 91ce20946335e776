/* Debian 12's PCRE2 knows Unicode 14; models' own tokenizers know newer ones. The words that a
 * text is cut into differ where a character is a letter to one and nothing to the other. A
 * character's stand-in takes as many bytes as it does, so offsets stay. */
#include "engine/tokenizer_unicode.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "engine/utf8.h"

enum {
    SHORT_UPPER = 0x1E00, /* of three bytes, the rest of four */
    SHORT_LOWER = 0x1E01,
    UPPER = 0x10400,
    LOWER = 0x10428,
    MODIFIER = 0x1E137,
    LETTER = 0x20000,
    NUMBER = 0x1D7CE,
    MARK = 0x1D165
};

static const struct {
    uint32_t first, last, older;
} younger[] = {
    {0x1C89, 0x1C89, SHORT_UPPER}, {0x1C8A, 0x1C8A, SHORT_LOWER}, {0xA7CB, 0xA7CC, SHORT_UPPER},
    {0xA7CD, 0xA7CD, SHORT_LOWER}, {0xA7DA, 0xA7DA, SHORT_UPPER}, {0xA7DB, 0xA7DB, SHORT_LOWER},
    {0xA7DC, 0xA7DC, SHORT_UPPER}, {0x105C0, 0x105F3, LETTER},    {0x10D40, 0x10D49, NUMBER},
    {0x10D4A, 0x10D4F, LETTER},    {0x10D50, 0x10D65, UPPER},     {0x10D69, 0x10D6D, MARK},
    {0x10D6F, 0x10D6F, LETTER},    {0x10D70, 0x10D85, LOWER},     {0x10EC2, 0x10EC4, LETTER},
    {0x1123F, 0x11240, LETTER},    {0x11241, 0x11241, MARK},      {0x11380, 0x11389, LETTER},
    {0x1138B, 0x1138B, LETTER},    {0x1138E, 0x1138E, LETTER},    {0x11390, 0x113B5, LETTER},
    {0x113B7, 0x113B7, LETTER},    {0x113B8, 0x113D0, MARK},      {0x113D1, 0x113D1, LETTER},
    {0x113D2, 0x113D2, MARK},      {0x113D3, 0x113D3, LETTER},    {0x113E1, 0x113E2, MARK},
    {0x116D0, 0x116E3, NUMBER},    {0x11BC0, 0x11BE0, LETTER},    {0x11BF0, 0x11BF9, NUMBER},
    {0x11F00, 0x11F01, MARK},      {0x11F02, 0x11F02, LETTER},    {0x11F03, 0x11F03, MARK},
    {0x11F04, 0x11F10, LETTER},    {0x11F12, 0x11F33, LETTER},    {0x11F34, 0x11F42, MARK},
    {0x11F50, 0x11F59, NUMBER},    {0x1342F, 0x1342F, LETTER},    {0x13440, 0x13440, MARK},
    {0x13441, 0x13446, LETTER},    {0x13447, 0x13455, MARK},      {0x13460, 0x143FA, LETTER},
    {0x16100, 0x1611D, LETTER},    {0x1611E, 0x1612F, MARK},      {0x16130, 0x16139, NUMBER},
    {0x16D40, 0x16D6C, LETTER},    {0x16D70, 0x16D79, NUMBER},    {0x18CFF, 0x18CFF, LETTER},
    {0x1B132, 0x1B132, LETTER},    {0x1B155, 0x1B155, LETTER},    {0x1CCF0, 0x1CCF9, NUMBER},
    {0x1D2C0, 0x1D2D3, NUMBER},    {0x1DF25, 0x1DF2A, LOWER},     {0x1E030, 0x1E06D, MODIFIER},
    {0x1E08F, 0x1E08F, MARK},      {0x1E4D0, 0x1E4EB, LETTER},    {0x1E4EC, 0x1E4EF, MARK},
    {0x1E4F0, 0x1E4F9, NUMBER},    {0x1E5D0, 0x1E5ED, LETTER},    {0x1E5EE, 0x1E5EF, MARK},
    {0x1E5F0, 0x1E5F0, LETTER},    {0x1E5F1, 0x1E5FA, NUMBER},    {0x2B739, 0x2B739, LETTER},
    {0x2EBF0, 0x2EE5D, LETTER},    {0x31350, 0x323AF, LETTER},
};

static uint32_t older_point(uint32_t point)
{
    size_t low = 0, high = sizeof younger / sizeof *younger;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > younger[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    bool young = low < sizeof younger / sizeof *younger && point >= younger[low].first;
    return young ? younger[low].older : point;
}

/* Where a younger character may start: four bytes, or one of two rows of three. */
static bool may_be_young(const char *at, const char *end)
{
    unsigned char lead = (unsigned char)*at, next = at + 1 < end ? (unsigned char)at[1] : 0;
    return lead == 0xF0 || (lead == 0xE1 && next == 0xB2) || (lead == 0xEA && next == 0x9F);
}

bool unicode_has_younger(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    while (at < end && !may_be_young(at, end))
        at++;
    return at < end;
}

void unicode_put_older(char *text, size_t length)
{
    for (char *at = text, *end = text + length; at < end; at++)
        if (may_be_young(at, end))
            utf8_put(at, older_point(utf8_next(at, (size_t)(end - at)).point));
}
