/* What a judge decided, read from its reply by one strict rule, and what two verdicts on the same
 * pair in both orders make together.
 *
 * The verdict is a mark at the end of the reply's last line that is not blank, and the only mark on
 * that line: [[A]], [[B]] or [[C]] (a tie; also [[TIE]], and Arena-Hard's [[A>>B]], [[A>B]],
 * [[A=B]], [[B>A]], [[B>>A]]). After it may stand emphasis and a full stop. Anything else is
 * malformed: no verdict. Marks inside what a judge is shown are broken up first (verdict_disarm),
 * so that an answer which is quoted back cannot decide. Pure; any thread. */
#ifndef ARENA_EVAL_VERDICT_H
#define ARENA_EVAL_VERDICT_H

#include "base/buf.h"

enum verdict { VERDICT_A, VERDICT_B, VERDICT_TIE, VERDICT_MALFORMED };

/* A and B as the judge saw them. */
enum verdict verdict_read(struct text reply);

/* A and B of the pair: `straight` saw its A first, `swapped` its B first. Two that differ are a
 * disagreement; one that is malformed makes the whole malformed. */
struct verdict_of_both {
    enum verdict verdict; /* a disagreement: VERDICT_TIE */
    bool disagreement;
};
struct verdict_of_both verdict_combine(enum verdict straight, enum verdict swapped);

/* Appends `text`, every mark in it broken up: [[A]] becomes [ [A] ]. */
bool verdict_disarm(struct buf *out, struct text text);

#endif
