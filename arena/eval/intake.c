/* Two passes. The first is the reader that ranking uses, so that import refuses what `arena rank`
 * refuses, with the same words, before anything is written; a digest is taken where a row needs it
 * for its name. The second reads again and stores: one thread makes votes of a chunk while another
 * has the store take those of the chunk before, in the file's order. A file that grew or shrank
 * between the two is refused. */
#include "eval/intake.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "eval/spool.h"
#include "eval/vote_fields.h"
#include "store/audit.h"

enum { PROGRESS_STEP = 10000, KEY_SIZE = 80, PLACE_SIZE = 32, READERS = 2, VOTE_TEXTS = 6 };

/* A vote of a chunk; its texts follow one another in the batch's, from `texts`. */
struct kept {
    struct vote_import vote;
    size_t texts;
    uint32_t line;
};

/* What one thread made of its chunk. */
struct batch {
    struct vote_reader reader;
    struct kept *kept;
    size_t count, room;
    struct buf texts;
    bool failed;
    uint32_t failed_line;
    struct err err;
};

struct intake {
    const struct intake_options *options;
    struct spool spool;
    char spooled[PLACE_SIZE]; /* where the spooled file is opened again */
    char digest[DIGEST_HEX + 1];
    struct votefile checked;
    struct vote_layout layout;
    struct batch batches[READERS];
    struct vote_importer *importer;
    uint64_t row;
    struct intake_report report;
};

static const char *path_of(const struct intake *intake)
{
    return intake->spool.fd >= 0 ? intake->spooled : intake->options->path;
}

/* Errors speak of the file that was given, and of elements where lines are our own. */
static bool rename_place(const struct intake *intake, struct err *err)
{
    char message[ERR_MESSAGE_MAX];
    const char *given =
        strcmp(intake->options->path, "-") == 0 ? "standard input" : intake->options->path;
    size_t length = strlen(intake->spooled);
    if (!err || intake->spool.fd < 0 || strncmp(err->message, intake->spooled, length) != 0)
        return false;
    const char *rest = err->message + length;
    bool line = intake->spool.array && strncmp(rest, ", line ", 7) == 0;
    snprintf(message, sizeof message, "%s%s%s", given, line ? ", record " : "",
             line ? rest + 7 : rest);
    memcpy(err->message, message, sizeof message);
    return false;
}

/* --- the first pass --- */

static uint64_t no_work(void *context, int worker, const struct chunk *chunk)
{
    (void)context, (void)worker, (void)chunk;
    return 0;
}

static bool add_digest(void *context, int worker, const struct chunk *chunk, struct err *err)
{
    (void)worker, (void)err;
    digest_add(context, chunk->data, chunk->length);
    return true;
}

static bool take_digest(struct intake *intake, struct err *err)
{
    uint8_t bytes[DIGEST_SIZE];
    struct digest *digest = digest_new();
    struct chunk_handler handler = {digest, no_work, add_digest};
    struct chunks *chunks = chunks_open(path_of(intake), err);
    bool ok = chunks && (digest || err_set(err, ERR_MEMORY, "no memory for a digest")) &&
              chunks_run(chunks, &handler, 1, false, err);
    chunks_free(chunks);
    if (digest)
        digest_finish(digest, bytes);
    hex_encode(bytes, DIGEST_SIZE, intake->digest);
    return ok;
}

static bool check_rows(struct intake *intake, struct err *err)
{
    struct votefile_options options = intake->layout.options;
    options.threads = 2;
    struct chunks *chunks = chunks_open(path_of(intake), err);
    bool ok = chunks && votefile_read(&intake->checked, chunks, &options, err);
    chunks_free(chunks);
    if (!ok)
        return false;
    intake->report.votes =
        intake->checked.aggregated ? intake->checked.tally.votes : intake->checked.records;
    ballots_done(&intake->checked.ballots);
    malloc_trim(0); /* what the check took is not added to what storing takes */
    return true;
}

struct intake *intake_open(const struct intake_options *options, struct err *err)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (!intake) {
        err_set(err, ERR_MEMORY, "no memory to read votes");
        return NULL;
    }
    intake->options = options;
    struct votefile_options votes = {
        .columns = {options->columns[0], options->columns[1], options->columns[2]},
        .id = options->id,
        .voter = options->voter,
        .prompt = options->prompt};
    bool ok = spool_make(&intake->spool, options->path, err);
    if (ok && intake->spool.fd >= 0)
        snprintf(intake->spooled, sizeof intake->spooled, "/proc/self/fd/%d", intake->spool.fd);
    intake->report.left_out = intake->spool.left_out;
    ok = ok && vote_layout_init(&intake->layout, &votes, err) &&
         ((check_rows(intake, err) &&
           (intake->checked.named == intake->report.votes || take_digest(intake, err))) ||
          rename_place(intake, err));
    if (ok)
        return intake;
    intake_free(intake);
    return NULL;
}

