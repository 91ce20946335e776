/* Every vote is asked every category in one go: a vote's tags are a few hundred bytes, read
 * once. */
#include "board/catalogue.h"

#include <stdlib.h>
#include <string.h>

#include "board/row.h"
#include "board/select.h"

static const char *const NAMES[] = {
    "hard_prompts",          "coding",    "math",       "creative_writing",
    "instruction_following", "multiturn", "long_query", "no_tie"};
#define NAME_COUNT (sizeof NAMES / sizeof *NAMES)
#define LANGUAGE_SIZE 24

struct language {
    char name[LANGUAGE_SIZE];
    int64_t votes;
};

struct catalogue {
    struct row_spec spec;
    struct select select[NAME_COUNT];
    int64_t votes[NAME_COUNT];
    size_t language_field;
    struct language languages[CATALOGUE_LANGUAGES];
    size_t language_count;
    struct buf scratch;
};

struct catalogue *catalogue_new(struct err *err)
{
    struct catalogue *catalogue = calloc(1, sizeof *catalogue);
    if (!catalogue) {
        err_set(err, ERR_MEMORY, "out of memory");
        return NULL;
    }
    buf_init(&catalogue->scratch, 1 << 16);
    catalogue->language_field = row_spec_add(&catalogue->spec, "language");
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (!select_category(&catalogue->select[i], &catalogue->spec, NAMES[i], err)) {
            catalogue_free(catalogue);
            return NULL;
        }
    return catalogue;
}

void catalogue_free(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    buf_done(&catalogue->scratch);
    free(catalogue);
}

/* A word that can stand in an address and in a list: "en", "Chinese", "pt-BR". */
static bool is_language(struct text name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c == '-' && i)))
            return false;
    }
    return name.length >= 2 && name.length < LANGUAGE_SIZE && !text_equal(name, TEXT("und")) &&
           !text_equal(name, TEXT("unknown"));
}

static void add_language(struct catalogue *catalogue, const struct row_field *field)
{
    struct text name;
    if (field->kind != ROW_STRING ||
        !row_text(&catalogue->spec, field, &catalogue->scratch, &name) || !is_language(name))
        return;
    struct language *language = catalogue->languages, *end = language + catalogue->language_count;
    while (language < end && !text_equal(text_of(language->name), name))
        language++;
    if (language == end) {
        if (catalogue->language_count == CATALOGUE_LANGUAGES)
            return;
        catalogue->language_count++;
        memcpy(language->name, name.data, name.length);
    }
    language->votes++;
}

void catalogue_add(struct catalogue *catalogue, struct text tags, enum outcome outcome)
{
    struct row_field fields[ROW_FIELDS_MAX];
    const char *skip;
    uint32_t lines = 0;
    bool blank = false;
    if (!tags.length)
        tags = TEXT("{}");
    if (!row_read(&catalogue->spec, tags.data, tags.data + tags.length, fields, &blank, &lines,
                  &skip, NULL) ||
        blank)
        return;
    for (size_t i = 0; i < NAME_COUNT; i++)
        catalogue->votes[i] += select_matches(&catalogue->select[i], &catalogue->spec, fields,
                                              outcome, &catalogue->scratch);
    add_language(catalogue, &fields[catalogue->language_field]);
}

static void write_one(struct json_out *out, const char *name, int64_t votes)
{
    if (!votes)
        return;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "name", name);
    json_put_int(out, "votes", votes);
    json_put_close(out, '}');
}

static int more_votes_first(const void *a, const void *b)
{
    const struct language *one = a, *other = b;
    if (one->votes != other->votes)
        return one->votes < other->votes ? 1 : -1;
    return strcmp(one->name, other->name);
}

void catalogue_write(const struct catalogue *catalogue, struct json_out *out, const char *key)
{
    struct language sorted[CATALOGUE_LANGUAGES];
    memcpy(sorted, catalogue->languages, sizeof sorted);
    qsort(sorted, catalogue->language_count, sizeof *sorted, more_votes_first);
    json_put_open(out, key, '[');
    for (size_t i = 0; i < NAME_COUNT; i++)
        write_one(out, NAMES[i], catalogue->votes[i]);
    for (size_t i = 0; i < catalogue->language_count; i++)
        write_one(out, sorted[i].name, sorted[i].votes);
    json_put_close(out, ']');
}
