/* arena rank: the leaderboard of any vote file, with no server and no data directory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "board/leaderboard.h"
#include "board/render.h"
#include "board/style.h"
#include "board/votefile.h"
#include "command/command.h"
#include "rating/bootstrap.h"

struct request {
    struct votefile_options file;
    struct leaderboard_options board;
    int method, interval, ties, format, compatible; /* choices */
    const char *columns, *anchor, *filter, *category, *weight, *output;
    char *category_words; /* of every --category, cut up */
    char *column_words;   /* `columns`, cut up */
    char *anchor_name;
    int64_t rounds, seed, min_votes, threads, daily_cap;
    bool reweighted, style, position, simultaneous, detail;
};

static const char *const METHODS[] = {"bt", "elo", NULL};
static const char *const INTERVALS[] = {"auto", "sandwich", "clustered", "bootstrap", NULL};
static const char *const TIES[] = {"half", "davidson", "rao-kupper", "grounded", NULL};
static const char *const FORMATS[] = {"table", "json", "csv", "md", "html", NULL};
static const char *const PEERS[] = {"none", "arena-rank", NULL};

static void request_init(struct request *request)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *request = (struct request){.rounds = 100,
                                .seed = 42,
                                .threads = cores < 1   ? 1
                                           : cores > 8 ? 8
                                                       : cores};
    leaderboard_options_init(&request->board);
}

static void request_done(struct request *request)
{
    free(request->column_words);
    free(request->category_words);
    free(request->anchor_name);
}

/* --columns A,B,WINNER: three names, none empty. */
static bool read_columns(struct request *request, struct err *err)
{
    if (!request->columns)
        return true;
    char *rest = request->column_words = strdup(request->columns);
    if (!rest)
        return err_set(err, ERR_MEMORY, "no memory");
    for (int k = 0; k < 3; k++) {
        request->file.columns[k] = strsep(&rest, ",");
        if (!request->file.columns[k] || !*request->file.columns[k])
            return err_set(err, ERR_BAD_REQUEST, "--columns takes three names: A,B,WINNER");
    }
    const char *const *columns = request->file.columns;
    if (strcmp(columns[0], columns[1]) == 0 || strcmp(columns[0], columns[2]) == 0 ||
        strcmp(columns[1], columns[2]) == 0)
        return err_set(err, ERR_BAD_REQUEST, "--columns names a column twice");
    return !rest || err_set(err, ERR_BAD_REQUEST, "--columns takes three names: A,B,WINNER");
}

/* --anchor MODEL=R; the model's name may hold "=" itself. */
static bool read_anchor(struct request *request, struct err *err)
{
    if (!request->anchor)
        return true;
    request->anchor_name = strdup(request->anchor);
    char *equals = request->anchor_name ? strrchr(request->anchor_name, '=') : NULL, *end = NULL;
    if (!equals || equals == request->anchor_name || !equals[1])
        return err_set(err, ERR_BAD_REQUEST, "--anchor takes MODEL=RATING");
    *equals = '\0';
    request->board.anchor = request->anchor_name;
    request->board.anchor_rating = strtod(equals + 1, &end);
    if (*end || !(request->board.anchor_rating > -1e9 && request->board.anchor_rating < 1e9))
        return err_set(err, ERR_BAD_REQUEST, "--anchor: \"%s\" is not a rating", equals + 1);
    return true;
}

/* --weight COLUMN, or 1/COLUMN for one of probabilities, which the arena's own exports name. */
static void read_weight(struct request *request)
{
    static const char *const PROBABILITIES[] = {"pair_propensity", "sampling_prob"};
    const char *weight = request->weight;
    request->file.inverse = weight && strncmp(weight, "1/", 2) == 0;
    request->file.weight = request->file.inverse ? weight + 2 : weight;
    for (size_t k = 0; weight && k < sizeof PROBABILITIES / sizeof *PROBABILITIES; k++)
        request->file.inverse |= strcmp(weight, PROBABILITIES[k]) == 0;
}

/* The table of options keeps an option's last value; those that add up are gathered here. */
static bool gather(const char *option, int argc, char **argv, const char **values, size_t most,
                   struct err *err)
{
    size_t count = 0, length = strlen(option);
    for (int k = 1; k < argc && strcmp(argv[k], "--") != 0; k++) {
        const char *value = NULL;
        if (strncmp(argv[k], option, length) == 0 && argv[k][length] == '=')
            value = argv[k] + length + 1;
        else if (strcmp(argv[k], option) == 0 && k + 1 < argc)
            value = argv[++k];
        if (!value)
            continue;
        if (count == most)
            return err_set(err, ERR_BAD_REQUEST, "at most %zu times %s", most, option);
        values[count++] = value;
    }
    return true;
}

