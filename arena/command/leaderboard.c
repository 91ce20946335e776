/* `arena leaderboard`: the stored arena's board, fitted when called. */
#include "command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "board/aside.h"
#include "board/published.h"
#include "board/render.h"
#include "board/select.h"
#include "command/leaderboard_publish.h"
#include "command/leaderboard_voters.h"
#include "command/settings.h"
#include "store/exclusions.h"
#include "store/store.h"
#include "store/votes.h"

static const char *const FORMATS[] = {"table", "json", "csv", "md", "html", NULL};
static const char *const METHODS[] = {"bt", "elo", NULL};
static const char *const JUDGES[] = {"human", "model", "any", NULL};
static const char *const VOIDS[] = {"none", "losses", NULL};

struct wish {
    const char *data, *config, *category, *output, *note;
    const char *without;              /* voters, commas between them; NULL: none */
    int format, method, voids, judge; /* judge -1: not said */
    int64_t min_votes;                /* -1: as configured */
    int64_t daily_votes, without_fast;
    bool style, weighted, voters, without_staff, without_recognised;
    struct published published; /* what the board is of */
    struct aside aside;
};

static int columns_of_terminal(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static bool write_out(const struct wish *wish, const struct buf *text, struct err *err)
{
    if (wish->output)
        return file_write(wish->output, buf_text(text), 0644, err);
    if (fwrite(text->data, 1, text->length, stdout) == text->length && fflush(stdout) == 0)
        return true;
    return err_set(err, ERR_IO, "cannot write to standard output");
}

static bool draw(struct buf *text, const struct wish *wish, const struct stored_votes *votes,
                 const struct leaderboard *board, struct err *err)
{
    if (wish->voters)
        return leaderboard_voters(text, votes, board, wish->format == RENDER_JSON, err);
    struct buf filter;
    buf_init(&filter, LIMIT_BODY_BYTES);
    bool ok = render(text, board, (enum render_format)wish->format, columns_of_terminal()) &&
              published_write(&wish->published, &filter) &&
              (wish->format != RENDER_JSON ||
               aside_append(text, &wish->aside, votes, NULL, buf_text(&filter))) &&
              aside_draw(text, &wish->aside, votes->models, (enum render_format)wish->format);
    buf_done(&filter);
    return ok || err_set(err, ERR_MEMORY, "out of memory");
}

static bool show(const struct wish *wish, const struct stored_votes *votes, struct err *err)
{
    struct leaderboard_options options;
    struct buf text;
    leaderboard_options_init(&options);
    options.method = wish->method ? LEADERBOARD_ELO : LEADERBOARD_BT;
    options.style = wish->style;
    options.weighted = wish->weighted;
    options.detail = !wish->voters;
    options.category = wish->category;
    options.min_votes = (uint64_t)wish->min_votes;
    struct leaderboard *board = published_fit_as(&options, votes, err);
    if (!board)
        return false;
    buf_init(&text, RENDER_MAX);
    bool ok = draw(&text, wish, votes, board, err) && write_out(wish, &text, err);
    buf_done(&text);
    leaderboard_free(board);
    return ok;
}

/* A page shows an empty board for a category that no vote has; whoever types one mistyped it. */
static bool is_known(const char *category, const struct stored_votes *votes, struct err *err)
{
    return votes->votes || !category || select_known(category) || select_unknown(category, err);
}

/* The judges that were asked for, or stored_judge's. */
static bool choose_judge(struct db *db, const struct wish *wish, int *judge, struct err *err)
{
    static const int KINDS[] = {JUDGE_HUMAN, JUDGE_MODEL, PUBLISHED_JUDGE_ANY};
    bool kinds[2];
    if (wish->judge >= 0) {
        *judge = KINDS[wish->judge];
        return true;
    }
    if (!votes_judge_kinds(db, kinds, err) || !stored_judge(db, NULL, judge, err))
        return false;
    if (*judge == JUDGE_MODEL || kinds[JUDGE_MODEL])
        fprintf(stderr, *judge == JUDGE_MODEL
                            ? "arena leaderboard: models' votes: no person has voted here\n"
                            : "arena leaderboard: people's votes alone; models have judged here "
                              "too (--judge model, any)\n");
    return true;
}

/* A voter is named by its number, as --voters prints it, or by its id. */
static bool find_voter(struct db *db, const char *voter, struct wish *wish, struct err *err)
{
    char *end;
    int64_t number = strtoll(voter, &end, 10);
    if (wish->published.voters == PUBLISHED_VOTERS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "--without-voter takes at most %d voters",
                       PUBLISHED_VOTERS_MAX);
    if ((*end || number <= 0) && !exclusions_voter(db, voter, &number, err))
        return false;
    wish->published.voter[wish->published.voters++] = number;
    return true;
}

static bool find_without(struct db *db, struct wish *wish, struct err *err)
{
    char *list = wish->without ? strdup(wish->without) : NULL, *rest = list, *voter;
    bool ok = !wish->without || list || err_set(err, ERR_MEMORY, "out of memory");
    while (ok && (voter = strsep(&rest, ",")) != NULL)
        ok = find_voter(db, voter, wish, err);
    free(list);
    return ok;
}

/* Whoever looks at all voters sees the excluded ones too. */
static bool make_filter(struct db *db, struct wish *wish, struct stored_filter *filter,
                        struct err *err)
{
    struct published *published = &wish->published;
    *published = (struct published){.elo = wish->method != 0,
                                    .style = wish->style,
                                    .losses = wish->voids != 0,
                                    .without_recognised = wish->without_recognised,
                                    .without_staff = wish->without_staff,
                                    .fast_ms = wish->without_fast,
                                    .min_votes = wish->min_votes,
                                    .daily_votes = wish->daily_votes};
    const char *category = wish->category ? wish->category : "overall";
    if (strlen(category) > LIMIT_NAME_BYTES)
        return select_unknown("so long a name", err);
    memcpy(published->category, category, strlen(category) + 1);
    if (!choose_judge(db, wish, &published->judge, err) || !find_without(db, wish, err))
        return false;
    published_filter(published, filter);
    filter->marks = STORED_MARKS_NOW;
    filter->weighted = wish->weighted;
    filter->catalogue = wish->format == RENDER_JSON;
    if (wish->voters)
        filter->marks.exclusions = 0;
    return true;
}

static bool load_and_show(struct wish *wish, struct err *err)
{
    struct settings settings;
    struct stored_filter filter;
    if (!settings_load(&settings, wish->config, wish->data, err))
        return false;
    if (wish->min_votes < 0)
        wish->min_votes = settings.min_votes;
    wish->daily_votes = settings.daily_votes;
    settings_done(&settings);
    struct db *db = store_read_open(wish->data, err);
    if (!db)
        return false;
    aside_init(&wish->aside);
    struct stored_votes *votes =
        make_filter(db, wish, &filter, err) ? stored_votes_load(db, &filter, err) : NULL;
    if (votes) {
        wish->published.marks = votes->marks;
        wish->published.versions = votes->last_version;
    }
    bool ok = votes && is_known(wish->category, votes, err) &&
              aside_refresh(&wish->aside, db, err) && show(wish, votes, err);
    db_close(db);
    aside_done(&wish->aside);
    stored_votes_free(votes);
    return ok;
}

/* What cannot be read off one option alone. */
static bool makes_sense(const struct wish *wish)
{
    const char *why = NULL;
    if (wish->voters && wish->format != RENDER_TABLE && wish->format != RENDER_JSON)
        why = "--voters is a table or json";
    if (wish->method && wish->voids)
        why = "elo goes vote by vote: leave --voids losses to --method bt";
    if (wish->note)
        why = "--note is for publish";
    if (why)
        fprintf(stderr, "arena leaderboard: %s\n", why);
    return !why;
}

static int run_publish(const char *act, const struct wish *wish)
{
    struct err err = ERR_INIT;
    if (strcmp(act, "publish") != 0) {
        fprintf(stderr, "arena leaderboard: \"%.40s\" is not known; it is publish, or nothing\n",
                act);
        return EXIT_USAGE;
    }
    return leaderboard_publish(wish->data, wish->note ? wish->note : "", &err)
               ? EXIT_OK
               : command_fail(&command_leaderboard, &err);
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct wish wish = {.data = "arena-data", .min_votes = -1, .judge = -1};
    int positional;
    const struct option_spec specs[] = {
        {"data", OPTION_TEXT, &wish.data, NULL, 0, 0},
        {"config", OPTION_TEXT, &wish.config, NULL, 0, 0},
        {"category", OPTION_TEXT, &wish.category, NULL, 0, 0},
        {"method", OPTION_CHOICE, &wish.method, METHODS, 0, 0},
        {"style", OPTION_FLAG, &wish.style, NULL, 0, 0},
        {"weighted", OPTION_FLAG, &wish.weighted, NULL, 0, 0},
        {"voters", OPTION_FLAG, &wish.voters, NULL, 0, 0},
        {"min-votes", OPTION_INT, &wish.min_votes, NULL, 0, 1e9},
        {"voids", OPTION_CHOICE, &wish.voids, VOIDS, 0, 0},
        {"without-voter", OPTION_TEXT, &wish.without, NULL, 0, 0},
        {"without-fast", OPTION_INT, &wish.without_fast, NULL, 0, 3600000},
        {"without-staff", OPTION_FLAG, &wish.without_staff, NULL, 0, 0},
        {"without-recognised", OPTION_FLAG, &wish.without_recognised, NULL, 0, 0},
        {"judge", OPTION_CHOICE, &wish.judge, JUDGES, 0, 0},
        {"format", OPTION_CHOICE, &wish.format, FORMATS, 0, 0},
        {"output", OPTION_OUTPUT, &wish.output, NULL, 0, 0},
        {"note", OPTION_TEXT, &wish.note, NULL, 0, 0},
        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_leaderboard, argc, argv, specs, &positional, 1))
        return EXIT_USAGE;
    if (positional)
        return run_publish(argv[1], &wish);
    if (!makes_sense(&wish))
        return EXIT_USAGE;
    return load_and_show(&wish, &err) ? EXIT_OK : command_fail(&command_leaderboard, &err);
}

