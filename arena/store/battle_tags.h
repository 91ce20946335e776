/* What a model said that battles are about: who tags, which battles still have no tags of it, and
 * the tags.
 *
 * A tagger is a competitor's version and the way in which it is asked; tags of one are never mixed
 * with those of another. The tagger chosen last is the one whose tags boards use. Tags are
 * appended and never changed, so a board that says up to which row it has read can be computed
 * again. Writing is inside a store job. */
#ifndef ARENA_STORE_BATTLE_TAGS_H
#define ARENA_STORE_BATTLE_TAGS_H

#include "base/digest.h"
#include "store/store.h"

struct tagger_record {
    int64_t id;                   /* given by the store; 0: there is none */
    char name[129];               /* the competitor's */
    char version[DIGEST_HEX + 1]; /* its version's digest */
    char method[32];              /* how it is asked, with its version */
    struct text agreement;        /* JSON object; data NULL: not measured yet */
};

/* Makes this one the tagger whose tags hold; gives its id. `agreement` is not read. */
bool taggers_choose(struct db *tx, const struct tagger_record *record, int64_t now_ms, int64_t *id,
                    struct err *err);
bool taggers_measured(struct db *tx, int64_t id, struct text agreement, struct err *err);

/* The one chosen last; borrowed for the call. `record->id` 0: nobody has ever tagged. */
bool taggers_current(struct db *db, void (*tell)(void *user, const struct tagger_record *record),
                     void *user, struct err *err);

struct battle_tags_record {
    int64_t battle, tagger;
    struct text tags; /* members of category_tag as a JSON object; data NULL: none */
    int malformed;    /* answers that had no form that counts */
    int64_t at_ms;
};
/* A battle that has tags of this tagger keeps those. */
bool battle_tags_add(struct db *tx, const struct battle_tags_record *record, struct err *err);

/* The newest row of any tagger; 0: none. */
bool battle_tags_last(struct db *db, int64_t *id, struct err *err);

/* How many battles a tagger tagged, how many answers had no form that counts. Reads all its rows.
 */
struct battle_tags_count {
    int64_t tagged, malformed;
};
bool battle_tags_count(struct db *db, int64_t tagger, struct battle_tags_count *out,
                       struct err *err);

/* Battles of the arena's own that were voted on after vote `after` and have no tags of the tagger:
 * in the votes' order, at most `limit`, with all of their prompts, a blank line between them.
 * `open_only` leaves out what its voter keeps private. Borrowed; stops when `each` returns false.
 */
struct untagged_battle {
    int64_t seq, battle; /* of the vote; the battle's number */
    struct text prompts;
};
bool battle_tags_missing(struct db *db, int64_t tagger, int64_t after, bool open_only, int limit,
                         bool (*each)(void *user, const struct untagged_battle *battle), void *user,
                         struct err *err);

#endif
