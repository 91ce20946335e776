/* Lists grow by doubling inside one array of words; the block that a list leaves goes to the next
 * list of that size. Many votes at once are taken in the order of their voters, so that a list's
 * next vote belongs at its end; a single late vote moves what stands behind it. Either way a list
 * comes out the same. */
#include "rating/groups.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX
#define LISTED (1u << 31) /* above every ballot's number */
#define ROOM_FIRST 2
#define ROOMS_FREE UINT32_MAX
#define MANY 16  /* ballots at least that are worth sorting */
#define AHEAD 16 /* ballots: about as many as memory takes to answer */

static void grouping_init(struct grouping *grouping, uint32_t width)
{
    *grouping = (struct grouping){.width = width};
    for (size_t k = 0; k < GROUP_ROOMS; k++)
        grouping->spare[k] = ROOMS_FREE;
}

static void grouping_done(struct grouping *grouping)
{
    free(grouping->first);
    free(grouping->list);
    free(grouping->words);
    grouping_init(grouping, grouping->width);
}

void groups_init(struct groups *groups, bool by_kind)
{
    *groups = (struct groups){.by_kind = by_kind};
    grouping_init(&groups->voter, 1);
    grouping_init(&groups->prompt, 2);
}

void groups_done(struct groups *groups)
{
    grouping_done(&groups->voter);
    grouping_done(&groups->prompt);
    groups->seen = 0;
}

/* Makes `*array` hold at least `least` things of `size` bytes. */
static bool reserve(void *array, size_t *room, size_t least, size_t size)
{
    void *old, *grown;
    size_t wanted = *room + *room / 2 > least ? *room + *room / 2 : least;
    if (least <= *room)
        return true;
    memcpy(&old, array, sizeof old);
    if (!(grown = realloc(old, wanted * size)))
        return false;
    memcpy(array, &grown, sizeof grown);
    *room = wanted;
    return true;
}

static bool reserve_numbers(struct grouping *grouping, size_t numbers)
{
    if (numbers <= grouping->numbers)
        return true;
    if (!reserve(&grouping->first, &grouping->numbers_room, numbers, sizeof *grouping->first))
        return false;
    memset(grouping->first + grouping->numbers, 0xff,
           (numbers - grouping->numbers) * sizeof *grouping->first);
    grouping->numbers = numbers;
    return true;
}

/* Where `room` votes can stand. */
static bool take_block(struct grouping *grouping, uint32_t room, uint32_t *at)
{
    uint32_t *spare = &grouping->spare[__builtin_ctz(room)];
    size_t words = (size_t)room * grouping->width;
    if (*spare != ROOMS_FREE) {
        *at = *spare;
        *spare = grouping->words[*at];
        return true;
    }
    if (!reserve(&grouping->words, &grouping->words_room, grouping->used + words,
                 sizeof *grouping->words))
        return false;
    *at = (uint32_t)grouping->used;
    grouping->used += words;
    return true;
}

static void leave_block(struct grouping *grouping, const struct group *group)
{
    uint32_t *spare = &grouping->spare[__builtin_ctz(group->room)];
    grouping->words[group->at] = *spare;
    *spare = group->at;
}

/* Moves the list to where `room` votes, a power of two, can stand. */
static bool move(struct grouping *grouping, struct group *group, uint32_t room)
{
    uint32_t at;
    if (!take_block(grouping, room, &at))
        return false;
    if (group->room) {
        memcpy(grouping->words + at, grouping->words + group->at,
               (size_t)group->count * grouping->width * sizeof *grouping->words);
        leave_block(grouping, group);
    }
    group->at = at;
    group->room = room;
    return true;
}

