/* Names differ in hyphens, spaces and case ("GPT-5", "gpt 5"), so those are left out before
 * anything is compared; bytes beyond ASCII count as letters. */
#include "competitor/code_name.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"

enum { WORD_TELLS = 4 }; /* a word of a name that is shorter ("our", "7b") is everybody's */

struct plain {
    char text[LIMIT_NAME_BYTES + 1]; /* what is longer is compared by its beginning */
    size_t length;
};

static bool counts(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

static struct plain plain_of(const char *text, size_t length)
{
    struct plain plain = {.length = 0};
    for (size_t i = 0; i < length && plain.length < LIMIT_NAME_BYTES; i++)
        if (counts(text[i]))
            plain.text[plain.length++] = (char)tolower((unsigned char)text[i]);
    return plain;
}

/* Is one in the other? What is empty, or a mere letter or two, says nothing. */
static bool overlap(const struct plain *code, const struct plain *term)
{
    if (code->length < 3 || term->length < 3)
        return strcmp(code->text, term->text) == 0;
    return strstr(code->text, term->text) || strstr(term->text, code->text);
}

static bool holds_word(const struct plain *code, const char *term)
{
    while (*term) {
        size_t length = 0;
        while (term[length] && counts(term[length]))
            length++;
        struct plain word = plain_of(term, length);
        if (length >= WORD_TELLS && strstr(code->text, word.text))
            return true;
        term += length + (term[length] != '\0');
    }
    return false;
}

static bool tells(const struct plain *code, const char *term)
{
    if (!term || !*term)
        return false;
    struct plain whole = plain_of(term, strlen(term));
    return overlap(code, &whole) || holds_word(code, term);
}

static const char *file_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static bool check_own(const struct competitor_config *of, const struct plain *code, struct err *err)
{
    const char *terms[] = {of->name, of->model, of->organisation, file_of(of->path)};
    const char *told = NULL;
    for (size_t i = 0; i < sizeof terms / sizeof *terms && !told; i++)
        told = tells(code, terms[i]) ? terms[i] : NULL;
    for (size_t i = 0; i < of->alias_count && !told; i++)
        told = tells(code, of->aliases[i]) ? of->aliases[i] : NULL;
    return !told ||
           err_set(err, ERR_CONFIG,
                   "competitor \"%.100s\": the code name \"%.100s\" gives \"%.100s\" away: "
                   "choose a word that has nothing to do with it",
                   of->name, of->code_name, told);
}

static bool same(const struct plain *code, const char *term)
{
    struct plain other = plain_of(term ? term : "", term ? strlen(term) : 0);
    return other.length && strcmp(code->text, other.text) == 0;
}

static bool is_anothers(const struct plain *code, const struct competitor_config *other)
{
    bool is = same(code, other->name) || same(code, other->model) || same(code, other->code_name) ||
              same(code, other->organisation);
    for (size_t i = 0; i < other->alias_count && !is; i++)
        is = same(code, other->aliases[i]);
    return is;
}

bool code_name_check(const struct competitor_config *of, const struct competitor_config *const *all,
                     size_t count, struct err *err)
{
    if (!of->code_name)
        return true;
    struct plain code = plain_of(of->code_name, strlen(of->code_name));
    if (!code.length)
        return err_set(err, ERR_CONFIG,
                       "competitor \"%.100s\": the code name needs a letter or a digit", of->name);
    for (size_t i = 0; i < count; i++)
        if (all[i] != of && is_anothers(&code, all[i]))
            return err_set(
                err, ERR_CONFIG,
                "competitor \"%.100s\": the code name \"%.100s\" is also what \"%.100s\" "
                "is known by: choose another",
                of->name, of->code_name, all[i]->name);
    return check_own(of, &code, err);
}
