/* The key's UNIQUE index makes an import repeatable: the battle is inserted only where its key is new, and
 * a battle that was not inserted has its vote already. */
#include "store/vote_import.h"

#include <stdio.h>

#include "store/competitors.h"
#include "store/voters.h"

struct import_refs {
    char battle[STORE_ID_SIZE];
    int64_t number; /* of the battle */
    int64_t version_a, version_b, voter;
    char voter_id[STORE_ID_SIZE];
};

static bool check(const struct vote_import *vote, struct err *err)
{
    if (vote->model_a.length == 0 || vote->model_b.length == 0)
        return err_set(err, ERR_BAD_REQUEST, "a vote without a model's name");
    if (text_equal(vote->model_a, vote->model_b))
        return err_set(err, ERR_BAD_REQUEST, "%.*s against itself", (int)(vote->model_a.length & 0xff),
                       vote->model_a.data);
    return vote->key.length > 0 || err_set(err, ERR_INTERNAL, "an imported vote without a key");
}

static bool find_voter(struct db *tx, const struct vote_import *vote, int64_t now_ms,
                       struct import_refs *refs, struct err *err)
{
    if (vote->voter.data == NULL)
        return true;
    enum voter_kind kind = vote->judge == JUDGE_MODEL ? VOTER_MODEL : VOTER_IMPORTED;
    struct db_rows rows;
    if (!voters_named(tx, kind, vote->voter, now_ms, &refs->voter, err) ||
        !db_select(tx, &rows, "SELECT id FROM voters WHERE number = ?", DB_VALUES(DB_INT(refs->voter)),
                   err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, refs->voter_id, STORE_ID_SIZE);
    return db_end(&rows, err);
}

/* Imported battles are nobody's secret, so their ids may follow one another: random ones would touch
 * another page of the index each, which makes a million slow. */
static bool next_id(struct db *tx, char id[STORE_ID_SIZE], struct err *err)
{
    int64_t last;
    if (!db_one_int(tx, "SELECT max(number) FROM battles", DB_NONE, 0, &last, err))
        return false;
    snprintf(id, STORE_ID_SIZE, "import%020lld", (long long)last + 1);
    return true;
}

static bool insert_battle(struct db *tx, const struct vote_import *vote, int64_t now_ms,
                          struct import_refs *refs, bool *added, struct err *err)
{
    const struct style_counts *a = &vote->style_a, *b = &vote->style_b;
    int64_t at = vote->at_ms > 0 ? vote->at_ms : now_ms;
    if (!next_id(tx, refs->battle, err) ||
        !db_run(
            tx,
            "INSERT INTO battles (id, voter, state, source, mode, version_a, version_b, turns, prompt_value,"
            " import_key, tags, tokens_a, headers_a, lists_a, bold_a, tokens_b, headers_b, lists_b, bold_b,"
            " created_ms, ended_ms) VALUES (?, ?, 2, 2, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (import_key) WHERE import_key IS NOT NULL DO NOTHING",
            DB_VALUES(DB_STRING(refs->battle), refs->voter != 0 ? DB_INT(refs->voter) : DB_NULL,
                      DB_INT(refs->version_a), DB_INT(refs->version_b), DB_INT(vote->turns),
                      vote->prompt.data != NULL ? DB_INT((int64_t)votes_prompt_value(vote->prompt))
                                                : DB_NULL,
                      DB_TEXT(vote->key), DB_TEXT(vote->tags), DB_KNOWN(a->tokens), DB_KNOWN(a->headers),
                      DB_KNOWN(a->lists), DB_KNOWN(a->bold), DB_KNOWN(b->tokens), DB_KNOWN(b->headers),
                      DB_KNOWN(b->lists), DB_KNOWN(b->bold), DB_INT(at), DB_INT(at)),
            err))
        return false;
    *added = db_changes(tx) == 1;
    refs->number = db_inserted(tx);
    return true;
}

bool votes_import(struct db *tx, const struct vote_import *vote, int64_t now_ms, bool *added,
                  struct err *err)
{
    struct import_refs refs = {.voter = 0};
    if (!check(vote, err) || !competitors_imported(tx, vote->model_a, now_ms, &refs.version_a, err) ||
        !competitors_imported(tx, vote->model_b, now_ms, &refs.version_b, err) ||
        !find_voter(tx, vote, now_ms, &refs, err) || !insert_battle(tx, vote, now_ms, &refs, added, err))
        return false;
    if (!*added)
        return true;
    int64_t seq;
    struct vote_append append = {.battle = refs.number,
                                 .voter = refs.voter,
                                 .voter_id = text_of(refs.voter_id),
                                 .version_a = refs.version_a,
                                 .version_b = refs.version_b,
                                 .winner = vote->winner,
                                 .judge = vote->judge,
                                 .counted = VOTE_COUNTED,
                                 .source = BATTLE_IMPORT,
                                 .battle_id = text_of(refs.battle),
                                 .at_ms = vote->at_ms > 0 ? vote->at_ms : now_ms,
                                 .turns = vote->turns,
                                 .delay_ms = -1,
                                 .read_ms = -1};
    return votes_append(tx, &append, &seq, err);
}
