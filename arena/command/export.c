/* `arena export`: battles, votes, preference pairs or the board, as JSON lines or CSV. */
#include "command/command.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "board/leaderboard.h"
#include "board/render.h"
#include "board/stored.h"
#include "command/settings.h"
#include "eval/export.h"
#include "store/store.h"

enum { OUTPUT_BYTES = 256 << 10 }; /* a write of the export */
enum { WHAT_BATTLES, WHAT_VOTES, WHAT_PREFERENCES, WHAT_LEADERBOARD };
static const char *const WHATS[] = {"battles", "votes", "preferences", "leaderboard", NULL};
/* A CSV file says what its columns are also where nothing is in it; by form where that differs. */
static const char *const COLUMNS[][2] = {
    {"id,model_a,model_b,winner,conversation_a,conversation_b,full_conversation,language,category,"
     "is_code,is_refusal,category_tag,dedup_tag,evaluation_session_id,evaluation_order,"
     "conv_metadata,turn,anony,timestamp,judge_hash,judge_kind,counted,vote_timestamp,"
     "vote_delay_ms,dwell_ms,cohort,reasons,comment,guess,state,source,mode,void_code,campaign_id,"
     "consent_scope,pair_propensity,side_propensity,leak_flag,ttft_ms_a,dur_ms_a,finish_reason_a,"
     "error_a,input_tokens_a,output_tokens_a,cost_usd_a,attempts_a,model_version_a,ttft_ms_b,"
     "dur_ms_b,finish_reason_b,error_b,input_tokens_b,output_tokens_b,cost_usd_b,attempts_b,"
     "model_version_b"},
    {"id,model_a,model_b,winner,judge_hash,prompt_id,turn,anony,language,category,is_code,"
     "is_refusal,category_tag,dedup_tag,evaluation_session_id,evaluation_order,conv_metadata,"
     "timestamp,judge_kind,counted,source,campaign_id,cohort,pair_propensity,vote_delay_ms,"
     "dwell_ms,recognised,model_version_a,model_version_b"},
    {"prompt,chosen,rejected,id,chosen_model,rejected_model,judge_kind,timestamp",
     "prompt,completion,label,model,id,judge_kind,timestamp"},
    {"rank,rank_lower,rank_upper,model,rating,rating_lower,rating_upper,standard_error,votes,wins,"
     "losses,ties,both_bad,reason"}};
static const char *const FORMATS[] = {"jsonl", "csv", NULL};
static const char *const JUDGES[] = {"human", "model", "any", NULL};
static const char *const SCOPES[] = {"none", "inside", "export", "publish", NULL};
static const char *const FORMS[] = {"dpo", "kto", NULL};

#define PART ".part-" /* of the file that is being written; then its process */

struct wish {
    const char *data, *config, *output, *from, *to;
    int what, format, judge, form, scope;
    struct export_options options;
};

static void show_progress(void *user, uint64_t rows)
{
    (void)user;
    fprintf(stderr, "\rarena export: %" PRIu64 " rows", rows);
}

/* --- the board --- */

static void put_model(struct table *table, const struct leaderboard_model *model,
                      const struct leaderboard_unranked *other)
{
    const struct tally_record *record = model ? &model->record : &other->record;
    table_begin(table);
    table_known(table, "rank", model ? (int64_t)model->rank : -1);
    table_known(table, "rank_lower", model ? (int64_t)model->rank_lower : -1);
    table_known(table, "rank_upper", model ? (int64_t)model->rank_upper : -1);
    table_string(table, "model", model ? model->name : other->name);
    table_real(table, "rating", model ? model->rating : NAN);
    table_real(table, "rating_lower", model ? model->rating_lower : NAN);
    table_real(table, "rating_upper", model ? model->rating_upper : NAN);
    table_real(table, "standard_error", model ? model->standard_error : NAN);
    table_int(table, "votes", (int64_t)record->votes);
    table_int(table, "wins", (int64_t)record->wins);
    table_int(table, "losses", (int64_t)record->losses);
    table_int(table, "ties", (int64_t)record->ties);
    table_int(table, "both_bad", (int64_t)record->both_bad);
    table_string(table, "reason", model ? NULL : other->reason);
}

