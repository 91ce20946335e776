/* How many votes a second are stored durably: VOTERS at once, each waiting for its answer before
 * it votes again, as voters do. Every vote is a real one: a ready battle, the ledger's hash,
 * COMMIT with a sync.
 *
 *     bench_store DIR [VOTERS [SECONDS]]     DIR on the disk to be measured
 *     bench_store DIR read [VOTES]           then reads that many imported votes in a row */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/competitors.h"
#include "store/ledger.h"
#include "store/turns.h"
#include "store/vote_import.h"
#include "store/vote_rows.h"
#include "store/voters.h"
#include "store/votes.h"

enum { VOTERS_MAX = 1024, LATENCIES_MAX = 1 << 20, BATTLES_A_REFILL = 4000 };

struct bench {
    struct store *store;
    struct loop *loop;
    int64_t version_a, version_b;
    char voter[STORE_ID_SIZE];
    char (*battles)[STORE_ID_SIZE]; /* ready ones */
    int ready;
    int64_t deadline;
    int open;
    int64_t votes, *latencies;
};

struct caster {
    struct bench *bench;
    char battle[STORE_ID_SIZE];
    struct vote_result result;
    int64_t began;
};

static void must(bool good, const struct err *err)
{
    if (good)
        return;
    fprintf(stderr, "bench_store: %s\n", err->message);
    exit(1);
}

static bool prepare(struct db *tx, void *data, struct err *err)
{
    struct bench *bench = data;
    struct version_record record = {.name = "one", .effective = "{}"};
    struct voter_record voter = {.created_ms = 1};
    char digest[65];
    memset(digest, 'a', 64);
    digest[64] = '\0';
    record.digest = digest;
    random_id(voter.id);
    memcpy(bench->voter, voter.id, sizeof voter.id);
    if (!competitors_register(tx, &record, 1, &bench->version_a, err))
        return false;
    record.name = "two";
    return competitors_register(tx, &record, 1, &bench->version_b, err) &&
           voters_insert(tx, &voter, err);
}

static bool make_battle(struct db *tx, struct bench *bench, char id[STORE_ID_SIZE], struct err *err)
{
    struct battle_record battle = {.version_a = bench->version_a,
                                   .version_b = bench->version_b,
                                   .probability = 1,
                                   .state = BATTLE_READY,
                                   .created_ms = 1};
    random_id(battle.id);
    memcpy(battle.voter, bench->voter, sizeof battle.voter);
    memcpy(id, battle.id, STORE_ID_SIZE);
    return battles_insert(tx, &battle, err) &&
           turns_insert(tx, id, 1, TEXT("What is the capital of France?"), 1, err);
}

static bool refill(struct db *tx, void *data, struct err *err)
{
    struct bench *bench = data;
    for (int i = 0; i < BATTLES_A_REFILL; i++)
        if (!make_battle(tx, bench, bench->battles[bench->ready + i], err))
            return false;
    return true;
}

static bool cast(struct db *tx, void *data, struct err *err)
{
    struct caster *caster = data;
    struct vote_cast vote = {
        .battle = caster->battle, .voter = caster->bench->voter, .winner = WINNER_A, .now_ms = 2};
    return votes_cast(tx, &vote, &caster->result, err);
}

static void vote_next(struct caster *caster);

static void voted(void *data, const struct err *err)
{
    struct caster *caster = data;
    struct bench *bench = caster->bench;
    must(err->code == ERR_NONE, err);
    if (bench->votes < LATENCIES_MAX)
        bench->latencies[bench->votes] = clock_mono_ns() - caster->began;
    bench->votes++;
    bench->open--;
    vote_next(caster);
}

