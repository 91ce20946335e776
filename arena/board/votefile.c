/* Each worker turns a chunk into a list of small records under names of its own; the commit, in
 * the order of the file, gives out the final numbers, looks for repeated ids and counts. So the
 * costly part (finding fields, hashing names) is parallel, the result does not depend on threads,
 * and the first bad line is the one that is named. */
#include "board/votefile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "board/aggregate.h"
#include "board/hash.h"
#include "board/vote_row.h"

struct record {
    uint32_t a, b;   /* worker's numbers */
    uint32_t offset; /* of its first byte in the chunk */
    uint32_t line;   /* line ends before it in the chunk */
    uint64_t id, voter, prompt;
    uint32_t boards; /* a bit for each it counts on */
    float weight;
    uint16_t day;
    uint8_t outcome;
};

struct worker {
    struct vote_decoder decoder;
    struct hash_names names;
    uint32_t *numbers; /* worker's number -> final number, for the first `numbered` */
    size_t numbered, numbers_room;
    struct record *records;
    float *x; /* records x STYLE_FEATURES, with options->style */
    size_t count, room;
    uint64_t seen, filtered, skipped[SKIPS]; /* of the chunk at hand */
    bool failed;
    struct err err; /* why this chunk stopped, at line `err_line` */
    uint32_t err_line;
};

struct reader {
    struct votefile *file;
    const struct votefile_options *options;
    const char *what;
    struct vote_format format;
    struct worker *workers;
    int threads;
    struct hash_names names;
    struct hash_keys ids, voters, prompts;
    struct hash_keys quotas; /* a voter's day on a board */
    uint32_t *spent;         /* votes that each has counted */
    size_t spent_room;
    bool cappable; /* a vote named its voter and its day */
    bool keep;     /* ballots */
};

const char *votefile_skip_word(enum votefile_skip skip)
{
    static const char *const WORDS[SKIPS] = {"malformed", "unknown outcome",
                                             "a model against itself", "repeated id"};
    return WORDS[skip];
}

struct tally *votefile_tally(struct votefile *file, size_t board)
{
    return board ? &file->more[board - 1].tally : &file->tally;
}

struct ballots *votefile_ballots(struct votefile *file, size_t board)
{
    return board ? &file->more[board - 1].ballots : &file->ballots;
}

uint64_t votefile_skipped(const struct votefile *file)
{
    uint64_t sum = 0;
    for (int k = 0; k < SKIPS; k++)
        sum += file->skipped[k];
    return sum;
}

/* --- a worker's part --- */

static bool reserve(struct worker *worker, bool style, struct err *err)
{
    if (worker->count < worker->room)
        return true;
    size_t room = worker->room ? 2 * worker->room : 4096;
    struct record *records = realloc(worker->records, room * sizeof *records);
    worker->records = records ? records : worker->records;
    float *x = style ? realloc(worker->x, room * STYLE_FEATURES * sizeof *x) : NULL;
    worker->x = x ? x : worker->x;
    if (!records || (style && !x))
        return err_set(err, ERR_MEMORY, "no memory for a chunk of votes");
    worker->room = room;
    return true;
}

static uint64_t key_of(struct text text)
{
    return text.length ? hash_bytes(text.data, text.length) : 0;
}

static bool keep_vote(struct worker *worker, const struct vote *vote, uint32_t offset,
                      uint32_t line, bool style, struct err *err)
{
    if (!reserve(worker, style, err))
        return false;
    struct record *record = &worker->records[worker->count];
    *record = (struct record){.offset = offset,
                              .line = line,
                              .id = key_of(vote->id),
                              .voter = key_of(vote->voter),
                              .prompt = key_of(vote->prompt),
                              .boards = vote->boards,
                              .weight = vote->weight,
                              .day = vote->day,
                              .outcome = (uint8_t)vote->outcome};
    if (!hash_names_add(&worker->names, vote->a, &record->a) ||
        !hash_names_add(&worker->names, vote->b, &record->b))
        return err_set(err, ERR_MEMORY, "no memory for a model's name");
    if (style)
        memcpy(worker->x + worker->count * STYLE_FEATURES, vote->x, sizeof vote->x);
    worker->count++;
    return true;
}

