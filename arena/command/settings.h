/* The configuration file (design: one JSON object, schema/config.schema.json): its outermost
 * keys, and defaults where there is none. The rows of "competitors" are read by
 * competitor/config.h. */
#ifndef ARENA_COMMAND_SETTINGS_H
#define ARENA_COMMAND_SETTINGS_H

#include <jansson.h>

#include "base/err.h"
#include "board/sampling.h"
#include "command/settings_auth.h"
#include "competitor/roster.h"

struct settings {
    json_t *root;              /* NULL: no file, all defaults */
    char *path;                /* of the file, NULL where there is none */
    char *folder;              /* the file's folder: relative paths start there */
    const json_t *competitors; /* NULL: the default in-house pair */
    json_t *prices;            /* "prices": the file's object, by "PROVIDER/MODEL"; NULL: none */
    double budget_usd;         /* "budget": what all rivals together may cost a day; 0: no limit */
    const char *device; /* "device": where in-house models run ("auto", "cpu", "cuda", "cuda:N");
                           NULL: auto. --device comes before it */
    struct settings_auth auth;
    bool early_access; /* "early_access": anybody may ask for a key on a public page */
    struct sampling_options sampling; /* "sampling": {"rule", "target"}: which pairs are drawn */
    int64_t
        daily_votes; /* "limits": {"daily_votes": …}: of a voter a day only so many count; 0: all */
    const char *tagger; /* "tagging": {"model": …}: a competitor, "off"; NULL: the in-house one */
    int64_t tagging_quiet; /* "tagging": {"quiet_seconds": …}: before a question is asked */
    const char *finder;    /* "personal_data": {"model": …}: an in-house competitor; NULL: off */
    int64_t finder_quiet;  /* "personal_data": {"quiet_seconds": …}: as with tagging */
    /* "limits": {"same_prompt_votes": …}: of a voter on one prompt of their own only so many count,
     * and a hundred times as many of all voters; 0: all, as at home */
    int64_t same_prompt_votes;
    int64_t text_days; /* "retention": {"text_days": …}: then texts are let go of; 0: kept */
    int64_t min_votes; /* "limits": {"min_votes": …}: fewer, and a model is not ranked yet */
};

#define SETTINGS_SAME_PROMPT_VOTES 10 /* who asks the same again and again tries something out */
#define SETTINGS_MIN_VOTES                                                                         \
    10 /* below this an interval spans hundreds of points: a rank would be a guess */

/* `path` NULL: DIR/arena.json where it exists, else the defaults. Errors name the file, the line
 * or the key. */
bool settings_load(struct settings *settings, const char *path, const char *data_dir,
                   struct err *err);
void settings_done(struct settings *settings);

/* The same from a text, as if it stood in the file at `path`. */
bool settings_parse(struct settings *settings, struct text text, const char *path, struct err *err);

/* Where the configuration is, or would be. Returns new; NULL without memory. */
char *settings_path(const char *path, const char *data_dir);

/* What opening its competitors takes; borrowed from the settings. */
struct roster_options settings_options(const struct settings *settings);

/* Opens the configured competitors; of `more` only `only` and `unopened` count. Errors name the
 * file. */
struct roster *settings_roster(const struct settings *settings, struct loop *loop,
                               struct roster_options more, struct err *err);

#endif
