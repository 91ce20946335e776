/* A cue alone is nothing, and neither is what follows it: "my name is" of nobody, a date without a
 * person. So each cue is a row with the form of what must stand behind it. Famous people are born
 * and live somewhere, too: only first persons and the labels of forms count. */
#include "eval/personal_cues.h"

#include <ctype.h>
#include <string.h>

#include "eval/personal.h"
#include "eval/personal_numbers.h"

enum {
    WINDOW = 60,      /* between a street and its postcode */
    FIRST_YEAR = 1910 /* who was born before is history */
};

enum form { FORM_NAME, FORM_FULL_NAME, FORM_DATE, FORM_PHONE, FORM_NUMBER, FORM_KEY, FORMS };

#define CUE(words, form)                                                                           \
    {                                                                                              \
        words, sizeof(words) - 1, (unsigned char)words[0], form                                    \
    }
static const struct cue {
    const char *words; /* ASCII in small letters */
    unsigned char length, first;
    enum form form;
} CUES[] = {
    CUE("my name is", FORM_NAME),
    CUE("my name's", FORM_NAME),
    CUE("i am called", FORM_NAME),
    CUE("ich hei\u00dfe", FORM_NAME),
    CUE("mein name ist", FORM_NAME),
    CUE("je m'appelle", FORM_NAME),
    CUE("je m\u2019appelle", FORM_NAME),
    CUE("me llamo", FORM_NAME),
    CUE("mi nombre es", FORM_NAME),
    CUE("mi chiamo", FORM_NAME),
    CUE("meu nome \u00e9", FORM_NAME),
    CUE("nazywam si\u0119", FORM_NAME),
    CUE("\u043c\u0435\u043d\u044f \u0437\u043e\u0432\u0443\u0442", FORM_NAME),
    CUE("\u041c\u0435\u043d\u044f \u0437\u043e\u0432\u0443\u0442", FORM_NAME),
    CUE("i'm", FORM_FULL_NAME),
    CUE("i am", FORM_FULL_NAME),
    CUE("regards,", FORM_FULL_NAME),
    CUE("sincerely,", FORM_FULL_NAME),
    CUE("patient", FORM_FULL_NAME),
    CUE("patient name", FORM_FULL_NAME),
    CUE("full name", FORM_FULL_NAME),
    CUE("i was born", FORM_DATE),
    CUE("dob", FORM_DATE),
    CUE("d.o.b.", FORM_DATE),
    CUE("date of birth", FORM_DATE),
    CUE("my birthday", FORM_DATE),
    CUE("birthday", FORM_DATE),
    CUE("geburtsdatum", FORM_DATE),
    CUE("geboren am", FORM_DATE),
    CUE("geb. am", FORM_DATE),
    CUE("n\u00e9 le", FORM_DATE),
    CUE("n\u00e9e le", FORM_DATE),
    CUE("fecha de nacimiento", FORM_DATE),
    CUE("data di nascita", FORM_DATE),
    CUE("tel", FORM_PHONE),
    CUE("phone", FORM_PHONE),
    CUE("telephone", FORM_PHONE),
    CUE("telefon", FORM_PHONE),
    CUE("t\u00e9l", FORM_PHONE),
    CUE("t\u00e9l\u00e9phone", FORM_PHONE),
    CUE("mobile", FORM_PHONE),
    CUE("cell", FORM_PHONE),
    CUE("handy", FORM_PHONE),
    CUE("fax", FORM_PHONE),
    CUE("whatsapp", FORM_PHONE),
    CUE("call me", FORM_PHONE),
    CUE("call me at", FORM_PHONE),
    CUE("call me on", FORM_PHONE),
    CUE("my number is", FORM_PHONE),
    CUE("\u624b\u673a", FORM_PHONE),
    CUE("\u7535\u8bdd", FORM_PHONE),
    CUE("ssn", FORM_NUMBER),
    CUE("social security", FORM_NUMBER),
    CUE("national insurance", FORM_NUMBER),
    CUE("insurance", FORM_NUMBER),
    CUE("passport", FORM_NUMBER),
    CUE("reisepass", FORM_NUMBER),
    CUE("passeport", FORM_NUMBER),
    CUE("pasaporte", FORM_NUMBER),
    CUE("personalausweis", FORM_NUMBER),
    CUE("identity card", FORM_NUMBER),
    CUE("id card", FORM_NUMBER),
    CUE("national id", FORM_NUMBER),
    CUE("driver's license", FORM_NUMBER),
    CUE("drivers license", FORM_NUMBER),
    CUE("driving licence", FORM_NUMBER),
    CUE("tax id", FORM_NUMBER),
    CUE("steuer-id", FORM_NUMBER),
    CUE("medical record", FORM_NUMBER),
    CUE("mrn", FORM_NUMBER),
    CUE("account", FORM_NUMBER),
    CUE("aadhaar", FORM_NUMBER),
    CUE("pesel", FORM_NUMBER),
    CUE("bsn", FORM_NUMBER),
    CUE("nir", FORM_NUMBER),
    CUE("personnummer", FORM_NUMBER),
    CUE("\u8eab\u4efd\u8bc1", FORM_NUMBER),
    CUE("password", FORM_KEY),
    CUE("api_key", FORM_KEY),
    CUE("apikey", FORM_KEY),
    CUE("api key", FORM_KEY),
    CUE("access_token", FORM_KEY),
    CUE("client_secret", FORM_KEY),
    CUE("secret_key", FORM_KEY),
    CUE("aws_secret_access_key", FORM_KEY),
};