static void vote_next(struct caster *caster)
{
    struct bench *bench = caster->bench;
    struct err err;
    caster->began = clock_mono_ns();
    if (caster->began > bench->deadline || bench->ready == 0)
        return;
    memcpy(caster->battle, bench->battles[--bench->ready], STORE_ID_SIZE);
    bench->open++;
    must(store_submit(bench->store, &(struct store_job){cast, voted, caster}, &err), &err);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void bench_votes(struct bench *bench, int voters, double seconds)
{
    static struct caster casters[VOTERS_MAX];
    struct store_stats before, after;
    store_stats(bench->store, &before);
    int64_t began = clock_mono_ns();
    bench->deadline = began + (int64_t)(seconds * 1e9);
    for (int i = 0; i < voters; i++) {
        casters[i].bench = bench;
        vote_next(&casters[i]);
    }
    while (bench->open > 0)
        loop_turn(bench->loop, 1000);
    double took = (double)(clock_mono_ns() - began) / 1e9;
    store_stats(bench->store, &after);
    int64_t kept = bench->votes < LATENCIES_MAX ? bench->votes : LATENCIES_MAX;
    qsort(bench->latencies, (size_t)kept, sizeof *bench->latencies, compare);
    printf("%d voters: %.0f votes/s in %.0f commits/s; p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
           voters, (double)bench->votes / took, (double)(after.commits - before.commits) / took,
           (double)bench->latencies[kept / 2] / 1e6,
           (double)bench->latencies[kept * 99 / 100] / 1e6,
           (double)bench->latencies[kept - 1] / 1e6);
}

/* --- reading --- */

struct importing {
    int64_t from, count;
};

static bool import_some(struct db *tx, void *data, struct err *err)
{
    struct importing *importing = data;
    struct vote_importer *importer = vote_importer_new(tx, 5, (uint64_t)importing->count, err);
    bool ok = importer != NULL;
    for (int64_t i = importing->from; ok && i < importing->from + importing->count; i++) {
        char key[32], a[16], b[16], voter[16], prompt[16];
        bool added;
        snprintf(key, sizeof key, "bench:%lld", (long long)i);
        snprintf(a, sizeof a, "model %lld", (long long)(i % 100));
        snprintf(b, sizeof b, "rival %lld", (long long)(i / 100 % 30));
        snprintf(voter, sizeof voter, "v%lld", (long long)(i % 5000));
        snprintf(prompt, sizeof prompt, "p%lld", (long long)(i % 20000));
        struct vote_import vote = {.key = text_of(key),
                                   .model_a = text_of(a),
                                   .model_b = text_of(b),
                                   .winner = (enum winner)(i % 4),
                                   .voter = text_of(voter),
                                   .prompt = text_of(prompt),
                                   .tags = TEXT("{\"language\":\"en\"}"),
                                   .style_a = {-1, -1, -1, -1},
                                   .style_b = {-1, -1, -1, -1}};
        ok = vote_importer_add(importer, &vote, &added, err);
    }
    ok = ok && vote_importer_finish(importer, err);
    vote_importer_free(importer);
    return ok;
}

static bool count_row(void *user, const struct vote_row *row)
{
    *(int64_t *)user += row->seq > 0;
    return true;
}

static void time_rows(struct db *db, const struct vote_filter *filter, const char *what)
{
    struct err err;
    int64_t rows = 0, began = clock_mono_ns();
    must(votes_each(db, filter, count_row, &rows, &err), &err);
    printf("%s: %lld rows in %.3f s\n", what, (long long)rows,
           (double)(clock_mono_ns() - began) / 1e9);
}

static void bench_reads(struct bench *bench, int64_t votes)
{
    struct err err;
    int64_t began = clock_mono_ns();
    for (struct importing part = {0, 10000}; part.from < votes; part.from += part.count)
        must(store_apply(bench->store, import_some, &part, &err), &err);
    printf("imported %lld votes in %.1f s\n", (long long)votes,
           (double)(clock_mono_ns() - began) / 1e9);
    struct db *db = store_read_open(store_dir(bench->store), &err);
    must(db != NULL, &err);
    struct vote_filter filter = VOTE_FILTER_ALL;
    time_rows(db, &filter, "for a board");
    filter.with_tags = true;
    time_rows(db, &filter, "with tags");
    filter.with_ids = true;
    time_rows(db, &filter, "for an export");
    struct ledger_report report;
    began = clock_mono_ns();
    must(ledger_verify(db, &report, &err), &err);
    printf("verified %lld votes in %.2f s%s\n", (long long)report.votes,
           (double)(clock_mono_ns() - began) / 1e9, report.problem);
    db_close(db);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct err err;
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store DIR [VOTERS [SECONDS]] | DIR read [VOTES]\n");
        return 2;
    }
    bool read = argc > 2 && strcmp(argv[2], "read") == 0;
    int voters = argc > 2 && !read ? (int)strtol(argv[2], NULL, 10) : 64;
    double seconds = argc > 3 && !read ? strtod(argv[3], NULL) : 4;
    if (voters < 1 || voters > VOTERS_MAX)
        voters = 64;
    bench.loop = loop_new(&err);
    bench.store = bench.loop != NULL ? store_open(argv[1], bench.loop, &err) : NULL;
    must(bench.store != NULL, &err);
    if (read) {
        bench_reads(&bench, argc > 3 ? strtoll(argv[3], NULL, 10) : 1000000);
    } else {
        int wanted = 15000 * (int)(seconds + 1);
        bench.battles = calloc((size_t)wanted + BATTLES_A_REFILL, STORE_ID_SIZE);
        bench.latencies = calloc(LATENCIES_MAX, sizeof *bench.latencies);
        must(store_apply(bench.store, prepare, &bench, &err), &err);
        for (; bench.ready < wanted; bench.ready += BATTLES_A_REFILL)
            must(store_apply(bench.store, refill, &bench, &err), &err);
        bench_votes(&bench, voters, seconds);
    }
    store_close(bench.store);
    loop_free(bench.loop);
    free(bench.battles);
    free(bench.latencies);
    return 0;
}
