/* One walk over the text. Most patterns can begin only where a word begins, so that each byte is
 * looked at a bounded number of times; checksums (Luhn, mod 97) tell numbers of people from
 * numbers. */
#include "eval/personal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "eval/personal_cues.h"
#include "eval/personal_numbers.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 253 };

const char *personal_word(enum personal_kind kind)
{
    static const char *const WORDS[] = {
#define X(name, words) [name] = words,
        PERSONAL_MAP(X)
#undef X
    };
    return WORDS[kind];
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
    while (count < most && personal_byte(text, at + count) &&
           (isalnum(personal_byte(text, at + count)) ||
            strchr(others, personal_byte(text, at + count))))
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

/* Letters of other scripts are letters of an address, too. */
static bool is_local(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || (c && strchr("._%+-'", c));
}

static size_t domain_span(struct text text, size_t at)
{
    size_t length = 0;
    for (unsigned char c; length < DOMAIN_MAX && (c = personal_byte(text, at + length)) != 0;
         length++)
        if (!isalnum(c) && c < 0x80 && c != '.' && c != '-')
            break;
    return length;
}

/* `sign`: how long the "@" is. git@ is the name of nobody: a way to fetch. */
static bool email_around(struct text text, size_t at, size_t sign)
{
    size_t before = 0;
    while (before < at && before < LOCAL_MAX && is_local(personal_byte(text, at - before - 1)))
        before++;
    size_t length = domain_span(text, at + sign), top = 0;
    const char *domain = text.data + at + sign;
    while (length && (domain[length - 1] == '.' || domain[length - 1] == '-'))
        length--;
    while (top < length && (isalpha((unsigned char)domain[length - top - 1]) ||
                            (unsigned char)domain[length - top - 1] >= 0x80))
        top++;
    return before && top >= 2 && top + 1 < length && domain[length - top - 1] == '.' &&
           domain[0] != '.' && !is_example(domain, length) &&
           !(before == 3 && starts_with(text, at - 3, "git"));
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
    while (length && strchr(".:", personal_byte(text, at + length - 1)))
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
    } SECRETS[] = {{"sk-", 20},   {"sk_live_", 16}, {"ghp_", 30},        {"gho_", 30},
                   {"ghs_", 30},  {"glpat-", 18},   {"github_pat_", 30}, {"rk_live_", 16},
                   {"SG.", 40},   {"npm_", 30},     {"ya29.", 20},       {"gsk_", 20},
                   {"xai-", 20},  {"dop_v1_", 40},  {"sk_test_", 16},    {"xoxb-", 20},
                   {"xoxp-", 20}, {"AKIA", 16},     {"AIza", 30},        {"hf_", 30},
                   {"eyJ", 40},   {"Bearer ", 20}};
    for (size_t i = 0; i < sizeof SECRETS / sizeof *SECRETS; i++) {
        size_t length = strlen(SECRETS[i].prefix);
        if (text.data[at] != SECRETS[i].prefix[0] || !starts_with(text, at, SECRETS[i].prefix) ||
            span(text, at + length, "_-.", 4096) < SECRETS[i].least)
            continue;
        bool digit = false; /* words joined by dashes are no token */
        for (size_t k = 0; k < 4096 && span(text, at + length + k, "_-.", 1); k++)
            digit |= isdigit(personal_byte(text, at + length + k)) != 0;
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
    if (!user || personal_byte(text, at + user) != ':')
        return false;
    size_t password = span(text, at + user + 1, "._%+-!$&'()*,;=~", 256);
    return password && personal_byte(text, at + user + 1 + password) == '@';
}

/* --- the walk --- */

/* Is it a later group of a number that is written in groups? */
static bool goes_on(struct text text, size_t at)
{
    return at >= 2 && personal_byte(text, at - 1) == ' ' && isdigit(personal_byte(text, at - 2));
}

static unsigned bit(bool found, enum personal_kind kind)
{
    return found ? 1u << kind : 0;
}

static unsigned word_at(struct text text, size_t at)
{
    unsigned char c = personal_byte(text, at);
    unsigned found = 0;
    if (isdigit(c) && !goes_on(text, at)) {
        found |= bit(personal_card_at(text, at), PERSONAL_CARD);
        found |= bit(personal_phone_at(text, at), PERSONAL_PHONE);
    }
    if (isdigit(c) || isupper(c))
        found |= bit(personal_identity_at(text, at), PERSONAL_NUMBER);
    if (isxdigit(c))
        found |= bit(ip_at(text, at), PERSONAL_IP);
    if (isalpha(c)) {
        found |= bit(personal_iban_at(text, at), PERSONAL_IBAN);
        found |= bit(secret_at(text, at), PERSONAL_SECRET);
    }
    return found;
}

/* Is the byte before `at` part of the same number or address (3.14, 12:34, ab:cd)? */
static bool is_joined(struct text text, size_t at)
{
    unsigned char sign = at ? personal_byte(text, at - 1) : 0;
    size_t word = 1;
    if (sign == '-' || sign == '+')
        return true;
    if (!sign || !strchr(".:", sign) || at < 2)
        return false;
    while (word < at && word < 8 && isxdigit(personal_byte(text, at - word - 1)))
        word++;
    unsigned char before = personal_byte(text, at - word - 1); /* of all xdigits: none of a word */
    return isdigit(personal_byte(text, at - 2)) || (sign == ':' && !personal_is_word(before));
}

static unsigned sign_at(struct text text, size_t at)
{
    unsigned char c = personal_byte(text, at);
    bool begins = !at || !personal_is_word(personal_byte(text, at - 1));
    switch (c) {
    case '@':
        return bit(email_around(text, at, 1), PERSONAL_EMAIL);
    case ':':
        return bit(starts_with(text, at, "://") && login_after(text, at + 3), PERSONAL_LOGIN);
    case '-':
        return bit(private_key_at(text, at), PERSONAL_SECRET);
    case '[':
        return bit(starts_with(text, at, "[at]") && email_around(text, at, 4), PERSONAL_EMAIL);
    case '+':
        return bit(begins && personal_phone_at(text, at), PERSONAL_PHONE);
    case '(':
        return bit(begins && personal_phone_at(text, at), PERSONAL_PHONE) |
               bit(starts_with(text, at, "(at)") && email_around(text, at, 4), PERSONAL_EMAIL);
    default:
        return 0;
    }
}

enum { CJK = 0xe3 }; /* no blanks between words from here on */

unsigned personal_find(struct text text)
{
    unsigned found = 0;
    for (size_t at = 0; at < text.length; at++) {
        unsigned char c = (unsigned char)text.data[at],
                      before = at ? personal_byte(text, at - 1) : 0;
        if (!personal_is_word(c)) {
            found |= sign_at(text, at);
        } else if (!personal_is_word(before) || c >= CJK) {
            found |= personal_cue_at(text, at);
            if (!is_joined(text, at))
                found |= word_at(text, at);
        }
    }
    return found;
}
