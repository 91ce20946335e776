/* Stacks are chains of frames that share their lower parts, so that a place is copied in sixteen
 * bytes whatever its depth, and a path that was tried is forgotten by lowering one mark. Strings,
 * words and spaces are single instructions with a state of their own: they are where a text spends
 * its time, and no alternative need be followed inside them. */
#include "engine/grammar.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_FUEL = 4096 };

/* --- Making --- */

struct grammar *grammar_new(void)
{
    return calloc(1, sizeof(struct grammar));
}

void grammar_free(struct grammar *grammar)
{
    if (!grammar)
        return;
    for (uint32_t i = 0; i < grammar->word_count; i++)
        free((char *)(uintptr_t)grammar->words[i].bytes);
    free(grammar->words);
    free(grammar->steps);
    free(grammar);
}

/* Room for one more of `size` bytes. */
static void *room(void *list, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return list;
    uint32_t wanted = *capacity ? *capacity * 2 : 64;
    if (wanted > GRAMMAR_PROGRAM)
        return NULL;
    void *grown = realloc(list, wanted * size);
    if (grown)
        *capacity = wanted;
    return grown;
}

uint32_t grammar_add(struct grammar *g, struct grammar_step step)
{
    struct grammar_step *steps = room(g->steps, g->count, &g->capacity, sizeof *steps);
    if (!steps)
        return GRAMMAR_UNBOUNDED;
    g->steps = steps;
    steps[g->count] = step;
    return g->count++;
}

uint32_t grammar_add_word(struct grammar *g, const char *bytes, size_t length)
{
    struct grammar_word *words = room(g->words, g->word_count, &g->word_capacity, sizeof *words);
    if (!words)
        return GRAMMAR_UNBOUNDED;
    g->words = words;
    char *copy = malloc(length + 1);
    if (!copy)
        return GRAMMAR_UNBOUNDED;
    memcpy(copy, bytes, length);
    words[g->word_count] = (struct grammar_word){copy, (uint32_t)length};
    return g->word_count++;
}

/* --- Reaching places --- */

/* The level being filled ends at first[level + 1]. */
struct reach {
    struct grammar_walk *walk;
    int level;
};

static bool same_stack(const struct grammar_walk *w, int32_t a, int32_t b)
{
    while (a != b) {
        if (a < 0 || b < 0 || w->frames[a].step != w->frames[b].step ||
            w->frames[a].count != w->frames[b].count)
            return false;
        a = w->frames[a].up;
        b = w->frames[b].up;
    }
    return true;
}

static void put(struct reach *to, struct grammar_place place)
{
    struct grammar_walk *w = to->walk;
    int first = w->first[to->level], *end = &w->first[to->level + 1];
    for (int i = first; i < *end; i++) {
        const struct grammar_place *old = &w->places[i];
        if (old->step == place.step && old->count == place.count && old->sub == place.sub &&
            same_stack(w, old->frame, place.frame))
            return;
    }
    if (*end - first < GRAMMAR_PLACES)
        w->places[(*end)++] = place;
}

static bool has_room(const struct grammar_place *place, uint32_t need)
{
    return need <= GRAMMAR_DEPTH - (uint32_t)place->depth; /* what never ends needs UINT32_MAX */
}

static bool call(struct reach *to, struct grammar_place *place, const struct grammar_step *step)
{
    int *used = &to->walk->frames_used[to->level];
    if (!has_room(place, step->y) || *used == GRAMMAR_FRAMES)
        return false;
    to->walk->frames[*used] = (struct grammar_frame){place->step + 1, place->count, place->frame};
    *place = (struct grammar_place){
        .step = step->x, .depth = (uint16_t)(place->depth + 1), .frame = (*used)++};
    return true;
}

static void come_back(const struct grammar_walk *w, struct grammar_place *place)
{
    const struct grammar_frame *frame = &w->frames[place->frame];
    place->step = frame->step;
    place->count = frame->count;
    place->frame = frame->up;
    place->depth--;
}

static void reach(struct reach *to, struct grammar_place place);

/* Goes on past the loop's head where it may, and leaves the loop where it may; false: only that. */
static bool again(struct reach *to, struct grammar_place *place, const struct grammar_step *step)
{
    if (place->count >= step->x) {
        struct grammar_place out = *place;
        out.step = step->z;
        out.count = 0;
        reach(to, out);
    }
    if (place->count >= step->y)
        return false;
    place->count++;
    place->step++;
    return true;
}

