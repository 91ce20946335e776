/* `arena models add|set|pause|resume|retire`: changes to the roster, by whoever owns the data
 * directory, which may be this process. */
#ifndef ARENA_COMMAND_MODELS_CHANGE_H
#define ARENA_COMMAND_MODELS_CHANGE_H

#include <stdbool.h>

/* What the command line said of a new competitor; NULL: nothing. */
struct models_row {
    const char *provider, *model, *path, *organisation, *licence, *base_url, *dialect;
    const char *api_key_env, *api_key_file;
    const char *price;  /* "INPUT/OUTPUT" */
    const char *budget; /* USD a day, or "none" */
    const char *set;    /* a JSON object with further members of the row */
    const char *battles_a_day, *votes_a_day, *at_once; /* numbers, or "none" */
    const char *code_name;                             /* "none": its own */
    const char *reason;                                /* of a pause */
    double weight;                                     /* NaN: not said */
    bool in_house;
};

/* Returns the exit code. `config` counts where nobody serves `data`. */
int models_add(const char *name, const struct models_row *row, const char *config,
               const char *data);
int models_set_state(const char *action, const char *name, const struct models_row *row,
                     const char *config, const char *data);
int models_set(const char *name, const struct models_row *row, const char *config,
               const char *data);

#endif
