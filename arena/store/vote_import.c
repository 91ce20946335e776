/* The key's UNIQUE index makes an import repeatable: where its key is stored a vote is compared,
 * else added. Names are remembered in a direct-mapped table: a name that pushes another out costs
 * that one a look-up, never memory. Votes are inserted a few hundred at a time, by one statement a
 * table. And where many come to a store that has few, whatever each of them would have to update in
 * random places is laid aside and built once, sorted, at the end: a third of the time, and pages
 * written once. */
#include "store/vote_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "store/competitors.h"
#include "store/ledger.h"
#include "store/voters.h"

enum {
    SALTS = 256,
    BATCH = 512,            /* votes an INSERT */
    BATCH_TEXT = 256 << 10, /* bytes of keys and tags that make one early */
    MANY = 20000,           /* votes for which laying aside pays */
};

/* Names in the schema. Votes of a store without imports cannot be there already, so the keys' index
 * may go; pairs of the queue are never imported. */
static const char *const KEYS_INDEX = "battles_by_import_key";
static const char *const VOTERS_INDEX = "votes_by_voter";
static const char *const QUEUE_TRIGGER = "queue_item_is_taken";
enum { ASIDE = 3 };

enum known_kind { KNOWN_COMPETITOR, KNOWN_VOTER, KNOWN_JUDGE };

/* A name and what stands for it: a version's id and digest, or a voter's number and id. */
struct known {
    char *name;
    size_t length;
    enum known_kind kind;
    int64_t number;
    char id[DIGEST_HEX + 1];
};

/* A vote on its way into both tables; its key and tags stand at `texts` in importer->texts. */
struct waiting {
    struct vote_link link;
    struct style_counts styles[2];
    uint64_t prompt; /* 0: none */
    size_t texts, key, tags;
    bool tagged;
};