/* --category A,B --category C: three boards. */
static bool read_categories(struct request *request, int argc, char **argv, struct err *err)
{
    const char *given[VOTEFILE_CATEGORIES_MAX] = {NULL};
    struct buf joined;
    size_t count = 0;
    if (!gather("--category", argc, argv, given, VOTEFILE_CATEGORIES_MAX, err))
        return false;
    buf_init(&joined, 1 << 20);
    for (size_t k = 0; k < VOTEFILE_CATEGORIES_MAX && given[k]; k++)
        buf_printf(&joined, "%s%s", k ? "," : "", given[k]);
    char *rest = request->category_words = joined.length ? strdup(joined.data) : NULL;
    buf_done(&joined);
    for (char *word; given[0] && (word = strsep(&rest, ",")) != NULL;) {
        if (count == VOTEFILE_CATEGORIES_MAX)
            return err_set(err, ERR_BAD_REQUEST, "at most %d categories", VOTEFILE_CATEGORIES_MAX);
        request->file.categories[count++] = word;
    }
    return true;
}

static bool read_lists(struct request *request, int argc, char **argv, struct err *err)
{
    return gather("--filter", argc, argv, request->file.filters, VOTEFILE_FILTERS_MAX, err) &&
           read_categories(request, argc, argv, err);
}

static bool read_options(struct request *request, int argc, char **argv, int *positional)
{
    struct leaderboard_options *board = &request->board;
    const struct option_spec specs[] = {
        {"method", OPTION_CHOICE, &request->method, METHODS, 0, 0},
        {"ci", OPTION_CHOICE, &request->interval, INTERVALS, 0, 0},
        {"rounds", OPTION_INT, &request->rounds, NULL, 1, BOOTSTRAP_ROUNDS_MAX},
        {"seed", OPTION_INT, &request->seed, NULL, 0, 0},
        {"confidence", OPTION_REAL, &board->confidence, NULL, 0.5, 0.9999},
        {"style", OPTION_FLAG, &request->style, NULL, 0, 0},
        {"position", OPTION_FLAG, &request->position, NULL, 0, 0},
        {"reweighted", OPTION_FLAG, &request->reweighted, NULL, 0, 0},
        {"detail", OPTION_FLAG, &request->detail, NULL, 0, 0},
        {"simultaneous", OPTION_FLAG, &request->simultaneous, NULL, 0, 0},
        {"ties", OPTION_CHOICE, &request->ties, TIES, 0, 0},
        {"columns", OPTION_TEXT, &request->columns, NULL, 0, 0},
        {"id", OPTION_TEXT, &request->file.id, NULL, 0, 0},
        {"voter", OPTION_TEXT, &request->file.voter, NULL, 0, 0},
        {"prompt", OPTION_TEXT, &request->file.prompt, NULL, 0, 0},
        {"weight", OPTION_TEXT, &request->weight, NULL, 0, 0},
        {"time", OPTION_TEXT, &request->file.time, NULL, 0, 0},
        {"daily-cap", OPTION_INT, &request->daily_cap, NULL, 1, UINT32_MAX},
        {"min-votes", OPTION_INT, &request->min_votes, NULL, 0, 1e15},
        {"category", OPTION_TEXT, &request->category, NULL, 0, 0},
        {"filter", OPTION_TEXT, &request->filter, NULL, 0, 0},
        {"anchor", OPTION_TEXT, &request->anchor, NULL, 0, 0},
        {"k", OPTION_REAL, &board->elo_k, NULL, 1e-6, 1000},
        {"initial", OPTION_REAL, &board->initial, NULL, -1e6, 1e6},
        {"scale", OPTION_REAL, &board->scale, NULL, 1e-3, 1e6},
        {"base", OPTION_REAL, &board->base, NULL, 1.01, 1e6},
        {"lenient", OPTION_FLAG, &request->file.lenient, NULL, 0, 0},
        {"compatible", OPTION_CHOICE, &request->compatible, PEERS, 0, 0},
        {"threads", OPTION_INT, &request->threads, NULL, 1, CHUNK_THREADS_MAX},
        {"format", OPTION_CHOICE, &request->format, FORMATS, 0, 0},
        {"output", OPTION_OUTPUT, &request->output, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0},
    };
    return options_read(&command_rank, argc, argv, specs, positional, 1);
}

