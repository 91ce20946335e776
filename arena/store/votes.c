/* Casting is a row of checks and three writes in the caller's transaction: the vote with its
 * hash, the ledger's end, the battle's state. The UNIQUE index stands behind the check for an
 * earlier vote, whatever else goes wrong. */
#include "store/votes.h"

#include <ctype.h>
#include <string.h>

#include "base/random.h"
#include "store/ledger.h"
#include "store/queue.h"
#include "store/voters.h"

static const char *const WINNER_WORDS[] = {
#define X(name, word) word,
    WINNER_MAP(X)
#undef X
};

const char *winner_word(enum winner winner)
{
    return WINNER_WORDS[winner];
}

bool winner_from(const char *word, enum winner *winner)
{
    for (size_t i = 0; i < sizeof WINNER_WORDS / sizeof WINNER_WORDS[0]; i++) {
        if (strcmp(word, WINNER_WORDS[i]) != 0)
            continue;
        *winner = (enum winner)i;
        return true;
    }
    return false;
}

const char *judge_kind_word(enum judge_kind kind)
{
    return kind == JUDGE_HUMAN ? "human" : "model";
}

const char *vote_counted_word(enum vote_counted counted)
{
    static const char *const WORDS[] = {
#define X(name, word) word,
        VOTE_COUNTED_MAP(X)
#undef X
    };
    return WORDS[counted];
}

/* White space runs become one blank, those at the ends go; the hash is taken of chunks, so no
 * memory is needed. */
uint64_t votes_prompt_value(struct text prompt)
{
    uint8_t chunk[DIGEST_SIZE + 256], digest[DIGEST_SIZE] = {0};
    size_t used = DIGEST_SIZE;
    bool blank = false, any = false;
    for (size_t i = 0; i < prompt.length; i++) {
        unsigned char c = (unsigned char)prompt.data[i];
        if (c < 0x80 && isspace(c)) {
            blank = any;
            continue;
        }
        if (used + 2 > sizeof chunk) {
            memcpy(chunk, digest, DIGEST_SIZE);
            digest_of(chunk, used, digest);
            used = DIGEST_SIZE;
        }
        if (blank)
            chunk[used++] = ' ';
        chunk[used++] = c;
        blank = false;
        any = true;
    }
    memcpy(chunk, digest, DIGEST_SIZE);
    digest_of(chunk, used, digest);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | digest[i];
    return value != 0 ? value : 1;
}

bool votes_judged(struct db *db, int judge, int64_t seq, bool *there, struct err *err)
{
    int64_t found;
    bool good = db_one_int(db, "SELECT EXISTS (SELECT 1 FROM votes WHERE judge = ? AND seq > ?)",
                           DB_VALUES(DB_INT(judge), DB_INT(seq)), 0, &found, err);
    *there = good && found;
    return good;
}

bool votes_judge_kinds(struct db *db, bool kinds[2], struct err *err)
{
    return votes_judged(db, JUDGE_HUMAN, 0, &kinds[JUDGE_HUMAN], err) &&
           votes_judged(db, JUDGE_MODEL, 0, &kinds[JUDGE_MODEL], err);
}

/* --- appending to the ledger --- */

bool votes_last(struct db *db, int64_t *seq, uint8_t hash[DIGEST_SIZE], struct err *err)
{
    struct db_rows rows;
    *seq = 0;
    memset(hash, 0, DIGEST_SIZE);
    if (!db_select(db, &rows, "SELECT seq, hash FROM votes ORDER BY seq DESC LIMIT 1", DB_NONE,
                   err))
        return false;
    if (db_next(&rows)) {
        *seq = db_int(&rows, 0);
        db_bytes(&rows, 1, hash, DIGEST_SIZE);
    }
    return db_end(&rows, err);
}

struct writing {
    votes_source *source;
    void *user;
};

