/* Personal data that a word before it gives away: "my name is", "born on", "passport no.", a
 * street. Inside personal.c only; pure, each a bounded look around a place where a word begins. */
#ifndef ARENA_EVAL_PERSONAL_CUES_H
#define ARENA_EVAL_PERSONAL_CUES_H

#include "base/buf.h"

/* Bits of personal.h. */
unsigned personal_cue_at(struct text text, size_t at);

#endif