/* What goes together and what does not. */
static bool finish_options(struct request *request, struct err *err)
{
    struct leaderboard_options *board = &request->board;
    if (!read_columns(request, err) || !read_anchor(request, err))
        return false;
    read_weight(request);
    board->weighted = request->weight != NULL;
    board->method = (enum leaderboard_method)request->method;
    board->interval = (enum leaderboard_interval)request->interval;
    board->ties = (enum leaderboard_ties)request->ties;
    board->compatible = request->compatible != 0;
    board->reweighted = request->reweighted;
    board->style = request->style;
    board->position = request->position;
    board->simultaneous = request->simultaneous;
    board->rounds = (size_t)request->rounds;
    board->seed = (uint64_t)request->seed;
    board->min_votes = (uint64_t)request->min_votes;
    board->threads = (int)request->threads;
    board->detail = request->detail || request->format == RENDER_HTML;
    request->file.style = request->style;
    request->file.days = board->detail;
    request->file.daily_cap = (uint32_t)request->daily_cap;
    request->file.ballots = board->method == LEADERBOARD_ELO;
    request->file.threads = (int)request->threads;
    return leaderboard_options_check(board, err);
}

static void report_skipped(const struct votefile *file)
{
    uint64_t skipped = votefile_skipped(file);
    if (!skipped)
        return;
    const char *separator = ":";
    fprintf(stderr, "arena rank: skipped %" PRIu64 " of %" PRIu64 " votes", skipped, file->records);
    for (int k = 0; k < SKIPS; k++) {
        if (file->skipped[k] == 0)
            continue;
        fprintf(stderr, "%s %" PRIu64 " %s", separator, file->skipped[k],
                votefile_skip_word((enum votefile_skip)k));
        separator = ";";
    }
    fprintf(stderr, "\n");
}

