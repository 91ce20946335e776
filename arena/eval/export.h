/* Data out: votes, battles, preference pairs, as a stream of rows (export_table.h).
 *
 * Names are the board's (board/stored.h's labels), so that the votes alone give the board again;
 * fields are those of LMArena's arena-human-preference-140k with ours beside them
 * (docs/evaluation.md lists them). Memory does not grow with the number of rows, but for 12 bytes a
 * prompt. Blocking; any thread with its own reader. */
#ifndef ARENA_EVAL_EXPORT_H
#define ARENA_EVAL_EXPORT_H

#include "board/sieve.h"
#include "eval/export_table.h"
#include "store/battle_rows.h"

struct export_options {
    int64_t from_ms, to_ms; /* 0: no bound */
    int64_t daily_votes;    /* of a person on a day only so many count (board/sieve.h); 0: all */
    int judge;              /* enum judge_kind; -1: any */
    const char *category, *model, *campaign; /* NULL: any. A model by its label or its plain name */
    bool all;                                /* votes that do not count too */
    enum consent_scope scope; /* the least that a voter must have agreed to, for texts to go out */
    bool own;                 /* who was never asked runs the arena: as good as agreed */
    bool kto;                 /* preferences as prompt, completion, label */
    void (*progress)(void *user, uint64_t rows); /* now and then; NULL: nobody looks */
    void *user;
};

/* Which votes count, as on the board. */
bool export_sieve(struct db *db, const struct export_options *options, struct sieve_marks *marks,
                  struct err *err);

/* What was not written, by why. */
struct export_report {
    uint64_t rows, not_counted, self, without_consent, kept_private, may_not_train, ties,
        several_turns, no_text, held_back;
    uint64_t unread; /* written, before the model that looks for personal data has seen it */
};

bool export_votes(struct db *db, const struct export_options *options, struct table *table,
                  struct export_report *report, struct err *err);
bool export_battles(struct db *db, const struct export_options *options, struct table *table,
                    struct export_report *report, struct err *err);

/* A decided vote on one turn is a pair: prompt, chosen, rejected. Ties and both-bad are none (KTO:
 * both-bad are two rejected completions). Battles of several turns are left out: from the second on
 * the sides answered different conversations. */
bool export_preferences(struct db *db, const struct export_options *options, struct table *table,
                        struct export_report *report, struct err *err);

/* Whether the options let out the text of a voter who agreed to `consent`. */
bool export_may_tell(const struct export_options *options, enum consent_scope consent);

#endif
