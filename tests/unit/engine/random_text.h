/* Random texts for tokenizers: letters, marks, digits and signs of many scripts, emoji that are
 * joined, white space in runs, contractions in either case. The same seed, the same texts. */
#ifndef TESTS_RANDOM_TEXT_H
#define TESTS_RANDOM_TEXT_H

#include "engine/utf8.h"

#include <string.h>

enum { RANDOM_TEXT_BYTES = 2048 };

static inline uint32_t random_text_draw(uint64_t *state, uint32_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

static inline uint32_t random_text_point(uint64_t *state)
{
    static const uint32_t ROWS[][2] = {
        {0x20, 0x7E},       {0x20, 0x7E},       {0x20, 0x7E},       {0x00, 0x1F},
        {0x80, 0x24F},      {0x300, 0x36F},     {0x370, 0x52F},     {0x590, 0x6FF},
        {0x900, 0x97F},     {0xE00, 0xE7F},     {0x1100, 0x11FF},   {0x1C80, 0x1CFF},
        {0x1E00, 0x206F},   {0x20A0, 0x218F},   {0x2460, 0x27BF},   {0x3000, 0x30FF},
        {0x4E00, 0x9FFF},   {0xA700, 0xA7FF},   {0xAC00, 0xD7A3},   {0xE000, 0xE0FF},
        {0xFB00, 0xFE2F},   {0xFF00, 0xFFFD},   {0x10000, 0x1005F}, {0x105C0, 0x105FF},
        {0x11380, 0x113FF}, {0x11F00, 0x11F5F}, {0x1D400, 0x1D7FF}, {0x1F1E6, 0x1FAFF},
    };
    const uint32_t *row = ROWS[random_text_draw(state, sizeof ROWS / sizeof *ROWS)];
    return row[0] + random_text_draw(state, row[1] - row[0] + 1);
}

/* Fills `out` (RANDOM_TEXT_BYTES) with valid UTF-8; returns its length. */
static inline size_t random_text(uint64_t *state, char *out)
{
    static const char *const PARTS[] = {
        "'s",
        "'S",
        "'LL",
        "'ll",
        "'Ve",
        "'RE",
        "'d",
        "'M",
        "\u2019s",
        " ",
        "  ",
        "   ",
        "\n",
        "\r\n",
        "\t",
        " \n",
        "\n\n",
        "\u00A0",
        "\u200D",
        "\uFE0F",
        "e\u0301",
        "123",
        "1234",
        "\u0663",
        "\u00BD",
        "...",
        "?!",
        "__",
        "//",
        "<s>",
        "\u2028",
        "\u3000",
        "\u00DF",
        "\u0130",
        "\u03A3",
        "the",
        " The",
        "camelCase",
        "don't",
        "DON'T",
        "$1,000.50",
        "{\"a\": 1}",
        "\U0001F469\u200D\U0001F467",
    };
    size_t length = 0;
    uint32_t count = 1 + random_text_draw(state, 1u << (1 + random_text_draw(state, 6)));
    for (uint32_t i = 0; i < count && length + 64 < RANDOM_TEXT_BYTES; i++) {
        const char *part = PARTS[random_text_draw(state, sizeof PARTS / sizeof *PARTS)];
        uint32_t points = 1 + random_text_draw(state, 6), kind = random_text_draw(state, 10);
        size_t size = kind < 4 ? strlen(part) : 0;
        memcpy(out + length, part, size);
        length += size;
        for (uint32_t j = 0; kind >= 4 && j < points; j++)
            length += kind < 6 ? utf8_put(out + length, (uint32_t) " \n\t 7012"[j + (kind & 1)])
                               : utf8_put(out + length, random_text_point(state));
    }
    return length;
}

#endif
