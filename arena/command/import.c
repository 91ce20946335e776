/* `arena import`: votes from a file into the store, all or none. */
#include "command/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command/owner.h"
#include "eval/intake.h"
#include "loop/loop.h"
#include "store/directory.h"

static void show_progress(void *user, uint64_t votes)
{
    (void)user;
    fprintf(stderr, "\rarena import: %" PRIu64 " votes stored", votes);
}

/* "A,B,WINNER" in place. */
static bool cut_columns(char *text, const char *columns[3])
{
    for (int k = 0; k < 3; k++) {
        char *name = strsep(&text, ",");
        if (!name || !*name)
            return false;
        columns[k] = name;
    }
    return text == NULL;
}

static void report(const struct intake_report *report)
{
    printf("%" PRIu64 " vote%s imported\n", report->added, report->added == 1 ? "" : "s");
    if (report->stored_before)
        printf("%" PRIu64 " were stored before\n", report->stored_before);
    if (report->left_out)
        printf("%" PRIu64 " %s left out\n", report->left_out,
               report->left_out == 1 ? "record compares nothing and was"
                                     : "records compare nothing and were");
}

/* As the directory's owner, for as long as it takes. */
static bool store_alone(const struct intake_options *options, const char *data, struct err *err)
{
    struct intake *intake = intake_open(options, err);
    struct loop *loop = intake ? loop_new(err) : NULL;
    struct store *store = loop ? store_open(data, loop, err) : NULL;
    bool ok = store && store_apply_alone(store, intake_store, intake, err);
    store_close(store);
    loop_free(loop);
    if (options->progress)
        fprintf(stderr, "\r\033[K");
    if (ok)
        report(intake_report(intake));
    intake_free(intake);
    return ok;
}

/* What the owner opens: standard input goes to it as a file. */
static char *file_for_owner(const char *path, FILE **spooled, struct err *err)
{
    char name[64], piece[65536], *full;
    size_t got;
    *spooled = NULL;
    if (strcmp(path, "-") != 0) {
        full = realpath(path, NULL);
        if (!full)
            err_sys(err, ERR_IO, errno, "cannot open %s", path);
        return full;
    }
    *spooled = tmpfile();
    while (*spooled && (got = fread(piece, 1, sizeof piece, stdin)) > 0)
        if (fwrite(piece, 1, got, *spooled) != got)
            break;
    if (!*spooled || ferror(stdin) || fflush(*spooled) != 0 || ferror(*spooled)) {
        err_set(err, ERR_IO, "cannot keep standard input in a temporary file");
        return NULL;
    }
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)getpid(), fileno(*spooled));
    full = strdup(name);
    if (!full)
        err_set(err, ERR_MEMORY, "out of memory");
    return full;
}

static json_t *request_of(const struct intake_options *options, const char *path)
{
    json_t *body = json_pack("{s:s, s:s*, s:s*, s:s*}", "path", path, "id", options->id, "voter",
                             options->voter, "prompt", options->prompt);
    if (body && options->columns[0])
        json_object_set_new(
            body, "columns",
            json_pack("[s, s, s]", options->columns[0], options->columns[1], options->columns[2]));
    return body;
}

static enum owner_answer ask_owner(const struct intake_options *options, const char *data,
                                   struct err *err)
{
    FILE *spooled;
    json_t *reply = NULL;
    char *path = file_for_owner(options->path, &spooled, err);
    json_t *body = path ? request_of(options, path) : NULL;
    enum owner_answer answer = OWNER_REFUSED;
    if (body)
        answer = owner_post(data, "/api/import", body, &reply, err);
    else if (path)
        err_set(err, ERR_BAD_REQUEST, "the file's or a column's name is not UTF-8");
    if (answer == OWNER_DONE)
        report(&(struct intake_report){
            .added = (uint64_t)json_integer_value(json_object_get(reply, "added")),
            .stored_before = (uint64_t)json_integer_value(json_object_get(reply, "stored_before")),
            .left_out = (uint64_t)json_integer_value(json_object_get(reply, "left_out"))});
    json_decref(body);
    json_decref(reply);
    free(path);
    if (spooled)
        fclose(spooled);
    return answer;
}

static bool import(const struct intake_options *options, const char *data, struct err *err)
{
    char owner[256];
    if (!directory_is_owned(data, owner, sizeof owner))
        return store_alone(options, data, err);
    return ask_owner(options, data, err) == OWNER_DONE;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct intake_options options = {0};
    const char *data = "arena-data", *columns = NULL;
    char cut[512];
    int positional;
    const struct option_spec specs[] = {{"columns", OPTION_TEXT, &columns, NULL, 0, 0},
                                        {"id", OPTION_TEXT, &options.id, NULL, 0, 0},
                                        {"voter", OPTION_TEXT, &options.voter, NULL, 0, 0},
                                        {"prompt", OPTION_TEXT, &options.prompt, NULL, 0, 0},
                                        {"data", OPTION_TEXT, &data, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_import, argc, argv, specs, &positional, 1))
        return EXIT_USAGE;
    if (positional != 1) {
        fprintf(stderr, "arena import: name a file of votes\nTry: arena help import\n");
        return EXIT_USAGE;
    }
    if (columns && (snprintf(cut, sizeof cut, "%s", columns) >= (int)sizeof cut ||
                    !cut_columns(cut, options.columns))) {
        fprintf(stderr, "arena import: --columns takes three names: A,B,WINNER\n");
        return EXIT_USAGE;
    }
    options.path = argv[1];
    options.progress = isatty(STDERR_FILENO) ? show_progress : NULL;
    return import(&options, data, &err) ? EXIT_OK : command_fail(&command_import, &err);
}

const struct command command_import = {
    "import", "votes from a file into the store",
    "Usage: arena import FILE [--columns A,B,WINNER] [--id COLUMN] [--voter COLUMN] [--prompt "
    "COLUMN] [--data DIR]\n\n"
    "Reads votes as `arena rank` does (JSON lines or CSV with LMArena's names or those given, "
    "aggregated counts, gzip),\n"
    "FastChat's clean_battle files, Open WebUI's feedback export and arena's own exports. Every "
    "row is checked first;\n"
    "all of them are stored, or none. The same file again adds nothing: a row is known by its id, "
    "or where the file has\n"
    "none by the file's digest and its row number, so that equal rows are separate votes.\n\n"
    "  FILE                  - is standard input\n"
    "  --columns A,B,WINNER  the columns of the two models and the outcome: model_a, model_b, tie, "
    "both_bad, or the\n"
    "                        name of the A or B column\n"
    "  --id COLUMN           the vote's id; LMArena's id and question_id by default, none with "
    "--columns\n"
    "  --voter COLUMN        who voted\n"
    "  --prompt COLUMN       what was asked\n"
    "  --data DIR            the data directory, created where it is missing; ./arena-data by "
    "default\n",
    run};