/* One record at `at`; returns where the next starts, or NULL when the chunk must stop here. */
static const char *read_record(const struct reader *reader, struct worker *worker,
                               const struct chunk *chunk, const char *at, uint32_t line,
                               uint32_t *lines)
{
    struct vote vote;
    enum votefile_skip skip = SKIP_MALFORMED;
    bool blank, lenient = reader->options->lenient;
    const char *end = chunk->data + chunk->length, *go_on = end;
    struct vote_decoder *decoder = &worker->decoder;
    const char *next = row_read_like(&reader->format.spec, &decoder->shape, at, end,
                                     decoder->fields, &blank, lines, &go_on, &worker->err);
    if (next && blank)
        return next;
    worker->seen++;
    enum vote_status status =
        next ? vote_decode(decoder, &vote, &skip, &worker->err) : VOTE_REFUSED;
    if (status == VOTE_REFUSED && lenient)
        worker->skipped[skip]++;
    if (status == VOTE_REFUSED)
        return !lenient ? NULL : next ? next : go_on;
    if (status == VOTE_FILTERED)
        worker->filtered++;
    else if (!keep_vote(worker, &vote, (uint32_t)(at - chunk->data), line, reader->options->style,
                        &worker->err))
        return NULL;
    return next;
}

static uint64_t work(void *context, int number, const struct chunk *chunk)
{
    struct reader *reader = context;
    struct worker *worker = &reader->workers[number];
    const char *at = chunk->data, *end = at + chunk->length;
    uint32_t line = 0;
    worker->count = 0;
    worker->seen = worker->filtered = 0;
    worker->failed = false;
    memset(worker->skipped, 0, sizeof worker->skipped);
    while (at < end) {
        uint32_t lines = 0;
        at = read_record(reader, worker, chunk, at, line, &lines);
        if (!at) {
            worker->failed = true;
            worker->err_line = line;
            break;
        }
        line += lines;
    }
    return line;
}

/* --- the commit --- */

#define REFUSED UINT32_MAX
#define AHEAD 16 /* records: about as many as memory takes to answer */

/* Final numbers for the names that this worker met since its last commit; a name that may not be
 * shown gets none. */
static bool number_names(struct reader *reader, struct worker *worker, struct err *err)
{
    size_t count = worker->names.count;
    if (count > worker->numbers_room) {
        uint32_t *numbers = realloc(worker->numbers, 2 * count * sizeof *numbers);
        if (!numbers)
            return err_set(err, ERR_MEMORY, "no memory for the models' names");
        worker->numbers = numbers;
        worker->numbers_room = 2 * count;
    }
    for (; worker->numbered < count; worker->numbered++) {
        size_t k = worker->numbered;
        struct text name = {worker->names.names[k], worker->names.lengths[k]};
        worker->numbers[k] = REFUSED;
        if (vote_name_check(name, NULL) &&
            !hash_names_add(&reader->names, name, &worker->numbers[k]))
            return err_set(err, ERR_MEMORY, "no memory for the models' names");
    }
    for (size_t k = 0; k < reader->file->boards; k++)
        if (!tally_grow(votefile_tally(reader->file, k), reader->names.count, err))
            return false;
    return true;
}

/* Line and reason for a record that only the commit can refuse, or a note of it with `lenient`. */
static bool refuse(struct reader *reader, const struct chunk *chunk, uint32_t line,
                   enum votefile_skip skip, const char *why, struct text shown, struct err *err)
{
    if (reader->options->lenient) {
        reader->file->skipped[skip]++;
        return true;
    }
    int length = shown.length < 80 && vote_name_check(shown, NULL) ? (int)shown.length : 0;
    return err_set(err, ERR_FORMAT, "%s, line %" PRIu64 ": %s%s%.*s", reader->what,
                   chunk->first_line + line, why, length ? " " : "", length,
                   length ? shown.data : "");
}

static bool refuse_duplicate(struct reader *reader, struct worker *worker,
                             const struct chunk *chunk, const struct record *record,
                             struct err *err)
{
    struct vote vote = {0};
    bool blank;
    uint32_t lines;
    const char *go_on;
    enum votefile_skip skip;
    if (!reader->options->lenient) { /* read again, for its id */
        row_read_like(&reader->format.spec, &worker->decoder.shape, chunk->data + record->offset,
                      chunk->data + chunk->length, worker->decoder.fields, &blank, &lines, &go_on,
                      NULL);
        vote_decode(&worker->decoder, &vote, &skip, NULL);
    }
    return refuse(reader, chunk, record->line, SKIP_DUPLICATE,
                  "this vote's id was there before:", vote.id, err);
}

static bool number_key(struct hash_keys *keys, uint64_t key, uint32_t *number, struct err *err)
{
    bool added;
    *number = BALLOT_NONE;
    return key == 0 || hash_keys_add(keys, key, number, &added) ||
           err_set(err, ERR_MEMORY, "no memory to number voters");
}

