/* For the operator alone: voters stand here by the number that the store gave them, and nowhere
 * on a page. A flag says who to look at; the operator decides. */
#include "command/leaderboard_voters.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "rating/voter_check.h"

#define POINTS (400 / M_LN10) /* rating points of a strength of 1 */

struct checked {
    struct voter_check check;
    int64_t number;
};

static double *strengths_of(const struct stored_votes *votes, const struct leaderboard *board)
{
    double *theta = malloc((votes->models + 1) * sizeof *theta);
    for (size_t k = 0; theta && k < votes->models; k++)
        theta[k] = NAN;
    for (size_t k = 0; theta && k < board->model_count; k++)
        theta[board->models[k].model] = (board->models[k].rating - 1000) / POINTS;
    return theta;
}

static int most_suspicious_first(const void *a, const void *b)
{
    const struct checked *one = a, *other = b;
    if (one->check.p != other->check.p)
        return one->check.p < other->check.p ? -1 : 1;
    return (one->number > other->number) - (one->number < other->number);
}

/* Those with enough votes, in order. Returns new (free), or NULL. */
static struct checked *check_all(const struct stored_votes *votes, const struct leaderboard *board,
                                 size_t *count, struct err *err)
{
    size_t voters = votes->ballots.voters;
    struct checked *list = calloc(voters + 1, sizeof *list);
    struct voter_check *checks = calloc(voters + 1, sizeof *checks);
    int64_t *number = calloc(voters + 1, sizeof *number);
    double *theta = strengths_of(votes, board);
    bool good = list && checks && number && theta;
    *count = 0;
    if (!good)
        err_set(err, ERR_MEMORY, "out of memory");
    good =
        good && (!voters || voter_check_all(checks, &votes->ballots, theta, 0, VOTERS_ALPHA, err));
    if (good)
        stored_votes_voters(votes, number);
    for (size_t k = 0; good && k < voters; k++)
        if (checks[k].votes >= VOTER_CHECK_LEAST)
            list[(*count)++] = (struct checked){checks[k], number[k]};
    free(checks);
    free(number);
    free(theta);
    if (good) {
        qsort(list, *count, sizeof *list, most_suspicious_first);
        return list;
    }
    free(list);
    return NULL;
}

static void write_table(struct buf *out, const struct checked *list, size_t count,
                        const struct stored_votes *votes)
{
    buf_printf(out, "%10s %7s %7s %7s %7s %9s\n", "voter", "votes", "side", "sense", "boost", "p");
    for (size_t k = 0; k < count; k++) {
        const struct voter_check *check = &list[k].check;
        buf_printf(out, "%10" PRId64 " %7u %7.1f %7.1f %7.1f %9.2g", list[k].number, check->votes,
                   check->side, check->sense, check->boost, check->p);
        buf_printf(out, check->flagged ? "  look at this one (most for %s)\n" : "\n",
                   votes->names[check->boosted]);
    }
    buf_printf(out,
               "%zu of %u voters have the %d votes it takes. Of honest voters about %g %% are "
               "flagged by mistake.\n",
               count, votes->ballots.voters, VOTER_CHECK_LEAST, 100 * VOTERS_ALPHA);
}

static void write_json(struct buf *out, const struct checked *list, size_t count,
                       const struct stored_votes *votes)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_real(&json, "alpha", VOTERS_ALPHA);
    json_put_int(&json, "least_votes", VOTER_CHECK_LEAST);
    json_put_int(&json, "voters_known", votes->ballots.voters);
    json_put_open(&json, "voters", '[');
    for (size_t k = 0; k < count; k++) {
        const struct voter_check *check = &list[k].check;
        json_put_open(&json, NULL, '{');
        json_put_int(&json, "voter", list[k].number);
        json_put_int(&json, "votes", check->votes);
        json_put_fixed(&json, "side", check->side, 3);
        json_put_fixed(&json, "sense", check->sense, 3);
        json_put_fixed(&json, "boost", check->boost, 3);
        json_put_cstring(&json, "boosted", votes->names[check->boosted]);
        json_put_real(&json, "p", check->p);
        json_put_bool(&json, "flagged", check->flagged);
        json_put_close(&json, '}');
    }
    json_put_close(&json, ']');
    json_put_close(&json, '}');
    buf_add_char(out, '\n');
}

bool leaderboard_voters(struct buf *out, const struct stored_votes *votes,
                        const struct leaderboard *board, bool json, struct err *err)
{
    size_t count;
    struct checked *list = check_all(votes, board, &count, err);
    if (!list)
        return false;
    (json ? write_json : write_table)(out, list, count, votes);
    free(list);
    return !out->failed || err_set(err, ERR_MEMORY, "out of memory");
}
