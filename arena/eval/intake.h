/* Reading a file of votes into the store: every row checked first, then all of it in one
 * transaction, or none.
 *
 * Formats are those of board/votefile.h (JSON lines, CSV, aggregated counts; gzip), and what
 * spool.h makes lines of. A row is one vote for ever: known by its id, or where the file has none
 * by the file's digest and the row's number. So equal rows without an id are separate votes, and
 * the same file again adds none.
 *
 * intake_open blocks and reads the whole file (any thread); intake_store is the apply of a job that
 * runs alone (store_apply_alone). While it runs other writes wait: about 7 s for a million votes.
 * Memory is two chunks, 8 bytes an id, and what the store needs to sort an index. */
#ifndef ARENA_EVAL_INTAKE_H
#define ARENA_EVAL_INTAKE_H

#include "board/votefile.h"
#include "store/store.h"

struct intake_options {
    const char *path; /* "-": standard input */
    const char *columns[3], *id, *voter,
        *prompt; /* as in struct votefile_options; NULL: not given */
    /* Called now and then from intake_store with the votes stored so far; NULL: nobody looks. */
    void (*progress)(void *user, uint64_t votes);
    void *user;
};

struct intake_report {
    uint64_t votes; /* in the file */
    uint64_t added, stored_before;
    uint64_t left_out; /* feedback without a comparison */
};

struct intake;

/* Reads and checks every row. Returns new (intake_free), or NULL with an error that names the line.
 * `options` and its texts are borrowed until intake_free. */
struct intake *intake_open(const struct intake_options *options, struct err *err);
bool intake_store(struct db *tx, void *intake, struct err *err);
const struct intake_report *intake_report(const struct intake *intake); /* borrowed */
void intake_free(struct intake *intake);                                /* NULL is allowed */

#endif
