/* One PCRE2 pattern a competitor, compiled once: Unicode word borders and caseless matching are
 * what a regular expression library is for. Its match limit bounds the time; a pattern without
 * nested repeats stays far below it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "battle/leak.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/utf8.h"

struct leak {
    pcre2_code *code; /* NULL: nothing to look for */
    pcre2_match_data *match;
};

/* Words that name nobody. A name, organisation or alias of such words alone is looked for only
 * where the answer speaks of itself. */
static const char *const COMMON[] = {"a",
                                     "about",
                                     "academy",
                                     "agency",
                                     "ai",
                                     "all",
                                     "an",
                                     "and",
                                     "any",
                                     "app",
                                     "arena",
                                     "assistant",
                                     "at",
                                     "base",
                                     "basic",
                                     "best",
                                     "better",
                                     "big",
                                     "bot",
                                     "by",
                                     "center",
                                     "centre",
                                     "chat",
                                     "chatbot",
                                     "code",
                                     "college",
                                     "community",
                                     "company",
                                     "computer",
                                     "control",
                                     "corp",
                                     "corporation",
                                     "creative",
                                     "custom",
                                     "data",
                                     "default",
                                     "demo",
                                     "department",
                                     "dev",
                                     "development",
                                     "engine",
                                     "engineering",
                                     "experiment",
                                     "experimental",
                                     "fast",
                                     "fine",
                                     "first",
                                     "for",
                                     "foundation",
                                     "free",
                                     "from",
                                     "general",
                                     "good",
                                     "great",
                                     "group",
                                     "he",
                                     "help",
                                     "helper",
                                     "house",
                                     "i",
                                     "in",
                                     "inc",
                                     "instruct",
                                     "institute",
                                     "intelligence",
                                     "internal",
                                     "it",
                                     "its",
                                     "lab",
                                     "laboratory",
                                     "labs",
                                     "language",
                                     "large",
                                     "light",
                                     "lite",
                                     "llm",
                                     "local",
                                     "long",
                                     "ltd",
                                     "machine",
                                     "main",
                                     "max",
                                     "me",
                                     "medium",
                                     "mini",
                                     "model",
                                     "my",
                                     "new",
                                     "none",
                                     "of",
                                     "office",
                                     "old",
                                     "on",
                                     "one",
                                     "open",
                                     "organisation",
                                     "organization",
                                     "original",
                                     "other",
                                     "our",
                                     "ours",
                                     "plain",
                                     "plus",
                                     "precise",
                                     "preview",
                                     "pro",
                                     "project",
                                     "quick",
                                     "reference",
                                     "release",
                                     "research",
                                     "school",
                                     "science",
                                     "second",
                                     "she",
                                     "short",
                                     "simple",
                                     "slow",
                                     "small",
                                     "smart",
                                     "source",
                                     "standard",
                                     "studio",
                                     "system",
                                     "systems",
                                     "team",
                                     "tech",
                                     "technology",
                                     "test",
                                     "text",
                                     "the",
                                     "their",
                                     "them",
                                     "they",
                                     "this",
                                     "tiny",
                                     "to",
                                     "tool",
                                     "turbo",
                                     "ultra",
                                     "university",
                                     "unknown",
                                     "us",
                                     "we",
                                     "with",
                                     "work",
                                     "you",
                                     "your"};

static bool is_common_word(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof COMMON / sizeof *COMMON; i++)
        if (strlen(COMMON[i]) == length && strncasecmp(COMMON[i], word, length) == 0)
            return true;
    return false;
}

/* Words are parted by spaces only: "smollm2-creative" is one word, and not a common one. */
static bool is_common(const char *term)
{
    while (*term) {
        size_t gap = strspn(term, " \t"), length = strcspn(term + gap, " \t");
        if (length && !is_common_word(term + gap, length))
            return false;
        term += gap + length;
    }
    return true;
}

/* Appends a term as a pattern: spaces match any run of white space, every other ASCII mark
 * stands for itself. */