static void give_link(void *user, size_t row, struct db_value values[DB_FEED_COLUMNS])
{
    const struct writing *writing = user;
    const struct vote_link *link = writing->source(writing->user, row);
    const struct vote_append *append = &link->append;
    const struct db_value given[] = {DB_INT(link->seq),
                                     DB_INT(append->battle),
                                     append->voter != 0 ? DB_INT(append->voter) : DB_NULL,
                                     DB_INT(append->winner),
                                     DB_INT(append->judge),
                                     DB_INT(append->counted),
                                     DB_INT(append->at_ms),
                                     DB_INT(append->turns),
                                     DB_KNOWN(append->delay_ms),
                                     DB_KNOWN(append->read_ms),
                                     DB_BLOB(link->salt, VOTE_SALT_SIZE),
                                     DB_BLOB(link->voter, DIGEST_SIZE),
                                     DB_BLOB(link->content, DIGEST_SIZE),
                                     DB_BLOB(link->previous, DIGEST_SIZE),
                                     DB_BLOB(link->hash, DIGEST_SIZE)};
    memcpy(values, given, sizeof given);
}

bool votes_write(struct db *tx, votes_source *source, void *user, size_t count, struct err *err)
{
    struct writing writing = {source, user};
    return db_run_feed(
        tx,
        "INSERT INTO votes (seq, battle, voter, winner, judge, counted, at_ms, turns, delay_ms,"
        " read_ms, salt, voter_digest, content_digest, prev_hash, hash)"
        " SELECT v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14 FROM feed",
        &(struct db_feed){count, give_link, &writing}, err);
}

/* The version's digest as text in `out`. */
static bool version_digest(struct db *db, int64_t version, char out[DIGEST_HEX + 1],
                           struct err *err)
{
    struct db_rows rows;
    out[0] = '\0';
    if (!db_select(db, &rows, "SELECT digest FROM competitor_versions WHERE id = ?",
                   DB_VALUES(DB_INT(version)), err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, out, DIGEST_HEX + 1);
    return db_end(&rows, err);
}

/* An imported battle has no turns of ours: its content is empty, whatever number of turns the
 * file tells. */
static bool content_digest(struct db *tx, const struct vote_append *append, const uint8_t *salt,
                           uint8_t out[DIGEST_SIZE], struct err *err)
{
    if (append->source != BATTLE_IMPORT)
        return ledger_content_digest(tx, salt, append->battle, append->turns, out, err);
    ledger_empty_content_digest(salt, out);
    return true;
}

bool votes_link(struct db *tx, const struct vote_append *append, const char *const digests[2],
                const uint8_t *salt, struct vote_tail *tail, struct vote_link *link,
                struct err *err)
{
    struct ledger_vote vote = {.seq = tail->seq + 1,
                               .battle = append->battle_id,
                               .version_a = text_of(digests[0]),
                               .version_b = text_of(digests[1]),
                               .winner = append->winner,
                               .judge = append->judge,
                               .counted = append->counted,
                               .source = append->source,
                               .at_ms = append->at_ms,
                               .turns = append->turns};
    *link = (struct vote_link){.append = *append, .seq = vote.seq};
    memcpy(link->salt, salt, VOTE_SALT_SIZE);
    memcpy(vote.previous, tail->hash, DIGEST_SIZE);
    ledger_voter_digest(salt, append->voter_id, vote.voter);
    if (!content_digest(tx, append, salt, vote.content, err))
        return false;
    ledger_hash(&vote, tail->hash);
    tail->seq = vote.seq;
    memcpy(link->voter, vote.voter, DIGEST_SIZE);
    memcpy(link->content, vote.content, DIGEST_SIZE);
    memcpy(link->previous, vote.previous, DIGEST_SIZE);
    memcpy(link->hash, tail->hash, DIGEST_SIZE);
    return true;
}

bool votes_end_ledger(struct db *tx, const struct vote_tail *tail, struct err *err)
{
    return db_run(tx, "UPDATE ledger SET votes = ?, head = ?",
                  DB_VALUES(DB_INT(tail->seq), DB_BLOB(tail->hash, DIGEST_SIZE)), err);
}

static const struct vote_link *just_one(void *link, size_t number)
{
    (void)number;
    return link;
}

/* One vote at the end, as casting does it. */
static bool append_one(struct db *tx, const struct vote_append *append, int64_t *seq,
                       struct err *err)
{
    uint8_t salt[LEDGER_SALT_SIZE];
    char digest_a[DIGEST_HEX + 1], digest_b[DIGEST_HEX + 1];
    const char *const digests[2] = {digest_a, digest_b};
    struct vote_tail tail;
    struct vote_link link;
    if (!votes_last(tx, &tail.seq, tail.hash, err) ||
        !version_digest(tx, append->version_a, digest_a, err) ||
        !version_digest(tx, append->version_b, digest_b, err))
        return false;
    random_bytes(salt, sizeof salt);
    if (!votes_link(tx, append, digests, salt, &tail, &link, err) ||
        !votes_write(tx, just_one, &link, 1, err) || !votes_end_ledger(tx, &tail, err))
        return false;
    *seq = tail.seq;
    return true;
}

/* --- casting --- */

/* Fills `out` from the vote that is there, if one is; *there says so. */
static bool find_vote(struct db *db, struct vote_result *out, bool *there, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "SELECT s.seq, s.winner, s.counted FROM votes s WHERE s.battle = ? AND"
                   " s.voter = (SELECT number FROM voters WHERE id = ?)",
                   DB_VALUES(DB_INT(out->battle.number), DB_STRING(out->battle.voter)), err))
        return false;
    *there = db_next(&rows);
    if (*there) {
        out->seq = db_int(&rows, 0);
        out->winner = (enum winner)db_int(&rows, 1);
        out->counted = (enum vote_counted)db_int(&rows, 2);
    }
    return db_end(&rows, err);
}

