/* Registering is insert-or-find twice: the competitor by its name, the version by its digest. */
#include "store/competitors.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

static bool competitor_number(struct db *tx, const struct version_record *record, int64_t now_ms,
                              int64_t *number, struct err *err)
{
    return db_run(tx,
                  "INSERT INTO competitors (name, organisation, licence, in_house, "
                  "outputs_may_train, created_ms)"
                  " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET organisation = "
                  "excluded.organisation,"
                  " licence = excluded.licence, in_house = excluded.in_house,"
                  " outputs_may_train = excluded.outputs_may_train",
                  DB_VALUES(DB_STRING(record->name), DB_STRING(record->organisation),
                            DB_STRING(record->licence), DB_INT(record->in_house),
                            DB_INT(record->outputs_may_train), DB_INT(now_ms)),
                  err) &&
           db_one_int(tx, "SELECT number FROM competitors WHERE name = ?",
                      DB_VALUES(DB_STRING(record->name)), 0, number, err);
}

static bool version_id(struct db *tx, int64_t competitor, const char *digest, int64_t *id,
                       struct err *err)
{
    return db_one_int(tx, "SELECT id FROM competitor_versions WHERE competitor = ? AND digest = ?",
                      DB_VALUES(DB_INT(competitor), DB_STRING(digest)), 0, id, err);
}

static bool insert_version(struct db *tx, int64_t competitor, const struct version_record *record,
                           int64_t now_ms, int64_t *id, struct err *err)
{
    if (!db_run(
            tx,
            "INSERT INTO competitor_versions (competitor, digest, effective, imported, created_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            DB_VALUES(DB_INT(competitor), DB_STRING(record->digest), DB_STRING(record->effective),
                      DB_INT(record->imported), DB_INT(now_ms)),
            err))
        return false;
    *id = db_inserted(tx);
    return true;
}

bool competitors_register(struct db *tx, const struct version_record *record, int64_t now_ms,
                          int64_t *version, struct err *err)
{
    int64_t competitor;
    if (!competitor_number(tx, record, now_ms, &competitor, err) ||
        !version_id(tx, competitor, record->digest, version, err))
        return false;
    return *version != 0 || insert_version(tx, competitor, record, now_ms, version, err);
}

bool competitors_imported(struct db *tx, struct text name, int64_t now_ms, int64_t *version,
                          struct err *err)
{
    struct db_value value = DB_TEXT(name);
    if (!db_one_int(
            tx,
            "SELECT v.id FROM competitor_versions v JOIN competitors c ON c.number = v.competitor"
            " WHERE c.name = ? AND v.imported",
            &value, 1, 0, version, err) ||
        *version != 0)
        return *version != 0;
    uint8_t digest[DIGEST_SIZE];
    char hex[DIGEST_HEX + 1];
    digest_keyed("imported", 8, name.data, name.length, digest);
    hex_encode(digest, DIGEST_SIZE, hex);
    int64_t competitor;
    struct version_record record = {
        .digest = hex, .effective = "{\"imported\":true}", .imported = true};
    if (!db_run(tx,
                "INSERT INTO competitors (name, in_house, outputs_may_train, created_ms) VALUES "
                "(?, 0, 0, ?)"
                " ON CONFLICT (name) DO NOTHING",
                DB_VALUES(value, DB_INT(now_ms)), err) ||
        !db_one_int(tx, "SELECT number FROM competitors WHERE name = ?", &value, 1, 0, &competitor,
                    err))
        return false;
    return insert_version(tx, competitor, &record, now_ms, version, err);
}

bool competitors_set_state(struct db *tx, const char *name, const char *state, struct err *err)
{
    if (!db_run(tx, "UPDATE competitors SET state = ? WHERE name = ?",
                DB_VALUES(DB_STRING(state), DB_STRING(name)), err))
        return false;
    return db_changes(tx) == 1 ||
           err_set(err, ERR_NOT_FOUND, "there is no competitor called %s", name);
}

bool competitors_set_code_name(struct db *tx, const char *name, const char *code_name,
                               struct err *err)
{
    return db_run(tx,
                  "UPDATE competitors SET code_name = ?1 WHERE name = ?2 AND code_name IS NOT ?1",
                  DB_VALUES(DB_STRING(code_name), DB_STRING(name)), err);
}

