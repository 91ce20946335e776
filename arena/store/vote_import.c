/* The key's UNIQUE index makes an import repeatable: the battle is inserted only where its key is
 * new, and a battle that was not inserted has its vote already. Names are remembered in a
 * direct-mapped table: a name that pushes another out costs that one a look-up, never memory. */
#include "store/vote_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "store/competitors.h"
#include "store/ledger.h"
#include "store/voters.h"

enum { SALTS = 256 };

enum known_kind { KNOWN_COMPETITOR, KNOWN_VOTER, KNOWN_JUDGE };

/* A name and what stands for it: a version's id and digest, or a voter's number and id. */
struct known {
    char *name;
    size_t length;
    enum known_kind kind;
    int64_t number;
    char id[DIGEST_HEX + 1];
};

struct vote_importer {
    struct db *tx;
    int64_t now_ms, next_battle;
    struct vote_tail tail;
    unsigned salts_left;
    uint8_t salts[SALTS][LEDGER_SALT_SIZE];
    struct known looked_up; /* the one that is too long to remember */
    struct known known[IMPORTER_NAMES];
};

static bool check(const struct vote_import *vote, struct err *err)
{
    if (vote->model_a.length == 0 || vote->model_b.length == 0)
        return err_set(err, ERR_BAD_REQUEST, "a vote without a model's name");
    if (text_equal(vote->model_a, vote->model_b))
        return err_set(err, ERR_BAD_REQUEST, "%.*s against itself",
                       (int)(vote->model_a.length & 0xff), vote->model_a.data);
    return vote->key.length > 0 || err_set(err, ERR_INTERNAL, "an imported vote without a key");
}

/* --- names --- */

static bool one_text(struct db *tx, const char *sql, int64_t number, char out[DIGEST_HEX + 1],
                     struct err *err)
{
    struct db_rows rows;
    out[0] = '\0';
    if (!db_select(tx, &rows, sql, DB_VALUES(DB_INT(number)), err))
        return false;
    if (db_next(&rows))
        db_copy(&rows, 0, out, DIGEST_HEX + 1);
    return db_end(&rows, err);
}

static bool look_up(struct vote_importer *importer, enum known_kind kind, struct text name,
                    struct known *known, struct err *err)
{
    if (kind == KNOWN_COMPETITOR)
        return competitors_imported(importer->tx, name, importer->now_ms, &known->number, err) &&
               one_text(importer->tx, "SELECT digest FROM competitor_versions WHERE id = ?",
                        known->number, known->id, err);
    enum voter_kind voter = kind == KNOWN_JUDGE ? VOTER_MODEL : VOTER_IMPORTED;
    return voters_named(importer->tx, voter, name, importer->now_ms, &known->number, err) &&
           one_text(importer->tx, "SELECT id FROM voters WHERE number = ?", known->number,
                    known->id, err);
}

static size_t slot_of(enum known_kind kind, struct text name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + kind; /* FNV-1a */
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32) % IMPORTER_NAMES;
}

/* Returns borrowed, until two further names were asked for; NULL with `err`. */
static const struct known *know(struct vote_importer *importer, enum known_kind kind,
                                struct text name, struct err *err)
{
    struct known *slot = &importer->known[slot_of(kind, name)];
    if (slot->name && slot->kind == kind && slot->length == name.length &&
        memcmp(slot->name, name.data, name.length) == 0)
        return slot;
    struct known found = {.kind = kind, .length = name.length};
    if (!look_up(importer, kind, name, &found, err))
        return NULL;
    found.name = name.length <= IMPORTER_NAME_BYTES ? strndup(name.data, name.length) : NULL;
    struct known *place = found.name ? slot : &importer->looked_up;
    free(place->name);
    *place = found;
    return place;
}

/* --- the two inserts --- */

/* Imported battles are nobody's secret, so their ids may follow one another: random ones would
 * touch another page of the index each, which makes a million slow. */
static bool insert_battle(struct vote_importer *importer, const struct vote_import *vote,
                          const struct vote_append *append, bool *added, struct err *err)
{
    const struct style_counts *a = &vote->style_a, *b = &vote->style_b;
    if (!db_run(importer->tx,
                "INSERT INTO battles (number, id, voter, state, source, mode, version_a, "
                "version_b, turns,"
                " prompt_value, import_key, tags, tokens_a, headers_a, lists_a, bold_a, tokens_b, "
                "headers_b,"
                " lists_b, bold_b, created_ms, ended_ms)"
                " VALUES (?, ?, ?, 2, 2, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (import_key) WHERE import_key IS NOT NULL DO NOTHING",
                DB_VALUES(DB_INT(append->battle), DB_TEXT(append->battle_id),
                          append->voter != 0 ? DB_INT(append->voter) : DB_NULL,
                          DB_INT(append->version_a), DB_INT(append->version_b), DB_INT(vote->turns),
                          vote->prompt.data ? DB_INT((int64_t)votes_prompt_value(vote->prompt))
                                            : DB_NULL,
                          DB_TEXT(vote->key), DB_TEXT(vote->tags), DB_KNOWN(a->tokens),
                          DB_KNOWN(a->headers), DB_KNOWN(a->lists), DB_KNOWN(a->bold),
                          DB_KNOWN(b->tokens), DB_KNOWN(b->headers), DB_KNOWN(b->lists),
                          DB_KNOWN(b->bold), DB_INT(append->at_ms), DB_INT(append->at_ms)),
                err))
        return false;
    *added = db_changes(importer->tx) == 1;
    return true;
}