static bool find_own_battle(struct db *tx, const char *battle, const char *voter,
                            struct battle_record *out, struct err *err)
{
    if (!battles_find(tx, battle, out, err))
        return false;
    /* Another's battle is not even admitted to exist. */
    return strcmp(out->voter, voter) == 0 ||
           err_set(err, ERR_NOT_FOUND, "there is no battle %.40s", battle);
}

static bool may_vote(struct db *tx, const struct vote_cast *vote, struct vote_result *out,
                     struct err *err)
{
    bool there;
    if (!find_own_battle(tx, vote->battle, vote->voter, &out->battle, err) ||
        !find_vote(tx, out, &there, err))
        return false;
    if (there)
        return err_set(err, ERR_ALREADY_VOTED, "this battle already has your vote: %s",
                       winner_word(out->winner));
    return out->battle.state == BATTLE_READY ||
           err_set(err, ERR_WRONG_STATE, "a vote needs a battle that is ready; this one is %s",
                   battle_state_word(out->battle.state));
}

/* How often the battle's opening prompt was voted on in live battles, by its voter and by all. */
static bool is_worn(struct db *tx, const struct vote_cast *vote, const struct battle_record *battle,
                    bool *worn, struct err *err)
{
    struct db_rows rows;
    *worn = false;
    if (vote->same_prompt == 0 || battle->source != BATTLE_LIVE)
        return true;
    if (!db_select(tx, &rows,
                   "SELECT count(*), count(*) FILTER (WHERE b.voter = m.voter) FROM battles m"
                   " JOIN battles b ON b.prompt_value = m.prompt_value AND b.source = 0"
                   " JOIN votes s ON s.battle = b.number AND s.counted = 0 WHERE m.id = ?",
                   DB_VALUES(DB_STRING(vote->battle)), err))
        return false;
    if (db_next(&rows))
        *worn =
            db_int(&rows, 1) >= vote->same_prompt || db_int(&rows, 0) / 100 >= vote->same_prompt;
    return db_end(&rows, err);
}

/* Has the voter cast all that count today? */
static bool is_capped(struct db *tx, const struct vote_cast *vote, bool *capped, struct err *err)
{
    int64_t cast = 0, day = vote->now_ms - vote->now_ms % INT64_C(86400000);
    if (vote->daily && !votes_count_since(tx, vote->voter, day, &cast, err))
        return false;
    *capped = vote->daily && cast >= vote->daily;
    return true;
}