bool competitors_state(struct db *db, const char *name, char state[COMPETITOR_STATE_SIZE],
                       struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows, "SELECT state FROM competitors WHERE name = ?",
                   DB_VALUES(DB_STRING(name)), err))
        return false;
    state[0] = '\0';
    if (db_next(&rows))
        db_copy(&rows, 0, state, COMPETITOR_STATE_SIZE);
    return db_end(&rows, err);
}

/* --- the day --- */

enum { DAY_MS = 86400000, DAY_BATTLES = 200000 /* of the newest: no day has more */ };

bool competitors_day(struct db *db, int64_t now_ms,
                     void (*each)(void *user, const char *name, const struct competitor_day *day),
                     void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "WITH today AS MATERIALIZED (SELECT number, version_a, version_b, mode, state"
            " >= 2 AS over, EXISTS (SELECT 1 FROM votes s WHERE s.battle = b.number AND"
            " s.counted = 0) AS voted FROM battles b WHERE number > (SELECT max(number) FROM"
            " battles) - ?1 AND source = 0 AND created_ms >= ?2),"
            " stood (version, over, voted) AS (SELECT version_a, over, voted FROM today UNION"
            " ALL SELECT version_b, over, voted FROM today WHERE mode <> 2)"
            " SELECT c.name, count(*), sum(over), sum(voted) FROM stood JOIN"
            " competitor_versions v ON v.id = version JOIN competitors c ON c.number ="
            " v.competitor GROUP BY c.number",
            DB_VALUES(DB_INT(DAY_BATTLES), DB_INT(now_ms - now_ms % DAY_MS)), err))
        return false;
    while (db_next(&rows)) {
        struct competitor_day day = {db_int(&rows, 1), db_int(&rows, 2), db_int(&rows, 3)};
        each(user, db_string(&rows, 0), &day);
    }
    return db_end(&rows, err);
}

/* --- versions --- */

bool versions_each(struct db *db, bool (*each)(void *user, const struct version_record *record),
                   void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "SELECT v.id, v.competitor, c.name, v.digest, v.effective, c.organisation, "
            "c.licence, c.in_house,"
            " v.imported, c.outputs_may_train, v.created_ms, c.code_name FROM competitor_versions v"
            " JOIN competitors c ON c.number = v.competitor ORDER BY v.id",
            DB_NONE, err))
        return false;
    bool more = true;
    while (more && db_next(&rows)) {
        struct version_record record = {.id = db_int(&rows, 0),
                                        .competitor = db_int(&rows, 1),
                                        .in_house = db_int(&rows, 7) != 0,
                                        .imported = db_int(&rows, 8) != 0,
                                        .outputs_may_train = db_int(&rows, 9) != 0,
                                        .created_ms = db_int(&rows, 10),
                                        .name = db_string(&rows, 2),
                                        .digest = db_string(&rows, 3),
                                        .effective = db_string(&rows, 4),
                                        .organisation = db_string(&rows, 5),
                                        .licence = db_string(&rows, 6),
                                        .code_name = db_string(&rows, 11)};
        more = each(user, &record);
    }
    return db_end(&rows, err);
}

struct loading {
    struct versions *out;
    size_t room;
    bool failed;
};

static bool grow(struct loading *loading)
{
    if (loading->out->count < loading->room)
        return true;
    size_t room = loading->room == 0 ? 64 : loading->room * 2;
    struct version_record *list = realloc(loading->out->list, room * sizeof *list);
    if (list == NULL)
        return false;
    loading->out->list = list;
    loading->room = room;
    return true;
}

static const char *copy(const char *text, bool *failed)
{
    char *new = text == NULL ? NULL : strdup(text);
    *failed |= text != NULL && new == NULL;
    return new;
}

static bool load_one(void *user, const struct version_record *record)
{
    struct loading *loading = user;
    if (!grow(loading)) {
        loading->failed = true;
        return false;
    }
    struct version_record *place = &loading->out->list[loading->out->count++];
    *place = *record;
    place->name = copy(record->name, &loading->failed);
    place->digest = copy(record->digest, &loading->failed);
    place->effective = copy(record->effective, &loading->failed);
    place->organisation = copy(record->organisation, &loading->failed);
    place->licence = copy(record->licence, &loading->failed);
    place->code_name = copy(record->code_name, &loading->failed);
    return !loading->failed;
}