/* Whether the voter's day has room on this board for one more vote, which is then taken. */
static bool within_cap(struct reader *reader, const struct record *record, size_t board,
                       bool *within, struct err *err)
{
    uint32_t number, cap = reader->options->daily_cap;
    bool added;
    const uint64_t parts[2] = {record->voter, (uint64_t)record->day << 8 | board};
    *within = true;
    if (!cap || !record->voter || !record->day)
        return true;
    reader->cappable = true;
    if (!hash_keys_add(&reader->quotas, hash_bytes((const char *)parts, sizeof parts), &number,
                       &added))
        return err_set(err, ERR_MEMORY, "no memory to count voters' days");
    if (number >= reader->spent_room) {
        size_t room = 2 * (size_t)number + 1024;
        uint32_t *spent = realloc(reader->spent, room * sizeof *spent);
        if (!spent)
            return err_set(err, ERR_MEMORY, "no memory to count voters' days");
        reader->spent = spent;
        reader->spent_room = room;
    }
    if (added)
        reader->spent[number] = 0;
    *within = reader->spent[number] < cap;
    reader->spent[number] += *within;
    reader->file->capped[board] += !*within;
    return true;
}

/* On every board that it is of. A board knows voters (or prompts) when one of its votes names one.
 */
static bool count_vote(struct reader *reader, const struct record *record, uint32_t a, uint32_t b,
                       const float *x, struct err *err)
{
    struct ballot ballot = {
        .a = (uint16_t)a, .b = (uint16_t)b, .outcome = record->outcome, .day = record->day};
    bool within;
    if (reader->keep && (!number_key(&reader->voters, record->voter, &ballot.voter, err) ||
                         !number_key(&reader->prompts, record->prompt, &ballot.prompt, err)))
        return false;
    for (size_t k = 0; k < reader->file->boards; k++) {
        struct ballots *ballots = votefile_ballots(reader->file, k);
        if (!(record->boards >> k & 1))
            continue;
        if (!within_cap(reader, record, k, &within, err))
            return false;
        if (!within)
            continue;
        if (!tally_add(votefile_tally(reader->file, k), a, b, (enum outcome)record->outcome, 1,
                       err))
            return false;
        if (reader->keep && !ballots_add(ballots, ballot, x, err))
            return false;
        if (ballots->weighted)
            ballots_weigh(ballots, record->weight);
        ballots->voters |= ballot.voter != BALLOT_NONE; /* how many is known at the end */
        ballots->prompts |= ballot.prompt != BALLOT_NONE;
    }
    return true;
}

static bool commit_record(struct reader *reader, struct worker *worker, const struct chunk *chunk,
                          size_t k, struct err *err)
{
    const struct record *record = &worker->records[k];
    uint32_t a = worker->numbers[record->a], b = worker->numbers[record->b], unused;
    bool added = true;
    if (a == REFUSED || b == REFUSED)
        return refuse(reader, chunk, record->line, SKIP_MALFORMED,
                      "a model's name is not plain UTF-8 text", TEXT(""), err);
    if (record->id && !hash_keys_add(&reader->ids, record->id, &unused, &added))
        return err_set(err, ERR_MEMORY, "no memory to look for repeated ids");
    if (!added)
        return refuse_duplicate(reader, worker, chunk, record, err);
    reader->file->named += record->id != 0;
    return count_vote(reader, record, a, b, worker->x ? worker->x + k * STYLE_FEATURES : NULL, err);
}

/* The tables of ids and voters are larger than any cache: their lines are asked for ahead of time.
 */
static void prefetch(const struct reader *reader, const struct record *record)
{
    if (record->id)
        hash_keys_prefetch(&reader->ids, record->id);
    if (record->voter && reader->keep)
        hash_keys_prefetch(&reader->voters, record->voter);
    if (record->prompt && reader->keep)
        hash_keys_prefetch(&reader->prompts, record->prompt);
}

static bool commit(void *context, int number, const struct chunk *chunk, struct err *err)
{
    struct reader *reader = context;
    struct worker *worker = &reader->workers[number];
    if (!number_names(reader, worker, err))
        return err_prefix(err, "%s", reader->what);
    for (size_t k = 0; k < worker->count; k++) {
        if (k + AHEAD < worker->count)
            prefetch(reader, &worker->records[k + AHEAD]);
        if (!commit_record(reader, worker, chunk, k, err))
            return false;
    }
    reader->file->records += worker->seen;
    reader->file->filtered += worker->filtered;
    for (int k = 0; k < SKIPS; k++)
        reader->file->skipped[k] += worker->skipped[k];
    if (!worker->failed)
        return true;
    return err_set(err, worker->err.code, "%s, line %" PRIu64 ": %s", reader->what,
                   chunk->first_line + worker->err_line, worker->err.message);
}