static void add_term(struct buf *pattern, const char *term)
{
    if (pattern->length)
        buf_add_char(pattern, '|');
    for (const char *at = term; *at; at++) {
        unsigned char c = (unsigned char)*at;
        bool letter =
            c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (c == ' ' || c == '\t') {
            buf_add_string(pattern, "\\s+");
            at += strspn(at, " \t") - 1;
            continue;
        }
        if (!letter)
            buf_add_char(pattern, '\\');
        buf_add_char(pattern, *at);
    }
    /* "gpt-4" is not named by "gpt-4.1" */
    if (*term && strchr("0123456789", term[strlen(term) - 1]))
        buf_add_string(pattern, "(?!\\.\\p{N})");
}

struct terms {
    struct buf distinct, common; /* alternatives */
};

static void take_term(struct terms *terms, const char *term)
{
    if (!term)
        return;
    term += strspn(term, " \t");
    if (*term && utf8_valid(term, strlen(term)))
        add_term(is_common(term) ? &terms->common : &terms->distinct, term);
}

/* Word borders: no letter or digit beside the term; an underscore is emphasis unless a word goes
 * on behind it. */
#define BEFORE "(?<![\\p{L}\\p{N}])(?<![\\p{L}\\p{N}]_)"
#define AFTER "(?!_?[\\p{L}\\p{N}])"
#define OF_ITSELF                                                                                  \
    "\\b(?:I am|I['\xE2\x80\x99]m|my name is|call me|"                                             \
    "(?:made|built|created|developed|trained|designed) (?:by|at))[\\s*_`\"']+"

static void write_pattern(struct buf *pattern, const struct terms *terms)
{
    if (terms->distinct.length)
        buf_printf(pattern, BEFORE "(?:%s)" AFTER, terms->distinct.data);
    if (terms->distinct.length && terms->common.length)
        buf_add_char(pattern, '|');
    if (terms->common.length)
        buf_printf(pattern, OF_ITSELF "(?:%s)" AFTER, terms->common.data);
}

static bool compile(struct leak *leak, const struct buf *pattern, const char *name, struct err *err)
{
    if (!pattern->length && !pattern->failed)
        return true;
    int problem = 0;
    PCRE2_SIZE at = 0;
    if (!pattern->failed)
        leak->code = pcre2_compile((PCRE2_SPTR)pattern->data, pattern->length,
                                   PCRE2_CASELESS | PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK,
                                   &problem, &at, NULL);
    leak->match = leak->code ? pcre2_match_data_create(1, NULL) : NULL;
    if (!leak->match)
        return err_set(
            err, ERR_CONFIG,
            "competitor \"%s\": its name, organisation and aliases cannot be searched for", name);
    return true;
}

struct leak *leak_new(const struct competitor_config *config, struct err *err)
{
    struct leak *leak = calloc(1, sizeof *leak);
    if (!leak) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    struct terms terms;
    struct buf pattern;
    buf_init(&terms.distinct, 1 << 20);
    buf_init(&terms.common, 1 << 20);
    buf_init(&pattern, 4 << 20);
    take_term(&terms, config->name);
    take_term(&terms, config->organisation);
    for (size_t i = 0; i < config->alias_count; i++)
        take_term(&terms, config->aliases[i]);
    write_pattern(&pattern, &terms);
    pattern.failed |= terms.distinct.failed || terms.common.failed;
    bool good = compile(leak, &pattern, config->name, err);
    buf_done(&pattern);
    buf_done(&terms.distinct);
    buf_done(&terms.common);
    if (good)
        return leak;
    leak_free(leak);
    return NULL;
}

void leak_free(struct leak *leak)
{
    if (!leak)
        return;
    pcre2_match_data_free(leak->match);
    pcre2_code_free(leak->code);
    free(leak);
}

bool leak_found(const struct leak *leak, struct text answer)
{
    if (!leak->code || !answer.length)
        return false;
    int found =
        pcre2_match(leak->code, (PCRE2_SPTR)answer.data, answer.length, 0, 0, leak->match, NULL);
    /* a search that could not be finished proves nothing: take the careful side */
    return found != PCRE2_ERROR_NOMATCH;
}
