/* Prompts labelled by people, to tell how far a tagger can be trusted. Written for this purpose:
 * none of them is among the examples that a tagger is shown. */
#ifndef ARENA_BOARD_TAG_SAMPLE_H
#define ARENA_BOARD_TAG_SAMPLE_H

#include <stdbool.h>

#define TAG_SAMPLE_COUNT 36

struct tag_sample {
    const char *prompt;
    bool hard, creative, following;
};

extern const struct tag_sample TAG_SAMPLE[TAG_SAMPLE_COUNT];

#endif