/* How many of the list's votes are of this voter or one with a lower number. */
static uint32_t place_of(const uint32_t *words, uint32_t count, uint32_t voter)
{
    uint32_t low = 0, high = count;
    if (count && words[2 * (count - 1) + 1] <= voter)
        return count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (words[2 * middle + 1] <= voter)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert(struct grouping *grouping, struct group *group, uint32_t word, uint32_t voter)
{
    if (group->count == group->room &&
        !move(grouping, group, group->room ? 2 * group->room : ROOM_FIRST))
        return false;
    uint32_t *words = grouping->words + group->at;
    if (grouping->width == 1) {
        words[group->count++] = word;
        return true;
    }
    uint32_t place = place_of(words, group->count, voter);
    memmove(words + 2 * (place + 1), words + 2 * place, 2 * (group->count - place) * sizeof *words);
    words[2 * place] = word;
    words[2 * place + 1] = voter;
    group->count++;
    return true;
}

static uint32_t word_of(const struct groups *groups, const struct ballots *ballots, uint32_t ballot)
{
    const struct ballot *row = &ballots->rows[ballot];
    return groups->by_kind ? tally_kind(row->a, row->b, (enum outcome)row->outcome) : ballot;
}

/* Begins a number's list with its only vote, if it has one. */
static bool begin_list(const struct groups *groups, struct grouping *grouping, uint32_t number,
                       const struct ballots *ballots)
{
    struct group group = {0};
    uint32_t *first = &grouping->first[number];
    if (!reserve(&grouping->list, &grouping->room, grouping->count + 1, sizeof *grouping->list) ||
        (*first != NOBODY &&
         !insert(grouping, &group, word_of(groups, ballots, *first), ballots->rows[*first].voter)))
        return false;
    *first = LISTED | (uint32_t)grouping->count;
    grouping->list[grouping->count++] = group;
    return true;
}

static bool is_listed(const struct grouping *grouping, uint32_t number)
{
    return grouping->first[number] != NOBODY && grouping->first[number] & LISTED;
}

static struct group *list_of(const struct grouping *grouping, uint32_t number)
{
    return &grouping->list[grouping->first[number] & ~LISTED];
}

/* Puts a ballot to the others with this voter's or prompt's number. */
static bool put(const struct groups *groups, struct grouping *grouping, uint32_t number,
                const struct ballots *ballots, uint32_t ballot)
{
    if (number == BALLOT_NONE)
        return true;
    if (grouping->first[number] == NOBODY) {
        grouping->first[number] = ballot;
        return true;
    }
    if (!is_listed(grouping, number) && !begin_list(groups, grouping, number, ballots))
        return false;
    return insert(grouping, list_of(grouping, number), word_of(groups, ballots, ballot),
                  ballots->rows[ballot].voter);
}

/* --- many at once --- */

static uint32_t number_of(const struct ballot *row, bool by_prompt)
{
    return by_prompt ? row->prompt : row->voter;
}

/* Gives every list the room that the new ballots will take. */
static bool prepare(const struct groups *groups, struct grouping *grouping,
                    const struct ballots *ballots, bool by_prompt)
{
    uint32_t *coming = calloc(grouping->numbers + 1, sizeof *coming);
    bool ok = coming != NULL;
    for (size_t k = groups->seen; ok && k < ballots->count; k++)
        if (number_of(&ballots->rows[k], by_prompt) != BALLOT_NONE)
            coming[number_of(&ballots->rows[k], by_prompt)]++;
    for (uint32_t number = 0; ok && number < grouping->numbers; number++) {
        if (coming[number] + (grouping->first[number] != NOBODY) < 2)
            continue;
        ok = is_listed(grouping, number) || begin_list(groups, grouping, number, ballots);
        struct group *list = list_of(grouping, number);
        uint32_t room = ROOM_FIRST;
        while (ok && room < list->count + coming[number])
            room *= 2;
        ok = ok && (room <= list->room || move(grouping, list, room));
    }
    free(coming);
    return ok;
}

/* The new ballots in the order of their voters, those without one last: a counting sort. `start`
 * has a place for each voter, and three more. */
static void sort_by_voter(const struct groups *groups, const struct ballots *ballots,
                          uint32_t *order, uint32_t *start)
{
    size_t keys = groups->voter.numbers + 1;
    for (size_t k = groups->seen; k < ballots->count; k++) {
        uint32_t key = ballots->rows[k].voter;
        start[(key < keys - 1 ? key : keys - 1) + 1]++;
    }
    for (size_t key = 0; key < keys; key++)
        start[key + 1] += start[key];
    for (size_t k = groups->seen; k < ballots->count; k++) {
        uint32_t key = ballots->rows[k].voter;
        order[start[key < keys - 1 ? key : keys - 1]++] = (uint32_t)k;
    }
}

static bool follow_many(struct groups *groups, const struct ballots *ballots)
{
    size_t count = ballots->count - groups->seen;
    uint32_t *order = malloc(count * sizeof *order),
             *start = calloc(groups->voter.numbers + 3, sizeof *start);
    bool ok = order && start && prepare(groups, &groups->voter, ballots, false) &&
              prepare(groups, &groups->prompt, ballots, true);
    if (ok)
        sort_by_voter(groups, ballots, order, start);
    for (size_t k = 0; ok && k < count; k++) {
        const struct ballot *row = &ballots->rows[order[k]];
        if (k + AHEAD < count)
            __builtin_prefetch(&ballots->rows[order[k + AHEAD]]);
        ok = put(groups, &groups->voter, row->voter, ballots, order[k]) &&
             put(groups, &groups->prompt, row->prompt, ballots, order[k]);
    }
    free(order);
    free(start);
    return ok;
}

static bool follow_each(struct groups *groups, const struct ballots *ballots)
{
    bool ok = true;
    for (size_t k = groups->seen; ok && k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        ok = put(groups, &groups->voter, row->voter, ballots, (uint32_t)k) &&
             put(groups, &groups->prompt, row->prompt, ballots, (uint32_t)k);
    }
    return ok;
}

bool groups_follow(struct groups *groups, const struct ballots *ballots, struct err *err)
{
    size_t voters = 0, prompts = 0;
    for (size_t k = groups->seen; k < ballots->count; k++) {
        const struct ballot *row = &ballots->rows[k];
        if (row->voter != BALLOT_NONE && row->voter >= voters)
            voters = (size_t)row->voter + 1;
        if (row->prompt != BALLOT_NONE && row->prompt >= prompts)
            prompts = (size_t)row->prompt + 1;
    }
    bool ok = reserve_numbers(&groups->voter, voters) && reserve_numbers(&groups->prompt, prompts);
    bool many = ballots->count - groups->seen > groups->voter.numbers / 4 + MANY;
    ok = ok && (many ? follow_many(groups, ballots) : follow_each(groups, ballots));
    groups->seen = ballots->count;
    return ok || err_set(err, ERR_MEMORY, "no memory to group %zu votes", ballots->count);
}