bool versions_load(struct db *db, struct versions *out, struct err *err)
{
    *out = (struct versions){NULL, 0};
    struct loading loading = {.out = out};
    bool read = versions_each(db, load_one, &loading, err);
    if (read && !loading.failed)
        return true;
    versions_done(out);
    return !read ? false : err_set(err, ERR_MEMORY, "no memory for the list of competitors");
}

static int compare_id(const void *key, const void *element)
{
    int64_t id = *(const int64_t *)key, other = ((const struct version_record *)element)->id;
    return (id > other) - (id < other);
}

const struct version_record *versions_find(const struct versions *versions, int64_t id)
{
    if (versions->count == 0)
        return NULL;
    return bsearch(&id, versions->list, versions->count, sizeof *versions->list, compare_id);
}

void versions_done(struct versions *versions)
{
    for (size_t i = 0; i < versions->count; i++) {
        const struct version_record *record = &versions->list[i];
        const char *owned[] = {record->name,         record->digest,  record->effective,
                               record->organisation, record->licence, record->code_name};
        for (size_t j = 0; j < sizeof owned / sizeof owned[0]; j++)
            free((void *)(uintptr_t)owned[j]);
    }
    free(versions->list);
    *versions = (struct versions){NULL, 0};
}

/* --- incidents --- */

bool incidents_add(struct db *tx, const struct incident_record *record, struct err *err)
{
    if (!db_run(tx,
                "INSERT INTO incidents (battle, version, against, side, kind, code, at_ms)"
                " SELECT number, ?, ?, ?, ?, ?, ? FROM battles WHERE id = ?",
                DB_VALUES(DB_INT(record->version), DB_INT(record->against), DB_INT(record->side),
                          DB_INT(record->kind), DB_STRING(record->code), DB_INT(record->at_ms),
                          DB_STRING(record->battle)),
                err))
        return false;
    return db_changes(tx) == 1 ||
           err_set(err, ERR_NOT_FOUND, "there is no battle %s", record->battle);
}

bool incidents_each(struct db *db, void (*each)(void *user, const struct incident_count *count),
                    void *user, struct err *err)
{
    struct db_rows rows;
    if (!db_select(
            db, &rows,
            "WITH drawn (version, battles) AS (SELECT version, count(*) FROM"
            " (SELECT version_a AS version FROM battles WHERE source <> 2 AND state IN (2, 4, 5)"
            " UNION ALL SELECT version_b FROM battles WHERE source <> 2 AND state IN (2, 4, 5)) "
            "GROUP BY version),"
            " went (version, voids, swaps, retries) AS (SELECT i.version, sum(i.kind = 0), "
            "sum(i.kind = 1),"
            " sum(i.kind = 2) FROM incidents i JOIN battles b ON b.number = i.battle WHERE b.state "
            "IN (2, 4, 5)"
            " GROUP BY i.version),"
            " given (answer) AS (SELECT t.answer_a FROM turns t JOIN battles b ON b.number = "
            "t.battle"
            " WHERE b.state IN (2, 4, 5) UNION SELECT t.answer_b FROM turns t JOIN battles b ON "
            "b.number = t.battle"
            " WHERE b.state IN (2, 4, 5)),"
            " said (version, answers, refusals, lengths) AS (SELECT a.version, count(*),"
            " sum(a.finish IN ('refusal', 'content_filter')), sum(a.finish = 'length') FROM given"
            " JOIN answers a ON a.id = given.answer GROUP BY a.version)"
            " SELECT v.id, coalesce(battles, 0) + coalesce(swaps, 0), coalesce(voids, 0), "
            "coalesce(swaps, 0), "
            "coalesce(retries, 0),"
            " coalesce(answers, 0), coalesce(refusals, 0), coalesce(lengths, 0) FROM "
            "competitor_versions v"
            " LEFT JOIN drawn ON drawn.version = v.id LEFT JOIN went ON went.version = v.id"
            " LEFT JOIN said ON said.version = v.id WHERE NOT v.imported ORDER BY v.id",
            DB_NONE, err))
        return false;
    while (db_next(&rows)) {
        struct incident_count count = {db_int(&rows, 0), db_int(&rows, 1), db_int(&rows, 2),
                                       db_int(&rows, 3), db_int(&rows, 4), db_int(&rows, 5),
                                       db_int(&rows, 6), db_int(&rows, 7)};
        each(user, &count);
    }
    return db_end(&rows, err);
}