/* The first reason that holds. */
static bool judge_counted(struct db *tx, const struct vote_cast *vote,
                          const struct battle_record *battle, enum vote_counted *out,
                          struct err *err)
{
    enum queue_kind kind;
    bool worn, capped;
    if (!queue_kind_of(tx, vote->battle, &kind, err) || !is_worn(tx, vote, battle, &worn, err) ||
        !is_capped(tx, vote, &capped, err))
        return false;
    *out = vote->counted != VOTE_COUNTED                                  ? vote->counted
           : battle->mode != BATTLE_BLIND                                 ? VOTE_NOT_BLIND
           : kind != QUEUE_PAIR || battle->version_a == battle->version_b ? VOTE_CONTROL
           : battle->self_identified                                      ? VOTE_SELF_IDENTIFIED
           : capped                                                       ? VOTE_DAILY_CAP
           : worn                                                         ? VOTE_DUPLICATE_PROMPT
                                                                          : VOTE_COUNTED;
    return true;
}

static bool append_cast(struct db *tx, const struct vote_cast *vote, struct vote_result *out,
                        struct err *err)
{
    const struct battle_record *battle = &out->battle;
    struct voter_record voter;
    enum vote_counted counted;
    if (!voters_find(tx, vote->voter, &voter, err) ||
        !judge_counted(tx, vote, battle, &counted, err))
        return false;
    struct vote_append append = {.battle = battle->number,
                                 .voter = voter.number,
                                 .voter_id = text_of(vote->voter),
                                 .version_a = battle->version_a,
                                 .version_b = battle->version_b,
                                 .winner = vote->winner,
                                 .judge = vote->judge,
                                 .counted = counted,
                                 .source = battle->source,
                                 .battle_id = text_of(vote->battle),
                                 .at_ms = vote->now_ms,
                                 .turns = battle->turns,
                                 .delay_ms = vote->delay_ms,
                                 .read_ms = vote->read_ms};
    out->winner = vote->winner;
    out->counted = append.counted;
    return append_one(tx, &append, &out->seq, err);
}

bool votes_cast(struct db *tx, const struct vote_cast *vote, struct vote_result *out,
                struct err *err)
{
    if (!may_vote(tx, vote, out, err) || !append_cast(tx, vote, out, err) ||
        !db_run(tx, "UPDATE battles SET state = 2, ended_ms = ? WHERE id = ? AND state = 1",
                DB_VALUES(DB_INT(vote->now_ms), DB_STRING(vote->battle)), err))
        return false;
    out->battle.state = BATTLE_VOTED;
    out->battle.ended_ms = vote->now_ms;
    return true;
}

bool votes_find(struct db *db, const char *battle, const char *voter, struct vote_result *out,
                struct err *err)
{
    bool there;
    if (!find_own_battle(db, battle, voter, &out->battle, err) || !find_vote(db, out, &there, err))
        return false;
    return there || err_set(err, ERR_WRONG_STATE, "this battle has no vote yet; it is %s",
                            battle_state_word(out->battle.state));
}

bool votes_feedback(struct db *tx, const char *battle, const char *voter,
                    const struct vote_feedback *feedback, int64_t now_ms, struct err *err)
{
    struct vote_result vote;
    if (!votes_find(tx, battle, voter, &vote, err))
        return false;
    if (vote.battle.revealed)
        return err_set(err, ERR_WRONG_STATE,
                       "the names are shown already: remarks are taken before that");
    return db_run(
        tx,
        "INSERT INTO feedback (vote, reasons, comment, recognised, at_ms) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (vote) DO UPDATE SET reasons = excluded.reasons, comment = excluded.comment,"
        " recognised = excluded.recognised, at_ms = excluded.at_ms",
        DB_VALUES(DB_INT(vote.seq), DB_TEXT(feedback->reasons), DB_TEXT(feedback->comment),
                  DB_TEXT(feedback->recognised), DB_INT(now_ms)),
        err);
}

bool votes_count_since(struct db *db, const char *voter, int64_t since_ms, int64_t *count,
                       struct err *err)
{
    return db_one_int(db,
                      "SELECT count(*) FROM votes WHERE voter = (SELECT number FROM voters WHERE "
                      "id = ?) AND at_ms >= ?"
                      " AND counted = 0",
                      DB_VALUES(DB_STRING(voter), DB_INT(since_ms)), 0, count, err);
}
