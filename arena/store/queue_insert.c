/* The unique index over (run, pair) makes it repeatable. */
#include "store/queue_insert.h"

static bool insert_turns(struct db *tx, int64_t item, const struct queue_turn *turns, size_t count,
                         struct err *err)
{
    for (size_t k = 0; k < count; k++)
        if (!db_run(tx,
                    "INSERT INTO queue_turns (item, turn, prompt, answer_a, answer_b)"
                    " VALUES (?, ?, ?, ?, ?)",
                    DB_VALUES(DB_INT(item), DB_INT((int64_t)k + 1), DB_TEXT(turns[k].prompt),
                              DB_INT(turns[k].answer_a), DB_INT(turns[k].answer_b)),
                    err))
            return false;
    return true;
}

bool queue_insert_item(struct db *tx, const struct queue_item *item, const struct queue_turn *turns,
                       size_t count, int64_t *id, struct err *err)
{
    bool of_run = item->run != 0;
    *id = 0;
    if (of_run && !db_one_int(tx, "SELECT id FROM queue_items WHERE run = ? AND pair = ?",
                              DB_VALUES(DB_INT(item->run), DB_INT(item->pair)), 0, id, err))
        return false;
    if (*id)
        return true;
    if (!db_run(tx,
                "INSERT INTO queue_items (run, pair, campaign, kind, gold, version_a, version_b,"
                " overlap, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                DB_VALUES(of_run ? DB_INT(item->run) : DB_NULL,
                          of_run ? DB_INT(item->pair) : DB_NULL, DB_STRING(item->campaign),
                          DB_INT(item->kind), DB_KNOWN(item->gold), DB_INT(item->version_a),
                          DB_INT(item->version_b), DB_INT(item->overlap), DB_INT(item->created_ms)),
                err))
        return false;
    *id = db_inserted(tx);
    return insert_turns(tx, *id, turns, count, err);
}
