/* One walk over the text. Most patterns can begin only where a word begins, so that each byte is
 * looked at a bounded number of times; checksums (Luhn, mod 97) tell numbers of people from
 * numbers. */
#include "eval/personal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum {
    LOCAL_MAX = 64,
    DOMAIN_MAX = 253,
    CARD_MIN = 13,
    CARD_MAX = 19,
    PHONE_MIN = 9,
    PHONE_MAX = 15
};

const char *personal_word(enum personal_kind kind)
{
    static const char *const WORDS[] = {
#define X(name, words) [name] = words,
        PERSONAL_MAP(X)
#undef X
    };
    return WORDS[kind];
}

/* The byte at `at`, 0 past either end. */
static unsigned char byte_at(struct text text, size_t at)
{
    return at < text.length ? (unsigned char)text.data[at] : 0;
}

static bool is_word(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || c == '_';
}

static bool starts_with(struct text text, size_t at, const char *word)
{
    size_t length = strlen(word);
    return text.length - at >= length && memcmp(text.data + at, word, length) == 0;
}

/* How many bytes from `at` on satisfy isalnum or are one of `others`. */
static size_t span(struct text text, size_t at, const char *others, size_t most)
{
    size_t count = 0;
    while (count < most && byte_at(text, at + count) &&
           (isalnum(byte_at(text, at + count)) || strchr(others, byte_at(text, at + count))))
        count++;
    return count;
}

/* --- e-mail --- */

static bool is_example(const char *domain, size_t length)
{
    static const char *const NOBODYS[] = {"example.com", "example.org", "example.net", ".example",
                                          ".test",       ".invalid",    ".localhost"};
    for (size_t i = 0; i < sizeof NOBODYS / sizeof *NOBODYS; i++) {
        size_t tail = strlen(NOBODYS[i]);
        if (length >= tail && strncasecmp(domain + length - tail, NOBODYS[i], tail) == 0)
            return true;
    }
    return false;
}

static bool email_around(struct text text, size_t at)
{
    size_t before = 0;
    while (before < at && before < LOCAL_MAX &&
           (isalnum(byte_at(text, at - before - 1)) ||
            (byte_at(text, at - before - 1) && strchr("._%+-", byte_at(text, at - before - 1)))))
        before++;
    size_t length = span(text, at + 1, ".-", DOMAIN_MAX);
    const char *domain = text.data + at + 1;
    while (length && (domain[length - 1] == '.' || domain[length - 1] == '-'))
        length--;
    size_t top = 0;
    while (top < length && isalpha((unsigned char)domain[length - top - 1]))
        top++;
    return before && top >= 2 && top + 1 < length && domain[length - top - 1] == '.' &&
           domain[0] != '.' && !is_example(domain, length);
}

/* --- numbers --- */