static const uint8_t *next_salt(struct vote_importer *importer)
{
    if (importer->salts_left == 0) {
        random_bytes(importer->salts, sizeof importer->salts);
        importer->salts_left = SALTS;
    }
    return importer->salts[--importer->salts_left];
}

/* The same key must mean the same vote: else a row would be lost without a word. */
static bool is_same(struct vote_importer *importer, const struct vote_import *vote,
                    const struct vote_append *append, struct err *err)
{
    int64_t same;
    return db_one_int(importer->tx,
                      "SELECT b.version_a = ? AND b.version_b = ? AND s.winner = ? FROM battles b"
                      " JOIN votes s ON s.battle = b.number WHERE b.import_key = ?",
                      DB_VALUES(DB_INT(append->version_a), DB_INT(append->version_b),
                                DB_INT(append->winner), DB_TEXT(vote->key)),
                      0, &same, err) &&
           (same || err_set(err, ERR_CONFLICT, "another vote with the id %.*s is stored already",
                            (int)(vote->key.length < 80 ? vote->key.length : 80), vote->key.data));
}

struct refs {
    char digests[2][DIGEST_HEX + 1], voter_id[DIGEST_HEX + 1];
};

/* Fills what names stand for. */
static bool refer(struct vote_importer *importer, const struct vote_import *vote,
                  struct vote_append *append, struct refs *refs, struct err *err)
{
    for (int side = 0; side < 2; side++) {
        const struct known *model =
            know(importer, KNOWN_COMPETITOR, side ? vote->model_b : vote->model_a, err);
        if (!model)
            return false;
        memcpy(refs->digests[side], model->id, sizeof refs->digests[side]);
        *(side ? &append->version_b : &append->version_a) = model->number;
    }
    refs->voter_id[0] = '\0';
    if (vote->voter.data == NULL)
        return true;
    enum known_kind kind = vote->judge == JUDGE_MODEL ? KNOWN_JUDGE : KNOWN_VOTER;
    const struct known *voter = know(importer, kind, vote->voter, err);
    if (!voter)
        return false;
    append->voter = voter->number;
    memcpy(refs->voter_id, voter->id, sizeof refs->voter_id);
    return true;
}

bool vote_importer_add(struct vote_importer *importer, const struct vote_import *vote, bool *added,
                       struct err *err)
{
    char battle[STORE_ID_SIZE];
    struct refs refs;
    struct vote_append append = {.battle = importer->next_battle,
                                 .winner = vote->winner,
                                 .judge = vote->judge,
                                 .counted = vote->counted,
                                 .source = BATTLE_IMPORT,
                                 .at_ms = vote->at_ms > 0 ? vote->at_ms : importer->now_ms,
                                 .turns = vote->turns,
                                 .delay_ms = -1,
                                 .read_ms = -1};
    if (!check(vote, err) || !refer(importer, vote, &append, &refs, err))
        return false;
    snprintf(battle, sizeof battle, "import%020lld", (long long)append.battle);
    append.battle_id = text_of(battle);
    append.voter_id = text_of(refs.voter_id);
    if (!insert_battle(importer, vote, &append, added, err))
        return false;
    if (!*added)
        return is_same(importer, vote, &append, err);
    importer->next_battle++;
    const char *const digests[2] = {refs.digests[0], refs.digests[1]};
    return votes_append_to(importer->tx, &append, digests, next_salt(importer), &importer->tail,
                           err);
}

/* --- the whole --- */

struct vote_importer *vote_importer_new(struct db *tx, int64_t now_ms, struct err *err)
{
    struct vote_importer *importer = calloc(1, sizeof *importer);
    if (!importer) {
        err_set(err, ERR_MEMORY, "no memory to import votes");
        return NULL;
    }
    importer->tx = tx;
    importer->now_ms = now_ms;
    int64_t last;
    if (db_one_int(tx, "SELECT max(number) FROM battles", DB_NONE, 0, &last, err) &&
        votes_last(tx, &importer->tail.seq, importer->tail.hash, err)) {
        importer->next_battle = last + 1;
        return importer;
    }
    vote_importer_free(importer);
    return NULL;
}

bool vote_importer_finish(struct vote_importer *importer, struct err *err)
{
    return votes_end_ledger(importer->tx, &importer->tail, err);
}

void vote_importer_free(struct vote_importer *importer)
{
    if (!importer)
        return;
    for (size_t i = 0; i < IMPORTER_NAMES; i++)
        free(importer->known[i].name);
    free(importer->looked_up.name);
    free(importer);
}
