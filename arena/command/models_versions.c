/* The same object as GET /api/roster/versions; its text is written from it. */
#include "command/models_versions.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "board/lineage.h"
#include "command/command.h"

enum { VERSIONS_BYTES = 16 << 20 };

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void print_change(const json_t *change)
{
    char *from = json_dumps(json_object_get(change, "from"), JSON_ENCODE_ANY),
         *to = json_dumps(json_object_get(change, "to"), JSON_ENCODE_ANY);
    printf("    %s: %s -> %s\n", text_in(change, "key"), from ? from : "?", to ? to : "?");
    free(from);
    free(to);
}

static void print_version(const json_t *version)
{
    const json_t *change;
    size_t i;
    printf("%s  %.8s  since %s  %lld battles, %lld votes%s\n", text_in(version, "label"),
           text_in(version, "version"), text_in(version, "since"),
           (long long)json_integer_value(json_object_get(version, "battles")),
           (long long)json_integer_value(json_object_get(version, "votes")),
           json_is_true(json_object_get(version, "live")) ? "  (live)" : "");
    json_array_foreach(json_object_get(version, "changes"), i, change) print_change(change);
}

static void print_all(const struct buf *text)
{
    json_t *lineage = json_loadb(text->data, text->length, 0, NULL), *version;
    size_t i;
    json_array_foreach(json_object_get(lineage, "versions"), i, version) print_version(version);
    json_decref(lineage);
}

int models_versions(const char *name, const char *data, bool as_json)
{
    struct err err = ERR_INIT;
    struct buf text;
    buf_init(&text, VERSIONS_BYTES);
    struct json_out out = json_out_to(&text);
    struct db *db = store_read_open(data, &err);
    bool ok = db && lineage_write(&out, db, name, NULL, &err);
    if (ok && as_json)
        printf("%s\n", text.data);
    else if (ok)
        print_all(&text);
    db_close(db);
    buf_done(&text);
    return ok ? EXIT_OK : command_fail(&command_models, &err);
}
