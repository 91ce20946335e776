/* Spare time: questions to a competitor that no person waits for, one at a time, of all who have
 * some (guests: the tagger, the search for personal data).
 *
 * A guest's turn comes only when nobody has waited for an answer for its `quiet_ms`: while any
 * competitor answers anybody else nothing is asked, and a question under way is cancelled, to be
 * asked again in a later turn. So a live battle never stands behind a guest, and no guest behind
 * another for longer than a question. Loop's thread only. */
#ifndef ARENA_COMPETITOR_SPARE_H
#define ARENA_COMPETITOR_SPARE_H

#include "competitor/roster.h"

struct spare;

/* Its owner fills in the first four; the rest is the room's. */
struct spare_guest {
    int64_t quiet_ms;
    /* Its turn, at most once for each spare_again: asks one question, or begins other work. */
    void (*turn)(void *user);
    /* How its question ended; `said` is cut at nothing: data NULL where it was longer than
     * spare_ask allowed. Not called for a question that was cancelled: its turn comes again. */
    void (*answered)(void *user, struct text said, const struct chat_end *end);
    void *user;
    int64_t due_ns;
    struct spare_guest *next;
};

/* All are borrowed. Returns new. */
struct spare *spare_new(struct loop *loop, const struct roster *roster, struct err *err);

/* Its first turn comes when it is quiet. The guest must live as long as the room. */
void spare_join(struct spare *spare, struct spare_guest *guest);

/* Another turn, after so long at the earliest. */
void spare_again(struct spare *spare, struct spare_guest *guest, int64_t ns);

/* In a turn only: a background question, of whose answer at most `most` bytes are kept. False when
 * it could not even be asked: nothing follows but what spare_again brings. */
struct spare_question {
    struct competitor *competitor; /* held by its guest */
    const struct chat_message *messages;
    size_t count;
    struct chat_params params;
    size_t most;
};
bool spare_ask(struct spare *spare, struct spare_guest *guest,
               const struct spare_question *question);

/* Asks nothing any more; `stopped` is called once, when the question under way has ended. */
void spare_stop(struct spare *spare, void (*stopped)(void *user), void *user);
void spare_free(struct spare *spare); /* before its loop; NULL is allowed */

#endif
