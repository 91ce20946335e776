/* Repeats are found by a digest of what is asked, in an open hash of them. */
#include "eval/prompts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

enum { SEEN_SLOTS = 4 * LIMIT_EVAL_PROMPTS };

struct reading {
    struct eval_prompts *prompts;
    const struct eval_spec *spec;
    uint64_t *seen; /* SEEN_SLOTS of them; 0: free */
    struct err *err;
};

static void prompt_done(struct eval_prompt *prompt)
{
    free(prompt->source);
    free(prompt->category);
    free(prompt->system);
    json_decref(prompt->turns);
    json_decref(prompt->reference);
}

static bool append(struct eval_prompts *prompts, struct eval_prompt *prompt, struct err *err)
{
    if (prompts->count == prompts->room) {
        size_t room = prompts->room ? 2 * prompts->room : 64;
        struct eval_prompt *list = realloc(prompts->list, room * sizeof *list);
        if (!list)
            return err_set(err, ERR_MEMORY, "no memory for the prompts");
        prompts->list = list;
        prompts->room = room;
    }
    prompts->list[prompts->count++] = *prompt;
    prompts->turns += json_array_size(prompt->turns);
    *prompt = (struct eval_prompt){0};
    return true;
}

/* --- one row --- */

/* A list of texts, or one text as a list of one; new, or NULL with `err`. */
static json_t *texts_of(const json_t *value, const char *what, const char *key, struct err *err)
{
    json_t *list = json_is_string(value) ? json_pack("[O]", value) : json_deep_copy(value);
    size_t i, bytes = 0;
    const json_t *text;
    bool ok =
        json_is_array(list) && json_array_size(list) > 0 && json_array_size(list) <= LIMIT_TURNS;
    json_array_foreach(list, i, text)
    {
        ok = ok && json_is_string(text);
        bytes += json_string_length(text);
    }
    if (ok && bytes <= LIMIT_EVAL_PROMPT_BYTES)
        return list;
    json_decref(list);
    err_set(err, ERR_BAD_REQUEST, "%s: \"%s\" must be 1 to %d texts of together at most %d bytes",
            what, key, LIMIT_TURNS, LIMIT_EVAL_PROMPT_BYTES);
    return NULL;
}

static bool copy_string(char **out, const char *value, struct err *err)
{
    *out = value ? strdup(value) : NULL;
    return !value || *out || err_set(err, ERR_MEMORY, "out of memory");
}

/* A text or a whole number. */
static bool read_id(const json_t *row, char **out, struct err *err)
{
    static const char *const IDS[] = {"id", "question_id", "uid"};
    char number[32];
    for (int k = 0; k < 3 && !*out; k++) {
        const json_t *value = json_object_get(row, IDS[k]);
        if (json_is_integer(value)) {
            snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
            if (!copy_string(out, number, err))
                return false;
        } else if (!copy_string(out, json_string_value(value), err)) {
            return false;
        }
    }
    return true;
}

/* How many bytes of a category's half are kept. */
static int whole_characters(const char *text)
{
    return (int)utf8_complete_prefix(text, strnlen(text, LIMIT_NAME_BYTES - 1));
}

static bool read_category(const json_t *row, char **out, struct err *err)
{
    const char *category = json_string_value(json_object_get(row, "category")),
               *part = json_string_value(json_object_get(row, "subcategory"));
    char joined[2 * LIMIT_NAME_BYTES];
    if (!category || !*category)
        return copy_string(out, "uncategorised", err);
    if (!part || !*part || strcmp(part, category) == 0)
        return copy_string(out, category, err);
    snprintf(joined, sizeof joined, "%.*s/%.*s", whole_characters(category), category,
             whole_characters(part), part);
    return copy_string(out, joined, err);
}

static bool read_chosen(const json_t *row, const char *what, enum eval_chosen *chosen,
                        struct err *err)
{
    const char *word = NULL;
    if (!json_get_string_or(row, "chosen", what, &word, err))
        return false;
    *chosen = !word                       ? EVAL_CHOSEN_NOT
              : strcmp(word, "lost") == 0 ? EVAL_CHOSEN_LOST
                                          : EVAL_CHOSEN_CONTROL;
    return !word || *chosen == EVAL_CHOSEN_LOST || strcmp(word, "control") == 0 ||
           err_set(err, ERR_BAD_REQUEST, "%s: \"chosen\" must be \"lost\" or \"control\"", what);
}