/* --- the whole file --- */

/* Whether the first records name voters or prompts: only then are single votes worth their memory.
 */
static bool names_anybody(struct reader *reader, struct text start)
{
    struct vote_decoder *decoder = &reader->workers[0].decoder;
    const char *at = start.data, *end = at + start.length;
    bool found = false;
    while (at < end && !found) {
        bool blank;
        uint32_t lines;
        const char *go_on = end;
        const char *next = row_read_like(&reader->format.spec, &decoder->shape, at, end,
                                         decoder->fields, &blank, &lines, &go_on, NULL);
        found = next && !blank && vote_names_anybody(decoder);
        at = next ? next : go_on;
    }
    return found;
}

/* Takes the header of a CSV file; JSON lines have none. */
static bool open_records(struct reader *reader, struct chunks *chunks, struct text *start,
                         struct err *err)
{
    if (start->length && *start->data == '[')
        return err_set(err, ERR_FORMAT, "%s is a JSON array; give one object a line (jq -c '.[]')",
                       reader->what);
    if (*start->data == '{')
        return true;
    const char *line = memchr(start->data, '\n', start->length);
    size_t length = line ? (size_t)(line - start->data) : start->length;
    if (!line && start->length >= CHUNK_PEEK)
        return err_set(err, ERR_FORMAT, "%s is neither JSON lines nor CSV", reader->what);
    if (!vote_format_header(&reader->format, (struct text){start->data, length}, err))
        return err_prefix(err, "%s, line 1", reader->what);
    length += line != NULL;
    *start = (struct text){start->data + length, start->length - length};
    chunks_skip(chunks, length, line != NULL);
    start->data -= length; /* what is carried moved to the front */
    return true;
}

static bool check_categories(struct reader *reader, struct err *err)
{
    const char *const *categories = reader->options->categories;
    for (size_t k = 0; k < reader->file->boards && categories[k]; k++)
        if (votefile_tally(reader->file, k)->votes == 0 && !select_known(categories[k]))
            return select_unknown(categories[k], err);
    return true;
}

static bool read_records(struct reader *reader, struct chunks *chunks, struct text start,
                         struct err *err)
{
    const struct votefile_options *options = reader->options;
    struct chunk_handler handler = {reader, work, commit};
    if (!vote_format_init(&reader->format, options, err) ||
        !open_records(reader, chunks, &start, err))
        return false;
    reader->workers = calloc((size_t)reader->threads, sizeof *reader->workers);
    if (!reader->workers)
        return err_set(err, ERR_MEMORY, "no memory to read %s", reader->what);
    for (int k = 0; k < reader->threads; k++)
        vote_decoder_init(&reader->workers[k].decoder, &reader->format);
    reader->keep = options->ballots || options->style || options->weight || options->days ||
                   names_anybody(reader, start);
    for (size_t k = 0; k < reader->file->boards; k++) {
        ballots_init(votefile_ballots(reader->file, k), options->style ? STYLE_FEATURES : 0);
        votefile_ballots(reader->file, k)->weighted = options->weight != NULL;
    }
    if (!chunks_run(chunks, &handler, reader->threads, reader->format.spec.csv, err))
        return false;
    for (size_t k = 0; k < reader->file->boards; k++) {
        struct ballots *ballots = votefile_ballots(reader->file, k);
        ballots->voters = ballots->voters ? reader->voters.count : 0;
        ballots->prompts = ballots->prompts ? reader->prompts.count : 0;
    }
    if (options->daily_cap && !reader->cappable)
        return err_set(
            err, ERR_BAD_REQUEST,
            "%s: --daily-cap needs votes that name their voter and time (--voter, --time)",
            reader->what);
    return check_categories(reader, err);
}

/* Models in the byte order of their names. */
static int by_name(const void *a, const void *b, void *names)
{
    char *const *list = names;
    return strcmp(list[*(const uint32_t *)a], list[*(const uint32_t *)b]);
}

static bool renumber(struct tally *tally, struct ballots *ballots, size_t models,
                     const uint32_t *place, struct err *err)
{
    struct tally sorted;
    tally_init(&sorted);
    bool ok = tally_grow(&sorted, models, err) && tally_merge(&sorted, tally, place, err);
    for (size_t k = 0; ok && k < ballots->count; k++) {
        ballots->rows[k].a = (uint16_t)place[ballots->rows[k].a];
        ballots->rows[k].b = (uint16_t)place[ballots->rows[k].b];
    }
    tally_done(tally);
    *tally = sorted;
    return ok;
}

