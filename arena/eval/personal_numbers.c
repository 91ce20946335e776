/* Checksums tell numbers of people from numbers: of random digits one in ten passes Luhn's, so what
 * a card may begin with and how long it may be is asked as well. */
#include "eval/personal_numbers.h"

#include <ctype.h>
#include <string.h>

enum { CARD_MIN = 13, CARD_MAX = 19, PHONE_MIN = 9, PHONE_MAX = 15, IBAN_MAX = 34 };

static bool ends_at(struct text text, size_t at)
{
    return !personal_is_word(personal_byte(text, at));
}

size_t personal_digits(struct text text, size_t at, const char *between, char *digits, size_t most,
                       size_t *count)
{
    size_t used = 0, gap = 0;
    *count = 0;
    for (size_t i = at; i < text.length && *count < most; i++) {
        unsigned char c = personal_byte(text, i);
        if (isdigit(c)) {
            digits[(*count)++] = (char)c;
            used = i + 1 - at;
            gap = 0;
        } else if (!c || !strchr(between, c) || ++gap > 2) {
            break;
        }
    }
    return used;
}

static bool all_same(const char *digits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

/* --- cards --- */

static bool luhn(const char *digits, size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = digits[count - 1 - i] - '0';
        digit *= i % 2 ? 2 : 1;
        sum += digit > 9 ? digit - 9 : digit;
    }
    return sum % 10 == 0;
}

static bool is_issued(const char *digits, size_t count)
{
    static const struct {
        int from, to; /* of the first four digits */
        size_t least, most;
    } ISSUERS[] = {{2200, 2720, 16, 16}, {3000, 3059, 14, 14}, {3400, 3499, 15, 15},
                   {3528, 3589, 16, 16}, {3600, 3699, 14, 14}, {3700, 3799, 15, 15},
                   {3800, 3999, 14, 14}, {4000, 4999, 13, 19}, {5000, 5999, 16, 16},
                   {6000, 6999, 16, 19}};
    int first = 0;
    for (int i = 0; i < 4; i++)
        first = first * 10 + digits[i] - '0';
    for (size_t i = 0; i < sizeof ISSUERS / sizeof *ISSUERS; i++)
        if (first >= ISSUERS[i].from && first <= ISSUERS[i].to && count >= ISSUERS[i].least &&
            count <= ISSUERS[i].most)
            return true;
    return false;
}

bool personal_card_at(struct text text, size_t at)
{
    char digits[CARD_MAX + 1];
    size_t count, used = personal_digits(text, at, " -", digits, sizeof digits, &count);
    return count >= CARD_MIN && count <= CARD_MAX && ends_at(text, at + used) &&
           is_issued(digits, count) && !all_same(digits, count) && luhn(digits, count);
}

/* --- telephones --- */

/* 3-3-4 with a bracket, a dash or a dot; 555: reserved for stories. */
static bool is_north_american(struct text text, size_t first, size_t used, const char *digits)
{
    bool bracket = first && text.data[first - 1] == '(';
    unsigned char gap = personal_byte(text, first + 3), second = text.data[first + used - 5];
    return (bracket ? gap == ')' : gap == '-' || gap == '.') && (second == '-' || second == '.') &&
           digits[0] >= '2' && strncmp(digits + 3, "555", 3) != 0;
}

bool personal_phone_at(struct text text, size_t at)
{
    char digits[PHONE_MAX + 3];
    bool plus = personal_byte(text, at) == '+',
         zeros = personal_byte(text, at) == '0' && personal_byte(text, at + 1) == '0',
         one = personal_byte(text, at) == '1' && personal_byte(text, at + 1) == '-';
    size_t begin = plus ? at + 1 : zeros || one ? at + 2 : at, count;
    bool bracket = personal_byte(text, begin) == '(';
    size_t first = begin + bracket,
           used = personal_digits(text, first, " -./()", digits, sizeof digits, &count);
    if (!count || !ends_at(text, first + used))
        return false;
    if (plus || zeros)
        return count >= PHONE_MIN && count <= PHONE_MAX && digits[0] != '0' &&
               !all_same(digits + 1, count - 1) && (plus || used > count);
    return count == 10 && is_north_american(text, first, used, digits);
}

/* --- IBANs --- */

static size_t iban_length(struct text text, size_t at)
{
    static const struct {
        size_t length;
        const char *countries;
    } LENGTHS[] = {
        {15, "NO"},
        {16, "BE"},
        {18, "DKFIFOGLNL"},
        {19, "MKSI"},
        {20, "ATBAEEKZLTLUXK"},
        {21, "CHHRLILV"},
        {22, "BGBHCRDEGBGEIEMERSVA"},
        {23, "AEGIILIQTL"},
        {24, "ADCZESMDPKROSASESKTNVG"},
        {25, "LYPTST"},
        {26, "ISTR"},
        {27, "FRGRITMCMRSM"},
        {28, "ALAZBYCYDOGTHULBPLSV"},
        {29, "BREGPSQAUA"},
        {30, "JOKWMU"},
        {31, "MTSC"},
        {32, "LC"},
    };
    char country[2] = {(char)toupper(personal_byte(text, at)),
                       (char)toupper(personal_byte(text, at + 1))};
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++)
        for (const char *known = LENGTHS[i].countries; *known; known += 2)
            if (memcmp(known, country, 2) == 0)
                return LENGTHS[i].length;
    return 0;
}

