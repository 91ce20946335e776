/* How far a tagger agrees with people on the labelled sample (tag_sample.h). Pure; any thread. */
#ifndef ARENA_BOARD_AGREEMENT_H
#define ARENA_BOARD_AGREEMENT_H

#include "base/buf.h"
#include "board/tag_form.h"

struct agreement {
    struct {
        int table[2][2]; /* [people's label][the tagger's]: prompts */
        int malformed;
    } of[TAG_QUESTIONS];
};

/* Counts the answers to one prompt of the sample. */
void agreement_add(struct agreement *agreement, size_t sample, const struct tag_answers *answers);

/* {"sample":36,"creative_writing":{"agreed","of","kappa","malformed"},…}: Cohen's kappa is 0 for a
 * tagger that agrees no more than by chance, null where it cannot be told. */
bool agreement_write(const struct agreement *agreement, struct buf *out);

/* That object as a sentence; without one it says that nothing was measured yet. */
void agreement_sentence(struct text json, struct buf *out);

#endif