struct vote_importer {
    struct db *tx;
    int64_t now_ms, next_battle;
    bool first;         /* nothing was imported before */
    char *aside[ASIDE]; /* the SQL that makes again what was laid aside */
    struct vote_tail tail;
    struct waiting waiting[BATCH];
    size_t count;
    struct buf texts;
    char battle_id[STORE_ID_SIZE]; /* of the row that is being given */
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
static struct text name_battle(int64_t number, char out[STORE_ID_SIZE])
{
    snprintf(out, STORE_ID_SIZE, "import%020lld", (long long)number);
    return text_of(out);
}

static void give_battle(void *user, size_t row, struct db_value values[DB_FEED_COLUMNS])
{
    struct vote_importer *importer = user;
    const struct waiting *vote = &importer->waiting[row];
    const struct vote_append *append = &vote->link.append;
    const struct style_counts *a = &vote->styles[0], *b = &vote->styles[1];
    const char *texts = importer->texts.data + vote->texts;
    const struct text tags = {texts + vote->key, vote->tags};
    const struct db_value given[] = {DB_INT(append->battle),
                                     DB_TEXT(name_battle(append->battle, importer->battle_id)),
                                     append->voter != 0 ? DB_INT(append->voter) : DB_NULL,
                                     DB_INT(append->version_a),
                                     DB_INT(append->version_b),
                                     DB_INT(append->turns),
                                     vote->prompt ? DB_INT((int64_t)vote->prompt) : DB_NULL,
                                     DB_TEXT(((struct text){texts, vote->key})),
                                     vote->tagged ? DB_TEXT(tags) : DB_NULL,
                                     DB_KNOWN(a->tokens),
                                     DB_KNOWN(a->headers),
                                     DB_KNOWN(a->lists),
                                     DB_KNOWN(a->bold),
                                     DB_KNOWN(b->tokens),
                                     DB_KNOWN(b->headers),
                                     DB_KNOWN(b->lists),
                                     DB_KNOWN(b->bold),
                                     DB_INT(append->at_ms)};
    memcpy(values, given, sizeof given);
}

static const struct vote_link *give_link(void *user, size_t number)
{
    return &((struct vote_importer *)user)->waiting[number].link;
}

static bool write_waiting(struct vote_importer *importer, struct err *err)
{
    const struct db_feed battles = {importer->count, give_battle, importer};
    bool ok =
        db_run_feed(importer->tx,
                    "INSERT INTO battles (number, id, voter, state, source, mode, version_a,"
                    " version_b, turns, prompt_value, import_key, tags, tokens_a, headers_a,"
                    " lists_a, bold_a, tokens_b, headers_b, lists_b, bold_b, created_ms, ended_ms)"
                    " SELECT v0, v1, v2, 2, 2, 0, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13,"
                    " v14, v15, v16, v17, v17 FROM feed",
                    &battles, err) &&
        votes_write(importer->tx, give_link, importer, importer->count, err);
    importer->count = 0;
    buf_clear(&importer->texts);
    return ok;
}

static const uint8_t *next_salt(struct vote_importer *importer)
{
    if (importer->salts_left == 0) {
        random_bytes(importer->salts, sizeof importer->salts);
        importer->salts_left = SALTS;
    }
    return importer->salts[--importer->salts_left];
}

/* Takes the vote into the batch and the chain. */
static bool enter(struct vote_importer *importer, const struct vote_import *vote,
                  const struct vote_append *append, const char *const digests[2], struct err *err)
{
    struct waiting *place = &importer->waiting[importer->count];
    *place = (struct waiting){.styles = {vote->style_a, vote->style_b},
                              .prompt = vote->prompt.data ? votes_prompt_value(vote->prompt) : 0,
                              .texts = importer->texts.length,
                              .key = vote->key.length,
                              .tags = vote->tags.length,
                              .tagged = vote->tags.data != NULL};
    if (!buf_add_text(&importer->texts, vote->key) || !buf_add_text(&importer->texts, vote->tags))
        return err_set(err, ERR_MEMORY, "no memory to import votes");
    if (!votes_link(importer->tx, append, digests, next_salt(importer), &importer->tail,
                    &place->link, err))
        return false;
    importer->next_battle++;
    importer->count++;
    return (importer->count < BATCH && importer->texts.length < BATCH_TEXT) ||
           write_waiting(importer, err);
}

/* Whether the key is stored. It must mean the same vote then: else a row would be lost without a
 * word. */
static bool find_stored(struct vote_importer *importer, const struct vote_import *vote,
                        const struct vote_append *append, bool *stored, struct err *err)
{
    struct db_rows rows;
    *stored = false;
    if (importer->first)
        return true;
    if (!db_select(importer->tx, &rows,
                   "SELECT b.version_a = ? AND b.version_b = ? AND s.winner = ? FROM battles b"
                   " JOIN votes s ON s.battle = b.number WHERE b.import_key = ?",
                   DB_VALUES(DB_INT(append->version_a), DB_INT(append->version_b),
                             DB_INT(append->winner), DB_TEXT(vote->key)),
                   err))
        return false;
    *stored = db_next(&rows);
    bool same = !*stored || db_int(&rows, 0) != 0;
    return db_end(&rows, err) &&
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
    bool stored;
    struct vote_append append = {.battle = importer->next_battle,
                                 .winner = vote->winner,
                                 .judge = vote->judge,
                                 .counted = vote->counted,
                                 .source = BATTLE_IMPORT,
                                 .at_ms = vote->at_ms > 0 ? vote->at_ms : importer->now_ms,
                                 .turns = vote->turns,
                                 .delay_ms = -1,
                                 .read_ms = -1};
    if (!check(vote, err) || !refer(importer, vote, &append, &refs, err) ||
        !find_stored(importer, vote, &append, &stored, err))
        return false;
    *added = !stored;
    if (stored)
        return true;
    const char *const digests[2] = {refs.digests[0], refs.digests[1]};
    append.battle_id = name_battle(append.battle, battle);
    append.voter_id = text_of(refs.voter_id);
    return enter(importer, vote, &append, digests, err);
}

/* --- what is laid aside --- */

static bool lay_aside(struct vote_importer *importer, const char *name, char **made_by,
                      struct err *err)
{
    struct db_rows rows;
    char drop[128] = "";
    if (!db_select(importer->tx, &rows, "SELECT type, sql FROM sqlite_schema WHERE name = ?",
                   DB_VALUES(DB_STRING(name)), err))
        return false;
    if (db_next(&rows)) {
        snprintf(drop, sizeof drop, "DROP %s %s", db_string(&rows, 0), name);
        *made_by = strdup(db_string(&rows, 1));
    }
    return db_end(&rows, err) &&
           (*made_by || err_set(err, ERR_STORE, "the schema lacks %s", name)) &&
           db_script(importer->tx, drop, err);
}

static bool lay_all_aside(struct vote_importer *importer, struct err *err)
{
    db_check_references(importer->tx, false);
    return lay_aside(importer, VOTERS_INDEX, &importer->aside[0], err) &&
           lay_aside(importer, QUEUE_TRIGGER, &importer->aside[1], err) &&
           (!importer->first || lay_aside(importer, KEYS_INDEX, &importer->aside[2], err));
}

static bool put_back(struct vote_importer *importer, struct err *err)
{
    bool ok = true;
    for (int k = 0; k < ASIDE; k++) {
        ok = ok && (!importer->aside[k] || db_script(importer->tx, importer->aside[k], err));
        free(importer->aside[k]);
        importer->aside[k] = NULL;
    }
    db_check_references(importer->tx, true);
    return ok;
}

/* --- the whole --- */

static bool look_around(struct vote_importer *importer, uint64_t expected, struct err *err)
{
    int64_t last, imported;
    if (!db_one_int(importer->tx, "SELECT max(number) FROM battles", DB_NONE, 0, &last, err) ||
        !db_one_int(importer->tx,
                    "SELECT EXISTS (SELECT 1 FROM battles WHERE import_key IS NOT NULL)", DB_NONE,
                    0, &imported, err) ||
        !votes_last(importer->tx, &importer->tail.seq, importer->tail.hash, err))
        return false;
    importer->next_battle = last + 1;
    importer->first = !imported;
    return expected < MANY || expected < (uint64_t)last / 2 || lay_all_aside(importer, err);
}

struct vote_importer *vote_importer_new(struct db *tx, int64_t now_ms, uint64_t expected,
                                        struct err *err)
{
    struct vote_importer *importer = calloc(1, sizeof *importer);
    if (!importer) {
        err_set(err, ERR_MEMORY, "no memory to import votes");
        return NULL;
    }
    importer->tx = tx;
    importer->now_ms = now_ms;
    buf_init(&importer->texts, IMPORTER_TEXT_MAX);
    if (look_around(importer, expected, err))
        return importer;
    vote_importer_free(importer);
    return NULL;
}

bool vote_importer_finish(struct vote_importer *importer, struct err *err)
{
    return write_waiting(importer, err) && put_back(importer, err) &&
           votes_end_ledger(importer->tx, &importer->tail, err);
}

void vote_importer_free(struct vote_importer *importer)
{
    if (!importer)
        return;
    db_check_references(importer->tx, true);
    for (int k = 0; k < ASIDE; k++)
        free(importer->aside[k]);
    for (size_t i = 0; i < IMPORTER_NAMES; i++)
        free(importer->known[i].name);
    free(importer->looked_up.name);
    buf_done(&importer->texts);
    free(importer);
}