/* Puts every place that can be had from here without a byte. */
static void reach(struct reach *to, struct grammar_place place)
{
    struct grammar_walk *w = to->walk;
    bool on = true;
    while (on && w->fuel-- > 0) {
        const struct grammar_step *step = &w->grammar->steps[place.step];
        struct grammar_place other = place;
        switch ((enum grammar_op)step->op) {
        case GRAMMAR_BYTE:
        case GRAMMAR_WORDS:
        case GRAMMAR_TEXT:
        case GRAMMAR_END:
            put(to, place);
            return;
        case GRAMMAR_SPACE:
            put(to, place);
            place.step++;
            place.sub = 0;
            break;
        case GRAMMAR_SPLIT:
            other.step = step->x;
            reach(to, other);
            place.step = step->y;
            break;
        case GRAMMAR_JUMP:
            place.step = step->x;
            break;
        case GRAMMAR_CALL:
            on = call(to, &place, step);
            break;
        case GRAMMAR_RETURN:
            come_back(w, &place);
            break;
        case GRAMMAR_MORE:
            on = again(to, &place, step);
            break;
        case GRAMMAR_ROOM:
            on = has_room(&place, step->y);
            place.step++;
            break;
        }
    }
}

/* Behind an instruction that kept a state of its own; a space left the counter to its loop. */
static void go_on(struct reach *to, struct grammar_place place, uint32_t count)
{
    place.step++;
    place.count = count;
    place.sub = 0;
    reach(to, place);
}

/* --- One byte --- */

enum { /* states inside a string: how much of a character is missing, or of an escape */
       WHOLE,
       LAST,
       TWO,
       THREE,
       AFTER_E0,
       AFTER_ED,
       AFTER_F0,
       AFTER_F4,
       ESCAPE,
       HEX_1,
       HEX_2,
       HEX_2_AFTER_D,
       HEX_3,
       HEX_4,
       STATES
};

static int first_byte(unsigned char c)
{
    if (c < 0x20 || c == '"')
        return -1;
    if (c < 0x80)
        return c == '\\' ? ESCAPE : WHOLE;
    if (c < 0xE0)
        return c >= 0xC2 ? LAST : -1;
    if (c < 0xF0)
        return c == 0xE0 ? AFTER_E0 : c == 0xED ? AFTER_ED : TWO;
    return c == 0xF0 ? AFTER_F0 : c < 0xF4 ? THREE : c == 0xF4 ? AFTER_F4 : -1;
}

