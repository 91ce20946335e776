/* For the operator alone: voters stand here by the number that the store gave them, and nowhere
 * on a voter's page. A flag says who to look at; the operator decides. */
#include "command/leaderboard_voters.h"

#include <inttypes.h>

#include "base/json.h"
#include "board/suspects.h"

static void write_table(struct buf *out, const struct suspects *suspects,
                        const struct stored_votes *votes)
{
    buf_printf(out, "%10s %7s %7s %7s %7s %9s\n", "voter", "votes", "side", "sense", "boost", "p");
    for (size_t k = 0; k < suspects->count; k++) {
        const struct voter_check *check = &suspects->list[k].check;
        buf_printf(out, "%10" PRId64 " %7u %7.1f %7.1f %7.1f %9.2g", suspects->list[k].number,
                   check->votes, check->side, check->sense, check->boost, check->p);
        buf_printf(out, check->flagged ? "  look at this one (most for %s)\n" : "\n",
                   votes->names[check->boosted]);
    }
    buf_printf(out,
               "%zu of %zu voters have the %d votes it takes. Of honest voters about %g %% are "
               "flagged by mistake.\n",
               suspects->count, suspects->voters, VOTER_CHECK_LEAST, 100 * SUSPECTS_ALPHA);
}

static void write_json(struct buf *out, const struct suspects *suspects,
                       const struct stored_votes *votes)
{
    struct json_out json = json_out_to(out);
    json_put_open(&json, NULL, '{');
    json_put_real(&json, "alpha", SUSPECTS_ALPHA);
    json_put_int(&json, "least_votes", VOTER_CHECK_LEAST);
    json_put_int(&json, "voters_known", (int64_t)suspects->voters);
    json_put_open(&json, "voters", '[');
    for (size_t k = 0; k < suspects->count; k++) {
        const struct voter_check *check = &suspects->list[k].check;
        json_put_open(&json, NULL, '{');
        json_put_int(&json, "voter", suspects->list[k].number);
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
    struct suspects suspects;
    if (!suspects_find(&suspects, votes, board, err))
        return false;
    (json ? write_json : write_table)(out, &suspects, votes);
    suspects_done(&suspects);
    return !out->failed || err_set(err, ERR_MEMORY, "out of memory");
}