static struct leaderboard *fit_board(struct db *db, const struct wish *wish,
                                     struct stored_votes **votes, struct err *err)
{
    struct stored_filter filter = {.category = wish->options.category,
                                   .judge = wish->options.judge,
                                   .daily_votes = wish->options.daily_votes,
                                   .marks = STORED_MARKS_NOW};
    struct leaderboard_options options;
    struct settings settings;
    if (!settings_load(&settings, wish->config, wish->data, err))
        return NULL;
    leaderboard_options_init(&options);
    options.category = filter.category;
    options.min_votes = (uint64_t)settings.min_votes;
    settings_done(&settings);
    *votes = stored_votes_load(db, &filter, err);
    if (!*votes)
        return NULL;
    struct leaderboard_votes input = stored_votes_input(*votes);
    return leaderboard_fit(&input, &options, err);
}

static bool export_board(struct db *db, const struct wish *wish, struct table *table,
                         struct export_report *report, struct err *err)
{
    struct stored_votes *votes = NULL;
    struct leaderboard *board = fit_board(db, wish, &votes, err);
    bool read = board != NULL, ok = read;
    for (size_t k = 0; ok && k < board->model_count; k++, report->rows++) {
        put_model(table, &board->models[k], NULL);
        ok = table_end(table);
    }
    for (size_t k = 0; ok && k < board->unranked_count; k++, report->rows++) {
        put_model(table, NULL, &board->unranked[k]);
        ok = table_end(table);
    }
    leaderboard_free(board);
    stored_votes_free(votes);
    return read;
}

/* --- what is left out --- */

static void tell(uint64_t count, const char *what)
{
    if (count)
        fprintf(stderr, "arena export: %" PRIu64 " %s\n", count, what);
}

static void tell_report(const struct wish *wish, const struct export_report *report)
{
    fprintf(stderr, "arena export: %" PRIu64 " row%s\n", report->rows,
            report->rows == 1 ? "" : "s");
    bool pairs = wish->what == WHAT_PREFERENCES;
    tell(report->self, "votes on a version against itself left out (--all)");
    tell(report->not_counted,
         "votes left out: beyond the day's number of their voter, or of an excluded one (--all)");
    tell(report->kept_private, "battles left out: their voters keep them private");
    tell(report->without_consent,
         pairs ? "pairs left out: no consent of the voter (--consent)"
               : "battles without their texts: no consent of the voter (--consent)");
    tell(report->held_back, pairs ? "pairs held back: personal data in them (arena review)"
                                  : "battles without their texts: personal data in them "
                                    "(arena review)");
    tell(report->unread, "written before the model that looks for personal data has seen them");
    tell(report->may_not_train,
         "pairs left out: \"outputs_may_train\" is not true for both competitors");
    tell(report->ties,
         wish->form ? "ties left out: no label" : "ties and both-bad left out: nothing is chosen");
    tell(report->several_turns,
         "pairs left out: more than one turn, so the sides answered different conversations");
    tell(report->no_text, "pairs left out: no text is stored");
}

/* --- options --- */