const struct command command_leaderboard = {
    "leaderboard", "the stored arena's board",
    "Usage: arena leaderboard [--data DIR] [--category C] [--method bt|elo] [--style] "
    "[--weighted]\n"
    "                         [--min-votes N] [--judge human|model|any] [--voids none|losses]\n"
    "                         [--without-voter ID,…] [--without-fast MS] [--without-staff] "
    "[--without-recognised]\n"
    "                         [--voters]\n"
    "                         [--format table|json|csv|md|html] [--output FILE]\n"
    "       arena leaderboard publish [--note TEXT] [--data DIR]\n\n"
    "Fits the stored votes and prints the board: ratings with intervals, rank ranges, and the "
    "models that cannot be\n"
    "ranked yet with what is missing; beneath it how often each model failed or refused, and who "
    "tags "
    "categories, with\nits agreement with people. Works while the arena is being served. html is "
    "one "
    "self-contained page.\n\n"
    "  --data DIR       the data directory; ./arena-data by default\n"
    "  --category C     only votes of one category (coding, math, multiturn, …); all by default\n"
    "  --method bt|elo  Bradley-Terry (default) or online Elo\n"
    "  --style          control for length and Markdown\n"
    "  --weighted       each vote by the inverse of the probability its pair was drawn with, as if "
    "all pairs had been\n"
    "                   drawn alike\n"
    "  --voters         instead of the board, whether each voter votes like somebody who reads "
    "(table or json)\n"
    "  --min-votes N    fewer votes, and a model is not ranked; as configured by default\n"
    "  --judge KIND     whose votes; people's by default, models' where nobody else has judged\n"
    "  --voids losses   who failed to answer (void battles, and those it was swapped out of) has "
    "lost\n"
    "  --without-voter ID,…   leave out voters: numbers as --voters prints them, or ids. arena "
    "voters "
    "keeps a list that\n"
    "                   every board leaves out\n"
    "  --without-fast MS    leave out people's votes after a shorter look at an answer\n"
    "  --without-staff  leave out staff's votes\n"
    "  --without-recognised  leave out votes whose voters said that they recognised a model\n"
    "  --output FILE    write there instead of standard output\n\n"
    "publish makes the boards as they are now the ones that voters see; where the auth mode is not "
    "local, live figures\n"
    "are for analysts and administrators. It stands in the audit log, with --note's text beside "
    "it.\n",
    run};
