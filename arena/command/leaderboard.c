/* `arena leaderboard`: the stored arena's board, fitted when called. */
#include "command/command.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"
#include "board/aside.h"
#include "board/leaderboard.h"
#include "board/render.h"
#include "board/select.h"
#include "board/stored.h"
#include "command/leaderboard_voters.h"
#include "command/settings.h"
#include "store/store.h"
#include "store/votes.h"

static const char *const FORMATS[] = {"table", "json", "csv", "md", "html", NULL};
static const char *const METHODS[] = {"bt", "elo", NULL};
static const char *const JUDGES[] = {"human", "model", "any", NULL};

struct wish {
    const char *data, *config, *category, *output;
    int format, method, judge; /* judge -1: not said */
    int64_t min_votes;         /* -1: as configured */
    int64_t daily_votes;
    bool style, weighted, voters;
    struct reliability reliability;
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
    return (render(text, board, (enum render_format)wish->format, columns_of_terminal()) &&
            (wish->format != RENDER_JSON || aside_append(text, votes, &wish->reliability))) ||
           err_set(err, ERR_MEMORY, "out of memory");
}

static bool show(const struct wish *wish, const struct stored_votes *votes, struct err *err)
{
    struct leaderboard_options options;
    struct leaderboard_votes input = stored_votes_input(votes);
    struct buf text;
    leaderboard_options_init(&options);
    options.method = wish->method ? LEADERBOARD_ELO : LEADERBOARD_BT;
    options.style = wish->style;
    options.weighted = wish->weighted;
    options.detail = !wish->voters;
    options.category = wish->category;
    options.min_votes = (uint64_t)wish->min_votes;
    struct leaderboard *board = leaderboard_fit(&input, &options, err);
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

/* Model judges' votes are not mixed into people's unasked. */
static bool choose_judge(struct db *db, const struct wish *wish, int *judge, struct err *err)
{
    static const int KINDS[] = {JUDGE_HUMAN, JUDGE_MODEL, -1};
    bool kinds[2], ok = wish->judge >= 0 || votes_judge_kinds(db, kinds, err);
    if (ok && wish->judge >= 0)
        *judge = KINDS[wish->judge];
    else if (ok)
        *judge = kinds[JUDGE_HUMAN] && kinds[JUDGE_MODEL] ? JUDGE_HUMAN : -1;
    if (ok && wish->judge < 0 && *judge == JUDGE_HUMAN)
        fprintf(stderr, "arena leaderboard: people's votes alone; models have judged here too "
                        "(--judge model, any)\n");
    return ok;
}

static bool load_and_show(struct wish *wish, struct err *err)
{
    struct settings settings;
    if (!settings_load(&settings, wish->config, wish->data, err))
        return false;
    if (wish->min_votes < 0)
        wish->min_votes = settings.min_votes;
    wish->daily_votes = settings.daily_votes;
    settings_done(&settings);
    struct db *db = store_read_open(wish->data, err);
    if (!db)
        return false;
    struct stored_filter filter = {.category = wish->category,
                                   .judge = -1,
                                   .style = wish->style,
                                   .weighted = wish->weighted,
                                   .daily_votes = wish->daily_votes,
                                   .catalogue = wish->format == RENDER_JSON};
    struct stored_votes *votes =
        choose_judge(db, wish, &filter.judge, err) ? stored_votes_load(db, &filter, err) : NULL;
    bool ok = votes && is_known(wish->category, votes, err) &&
              reliability_refresh(&wish->reliability, db, err) && show(wish, votes, err);
    db_close(db);
    reliability_done(&wish->reliability);
    stored_votes_free(votes);
    return ok;
}

static int run(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct wish wish = {.data = "arena-data", .min_votes = -1, .judge = -1};
    int positional;
    const struct option_spec specs[] = {{"data", OPTION_TEXT, &wish.data, NULL, 0, 0},
                                        {"config", OPTION_TEXT, &wish.config, NULL, 0, 0},
                                        {"category", OPTION_TEXT, &wish.category, NULL, 0, 0},
                                        {"method", OPTION_CHOICE, &wish.method, METHODS, 0, 0},
                                        {"style", OPTION_FLAG, &wish.style, NULL, 0, 0},
                                        {"weighted", OPTION_FLAG, &wish.weighted, NULL, 0, 0},
                                        {"voters", OPTION_FLAG, &wish.voters, NULL, 0, 0},
                                        {"min-votes", OPTION_INT, &wish.min_votes, NULL, 0, 1e9},
                                        {"judge", OPTION_CHOICE, &wish.judge, JUDGES, 0, 0},
                                        {"format", OPTION_CHOICE, &wish.format, FORMATS, 0, 0},
                                        {"output", OPTION_TEXT, &wish.output, NULL, 0, 0},
                                        {NULL, OPTION_FLAG, NULL, NULL, 0, 0}};
    if (!options_read(&command_leaderboard, argc, argv, specs, &positional, 0))
        return EXIT_USAGE;
    if (wish.voters && wish.format != RENDER_TABLE && wish.format != RENDER_JSON) {
        fprintf(stderr, "arena leaderboard: --voters is a table or json\n");
        return EXIT_USAGE;
    }
    return load_and_show(&wish, &err) ? EXIT_OK : command_fail(&command_leaderboard, &err);
}

const struct command command_leaderboard = {
    "leaderboard", "the stored arena's board",
    "Usage: arena leaderboard [--data DIR] [--category C] [--method bt|elo] [--style] "
    "[--weighted]\n"
    "                         [--min-votes N] [--judge human|model|any] [--voters]\n"
    "                         [--format table|json|csv|md|html] [--output FILE]\n\n"
    "Fits the stored votes and prints the board: ratings with intervals, rank ranges, and the "
    "models that cannot be\n"
    "ranked yet with what is missing. Works while the arena is being served. html is one "
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
    "  --judge KIND     whose votes; people's by default where models have judged too\n"
    "  --output FILE    write there instead of standard output\n",
    run};
