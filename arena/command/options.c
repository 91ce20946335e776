/* Our own few lines rather than getopt_long: options may stand anywhere, errors name the command
 * and what it expects. */
#include "command/command.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

static bool complain(const struct command *command, const char *what, const char *value,
                     const char *why)
{
    fprintf(stderr, "arena %s: %s%s%s\nTry: arena help %s\n", command->name, what, value, why,
            command->name);
    return false;
}

static const struct option_spec *find(const struct option_spec *specs, const char *name,
                                      size_t length)
{
    for (; specs->name; specs++)
        if (strlen(specs->name) == length && strncmp(specs->name, name, length) == 0)
            return specs;
    return NULL;
}

static bool store_choice(const struct command *command, const struct option_spec *spec,
                         const char *value)
{
    char words[256] = "";
    for (int i = 0; spec->choices[i]; i++) {
        if (strcmp(spec->choices[i], value) == 0) {
            *(int *)spec->out = i;
            return true;
        }
        size_t used = strlen(words);
        snprintf(words + used, sizeof words - used, "%s%s", i ? ", " : "", spec->choices[i]);
    }
    char why[384];
    snprintf(why, sizeof why, "\" is not one of: %s", words);
    char what[96];
    snprintf(what, sizeof what, "--%s: \"", spec->name);
    return complain(command, what, value, why);
}

static bool store_number(const struct command *command, const struct option_spec *spec,
                         const char *value)
{
    char *end = NULL, what[96], why[128];
    errno = 0;
    long long whole = 0;
    double real = 0;
    if (spec->kind == OPTION_INT) {
        whole = strtoll(value, &end, 10);
        real = (double)whole;
    } else {
        real = strtod(value, &end);
    }
    bool bounded = spec->low < spec->high;
    if (errno || end == value || *end || !isfinite(real) ||
        (bounded && (real < spec->low || real > spec->high))) {
        snprintf(what, sizeof what, "--%s: \"", spec->name);
        if (bounded)
            snprintf(why, sizeof why, "\" is not a number from %g to %g", spec->low, spec->high);
        else
            snprintf(why, sizeof why, "\" is not a number");
        return complain(command, what, value, why);
    }
    if (spec->kind == OPTION_INT)
        *(int64_t *)spec->out = whole;
    else
        *(double *)spec->out = real;
    return true;
}

/* Beside an arena.db whatever is called arena.SOMETHING is a data directory's own. */
static bool is_arenas_own(const char *path)
{
    char *real = realpath(path, NULL), *beside = NULL;
    const char *whole = real ? real : path, *slash = strrchr(whole, '/'),
               *name = slash ? slash + 1 : whole;
    bool own = strncmp(name, "arena.", 6) == 0 &&
               asprintf(&beside, "%.*sarena.db", (int)(name - whole), whole) >= 0 &&
               access(beside, F_OK) == 0;
    free(beside);
    free(real);
    return own;
}

static bool store_output(const struct command *command, const struct option_spec *spec,
                         const char *value)
{
    if (!*value)
        return complain(command, "--output", "", " needs a file's name, or - for standard output");
    if (is_arenas_own(value))
        return complain(command, "--output: ", value, " is the arena's own: choose another name");
    *(const char **)spec->out = strcmp(value, "-") == 0 ? NULL : value;
    return true;
}

static bool store(const struct command *command, const struct option_spec *spec, const char *value)
{
    switch (spec->kind) {
    case OPTION_FLAG:
        *(bool *)spec->out = true;
        return true;
    case OPTION_TEXT:
        *(const char **)spec->out = value;
        return true;
    case OPTION_OUTPUT:
        return store_output(command, spec, value);
    case OPTION_CHOICE:
        return store_choice(command, spec, value);
    case OPTION_INT:
    case OPTION_REAL:
        return store_number(command, spec, value);
    }
    return false;
}

/* One "--name…" argument at argv[*at]; moves *at past a value that stands apart. */
static bool read_option(const struct command *command, int argc, char **argv, int *at,
                        const struct option_spec *specs)
{
    const char *name = argv[*at] + 2, *equals = strchr(name, '=');
    const struct option_spec *spec =
        find(specs, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!spec)
        return complain(command, "unknown option ", argv[*at], "");
    if (spec->kind == OPTION_FLAG)
        return equals ? complain(command, argv[*at], "", " takes no value")
                      : store(command, spec, NULL);
    if (equals)
        return store(command, spec, equals + 1);
    if (*at + 1 >= argc)
        return complain(command, argv[*at], "", " needs a value");
    return store(command, spec, argv[++*at]);
}

bool options_read(const struct command *command, int argc, char **argv,
                  const struct option_spec *specs, int *positional, int most)
{
    bool only_positional = false;
    *positional = 0;
    for (int at = 1; at < argc; at++) {
        char *argument = argv[at];
        if (!only_positional && strcmp(argument, "--") == 0) {
            only_positional = true;
        } else if (!only_positional && argument[0] == '-' && argument[1] == '-') {
            if (!read_option(command, argc, argv, &at, specs))
                return false;
        } else if (!only_positional && argument[0] == '-' && argument[1]) {
            return complain(command, "unknown option ", argument, "");
        } else if (*positional == most) {
            return complain(command, "unexpected argument ", argument, "");
        } else {
            argv[1 + (*positional)++] = argument;
        }
    }
    return true;
}

/* A message may quote a file: nothing of it steers the terminal. */
static void print_quoting(const char *text)
{
    uint32_t code;
    for (size_t left = strlen(text), step; left > 0; text += step, left -= step) {
        step = utf8_decode(text, left, &code);
        bool plain = step && (code >= 0xa0 || (code >= 0x20 && code < 0x7f) || code == '\n');
        step += !step;
        fwrite(plain ? text : "?", 1, plain ? step : 1, stderr);
    }
}

int command_fail(const struct command *command, const struct err *err)
{
    fprintf(stderr, "arena %s: ", command->name);
    print_quoting(err->message);
    fputc('\n', stderr);
    switch (err->code) {
    case ERR_IO:
    case ERR_CONFIG:
    case ERR_FORMAT:
    case ERR_UNSUPPORTED:
    case ERR_BAD_REQUEST:
    case ERR_BAD_JSON:
    case ERR_BAD_UTF8:
    case ERR_TOO_LARGE:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_STORE:
        return EXIT_USAGE;
    default:
        return EXIT_NO;
    }
}
