/* The same two steps as of the route: a moment is read, then stored. */
#include "command/leaderboard_publish.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "board/publication.h"
#include "command/owner.h"
#include "store/store.h"

#define ACTOR "command line"

struct storing {
    struct publication *publication;
    const char *note;
};

static bool apply(struct db *tx, void *data, struct err *err)
{
    const struct storing *storing = data;
    return publication_store(tx, storing->publication, ACTOR, storing->note, err);
}

static void say(int64_t id, int64_t votes)
{
    printf("publication %" PRId64 ": the leaderboards up to vote %" PRId64 "\n", id, votes);
}

static bool publish_alone(const char *data, const char *note, struct err *err)
{
    struct store *store = store_open(data, NULL, err);
    struct db *db = store ? store_read_open(data, err) : NULL;
    struct storing storing = {db ? publication_take(db, err) : NULL, note};
    bool good = storing.publication && store_apply(store, apply, &storing, err);
    if (good)
        say(storing.publication->id, storing.publication->seq);
    publication_release(storing.publication);
    db_close(db);
    store_close(store);
    return good;
}

bool leaderboard_publish(const char *data, const char *note, struct err *err)
{
    json_t *reply = NULL, *body = json_pack("{s:s}", "note", note);
    if (!body)
        return err_set(err, ERR_BAD_REQUEST, "the note is not UTF-8");
    enum owner_answer answer = owner_post(data, "/api/publications", body, &reply, err);
    json_decref(body);
    if (answer == OWNER_ABSENT)
        return publish_alone(data, note, err);
    if (answer == OWNER_DONE)
        say(json_integer_value(json_object_get(reply, "id")),
            json_integer_value(json_object_get(reply, "votes")));
    json_decref(reply);
    return answer == OWNER_DONE;
}
