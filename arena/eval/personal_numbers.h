/* Numbers that belong to somebody, told by their form and check digits: cards, IBANs, telephones,
 * and the identity numbers that have either. Inside personal.c only; pure, each a bounded look at
 * the text from `at` on, where a word begins. */
#ifndef ARENA_EVAL_PERSONAL_NUMBERS_H
#define ARENA_EVAL_PERSONAL_NUMBERS_H

#include "base/buf.h"

bool personal_card_at(struct text text, size_t at);
bool personal_iban_at(struct text text, size_t at);

/* International (+49 …, 0049 …) or, as in North America, 3-3-4 with separators. */
bool personal_phone_at(struct text text, size_t at);

/* Of the USA, Great Britain, Spain, Italy, Brazil, China. */
bool personal_identity_at(struct text text, size_t at);

/* Digits from `at` on with single separators between them; gives the bytes, fills `digits` with at
 * most `most` of them. */
size_t personal_digits(struct text text, size_t at, const char *between, char *digits, size_t most,
                       size_t *count);

/* The byte at `at`, 0 past either end. */
static inline unsigned char personal_byte(struct text text, size_t at)
{
    return at < text.length ? (unsigned char)text.data[at] : 0;
}

static inline bool personal_is_word(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c >= 0x80 ||
           c == '_';
}

#endif