/* --- what stands behind a cue --- */

/* Past blanks, signs and the small words between a label and its value. */
static size_t skip_filler(struct text text, size_t at)
{
    static const char *const WORDS[] = {"number", "no", "nr", "num", "name", "is", "was",
                                        "on",     "at", "le", "id",  "am",   "n"};
    for (bool more = true; more;) {
        more = false;
        while (personal_byte(text, at) && strchr(" \t:=#.*\"'`", personal_byte(text, at)))
            at++;
        for (size_t i = 0; !more && i < sizeof WORDS / sizeof *WORDS; i++) {
            size_t length = strlen(WORDS[i]);
            more = text.length - at > length &&
                   strncasecmp(text.data + at, WORDS[i], length) == 0 &&
                   !personal_is_word(personal_byte(text, at + length));
            at += more ? length : 0;
        }
    }
    return at;
}

/* Words that begin like a name's: a capital, or a letter of another script. */
static size_t skip_name_word(struct text text, size_t at)
{
    size_t length = 0;
    unsigned char first = personal_byte(text, at);
    if (!isupper(first) && first < 0x80)
        return at;
    bool small = first >= 0x80;
    while (isalpha(personal_byte(text, at + length)) || personal_byte(text, at + length) >= 0x80 ||
           (length && personal_byte(text, at + length) && strchr("'-", text.data[at + length])))
        small |= islower((unsigned char)text.data[at + length++]) != 0;
    return length >= 2 && small ? at + length : at;
}

/* What models and forms call themselves and their readers. */
static bool is_nobody(struct text text, size_t at)
{
    static const char *const NOBODIES[] = {"Assistant", "ChatGPT", "Claude", "Bard",   "Gemini",
                                           "Open",      "Your",    "First",  "Alexa",  "Siri",
                                           "Grok",      "Bot",     "Chat",   "Google", "Not"};
    for (size_t i = 0; i < sizeof NOBODIES / sizeof *NOBODIES; i++)
        if (text.length - at >= strlen(NOBODIES[i]) &&
            memcmp(text.data + at, NOBODIES[i], strlen(NOBODIES[i])) == 0)
            return true;
    return false;
}

static bool name_at(struct text text, size_t at)
{
    while (personal_byte(text, at) && strchr(" :\"", personal_byte(text, at)))
        at++;
    return skip_name_word(text, at) > at && !is_nobody(text, at);
}

/* Two words, no more than three: "I am Very Very Happy Today" is somebody else. */
static bool full_name_at(struct text text, size_t at)
{
    while (personal_byte(text, at) && strchr(" :\n\r\t*", personal_byte(text, at)))
        at++;
    size_t words = 0, end = at;
    for (size_t next; words < 4 && (next = skip_name_word(text, end)) > end; words++)
        end = next + (personal_byte(text, next) == ' ');
    unsigned char first = personal_byte(text, at);
    return isupper(first) && (words == 2 || words == 3) && !is_nobody(text, at);
}

