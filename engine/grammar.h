/* A grammar over bytes as a small program, and the places in it where a text may stand.
 *
 * The program is a machine with a stack: a value of a JSON Schema is a subroutine. A text may stand
 * at several places at once (alternatives that begin alike), so a position is a set of places, each
 * with its own stack. Two things hold for every place by construction, and make a mask (mask.h)
 * safe: the text can be completed from it, and nothing else is needed for that. So alternatives may
 * be dropped where there are too many, and no position is a dead end.
 *
 * A grammar is immutable once made: any thread. A walk has one owner and never allocates. Limits
 * below: of the alternatives open at one place the first GRAMMAR_PLACES are followed, and values
 * nest GRAMMAR_DEPTH deep. */
#ifndef ENGINE_GRAMMAR_H
#define ENGINE_GRAMMAR_H

#include "engine/engine.h"

enum {
    GRAMMAR_PLACES = 128,
    GRAMMAR_DEPTH = 48,
    GRAMMAR_SPAN = 64,         /* bytes of one token; longer tokens are never drawn */
    GRAMMAR_FRAMES = 1 << 14,  /* of all stacks of a walk */
    GRAMMAR_PROGRAM = 1 << 17, /* instructions: a schema of thousands of members */
    GRAMMAR_BLANKS = 20,       /* of an indentation */
};
#define GRAMMAR_UNBOUNDED UINT32_MAX

/* Each value below has a frame of its own with one counter, which is 0 at its start. */
enum grammar_op {
    GRAMMAR_BYTE,  /* one byte from `low` to `high` */
    GRAMMAR_WORDS, /* one of `y` words from word `x` on: sorted, none twice */
    GRAMMAR_TEXT,  /* `x` to `y` characters inside a JSON string, and the quote that ends it */
    GRAMMAR_SPACE, /* nothing, a space, or a new line and up to GRAMMAR_BLANKS blanks */
    GRAMMAR_SPLIT, /* to `x` and to `y` */
    GRAMMAR_JUMP,  /* to `x` */
    GRAMMAR_CALL,  /* a value at `x`, which needs `y` frames at least */
    GRAMMAR_RETURN,
    GRAMMAR_MORE, /* the head of a loop that runs `x` to `y` times; out of it to `z` */
    GRAMMAR_ROOM, /* on only where a value that needs `y` frames has room */
    GRAMMAR_END,  /* of the text */
};

struct grammar_step {
    uint8_t op, low, high;
    uint32_t x, y, z;
};

struct grammar_word {
    const char *bytes;
    uint32_t length;
};

struct grammar {
    struct grammar_step *steps;
    uint32_t count, capacity;
    struct grammar_word *words;
    uint32_t word_count, word_capacity;
};

struct grammar *grammar_new(void);
void grammar_free(struct grammar *grammar);

/* Append; the place, or GRAMMAR_UNBOUNDED without memory or past GRAMMAR_PROGRAM. A word is
 * copied. */
uint32_t grammar_add(struct grammar *grammar, struct grammar_step step);
uint32_t grammar_add_word(struct grammar *grammar, const char *bytes, size_t length);

struct grammar_place {
    uint32_t step, count;
    uint16_t sub, depth; /* sub: inside a word, a character or a space */
    int32_t frame;
};

struct grammar_frame {
    uint32_t step, count; /* of the caller, to go on at */
    int32_t up;
};

/* Places by level: level 0 is where the text stands, level n is n bytes further along the path
 * being tried. Stepping from a level overwrites the next one. */
struct grammar_walk {
    const struct grammar *grammar; /* borrowed */
    struct grammar_place places[(GRAMMAR_SPAN + 1) * GRAMMAR_PLACES];
    int first[GRAMMAR_SPAN + 2]; /* of each level's places; the next level's is where it ends */
    int frames_used[GRAMMAR_SPAN + 1];
    struct grammar_frame frames[GRAMMAR_FRAMES];
    int32_t moved[GRAMMAR_FRAMES]; /* scratch of settling */
    int fuel; /* of the step under way: bounds what alternatives of alternatives may cost */
};

/* The start of the text, at level 0. */
void grammar_walk_start(struct grammar_walk *walk, const struct grammar *grammar);

/* One byte on from `level` to the next; false where no place lets it through. */
bool grammar_walk_step(struct grammar_walk *walk, int level, unsigned char byte);

/* Makes `level` the new level 0. */
void grammar_walk_settle(struct grammar_walk *walk, int level);

/* May the text end here? */
bool grammar_walk_may_end(const struct grammar_walk *walk, int level);

/* The inside of a JSON string, byte by byte from 0: the next state, 0 after each whole character;
 * -1: the byte cannot stand there (a quote at 0 neither). Escapes of surrogates are not let
 * through: such characters are written as they are. */
int grammar_text_next(int state, unsigned char byte);

#endif