/* --- the second pass --- */

static bool store_vote(struct intake *intake, const struct vote_import *vote, struct err *err)
{
    char key[KEY_SIZE];
    struct vote_import named = *vote;
    bool added;
    intake->row++;
    if (vote->key.length == 0) {
        snprintf(key, sizeof key, "file:%.32s:%" PRIu64, intake->digest, intake->row);
        named.key = text_of(key);
    }
    if (!vote_importer_add(intake->importer, &named, &added, err))
        return false;
    *(added ? &intake->report.added : &intake->report.stored_before) += 1;
    if (intake->options->progress && intake->row % PROGRESS_STEP == 0)
        intake->options->progress(intake->options->user, intake->row);
    return true;
}

static void texts_of(struct vote_import *vote, struct text *texts[VOTE_TEXTS])
{
    texts[0] = &vote->key;
    texts[1] = &vote->model_a;
    texts[2] = &vote->model_b;
    texts[3] = &vote->voter;
    texts[4] = &vote->prompt;
    texts[5] = &vote->tags;
}

static bool keep_vote(struct batch *batch, const struct vote_import *vote, uint32_t line,
                      struct err *err)
{
    struct text *texts[VOTE_TEXTS];
    if (batch->count == batch->room) {
        size_t room = batch->room ? 2 * batch->room : 1024;
        struct kept *kept = realloc(batch->kept, room * sizeof *kept);
        if (!kept)
            return err_set(err, ERR_MEMORY, "no memory for a chunk of votes");
        batch->kept = kept;
        batch->room = room;
    }
    struct kept *kept = &batch->kept[batch->count++];
    *kept = (struct kept){*vote, batch->texts.length, line};
    texts_of(&kept->vote, texts);
    for (int k = 0; k < VOTE_TEXTS; k++)
        buf_add_text(&batch->texts, *texts[k]);
    return !batch->texts.failed || err_set(err, ERR_MEMORY, "no memory for a chunk of votes");
}

/* One record at `at`; returns where the next starts, or NULL with the batch's error. */
static const char *read_record(struct batch *batch, const char *at, const char *end, uint32_t line,
                               uint32_t *lines)
{
    struct vote_decoder *decoder = &batch->reader.decoder;
    struct vote_import vote;
    const char *skip;
    bool blank;
    const char *next = row_read_like(&decoder->format->spec, &decoder->shape, at, end,
                                     decoder->fields, &blank, lines, &skip, &batch->err);
    if (!next || blank)
        return next;
    if (!vote_reader_take(&batch->reader, &vote, &batch->err) ||
        !keep_vote(batch, &vote, line, &batch->err))
        return NULL;
    return next;
}

static uint64_t make_votes(void *context, int worker, const struct chunk *chunk)
{
    struct batch *batch = &((struct intake *)context)->batches[worker];
    const char *at = chunk->data, *end = at + chunk->length;
    uint32_t line = 0, lines = 0;
    batch->count = 0;
    batch->failed = false;
    buf_clear(&batch->texts);
    for (; at < end; line += lines) {
        at = read_record(batch, at, end, line, &lines);
        if (!at) {
            batch->failed = true;
            batch->failed_line = line;
            break;
        }
    }
    return line;
}

static bool fail_at(const struct intake *intake, const struct chunk *chunk, uint32_t line,
                    struct err *err)
{
    return err_prefix(err, "%s, line %" PRIu64, path_of(intake), chunk->first_line + line);
}

static bool store_votes(void *context, int worker, const struct chunk *chunk, struct err *err)
{
    struct intake *intake = context;
    struct batch *batch = &intake->batches[worker];
    for (size_t k = 0; k < batch->count; k++) {
        struct kept *kept = &batch->kept[k];
        struct text *texts[VOTE_TEXTS];
        const char *text = batch->texts.data + kept->texts;
        texts_of(&kept->vote, texts);
        for (int t = 0; t < VOTE_TEXTS; text += texts[t++]->length)
            texts[t]->data = texts[t]->data ? text : NULL;
        if (!store_vote(intake, &kept->vote, err))
            return fail_at(intake, chunk, kept->line, err);
    }
    if (!batch->failed)
        return true;
    *err = batch->err;
    return fail_at(intake, chunk, batch->failed_line, err);
}