static bool read_row(struct eval_prompt *prompt, const json_t *row, const char *what,
                     struct err *err)
{
    const json_t *turns = json_object_get(row, "turns"), *one = json_object_get(row, "prompt"),
                 *reference = json_object_get(row, "reference");
    const char *system = NULL;
    if (!json_is_object(row))
        return err_set(err, ERR_BAD_REQUEST, "%s: a prompt must be a JSON object", what);
    if (!turns == !json_is_string(one))
        return err_set(err, ERR_BAD_REQUEST, "%s: needs \"turns\" (a list) or \"prompt\" (a text)",
                       what);
    prompt->turns = texts_of(turns ? turns : one, what, turns ? "turns" : "prompt", err);
    if (!prompt->turns)
        return false;
    if (reference && !json_is_null(reference) &&
        !(prompt->reference = texts_of(reference, what, "reference", err)))
        return false;
    return json_get_string_or(row, "system", what, &system, err) &&
           copy_string(&prompt->system, system, err) && read_id(row, &prompt->source, err) &&
           read_category(row, &prompt->category, err) &&
           read_chosen(row, what, &prompt->chosen, err);
}

static bool is_wanted(const struct eval_spec *spec, const struct eval_prompt *prompt)
{
    size_t i;
    const json_t *category;
    json_array_foreach(spec->categories, i, category)
    {
        const char *word = json_string_value(category);
        if (word && strcmp(word, prompt->category) == 0)
            return true;
    }
    return spec->categories == NULL;
}

/* Remembers it; true when it was there. Never 0, which marks a free slot. */
static bool came_before(struct reading *reading, const struct eval_prompt *prompt)
{
    uint8_t sum[DIGEST_SIZE];
    uint64_t value;
    struct digest *digest = digest_new();
    if (!digest)
        return false;
    digest_add_field(digest, prompt->system ? prompt->system : "\1",
                     prompt->system ? strlen(prompt->system) : 1);
    for (size_t i = 0; i < json_array_size(prompt->turns); i++) {
        const json_t *turn = json_array_get(prompt->turns, i);
        digest_add_field(digest, json_string_value(turn), json_string_length(turn));
    }
    digest_finish(digest, sum);
    memcpy(&value, sum, sizeof value);
    value |= value == 0;
    size_t slot = value % SEEN_SLOTS;
    while (reading->seen[slot] && reading->seen[slot] != value)
        slot = (slot + 1) % SEEN_SLOTS;
    bool there = reading->seen[slot] == value;
    reading->seen[slot] = value;
    return there;
}

static bool is_full(const struct reading *reading)
{
    return reading->spec->most && reading->prompts->count >= (size_t)reading->spec->most;
}

static bool add_row(struct reading *reading, const json_t *row, const char *what)
{
    struct eval_prompts *prompts = reading->prompts;
    struct eval_prompt prompt = {0};
    bool ok = read_row(&prompt, row, what, reading->err);
    if (ok && is_wanted(reading->spec, &prompt)) {
        if (came_before(reading, &prompt))
            prompts->repeated++;
        else if (prompts->count >= LIMIT_EVAL_PROMPTS)
            ok = err_set(reading->err, ERR_TOO_LARGE, "%s: more than %d prompts", what,
                         LIMIT_EVAL_PROMPTS);
        else
            ok = append(prompts, &prompt, reading->err);
    }
    prompt_done(&prompt);
    return ok;
}

/* --- all of them --- */

static bool add_line(struct reading *reading, const char *name, size_t number, struct text line)
{
    char what[512];
    snprintf(what, sizeof what, "%.400s, line %zu", name, number);
    reading->prompts->bytes += line.length;
    if (reading->prompts->bytes > LIMIT_EVAL_TEXT_BYTES)
        return err_set(reading->err, ERR_TOO_LARGE, "%s: more than %d MB of prompts", what,
                       LIMIT_EVAL_TEXT_BYTES >> 20);
    json_t *row = json_read(line, what, reading->err);
    bool ok = row && add_row(reading, row, what);
    json_decref(row);
    return ok;
}