/* Digits from `at` on with single separators between them; gives the bytes, fills `digits`. */
static size_t read_digits(struct text text, size_t at, const char *between, char *digits,
                          size_t most, size_t *count)
{
    size_t used = 0, gap = 0;
    *count = 0;
    for (size_t i = at; i < text.length && *count < most; i++) {
        unsigned char c = byte_at(text, i);
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

static bool all_same(const char *digits, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (digits[i] != digits[0])
            return false;
    return true;
}

static bool card_at(struct text text, size_t at)
{
    char digits[CARD_MAX + 1];
    size_t count, used = read_digits(text, at, " -", digits, sizeof digits, &count);
    return count >= CARD_MIN && count <= CARD_MAX && digits[0] >= '2' && digits[0] <= '6' &&
           !is_word(byte_at(text, at + used)) && !all_same(digits, count) && luhn(digits, count);
}

/* International (+49 …, 0049 …) or, as in North America, 3-3-4 with separators. */
static bool phone_at(struct text text, size_t at)
{
    char digits[PHONE_MAX + 3];
    bool plus = byte_at(text, at) == '+', zeros = starts_with(text, at, "00");
    size_t begin = plus ? at + 1 : zeros ? at + 2 : at, count;
    bool bracket = byte_at(text, begin) == '(';
    size_t used = read_digits(text, begin + bracket, " -./()", digits, sizeof digits, &count);
    if (is_word(byte_at(text, begin + bracket + used)) || !count)
        return false;
    if (plus || zeros)
        return count >= PHONE_MIN && count <= PHONE_MAX && digits[0] != '0' &&
               !all_same(digits + 1, count - 1) && (plus || used > count);
    size_t first = begin + bracket;
    unsigned char gap = byte_at(text, first + 3);
    bool grouped = bracket ? gap == ')' : gap == '-' || gap == '.';
    unsigned char second = byte_at(text, first + used - 5);
    return count == 10 && grouped && (second == '-' || second == '.') && digits[0] >= '2' &&
           strncmp(digits + 3, "555", 3) != 0; /* 555: reserved for stories */
}

static int iban_length(const char *country)
{
    static const struct {
        char country[3];
        int length;
    } LENGTHS[] = {{"AD", 24}, {"AE", 23}, {"AT", 20}, {"BE", 16}, {"BG", 22}, {"CH", 21},
                   {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"EE", 20}, {"ES", 24},
                   {"FI", 18}, {"FR", 27}, {"GB", 22}, {"GR", 27}, {"HR", 21}, {"HU", 28},
                   {"IE", 22}, {"IL", 23}, {"IS", 26}, {"IT", 27}, {"LI", 21}, {"LT", 20},
                   {"LU", 20}, {"LV", 21}, {"MC", 27}, {"MT", 31}, {"NL", 18}, {"NO", 15},
                   {"PL", 28}, {"PT", 25}, {"RO", 24}, {"SA", 24}, {"SE", 24}, {"SI", 19},
                   {"SK", 24}, {"SM", 27}, {"TR", 26}};
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++)
        if (strncmp(LENGTHS[i].country, country, 2) == 0)
            return LENGTHS[i].length;
    return 0;
}

static bool iban_at(struct text text, size_t at)
{
    char letters[35];
    size_t count = 0, i = at;
    int wanted = text.length - at >= 2 ? iban_length(text.data + at) : 0, rest = 0;
    for (; wanted && count < (size_t)wanted && i < text.length; i++) {
        unsigned char c = byte_at(text, i);
        if (c == ' ' && count % 4 == 0)
            continue;
        if (!isdigit(c) && !isupper(c))
            return false;
        letters[count++] = (char)c;
    }
    if (!wanted || count < (size_t)wanted || is_word(byte_at(text, i)))
        return false;
    for (size_t k = 0; k < count; k++) {
        char c = letters[(k + 4) % count];
        rest = isdigit((unsigned char)c) ? (rest * 10 + c - '0') % 97
                                         : (rest * 100 + c - 'A' + 10) % 97;
    }
    return rest == 1;
}

/* --- addresses --- */

/* Of a network that everybody has, or of documentation. */
static bool is_nobodys(const unsigned char ip[4])
{
    static const unsigned char NETS[][3] = {{192, 0, 2}, {198, 51, 100}, {203, 0, 113}};
    for (size_t i = 0; i < sizeof NETS / sizeof *NETS; i++)
        if (memcmp(NETS[i], ip, 3) == 0)
            return true;
    return ip[0] == 0 || ip[0] == 10 || ip[0] == 127 || ip[0] >= 224 ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
           (ip[0] == 169 && ip[1] == 254) || (ip[0] == ip[3] && ip[1] == ip[2] && ip[0] == ip[1]);
}

/* Four small numbers may be a version: a first one below 12 is not taken for an address. */
static bool ip_at(struct text text, size_t at)
{
    char word[INET6_ADDRSTRLEN];
    unsigned char ip[16];
    size_t length = span(text, at, ".:", sizeof word);
    while (length && strchr(".:", byte_at(text, at + length - 1)))
        length--;
    if (length < 7 || length >= sizeof word)
        return false;
    memcpy(word, text.data + at, length);
    word[length] = '\0';
    char *port = strchr(word, '.') ? strchr(word, ':') : NULL;
    if (port)
        *port = '\0';
    if (inet_pton(AF_INET, word, ip) == 1)
        return ip[0] >= 12 && !is_nobodys(ip);
    return inet_pton(AF_INET6, word, ip) == 1 && (ip[0] & 0xe0) == 0x20 &&
           !(ip[0] == 0x20 && ip[1] == 1 && ip[2] == 0x0d && ip[3] == 0xb8);
}

/* --- secrets --- */

static bool secret_at(struct text text, size_t at)
{
    static const struct {
        const char *prefix;
        size_t least; /* letters and digits after it */
    } SECRETS[] = {{"sk-", 20},    {"sk_live_", 16},    {"ghp_", 30},  {"gho_", 30},   {"ghs_", 30},
                   {"glpat-", 18}, {"github_pat_", 30}, {"xoxb-", 20}, {"xoxp-", 20},  {"AKIA", 16},
                   {"AIza", 30},   {"hf_", 30},         {"eyJ", 40},   {"Bearer ", 20}};
    for (size_t i = 0; i < sizeof SECRETS / sizeof *SECRETS; i++) {
        size_t length = strlen(SECRETS[i].prefix);
        if (!starts_with(text, at, SECRETS[i].prefix) ||
            span(text, at + length, "_-.", 4096) < SECRETS[i].least)
            continue;
        bool digit = false; /* words joined by dashes are no token */
        for (size_t k = 0; k < 4096 && span(text, at + length + k, "_-.", 1); k++)
            digit |= isdigit(byte_at(text, at + length + k)) != 0;
        if (digit)
            return true;
    }
    return false;
}

/* -----BEGIN RSA PRIVATE KEY----- and its like. */
static bool private_key_at(struct text text, size_t at)
{
    static const char BEGIN[] = "-----BEGIN ";
    size_t left = text.length - at, most = left < 64 ? left : 64;
    return starts_with(text, at, BEGIN) &&
           memmem(text.data + at, most, "PRIVATE KEY-----", strlen("PRIVATE KEY-----"));
}

/* USER:PASSWORD@ after "://". */
static bool login_after(struct text text, size_t at)
{
    size_t user = span(text, at, "._%+-", LOCAL_MAX);
    if (!user || byte_at(text, at + user) != ':')
        return false;
    size_t password = span(text, at + user + 1, "._%+-!$&'()*,;=~", 256);
    return password && byte_at(text, at + user + 1 + password) == '@';
}

/* --- the walk --- */

/* Is it a later group of a number that is written in groups? */
static bool goes_on(struct text text, size_t at)
{
    return at >= 2 && byte_at(text, at - 1) == ' ' && isdigit(byte_at(text, at - 2));
}

static unsigned word_at(struct text text, size_t at)
{
    unsigned char c = byte_at(text, at);
    unsigned found = 0;
    if (isdigit(c) && !goes_on(text, at)) {
        found |= card_at(text, at) ? 1u << PERSONAL_CARD : 0;
        found |= phone_at(text, at) ? 1u << PERSONAL_PHONE : 0;
    }
    if (isxdigit(c))
        found |= ip_at(text, at) ? 1u << PERSONAL_IP : 0;
    if (isupper(c))
        found |= iban_at(text, at) ? 1u << PERSONAL_IBAN : 0;
    if (isalpha(c))
        found |= secret_at(text, at) ? 1u << PERSONAL_SECRET : 0;
    return found;
}

unsigned personal_find(struct text text)
{
    unsigned found = 0;
    for (size_t at = 0; at < text.length; at++) {
        unsigned char c = (unsigned char)text.data[at], before = at ? byte_at(text, at - 1) : 0;
        if (c == '@')
            found |= email_around(text, at) ? 1u << PERSONAL_EMAIL : 0;
        else if (c == ':' && starts_with(text, at, "://"))
            found |= login_after(text, at + 3) ? 1u << PERSONAL_LOGIN : 0;
        else if (c == '-' && private_key_at(text, at))
            found |= 1u << PERSONAL_SECRET;
        else if ((c == '+' || c == '(') && !is_word(before))
            found |= phone_at(text, at) ? 1u << PERSONAL_PHONE : 0;
        else if (!is_word(before) && before != '.' && before != '-' && before != ':' &&
                 before != '+')
            found |= word_at(text, at);
    }
    return found;
}
