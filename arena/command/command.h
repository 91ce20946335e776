/* The command line's subcommands: one file each, one table in main.c. A command gets its own
 * argv (argv[0] is its name) and returns the process's exit code: 0 done, 1 the answer is no or
 * the run failed, 2 usage or bad input. Results go to stdout, progress and logs to stderr. */
#ifndef ARENA_COMMAND_COMMAND_H
#define ARENA_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { EXIT_OK = 0, EXIT_NO = 1, EXIT_USAGE = 2 };

struct command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* the whole text of `arena help NAME` */
    int (*run)(int argc, char **argv);
};

/* One per file; `arena help` lists them in the order of COMMANDS. */
extern const struct command command_serve, command_chat, command_models, command_rank,
    command_leaderboard, command_voters, command_bench, command_verify, command_export,
    command_import, command_eval, command_gate, command_invite, command_campaign, command_keys,
    command_review;

extern const struct command *const COMMANDS[]; /* NULL-terminated (main.c) */

/* --- options: a table a command --- */
enum option_kind {
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_OUTPUT, /* a file to write; "-": standard output, NULL. None of a data directory's own */
    OPTION_INT,
    OPTION_REAL,
    OPTION_CHOICE
};

struct option_spec {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *
        out; /* bool*, const char** (text, output), int64_t*, double*, int* (index of the choice) */
    const char *const *choices; /* OPTION_CHOICE: NULL-terminated words */
    double low, high;           /* OPTION_INT, OPTION_REAL: allowed range when low < high */
};

/* Reads `--name value`, `--name=value` and flags anywhere among the arguments; "--" ends them.
 * Positional arguments are moved to argv[1…] and counted in *positional (at most `most`).
 * `specs` ends with a NULL name. On an unknown option, a missing or bad value or too many
 * arguments: prints one line and where to read more to stderr, returns false (the command
 * returns EXIT_USAGE). */
bool options_read(const struct command *command, int argc, char **argv,
                  const struct option_spec *specs, int *positional, int most);

/* Prints "arena NAME: message" to stderr; returns the exit code that fits the error (2 for bad
 * input, else 1). */
int command_fail(const struct command *command, const struct err *err);

#endif
