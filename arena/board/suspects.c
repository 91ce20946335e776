/* Voters stand here by the number that the store gave them, and nowhere on a voter's page. */
#include "board/suspects.h"

#include <math.h>
#include <stdlib.h>

#define POINTS (400 / M_LN10) /* rating points of a strength of 1 */

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
    const struct suspect *one = a, *other = b;
    if (one->check.p != other->check.p)
        return one->check.p < other->check.p ? -1 : 1;
    return (one->number > other->number) - (one->number < other->number);
}

bool suspects_find(struct suspects *out, const struct stored_votes *votes,
                   const struct leaderboard *board, struct err *err)
{
    size_t voters = votes->ballots.voters;
    struct voter_check *checks = calloc(voters + 1, sizeof *checks);
    int64_t *number = calloc(voters + 1, sizeof *number);
    double *theta = strengths_of(votes, board);
    *out = (struct suspects){.list = calloc(voters + 1, sizeof *out->list), .voters = voters};
    bool good =
        (out->list && checks && number && theta) || err_set(err, ERR_MEMORY, "out of memory");
    good = good &&
           (!voters || voter_check_all(checks, &votes->ballots, theta, 0, SUSPECTS_ALPHA, err));
    if (good)
        stored_votes_voters(votes, number);
    for (size_t k = 0; good && k < voters; k++)
        if (checks[k].votes >= VOTER_CHECK_LEAST)
            out->list[out->count++] = (struct suspect){checks[k], number[k]};
    free(checks);
    free(number);
    free(theta);
    if (good)
        qsort(out->list, out->count, sizeof *out->list, most_suspicious_first);
    else
        suspects_done(out);
    return good;
}

void suspects_done(struct suspects *suspects)
{
    free(suspects->list);
    *suspects = (struct suspects){0};
}

const char *suspects_reason(const struct voter_check *check)
{
    double side = fabs(check->side);
    if (side >= check->sense && side >= check->boost)
        return "side";
    return check->sense >= check->boost ? "sense" : "boost";
}
