/* Battles are read once for all versions: there is no index by version, and nobody else asks. */
#include "board/lineage.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "board/stored.h"

struct lineage {
    struct versions versions;
    struct tally_of {
        int64_t battles, votes;
    } * counts; /* of each version */
};

static bool count(struct lineage *lineage, struct db *db, const char *name, struct err *err)
{
    struct db_rows rows;
    if (!db_select(db, &rows,
                   "WITH mine AS MATERIALIZED (SELECT v.id FROM competitor_versions v JOIN"
                   " competitors c ON c.number = v.competitor WHERE c.name = ?),"
                   " over AS MATERIALIZED (SELECT version_a, version_b, EXISTS (SELECT 1 FROM votes"
                   " s WHERE s.battle = b.number AND s.counted = 0) AS voted FROM battles b WHERE"
                   " state >= 2 AND (version_a IN mine OR version_b IN mine))"
                   " SELECT id, count(*), sum(voted) FROM mine JOIN over ON id IN (version_a,"
                   " version_b) GROUP BY id",
                   DB_VALUES(DB_STRING(name)), err))
        return false;
    while (db_next(&rows)) {
        const struct version_record *record = versions_find(&lineage->versions, db_int(&rows, 0));
        if (record)
            lineage->counts[record - lineage->versions.list] =
                (struct tally_of){db_int(&rows, 1), db_int(&rows, 2)};
    }
    return db_end(&rows, err);
}

/* --- what changed --- */

static void put_value(struct json_out *out, const char *key, const json_t *value)
{
    char *text =
        value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    if (text)
        json_put_raw(out, key, text_of(text));
    else
        json_put_null(out, key);
    free(text);
}

static void put_change(struct json_out *out, const char *inside, const char *key,
                       const json_t *from, const json_t *to)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s%s", inside, *inside ? "." : "", key);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "key", path);
    put_value(out, "from", from);
    put_value(out, "to", to);
    json_put_close(out, '}');
}

static bool is_none(const json_t *value)
{
    return !value || json_is_null(value);
}

static void compare(struct json_out *out, const char *inside, const json_t *from, const json_t *to);

static void compare_one(struct json_out *out, const char *inside, const char *key,
                        const json_t *old, const json_t *new)
{
    if ((is_none(old) && is_none(new)) || json_equal(old, new))
        return;
    if (json_is_object(old) && json_is_object(new) && !*inside)
        compare(out, key, old, new);
    else
        put_change(out, inside, key, old, new);
}

static void compare(struct json_out *out, const char *inside, const json_t *from, const json_t *to)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)to, key, value)
        compare_one(out, inside, key, json_object_get(from, key), value);
    json_object_foreach((json_t *)(uintptr_t)from, key, value) if (!json_object_get(to, key))
        compare_one(out, inside, key, value, NULL);
}

static void put_changes(struct json_out *out, const struct version_record *before,
                        const struct version_record *record)
{
    json_t *from = before ? json_loads(before->effective, 0, NULL) : NULL,
           *to = json_loads(record->effective, 0, NULL);
    json_put_open(out, "changes", '[');
    if (from && to)
        compare(out, "", from, to);
    json_put_close(out, ']');
    json_decref(from);
    json_decref(to);
}

/* --- all of it --- */

static bool put_version(struct json_out *out, const struct lineage *lineage,
                        const struct version_record *before, const struct version_record *record,
                        const char *live)
{
    const struct tally_of *counts = &lineage->counts[record - lineage->versions.list];
    struct buf label;
    buf_init(&label, 1024);
    bool newest = stored_is_newest(&lineage->versions, record, 0) && !record->imported;
    bool good = stored_label(&lineage->versions, record->id, &label);
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "version", record->digest);
    json_put_string(out, "label", buf_text(&label));
    json_put_bool(out, "live", live ? strcmp(live, record->digest) == 0 : newest);
    json_put_bool(out, "imported", record->imported);
    json_put_time(out, "since", record->created_ms);
    json_put_int(out, "battles", counts->battles);
    json_put_int(out, "votes", counts->votes);
    json_put_raw(out, "effective", text_of(record->effective));
    put_changes(out, before, record);
    json_put_close(out, '}');
    buf_done(&label);
    return good;
}

static bool put_versions(struct json_out *out, const struct lineage *lineage, const char *name,
                         const char *live, struct err *err)
{
    const struct version_record *before = NULL;
    bool good = true;
    json_put_open(out, NULL, '{');
    json_put_cstring(out, "name", name);
    json_put_open(out, "versions", '[');
    for (size_t i = 0; i < lineage->versions.count; i++) {
        const struct version_record *record = &lineage->versions.list[i];
        if (strcmp(record->name, name) != 0)
            continue;
        good = put_version(out, lineage, before, record, live) && good;
        before = record;
    }
    json_put_close(out, ']');
    json_put_close(out, '}');
    if (!before)
        return err_set(err, ERR_NOT_FOUND, "no competitor was ever named \"%.128s\" here", name);
    return good || err_set(err, ERR_MEMORY, "out of memory");
}

bool lineage_write(struct json_out *out, struct db *db, const char *name, const char *live,
                   struct err *err)
{
    struct lineage lineage;
    if (!versions_load(db, &lineage.versions, err))
        return false;
    lineage.counts = calloc(lineage.versions.count + 1, sizeof *lineage.counts);
    bool good = lineage.counts
                    ? count(&lineage, db, name, err) && put_versions(out, &lineage, name, live, err)
                    : err_set(err, ERR_MEMORY, "out of memory");
    free(lineage.counts);
    versions_done(&lineage.versions);
    return good;
}