static bool read_lines(struct reading *reading, FILE *file, const char *name)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length = 0;
    bool ok = true;
    while (ok && !is_full(reading) && (length = getline(&line, &room, file)) >= 0) {
        number++;
        while (length > 0 && strchr("\r\n \t", line[length - 1]) && line[length - 1])
            length--;
        if (length > 0)
            ok = add_line(reading, name, number, (struct text){line, (size_t)length});
    }
    if (ok && ferror(file))
        ok = err_sys(reading->err, ERR_IO, errno, "cannot read %s", name);
    free(line);
    return ok;
}

/* A line is held in memory before it can be refused, so the file must not be huge. */
static bool check_size(FILE *file, const char *name, struct err *err)
{
    struct stat about;
    if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode))
        return err_set(err, ERR_BAD_REQUEST, "%s is no file", name);
    return about.st_size <= LIMIT_EVAL_TEXT_BYTES ||
           err_set(err, ERR_TOO_LARGE, "%s is larger than %d MB", name,
                   LIMIT_EVAL_TEXT_BYTES >> 20);
}

static bool read_file(struct reading *reading, const char *folder)
{
    const char *name = reading->spec->prompts_file;
    if (!folder && name[0] != '/')
        return err_set(reading->err, ERR_BAD_REQUEST,
                       "the file of prompts must begin with a slash here: %.200s", name);
    char *path = file_join(folder ? folder : "/", name);
    FILE *file = path ? fopen(path, "re") : NULL;
    bool ok = file != NULL || err_sys(reading->err, ERR_BAD_REQUEST, errno, "cannot open %s", name);
    ok = ok && check_size(file, name, reading->err) && read_lines(reading, file, name);
    if (file)
        fclose(file);
    free(path);
    return ok;
}

static bool read_list(struct reading *reading)
{
    size_t i;
    const json_t *row;
    char what[64];
    json_array_foreach(reading->spec->prompts, i, row)
    {
        snprintf(what, sizeof what, "\"prompts\"[%zu]", i);
        if (is_full(reading))
            break;
        if (!add_row(reading, row, what))
            return false;
    }
    return true;
}

bool eval_prompts_read(struct eval_prompts *prompts, const struct eval_spec *spec,
                       const char *folder, struct err *err)
{
    struct reading reading = {prompts, spec, calloc(SEEN_SLOTS, sizeof(uint64_t)), err};
    *prompts = (struct eval_prompts){0};
    bool ok = reading.seen || err_set(err, ERR_MEMORY, "no memory for the prompts");
    ok = ok && (spec->prompts_file ? read_file(&reading, folder) : read_list(&reading));
    free(reading.seen);
    return ok && (prompts->count > 0 || err_set(err, ERR_BAD_REQUEST, "there is no prompt%s",
                                                spec->categories ? " in these categories" : ""));
}

/* --- from the store --- */

static bool take_string(char **out, struct text text, struct err *err)
{
    *out = text.data ? strndup(text.data, text.length) : NULL;
    return !text.data || *out || err_set(err, ERR_MEMORY, "out of memory");
}

bool eval_prompts_take(struct eval_prompts *prompts, const struct eval_prompt_record *record,
                       struct err *err)
{
    struct eval_prompt prompt = {.chosen = record->chosen};
    bool ok = take_string(&prompt.source, record->source, err) &&
              take_string(&prompt.category, record->category, err) &&
              take_string(&prompt.system, record->system, err) &&
              (prompt.turns = json_read(record->turns, "a stored prompt", err)) &&
              (!record->reference.data ||
               (prompt.reference = json_read(record->reference, "a stored reference", err))) &&
              append(prompts, &prompt, err);
    prompt_done(&prompt);
    return ok;
}

void eval_prompts_done(struct eval_prompts *prompts)
{
    for (size_t i = 0; i < prompts->count; i++)
        prompt_done(&prompts->list[i]);
    free(prompts->list);
    *prompts = (struct eval_prompts){0};
}
