/* The newest answers are read, oldest of them first, as they came. */
#include "command/acquaint.h"

#include <string.h>

#include "competitor/health.h"
#include "competitor/roster.h"
#include "store/answers.h"

enum { READ = 8000 }; /* TEMPO_MEMORY for each of thirty competitors */

static void take(void *user, const struct answer_timing *timing)
{
    const struct competitor *competitor = roster_find(user, timing->name);
    if (competitor && competitor->health && strcmp(competitor->version, timing->digest) == 0)
        tempo_add(&competitor->health->tempo, (size_t)timing->characters, timing->first_content_ns,
                  timing->total_ns);
}

bool acquaint(struct roster *roster, const struct store *store, struct err *err)
{
    struct db *db = store_read_open(store_dir(store), err);
    bool good = db && answers_timings(db, READ, take, roster, err);
    db_close(db);
    return good;
}
