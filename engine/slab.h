/* Memory for packed weights: many pieces, one life, on pages of 2 MiB where the system has them
 * (a core reads them up to a fifth faster: fewer walks of the page tables).
 *
 * Pieces are cut from chunks one after the other, so that small matrices share a page; nothing is
 * freed before all is. The end of a chunk is never touched and so takes no memory. One owner, no
 * locks. */
#ifndef ENGINE_SLAB_H
#define ENGINE_SLAB_H

#include <stddef.h>

struct slab {
    struct slab_chunk *chunks; /* newest first; pieces come from that one */
};

/* Uninitialised bytes aligned to KERNEL_ALIGNMENT, borrowed until slab_done; NULL: no memory. */
void *slab_take(struct slab *slab, size_t bytes);
void slab_done(struct slab *slab);

#endif