/* A year of this age and a day or a month beside it, within few bytes. */
static bool date_at(struct text text, size_t at)
{
    at = skip_filler(text, at);
    size_t numbers = 0;
    bool year = false;
    for (size_t end = at + 20; at < end && at < text.length; at++) {
        int value = 0;
        size_t digits = 0;
        for (; isdigit(personal_byte(text, at)) && digits < 5; at++, digits++)
            value = value * 10 + text.data[at] - '0';
        numbers += digits == 1 || digits == 2;
        year |= digits == 4 && value >= FIRST_YEAR && value < 2100;
        if (digits > 4 || personal_byte(text, at) == '\n')
            break;
    }
    return year && numbers;
}

static bool digits_at(struct text text, size_t at)
{
    char digits[17];
    size_t count;
    at = skip_filler(text, at);
    at += personal_byte(text, at) == '(' || personal_byte(text, at) == '+';
    personal_digits(text, at, " -./()", digits, sizeof digits, &count);
    return count >= 9 && count <= 15 && memcmp(digits, "123456", 6) != 0;
}

/* Capitals and digits in groups, of which five are digits. */
static bool number_at(struct text text, size_t at)
{
    size_t digits = 0, length = 0;
    at = skip_filler(text, at);
    for (unsigned char c; (c = personal_byte(text, at + length)) != 0 && length < 24; length++) {
        if (!isdigit(c) && !isupper(c) && !(length && strchr(" -./", c)))
            break;
        digits += isdigit(c) != 0;
    }
    return digits >= 5 && !personal_is_word(personal_byte(text, at + length)) &&
           strncmp(text.data + at, "12345", 5) != 0;
}

/* Letters and digits in a token as long as only a machine, or a careful person, writes. */
static bool key_at(struct text text, size_t at)
{
    size_t length = 0, digits = 0, letters = 0;
    unsigned char c;
    at = skip_filler(text, at);
    for (; (c = personal_byte(text, at + length)) > ' ' && !strchr("\"'`<>(){}[],;", c); length++) {
        digits += isdigit(c) != 0;
        letters += isalpha(c) != 0;
        if (length > 256)
            return false;
    }
    return length >= 12 && digits && letters >= 4 && c != '(' && c != '[';
}

static const struct {
    bool (*is)(struct text text, size_t at);
    enum personal_kind kind;
} IS[FORMS] = {
    [FORM_NAME] = {name_at, PERSONAL_NAME},       [FORM_FULL_NAME] = {full_name_at, PERSONAL_NAME},
    [FORM_DATE] = {date_at, PERSONAL_BIRTH},      [FORM_PHONE] = {digits_at, PERSONAL_PHONE},
    [FORM_NUMBER] = {number_at, PERSONAL_NUMBER}, [FORM_KEY] = {key_at, PERSONAL_SECRET}};

/* --- streets --- */

#define STREET(word)                                                                               \
    {                                                                                              \
        word, sizeof(word) - 1                                                                     \
    }
static const struct {
    const char *word;
    size_t length;
} STREETS[] = {
    STREET("street"), STREET("st"),          STREET("avenue"),  STREET("ave"),   STREET("road"),
    STREET("rd"),     STREET("boulevard"),   STREET("blvd"),    STREET("lane"),  STREET("ln"),
    STREET("drive"),  STREET("terrace"),     STREET("parkway"), STREET("pkwy"),  STREET("court"),
    STREET("square"), STREET("rue"),         STREET("chemin"),  STREET("calle"), STREET("avenida"),
    STREET("via"),    STREET("viale"),       STREET("piazza"),  STREET("plaza"), STREET("ul"),
    STREET("ulica"),  STREET("stra\u00dfe"), STREET("platz"),   STREET("box"),   STREET("straat")};

/* Digits of a word of their own, `least` to `most` of them (and a letter: 12b). */
static bool is_number(struct text text, size_t at, size_t least, size_t most)
{
    size_t length = 0;
    if (at && (personal_is_word(personal_byte(text, at - 1)) || text.data[at - 1] == '.'))
        return false;
    while (isdigit(personal_byte(text, at + length)))
        length++;
    bool letter = least == 1 && length && isalpha(personal_byte(text, at + length));
    return length >= least && length <= most &&
           !personal_is_word(personal_byte(text, at + length + letter)) &&
           personal_byte(text, at + length) != '%';
}