bool personal_iban_at(struct text text, size_t at)
{
    char letters[IBAN_MAX];
    size_t count = 0, i = at;
    int rest = 0;
    if (!isdigit(personal_byte(text, at + 2)) || !isdigit(personal_byte(text, at + 3)))
        return false;
    size_t wanted = iban_length(text, at);
    for (; count < wanted && i < text.length; i++) {
        unsigned char c = personal_byte(text, i);
        if ((c == ' ' || c == '-') && count % 4 == 0)
            continue;
        if (!isalnum(c))
            return false;
        letters[count++] = (char)toupper(c);
    }
    if (!wanted || count < wanted || !ends_at(text, i))
        return false;
    for (size_t k = 0; k < count; k++) {
        char c = letters[(k + 4) % count];
        rest = isdigit((unsigned char)c) ? (rest * 10 + c - '0') % 97
                                         : (rest * 100 + c - 'A' + 10) % 97;
    }
    return rest == 1;
}

/* --- identity numbers --- */

/* 9: a digit; A: a capital letter; *: either; anything else: itself. A whole word. */
static bool has_form(struct text text, size_t at, const char *form)
{
    for (; *form; form++, at++) {
        unsigned char c = personal_byte(text, at);
        bool fits = *form == '9'   ? isdigit(c)
                    : *form == 'A' ? isupper(c)
                    : *form == '*' ? isdigit(c) || isupper(c)
                                   : c == (unsigned char)*form;
        if (!fits)
            return false;
    }
    return ends_at(text, at) && personal_byte(text, at) != '-';
}

static int number_of(const char *digits, size_t count)
{
    int number = 0;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + digits[i] - '0';
    return number;
}

static bool us_social_security(struct text text, size_t at)
{
    const char *word = text.data + at;
    if (!has_form(text, at, "999-99-9999"))
        return false;
    int area = number_of(word, 3);
    return area && area != 666 && area < 900 && number_of(word + 4, 2) && number_of(word + 7, 4);
}

static bool british_insurance(struct text text, size_t at)
{
    const char *word = text.data + at;
    return (has_form(text, at, "AA999999A") || has_form(text, at, "AA 99 99 99 A")) &&
           !strchr("DFIQUV", word[0]) && !strchr("DFIOQUV", word[1]) &&
           word[word[2] == ' ' ? 12 : 8] <= 'D';
}

static bool spanish_identity(struct text text, size_t at)
{
    static const char LETTERS[] = "TRWAGMYFPDXBNJZSQVHLCKE";
    const char *word = text.data + at;
    if (has_form(text, at, "99999999A"))
        return word[8] == LETTERS[number_of(word, 8) % 23];
    return has_form(text, at, "A9999999A") && word[0] >= 'X' &&
           word[8] == LETTERS[((word[0] - 'X') * 10000000 + number_of(word + 1, 7)) % 23];
}

static bool italian_tax_code(struct text text, size_t at)
{
    static const int ODD[] = {1,  0,  5, 7, 9, 13, 15, 17, 19, 21, 2,  4,  18,
                              20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23};
    const char *word = text.data + at;
    int sum = 0;
    if (!has_form(text, at, "AAAAAA**A**A***A"))
        return false;
    for (int i = 0; i < 15; i++) {
        int value = isdigit((unsigned char)word[i]) ? word[i] - '0' : word[i] - 'A';
        sum += i % 2 ? value : ODD[value];
    }
    return word[15] == 'A' + sum % 26;
}

static bool brazilian_tax_number(struct text text, size_t at)
{
    char digits[11];
    size_t count;
    if (!has_form(text, at, "999.999.999-99"))
        return false;
    personal_digits(text, at, ".-", digits, sizeof digits, &count);
    for (int known = 9; known < 11; known++) {
        int sum = 0;
        for (int i = 0; i < known; i++)
            sum += (digits[i] - '0') * (known + 1 - i);
        if (digits[known] - '0' != sum * 10 % 11 % 10)
            return false;
    }
    return !all_same(digits, count);
}

static bool chinese_identity(struct text text, size_t at)
{
    const char *word = text.data + at;
    int weight = 1, sum = 0;
    if (!has_form(text, at, "99999999999999999*"))
        return false;
    int year = number_of(word + 6, 4), month = number_of(word + 10, 2),
        day = number_of(word + 12, 2);
    for (int i = 16; i >= 0; i--) {
        weight = weight * 2 % 11;
        sum += weight * (word[i] - '0');
    }
    return year >= 1900 && year < 2100 && month >= 1 && month <= 12 && day >= 1 && day <= 31 &&
           word[17] == "10X98765432"[sum % 11];
}

bool personal_identity_at(struct text text, size_t at)
{
    static bool (*const IS[])(struct text, size_t) = {us_social_security,   british_insurance,
                                                      spanish_identity,     italian_tax_code,
                                                      brazilian_tax_number, chinese_identity};
    for (size_t i = 0; i < sizeof IS / sizeof *IS; i++)
        if (IS[i](text, at))
            return true;
    return false;
}