static bool read_day(const char *text, int64_t *ms, struct err *err)
{
    struct tm tm = {0};
    if (!text)
        return true;
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (!end || *end)
        return err_set(err, ERR_BAD_REQUEST, "\"%.40s\" is no day (YYYY-MM-DD)", text);
    *ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

/* Model judges' votes are not mixed into people's unasked, as on the board. */
static bool choose_judge(struct db *db, struct wish *wish, struct err *err)
{
    static const int KINDS[] = {JUDGE_HUMAN, JUDGE_MODEL, -1};
    bool kinds[2];
    if (wish->judge >= 0) {
        wish->options.judge = KINDS[wish->judge];
        return true;
    }
    bool ok = votes_judge_kinds(db, kinds, err);
    wish->options.judge =
        ok && kinds[JUDGE_HUMAN] && kinds[JUDGE_MODEL] && wish->what != WHAT_BATTLES ? JUDGE_HUMAN
                                                                                     : -1;
    return ok;
}

static bool choose(struct db *db, struct wish *wish, struct err *err)
{
    struct settings settings;
    bool own;
    wish->options.scope = (enum consent_scope)wish->scope;
    wish->options.kto = wish->form == 1;
    if (!read_day(wish->from, &wish->options.from_ms, err) ||
        !read_day(wish->to, &wish->options.to_ms, err) || !choose_judge(db, wish, err) ||
        !battles_are_own(db, &own, err) || !settings_load(&settings, wish->config, wish->data, err))
        return false;
    wish->options.own = own && settings.auth.mode == AUTH_LOCAL;
    wish->options.daily_votes = settings.daily_votes;
    settings_done(&settings);
    return true;
}

static bool write_rows(struct db *db, struct wish *wish, FILE *out, struct export_report *report,
                       struct err *err)
{
    struct table table;
    setvbuf(out, NULL, _IOFBF, OUTPUT_BYTES);
    table_init(&table, out, (enum table_format)wish->format);
    table.columns = COLUMNS[wish->what][wish->what == WHAT_PREFERENCES && wish->form == 1];
    bool ok = wish->what == WHAT_VOTES     ? export_votes(db, &wish->options, &table, report, err)
              : wish->what == WHAT_BATTLES ? export_battles(db, &wish->options, &table, report, err)
              : wish->what == WHAT_PREFERENCES
                  ? export_preferences(db, &wish->options, &table, report, err)
                  : export_board(db, wish, &table, report, err);
    if (!ok)
        table.columns = NULL;
    return table_finish(&table, ok ? err : NULL) && ok;
}

static bool write_to(struct db *db, struct wish *wish, const char *path, const char *mode,
                     struct export_report *report, struct err *err)
{
    FILE *out = fopen(path, mode);
    if (!out)
        return err_sys(err, ERR_IO, errno, "cannot create %s", path);
    bool ok = write_rows(db, wish, out, report, err);
    if (fsync(fileno(out)) != 0 && errno != EINVAL && errno != ENOTSUP && ok)
        ok = err_sys(err, ERR_IO, errno, "cannot write %s", path);
    if (fclose(out) != 0 && ok)
        ok = err_sys(err, ERR_IO, errno, "cannot write %s", path);
    return ok;
}

/* Takes away what exports to this file left that were killed: theirs are named by their process. */
static void clear_left(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./"), *end;
    DIR *dir = folder ? opendir(folder) : NULL;
    size_t length = strlen(name);
    for (const struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        const char *rest = entry->d_name + length;
        if (strncmp(entry->d_name, name, length) != 0 || strncmp(rest, PART, sizeof PART - 1) != 0)
            continue;
        long process = strtol(rest + sizeof PART - 1, &end, 10);
        if (process > 0 && !*end && kill((pid_t)process, 0) != 0 && errno == ESRCH)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    free(folder);
}

/* Beside the file, then in its place: whoever reads it sees all of it or the one before. */
static bool replace_file(struct db *db, struct wish *wish, const char *path,
                         struct export_report *report, struct err *err)
{
    char *temporary = NULL;
    clear_left(path);
    if (asprintf(&temporary, "%s" PART "%d", path, (int)getpid()) < 0)
        return err_set(err, ERR_MEMORY, "out of memory");
    bool ok = write_to(db, wish, temporary, "wx", report, err);
    if (ok && rename(temporary, path) != 0)
        ok = err_sys(err, ERR_IO, errno, "cannot write %s", path);
    if (!ok)
        unlink(temporary);
    free(temporary);
    return ok;
}

static bool write_file(struct db *db, struct wish *wish, struct export_report *report,
                       struct err *err)
{
    bool stays;
    char *target = file_target(wish->output, &stays);
    if (!target)
        return err_set(err, ERR_MEMORY, "out of memory");
    bool ok = stays ? write_to(db, wish, wish->output, "w", report, err)
                    : replace_file(db, wish, target, report, err);
    free(target);
    return ok;
}

static bool export(struct wish *wish, struct err *err)
{
    struct export_report report = {0};
    struct db *db = store_read_open(wish->data, err);
    bool ok = db && choose(db, wish, err) &&
              (wish->output ? write_file(db, wish, &report, err)
                            : write_rows(db, wish, stdout, &report, err));
    db_close(db);
    if (wish->options.progress)
        fprintf(stderr, "\r\033[K");
    if (ok)
        tell_report(wish, &report);
    return ok;
}

static bool find_what(const char *word, int *what)
{
    for (*what = 0; word && WHATS[*what]; ++*what)
        if (strcmp(WHATS[*what], word) == 0)
            return true;
    return false;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct wish wish = {.data = "arena-data", .judge = -1, .scope = CONSENT_EXPORT};
    int positional;
    const struct option_spec specs[] = {
        {"data", OPTION_TEXT, &wish.data, NULL, 0, 0},
        {"config", OPTION_TEXT, &wish.config, NULL, 0, 0},
        {"format", OPTION_CHOICE, &wish.format, FORMATS, 0, 0},
        {"output", OPTION_OUTPUT, &wish.output, NULL, 0, 0},
        {"category", OPTION_TEXT, &wish.options.category, NULL, 0, 0},
        {"model", OPTION_TEXT, &wish.options.model, NULL, 0, 0},
        {"campaign", OPTION_TEXT, &wish.options.campaign, NULL, 0, 0},
        {"from", OPTION_TEXT, &wish.from, NULL, 0, 0},
        {"to", OPTION_TEXT, &wish.to, NULL, 0, 0},
        {"judge", OPTION_CHOICE, &wish.judge, JUDGES, 0, 0},
        {"consent", OPTION_CHOICE, &wish.scope, SCOPES, 0, 0},
        {"form", OPTION_CHOICE, &wish.form, FORMS, 0, 0},
        {"all", OPTION_FLAG, &wish.options.all, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_export, argc, argv, specs, &positional, 1))
        return EXIT_USAGE;
    if (positional != 1 || !find_what(argv[1], &wish.what)) {
        fprintf(stderr, "arena export: say what: battles, votes, preferences or leaderboard\nTry: "
                        "arena help export\n");
        return EXIT_USAGE;
    }
    wish.options.progress = isatty(STDERR_FILENO) ? show_progress : NULL;
    return export(&wish, &err) ? EXIT_OK : command_fail(&command_export, &err);
}

const struct command command_export = {
    "export", "battles, votes, preference pairs or the board, out",
    "Usage: arena export battles|votes|preferences|leaderboard [--data DIR] [--format jsonl|csv] "
    "[--output FILE]\n"
    "                    [--category C] [--model NAME] [--campaign ID] [--from DAY] [--to DAY]\n"
    "                    [--judge human|model|any] [--consent none|inside|export|publish] [--form "
    "dpo|kto] [--all]\n\n"
    "Writes JSON lines or CSV with the field names of LMArena's published votes and arena's own "
    "beside them. Works\n"
    "while the arena is being served. What is left out is counted on stderr.\n\n"
    "  battles       every battle with its conversations, vote, timing, tokens and cost\n"
    "  votes         every vote that counts, without text; voters and prompts are opaque ids. "
    "`arena rank` of this\n"
    "                file is the board\n"
    "  preferences   prompt, chosen, rejected of every decided vote (ties give no pair); with "
    "--form kto prompt,\n"
    "                completion, label (both-bad gives two false ones). Only where both "
    "competitors have\n"
    "                \"outputs_may_train\": true and the voter agreed\n"
    "  leaderboard   the board, a model a row\n\n"
    "  --output FILE  write there instead of standard output; the file appears when it is "
    "complete\n"
    "                 (killed, an export leaves FILE.part-PROCESS, which the next one to FILE "
    "takes "
    "away)\n"
    "  --from, --to   days (YYYY-MM-DD, UTC); the second is not included\n"
    "  --judge KIND   whose votes; people's where the store holds model judges' too (battles: "
    "any)\n"
    "  --consent S    the least a voter must have agreed to, for texts to go out; export by "
    "default. In a local arena\n"
    "                 where nobody was invited the voter is you\n"
    "  --all          votes: those that do not count too, with the reason\n",
    run};