/* 12345, 1012 LG, 80-831 before or after a place's name, NW1 6XE. */
static bool is_postcode(struct text text, size_t at)
{
    unsigned char c[8];
    for (size_t i = 0; i < sizeof c; i++)
        c[i] = personal_byte(text, at + i);
    if (at && personal_is_word((unsigned char)text.data[at - 1]))
        return false;
    if (is_number(text, at, 5, 5))
        return true;
    if (isdigit(c[0]) && isdigit(c[1]) && c[2] == '-' && is_number(text, at + 3, 3, 3))
        return true;
    if (is_number(text, at, 4, 4) && c[4] == ' ' && isupper(c[5]) && isupper(c[6]) &&
        !personal_is_word(c[7]))
        return true;
    size_t outward = isupper(c[0]) ? 1 + (isupper(c[1]) != 0) : 0;
    if (!outward || !isdigit(c[outward]))
        return false;
    outward += 1 + (isalnum(c[outward + 1]) != 0);
    return c[outward] == ' ' && isdigit(personal_byte(text, at + outward + 1)) &&
           isupper(personal_byte(text, at + outward + 2)) &&
           isupper(personal_byte(text, at + outward + 3)) &&
           !personal_is_word(personal_byte(text, at + outward + 4));
}

static bool is_house(struct text text, size_t at)
{
    return is_number(text, at, 1, 4);
}

/* The first place within `most` bytes where `is` holds; 0: none. Not past four small letters that
 * begin a word: there a sentence goes on. */
static size_t look_for(struct text text, size_t from, size_t most,
                       bool (*is)(struct text text, size_t at))
{
    for (size_t i = from, small = 0; i < from + most && i < text.length && small < 4; i++) {
        unsigned char c = personal_byte(text, i);
        if ((isdigit(c) || isupper(c)) && is(text, i))
            return i + 1;
        bool begins = islower(c) && !personal_is_word(personal_byte(text, i - 1));
        small = begins ? 1 : small && islower(c) ? small + 1 : 0;
    }
    return 0;
}

/* A house's number before or after the street's word, then a postcode. */
static bool address_around(struct text text, size_t at, size_t length)
{
    size_t from = at > 32 ? at - 32 : 0, end = at + length;
    for (size_t i = at; i-- > from && text.data[i] != '\n';)
        if (isdigit((unsigned char)text.data[i]) && is_number(text, i, 1, 5) &&
            look_for(text, end, WINDOW, is_postcode))
            return true;
    size_t house = look_for(text, end, 28, is_house);
    return house && look_for(text, house, WINDOW, is_postcode);
}

/* --- the cues --- */

/* Case does not matter where letters are ASCII. */
static bool says(struct text text, size_t at, const char *words, size_t length)
{
    return text.length - at >= length && strncasecmp(text.data + at, words, length) == 0;
}

/* "Hauptstraße": a street's word may be the end of a longer one. */
static bool street_at(struct text text, size_t at)
{
    size_t end = at;
    while (personal_is_word(personal_byte(text, end)) && end - at < 48)
        end++;
    for (size_t i = 0; i < sizeof STREETS / sizeof *STREETS; i++) {
        size_t length = STREETS[i].length;
        if (end - at < length || (end - at > length && length < 5) ||
            (text.data[end - 1] | 0x20) != (STREETS[i].word[length - 1] | 0x20) ||
            strncasecmp(text.data + end - length, STREETS[i].word, length) != 0)
            continue;
        if (address_around(text, at, end - at))
            return true;
    }
    return false;
}

unsigned personal_cue_at(struct text text, size_t at)
{
    unsigned found = 0;
    unsigned char c = personal_byte(text, at), first = (unsigned char)(isupper(c) ? tolower(c) : c);
    for (size_t i = 0; i < sizeof CUES / sizeof *CUES; i++) {
        size_t length = CUES[i].length;
        if (CUES[i].first != first || !says(text, at, CUES[i].words, length) ||
            (personal_is_word(personal_byte(text, at + length)) && first < 0xe3))
            continue;
        if (IS[CUES[i].form].is(text, at + length))
            found |= 1u << IS[CUES[i].form].kind;
    }
    return found | (street_at(text, at) ? 1u << PERSONAL_ADDRESS : 0);
}
