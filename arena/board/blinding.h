/* Was it blind? What voters said when they were asked whether they recognised a model, against what
 * it was.
 *
 * The index is Bang's, for names instead of two arms: of all sides asked about, the share that was
 * named right, less what guessing among the board's models would have named right by chance. 0:
 * nobody knows better than by chance; 1: all are known. A voter who recognises a model without
 * saying which counts as right: the worse case. No function of the votes; one owner. */
#ifndef ARENA_BOARD_BLINDING_H
#define ARENA_BOARD_BLINDING_H

#include "base/json.h"
#include "board/render.h"
#include "store/db.h"

struct blinding {
    int64_t answered;              /* votes whose voter answered the question */
    int64_t right, wrong, unnamed; /* sides that were recognised, by what was said of them */
    int64_t read_ns, cost_ns;      /* when it was read, how long that took; 0: never */
};

/* Reads anew; where there are many answers, only after a hundred times what reading costs. */
bool blinding_refresh(struct blinding *blinding, struct db *db, struct err *err);

/* NAN: nobody was asked. `models`: among which one could guess. */
double blinding_index(const struct blinding *blinding, size_t models);

/* {"answered","recognised","right","wrong","index"} */
void blinding_write(const struct blinding *blinding, size_t models, struct json_out *out,
                    const char *key);

/* The same as a sentence; nothing where nobody was asked. */
void blinding_draw(const struct blinding *blinding, size_t models, struct buf *text,
                   enum render_format format);

#endif