static bool sort_models(struct reader *reader, struct err *err)
{
    struct votefile *file = reader->file;
    size_t n = reader->names.count;
    uint32_t *order = malloc((n + 1) * sizeof *order), *place = malloc((n + 1) * sizeof *place);
    file->names = calloc(n + 1, sizeof *file->names);
    bool ok = order && place && file->names;
    if (!ok)
        err_set(err, ERR_MEMORY, "no memory for %zu models", n);
    for (size_t k = 0; ok && k < n; k++)
        order[k] = (uint32_t)k;
    if (ok) {
        qsort_r(order, n, sizeof *order, by_name, reader->names.names);
        for (size_t k = 0; k < n; k++)
            place[order[k]] = (uint32_t)k;
    }
    for (size_t k = 0; ok && k < file->boards; k++)
        ok = renumber(votefile_tally(file, k), votefile_ballots(file, k), n, place, err);
    for (size_t k = 0; ok && k < n; k++) {
        file->names[place[k]] = reader->names.names[k];
        reader->names.names[k] = NULL;
    }
    free(order);
    free(place);
    return ok;
}

static void reader_done(struct reader *reader)
{
    for (int k = 0; reader->workers && k < reader->threads; k++) {
        struct worker *worker = &reader->workers[k];
        vote_decoder_done(&worker->decoder);
        hash_names_done(&worker->names);
        free(worker->numbers);
        free(worker->records);
        free(worker->x);
    }
    free(reader->workers);
    hash_names_done(&reader->names);
    hash_keys_done(&reader->ids);
    hash_keys_done(&reader->voters);
    hash_keys_done(&reader->prompts);
    hash_keys_done(&reader->quotas);
    free(reader->spent);
}

static bool read_aggregate(struct reader *reader, struct chunks *chunks, struct err *err)
{
    struct buf text;
    buf_init(&text, VOTEFILE_AGGREGATE_MAX);
    bool ok = chunks_read_all(chunks, &text, err) &&
              aggregate_read(reader->file, &reader->names, buf_text(&text), reader->what,
                             reader->options, err);
    buf_done(&text);
    return ok;
}

/* Past white space and a byte order mark. */
static bool find_start(struct reader *reader, struct chunks *chunks, struct text *start,
                       struct err *err)
{
    if (!chunks_peek(chunks, start, err))
        return false;
    size_t skip = start->length >= 3 && memcmp(start->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0,
           lines = 0;
    while (skip < start->length && strchr(" \t\r\n", start->data[skip]) && start->data[skip])
        lines += start->data[skip++] == '\n';
    if (skip == start->length)
        return err_set(err, ERR_FORMAT, "%s is empty: no votes", reader->what);
    bool wide = start->length >= 2 && (memcmp(start->data, "\xff\xfe", 2) == 0 ||
                                       memcmp(start->data, "\xfe\xff", 2) == 0);
    if (wide)
        return err_set(err, ERR_FORMAT, "%s is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8",
                       reader->what);
    if (memchr(start->data, '\0', start->length))
        return err_set(err, ERR_FORMAT, "%s is not text (it holds a zero byte)", reader->what);
    chunks_skip(chunks, skip, lines);
    return chunks_peek(chunks, start, err);
}

bool votefile_read(struct votefile *file, struct chunks *chunks,
                   const struct votefile_options *options, struct err *err)
{
    int threads = options->threads < 1 ? 1 : options->threads;
    struct reader reader = {.file = file,
                            .options = options,
                            .what = chunks_name(chunks),
                            .threads = threads < CHUNK_THREADS_MAX ? threads : CHUNK_THREADS_MAX};
    struct text start;
    *file = (struct votefile){.boards = 1};
    while (file->boards < VOTEFILE_CATEGORIES_MAX && options->categories[file->boards])
        file->boards++;
    hash_keys_init(&reader.ids, true);
    bool ok = find_start(&reader, chunks, &start, err);
    if (ok)
        ok = aggregate_is(start) ? read_aggregate(&reader, chunks, err)
                                 : read_records(&reader, chunks, start, err);
    ok = ok && sort_models(&reader, err);
    reader_done(&reader);
    if (!ok)
        votefile_done(file);
    return ok;
}

void votefile_done(struct votefile *file)
{
    for (size_t k = 0; file->names && k < file->tally.models; k++)
        free(file->names[k]);
    free(file->names);
    for (size_t k = 0; k < file->boards; k++) {
        tally_done(votefile_tally(file, k));
        ballots_done(votefile_ballots(file, k));
    }
    *file = (struct votefile){0};
}