static int terminal_columns(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static bool write_out(const struct request *request, const struct buf *text, struct err *err)
{
    if (request->output)
        return file_write(request->output, buf_text(text), 0644, err);
    if (fwrite(text->data, 1, text->length, stdout) != text->length || fflush(stdout) != 0)
        return err_set(err, ERR_INTERNAL, "cannot write the result to standard output");
    return true;
}

static struct leaderboard *fit_board(const struct request *request, struct votefile *file,
                                     size_t board, struct err *err)
{
    const struct ballots *ballots = votefile_ballots(file, board);
    struct leaderboard_options options = request->board;
    char note[80];
    const char *notes[2] = {NULL};
    if (votefile_tally(file, board)->votes == 0 && file->filtered) {
        snprintf(note, sizeof note, "none of %" PRIu64 " votes matches what was asked for",
                 file->records - votefile_skipped(file));
        notes[0] = note;
    }
    options.category = request->file.categories[board];
    const struct leaderboard_votes votes = {
        .tally = votefile_tally(file, board),
        .names = (const char *const *)file->names,
        .ballots = ballots->count ? ballots : NULL,
        .features = STYLE_NAMES,
        .skipped = votefile_skipped(file),
        .notes = notes,
        .capped = file->capped[board],
        .sides_unknown = file->aggregated,
        .absent_hidden = file->boards > 1,
    };
    return leaderboard_fit(&votes, &options, err);
}

static bool write_boards(const struct request *request, const struct leaderboard *const *boards,
                         size_t count, struct err *err)
{
    struct buf text;
    buf_init(&text, count * (size_t)RENDER_MAX);
    bool ok = render_boards(&text, boards, count, (enum render_format)request->format,
                            terminal_columns()) ||
              err_set(err, ERR_TOO_LARGE, "the result is longer than %zu MB", text.max >> 20);
    ok = ok && write_out(request, &text, err);
    buf_done(&text);
    return ok;
}

static bool rank_votes(const struct request *request, struct votefile *file, struct err *err)
{
    struct leaderboard *boards[VOTEFILE_CATEGORIES_MAX] = {NULL};
    bool ok = true;
    for (size_t k = 0; ok && k < file->boards; k++)
        ok = (boards[k] = fit_board(request, file, k, err)) != NULL;
    ok = ok && write_boards(request, (const struct leaderboard *const *)boards, file->boards, err);
    for (size_t k = 0; k < file->boards; k++)
        leaderboard_free(boards[k]);
    return ok;
}

static int rank_file(const struct request *request, const char *path)
{
    struct err err = ERR_INIT;
    struct votefile file = {0};
    struct chunks *chunks = chunks_open(path, &err);
    bool ok = chunks && votefile_read(&file, chunks, &request->file, &err);
    if (ok) {
        report_skipped(&file);
        ok = rank_votes(request, &file, &err);
    }
    votefile_done(&file);
    chunks_free(chunks);
    return ok ? EXIT_OK : command_fail(&command_rank, &err);
}

static int run(int argc, char **argv)
{
    struct request request;
    struct err err = ERR_INIT;
    int positional = 0, code;
    request_init(&request);
    if (!read_lists(&request, argc, argv, &err)) {
        code = command_fail(&command_rank, &err);
    } else if (!read_options(&request, argc, argv, &positional)) {
        code = EXIT_USAGE;
    } else if (positional != 1) {
        fprintf(
            stderr,
            "arena rank: which file of votes? (\"-\" is standard input)\nTry: arena help rank\n");
        code = EXIT_USAGE;
    } else if (!finish_options(&request, &err)) {
        code = command_fail(&command_rank, &err);
    } else {
        code = rank_file(&request, argv[1]);
    }
    request_done(&request);
    return code;
}

const struct command command_rank = {
    .name = "rank",
    .summary = "the leaderboard of any file of votes",
    .usage =
        "Usage: arena rank FILE|- [options]\n"
        "\n"
        "Reads JSON lines or CSV with LMArena's field names (model_a, model_b, winner), or "
        "aggregated "
        "counts\n"
        "({\"models\",\"X\",\"Y\"}); gzip too; \"-\" is standard input. Needs no server.\n"
        "\n"
        "  --method bt|elo            Bradley-Terry (default), or online Elo in the order of the "
        "file\n"
        "  --ci auto|sandwich|clustered|bootstrap\n"
        "                             intervals; auto clusters by voter and prompt where the file "
        "names "
        "them\n"
        "  --confidence P             0.95\n"
        "  --rounds N, --seed S       of the bootstrap (100, 42)\n"
        "  --simultaneous             rank ranges that hold for all pairs at once\n"
        "  --detail                   also rank and win probabilities, fragility, other ways to "
        "count ties "
        "(html has them)\n"
        "  --ties half|davidson|rao-kupper|grounded\n"
        "                             how a tie counts; grounded makes both-bad an outcome of its "
        "own\n"
        "  --style, --position        control for length and Markdown; for the side a model was "
        "shown "
        "on\n"
        "  --reweighted               each pair counts alike: a vote weighs 1/max(votes of its "
        "pair, "
        "50)\n"
        "  --anchor MODEL=R           put MODEL at R instead of the mean at 1000 (or --initial)\n"
        "  --weight COLUMN            each vote's weight; 1/COLUMN where it holds probabilities, "
        "as "
        "pair_propensity\n"
        "                             and sampling_prob always do\n"
        "  --daily-cap N              count a voter's first N votes of a day (tstamp, timestamp, "
        "or "
        "--time C)\n"
        "  --min-votes N              leave models with fewer votes unranked\n"
        "  --columns A,B,WINNER       the file's own column names; an outcome may also be A's or "
        "B's "
        "name\n"
        "  --id, --voter, --prompt C  the columns of a vote's id, its voter, its prompt\n"
        "  --category C,…             a category by LMArena's name (math, coding, hard_prompts, "
        "english, …);\n"
        "                             several give a board each, from one pass\n"
        "  --filter FIELD=VALUE       also !=, >=, <=, >, <; may be given several times\n"
        "  --initial R, --scale S, --base B\n"
        "                             a rating is R + S log_B(odds), odds against the mean (1000, "
        "400, 10)\n"
        "  --k K                      of Elo (4)\n"
        "  --lenient                  skip and count records that are refused otherwise\n"
        "  --compatible arena-rank    its objective and standard errors exactly\n"
        "  --threads N                default: one a core, at most 8\n"
        "  --format table|json|csv|md|html, --output FILE\n"
        "\n"
        "Exit: 0 done, 1 failed, 2 usage or bad input.\n",
    .run = run,
};