/* Past a byte order mark, white space, and a CSV file's header. */
static bool skip_start(struct intake *intake, struct chunks *chunks, struct err *err)
{
    struct text start;
    if (!chunks_peek(chunks, &start, err))
        return false;
    size_t skip = start.length >= 3 && memcmp(start.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    uint64_t lines = 0;
    while (skip < start.length && start.data[skip] && strchr(" \t\r\n", start.data[skip]))
        lines += start.data[skip++] == '\n';
    if (skip < start.length && start.data[skip] != '{') {
        struct text header = {start.data + skip, start.length - skip};
        const char *line = memchr(header.data, '\n', header.length);
        header.length = line ? (size_t)(line - header.data) : header.length;
        if (!vote_format_header(&intake->layout.format, header, err))
            return false;
        skip += header.length + (line != NULL);
        lines += line != NULL;
    }
    chunks_skip(chunks, skip, lines);
    return true;
}

static bool store_rows(struct intake *intake, struct err *err)
{
    struct chunk_handler handler = {intake, make_votes, store_votes};
    struct chunks *chunks = chunks_open(path_of(intake), err);
    for (int k = 0; k < READERS; k++) {
        intake->batches[k] = (struct batch){.count = 0};
        vote_reader_init(&intake->batches[k].reader, &intake->layout);
        buf_init(&intake->batches[k].texts, 4 * CHUNK_RECORD_MAX);
    }
    bool ok = chunks && skip_start(intake, chunks, err) &&
              chunks_run(chunks, &handler, READERS, intake->layout.format.spec.csv, err);
    for (int k = 0; k < READERS; k++) {
        vote_reader_done(&intake->batches[k].reader);
        buf_done(&intake->batches[k].texts);
        free(intake->batches[k].kept);
    }
    chunks_free(chunks);
    return ok || rename_place(intake, err);
}

/* Counts become votes one by one, in a fixed order. */
static bool store_counts(struct intake *intake, struct err *err)
{
    const struct votefile *file = &intake->checked;
    for (size_t j = 1; j < file->tally.models; j++)
        for (size_t i = 0; i < j; i++)
            for (int k = 0; k < 2 * OUTCOMES; k++) {
                enum outcome outcome = (enum outcome)(k % OUTCOMES);
                bool swapped = k >= OUTCOMES;
                struct vote_import vote = {
                    .model_a = text_of(file->names[swapped ? j : i]),
                    .model_b = text_of(file->names[swapped ? i : j]),
                    .winner = vote_fields_winner(swapped ? outcome_mirror(outcome) : outcome),
                    .style_a = {-1, -1, -1, -1},
                    .style_b = {-1, -1, -1, -1}};
                for (uint32_t n = tally_cell(&file->tally, i, j)->count[swapped][outcome]; n; n--)
                    if (!store_vote(intake, &vote, err))
                        return false;
            }
    return true;
}

/* Standard input comes to the owner as a file of the asking process. */
static bool note(const struct intake *intake, struct db *tx, struct err *err)
{
    const struct intake_options *options = intake->options;
    bool piped = strcmp(options->path, "-") == 0 || strncmp(options->path, "/proc/", 6) == 0;
    char detail[512];
    snprintf(detail, sizeof detail, "%" PRIu64 " added, %" PRIu64 " stored before: %.400s",
             intake->report.added, intake->report.stored_before,
             piped ? "standard input" : options->path);
    struct audit_record record = {.at_ms = clock_wall_ms(),
                                  .actor = "command line" /* nobody else names files */,
                                  .act = "import votes",
                                  .detail = detail};
    return audit_add(tx, &record, err);
}

bool intake_store(struct db *tx, void *data, struct err *err)
{
    struct intake *intake = data;
    intake->row = intake->report.added = intake->report.stored_before = 0;
    intake->importer = vote_importer_new(tx, clock_wall_ms(), intake->report.votes, err);
    bool ok = intake->importer &&
              (intake->checked.aggregated ? store_counts(intake, err) : store_rows(intake, err)) &&
              vote_importer_finish(intake->importer, err);
    vote_importer_free(intake->importer);
    intake->importer = NULL;
    if (ok && intake->row != intake->report.votes)
        return err_set(err, ERR_CONFLICT, "%s changed while it was read", intake->options->path);
    return ok && note(intake, tx, err);
}

const struct intake_report *intake_report(const struct intake *intake)
{
    return &intake->report;
}

void intake_free(struct intake *intake)
{
    if (!intake)
        return;
    votefile_done(&intake->checked);
    spool_done(&intake->spool);
    free(intake);
}
