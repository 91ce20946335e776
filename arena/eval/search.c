/* Pieces are copies: between two questions hours may pass, in which no read may stay open. */
#include "eval/search.h"

#include <stdlib.h>
#include <string.h>

#include "eval/find_form.h"
#include "eval/personal.h"

enum { OVERLAP = FIND_TEXT_BYTES };

const char *search_part_word(int part)
{
    static const char *const WORDS[] = {
#define X(name, word) [name] = word,
        SEARCH_PART_MAP(X)
#undef X
    };
    return part >= 0 && part < SEARCH_PARTS ? WORDS[part] : "?";
}

struct text search_turn_text(const struct turn_record *turn, int part)
{
    const struct text none = {NULL, 0};
    if (part == SEARCH_PROMPT)
        return turn->prompt;
    if (!turn->answered)
        return none;
    return part == SEARCH_ANSWER_A    ? turn->a.text
           : part == SEARCH_ANSWER_B  ? turn->b.text
           : part == SEARCH_REFUSAL_A ? turn->a.refusal
           : part == SEARCH_REFUSAL_B ? turn->b.refusal
                                      : none;
}

/* --- cutting --- */

static bool begins_character(struct text text, size_t at)
{
    return at >= text.length || ((unsigned char)text.data[at] & 0xc0) != 0x80;
}

/* Where a piece from `start` on ends: after a blank of its last quarter, where it has one. */
static size_t end_of_piece(struct text text, size_t start)
{
    if (text.length - start <= LIMIT_SEARCH_PIECE_BYTES)
        return text.length;
    size_t end = start + LIMIT_SEARCH_PIECE_BYTES;
    for (size_t at = end; at > end - LIMIT_SEARCH_PIECE_BYTES / 4; at--)
        if (text.data[at - 1] == ' ' || text.data[at - 1] == '\n')
            return at;
    while (!begins_character(text, end))
        end--;
    return end;
}

bool search_add_text(struct search *search, int turn, int part, struct text text)
{
    search->patterns |= personal_find(text);
    for (size_t start = 0, end = 0; end < text.length;) {
        if (search->count == LIMIT_SEARCH_PIECES) {
            search->unread += (int64_t)(text.length - end);
            return true;
        }
        end = end_of_piece(text, start);
        char *copy = malloc(end - start);
        if (!copy)
            return false;
        memcpy(copy, text.data + start, end - start);
        search->pieces[search->count++] =
            (struct search_piece){turn, part, (int64_t)start, copy, end - start};
        start = end - OVERLAP;
        while (!begins_character(text, start))
            start++;
    }
    return true;
}

/* --- reading --- */

static bool on_turn(void *user, const struct turn_record *turn)
{
    struct search *search = user;
    bool ok = true;
    for (int part = SEARCH_PROMPT; ok && part <= SEARCH_REFUSAL_B; part++)
        ok = search_add_text(search, turn->turn, part, search_turn_text(turn, part));
    search->unread = ok ? search->unread : -1;
    return ok;
}

static void on_feedback(void *user, struct text comment, struct text recognised)
{
    struct search *search = user;
    if (search->unread >= 0 && (!search_add_text(search, 0, SEARCH_COMMENT, comment) ||
                                !search_add_text(search, 0, SEARCH_GUESS, recognised)))
        search->unread = -1;
}

static bool read_texts(struct db *db, struct search *search, struct err *err)
{
    if (!turns_each(db, search->battle.id, on_turn, search, err) ||
        !finds_feedback(db, search->battle.battle, on_feedback, search, err))
        return false;
    return search->unread >= 0 || err_set(err, ERR_MEMORY, "no memory for a battle's texts");
}

bool search_next(struct db *db, int64_t finder, int64_t after, bool own, struct search **out,
                 struct err *err)
{
    struct unsearched battle;
    *out = NULL;
    if (!searches_missing(db, finder, after, own, &battle, err) || !battle.battle)
        return err->code == ERR_NONE;
    struct search *search = calloc(1, sizeof *search);
    if (!search)
        return err_set(err, ERR_MEMORY, "no memory for a battle's texts");
    search->battle = battle;
    if (!read_texts(db, search, err)) {
        search_free(search);
        return false;
    }
    *out = search;
    return true;
}

void search_free(struct search *search)
{
    for (size_t i = 0; search && i < search->count; i++)
        free(search->pieces[i].text);
    free(search);
}

/* --- what was said --- */

/* Pieces overlap: it may have been found in the one before. */
static bool is_known(const struct search *search, const struct find_record *find)
{
    for (size_t i = 0; i < search->found; i++) {
        const struct find_record *known = &search->finds[i];
        if (known->turn == find->turn && known->part == find->part && known->start == find->start &&
            known->length == find->length)
            return true;
    }
    return false;
}

void search_take(struct search *search, size_t piece, struct text said)
{
    const struct search_piece *its = &search->pieces[piece];
    struct find_answer answer;
    search->malformed += !find_form_read((struct text){its->text, its->length}, said, &answer);
    search->invented += (int64_t)answer.invented;
    for (size_t i = 0; i < answer.count && search->found < LIMIT_SEARCH_FINDS; i++) {
        struct find_record find = answer.finds[i];
        find.turn = its->turn;
        find.part = its->part;
        find.start += its->start;
        if (!is_known(search, &find))
            search->finds[search->found++] = find;
    }
}
