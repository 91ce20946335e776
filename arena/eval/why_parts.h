/* What the files of "Why 13th?" share: who asks, and the votes on the model's battles. */
#ifndef ARENA_EVAL_WHY_PARTS_H
#define ARENA_EVAL_WHY_PARTS_H

#include "eval/why.h"

struct field;

struct asking {
    struct db *db;
    const char *model;
    int judge; /* enum judge_kind; -1: any */
    int64_t min_votes, daily_votes;
    struct err *err;
    const struct field *overall; /* why.c's: all votes of the judges, and their board */
};

/* ERR_NOT_FOUND for a model that nobody knows. */
bool why_begin(struct asking *asking, struct db *db, const struct why_options *options,
               struct err *err);

/* Every counted vote on a battle of the model ?1, judge kind ?2 (negative: any), from the model's
 * own side: `side` is 0 where it stood first. Of two versions of it the newer one is its own. */
#define WHY_VOTES                                                                                  \
    " FROM (SELECT v.seq AS seq, v.winner AS winner, v.judge AS judge, v.at_ms AS at_ms,"          \
    " b.number AS battle, b.id AS id, b.keep_private AS private, CASE WHEN g.tags IS NULL"         \
    " THEN b.tags ELSE json_patch(coalesce(b.tags, '{}'), json_object('category_tag',"             \
    " json(g.tags))) END AS tags, o.second AS side, CASE o.second WHEN 1 THEN ca.name"             \
    " ELSE cb.name END AS rival, CASE o.second WHEN 1 THEN vb.digest ELSE va.digest END AS own,"   \
    " CASE o.second WHEN 1 THEN va.digest ELSE vb.digest END AS theirs,"                           \
    " CASE o.second WHEN 1 THEN va.id ELSE vb.id END AS against"                                   \
    " FROM votes v JOIN battles b ON b.number = v.battle"                                          \
    " JOIN competitor_versions va ON va.id = b.version_a"                                          \
    " JOIN competitors ca ON ca.number = va.competitor"                                            \
    " JOIN competitor_versions vb ON vb.id = b.version_b"                                          \
    " JOIN competitors cb ON cb.number = vb.competitor"                                            \
    " JOIN (SELECT 0 AS second UNION ALL SELECT 1) o"                                              \
    " ON o.second = (ca.name <> ?1 OR (cb.name = ?1 AND vb.id > va.id))"                           \
    " LEFT JOIN battle_tags g ON g.battle = b.number"                                              \
    " AND g.tagger = (SELECT id FROM taggers ORDER BY chosen DESC LIMIT 1)"                        \
    " WHERE v.counted = 0 AND (?2 < 0 OR v.judge = ?2) AND (ca.name = ?1 OR cb.name = ?1)"         \
    " AND va.id <> vb.id) m"

/* The newest battles that were lost, as a table; and turn by turn, as HTML. */
bool why_sheet_lost(const struct asking *asking, struct sheet *sheet);
bool why_lost_page(const struct asking *asking, struct buf *out);

#endif