static bool is_hex(unsigned char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

int grammar_text_next(int state, unsigned char c)
{
    static const struct {
        unsigned char low, high, next;
    } TAILS[STATES] = {
        [LAST] = {0x80, 0xBF, WHOLE},    [TWO] = {0x80, 0xBF, LAST},
        [THREE] = {0x80, 0xBF, TWO},     [AFTER_E0] = {0xA0, 0xBF, LAST},
        [AFTER_ED] = {0x80, 0x9F, LAST}, [AFTER_F0] = {0x90, 0xBF, TWO},
        [AFTER_F4] = {0x80, 0x8F, TWO},
    };
    if (state == WHOLE)
        return first_byte(c);
    if (state < ESCAPE)
        return c >= TAILS[state].low && c <= TAILS[state].high ? TAILS[state].next : -1;
    if (state == ESCAPE)
        return c == 'u' ? HEX_1 : c && strchr("\"\\/bfnrt", c) ? WHOLE : -1;
    if (!is_hex(c) || (state == HEX_2_AFTER_D && (c > '7')))
        return -1;
    if (state == HEX_1)
        return (c | 0x20) == 'd' ? HEX_2_AFTER_D : HEX_2;
    return state == HEX_4 ? WHOLE : state == HEX_3 ? HEX_4 : HEX_3;
}

static void step_text(struct reach *to, struct grammar_place place, unsigned char byte)
{
    const struct grammar_step *step = &to->walk->grammar->steps[place.step];
    if (place.sub == WHOLE) {
        if (byte == '"' && place.count >= step->x)
            go_on(to, place, 0);
        if (place.count >= step->y)
            return;
        place.count++;
    }
    int next = grammar_text_next(place.sub, byte);
    place.sub = (uint16_t)next;
    if (next >= 0)
        put(to, place);
}

/* `count` is the first word that begins with the `sub` bytes so far: sorted, the others stand right
 * behind it. */
static void step_words(struct reach *to, struct grammar_place place, unsigned char byte)
{
    const struct grammar_step *step = &to->walk->grammar->steps[place.step];
    const struct grammar_word *words = to->walk->grammar->words + step->x;
    const char *so_far = words[place.count].bytes;
    for (uint32_t i = place.count; i < step->y; i++) {
        if (words[i].length < place.sub || memcmp(words[i].bytes, so_far, place.sub))
            return;
        if (words[i].length == place.sub || (unsigned char)words[i].bytes[place.sub] != byte)
            continue;
        place.count = i;
        place.sub++;
        if (words[i].length == place.sub)
            go_on(to, place, 0);
        if (words[i].length > place.sub || (i + 1 < step->y && words[i + 1].length > place.sub &&
                                            !memcmp(words[i].bytes, words[i + 1].bytes, place.sub)))
            put(to, place);
        return;
    }
}

/* sub: 0 at the start, n + 1 after a new line and n blanks. */
static void step_space(struct reach *to, struct grammar_place place, unsigned char byte)
{
    if (!place.sub && byte == ' ') {
        go_on(to, place, place.count);
        return;
    }
    bool blank = place.sub && place.sub <= GRAMMAR_BLANKS && (byte == ' ' || byte == '\t');
    if (!blank && (place.sub || byte != '\n'))
        return;
    place.sub++;
    put(to, place);
    go_on(to, place, place.count);
}

bool grammar_walk_step(struct grammar_walk *w, int level, unsigned char byte)
{
    struct reach to = {w, level + 1};
    w->fuel = MOST_FUEL;
    w->first[level + 2] = w->first[level + 1];
    w->frames_used[level + 1] = w->frames_used[level];
    for (int i = w->first[level]; i < w->first[level + 1]; i++) {
        struct grammar_place place = w->places[i];
        const struct grammar_step *step = &w->grammar->steps[place.step];
        if (step->op == GRAMMAR_TEXT)
            step_text(&to, place, byte);
        else if (step->op == GRAMMAR_WORDS)
            step_words(&to, place, byte);
        else if (step->op == GRAMMAR_SPACE)
            step_space(&to, place, byte);
        else if (step->op == GRAMMAR_BYTE && byte >= step->low && byte <= step->high) {
            place.step++; /* the counter is the loop's around it */
            reach(&to, place);
        }
    }
    return w->first[level + 2] > w->first[level + 1];
}

/* --- The walk --- */

void grammar_walk_start(struct grammar_walk *w, const struct grammar *grammar)
{
    struct reach to = {w, 0};
    w->grammar = grammar;
    w->fuel = MOST_FUEL;
    w->first[0] = w->first[1] = w->frames_used[0] = 0;
    reach(&to, (struct grammar_place){.frame = -1});
}

/* A frame's caller lies below it, so those in use slide down in order. */
static int keep_frames(struct grammar_walk *w, int level)
{
    enum { UNUSED = -2, USED = -1 };
    int32_t *moved = w->moved;
    int kept = 0;
    for (int32_t f = 0; f < w->frames_used[level]; f++)
        moved[f] = UNUSED;
    for (int i = 0; i < w->first[1]; i++)
        for (int32_t f = w->places[i].frame; f >= 0 && moved[f] == UNUSED; f = w->frames[f].up)
            moved[f] = USED;
    for (int32_t f = 0; f < w->frames_used[level]; f++) {
        struct grammar_frame frame = w->frames[f];
        if (moved[f] == UNUSED)
            continue;
        frame.up = frame.up < 0 ? frame.up : moved[frame.up];
        w->frames[kept] = frame;
        moved[f] = kept++;
    }
    for (int i = 0; i < w->first[1]; i++)
        w->places[i].frame = w->places[i].frame < 0 ? -1 : moved[w->places[i].frame];
    return kept;
}

void grammar_walk_settle(struct grammar_walk *w, int level)
{
    int count = w->first[level + 1] - w->first[level];
    memmove(w->places, w->places + w->first[level], (size_t)count * sizeof *w->places);
    w->first[0] = 0;
    w->first[1] = count;
    w->frames_used[0] = keep_frames(w, level);
}

bool grammar_walk_may_end(const struct grammar_walk *w, int level)
{
    for (int i = w->first[level]; i < w->first[level + 1]; i++)
        if (w->grammar->steps[w->places[i].step].op == GRAMMAR_END)
            return true;
    return false;
}
