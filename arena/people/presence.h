/* Which versions answer now. A campaign's question names versions, and votes never cross them:
 * while one of its models is another version, paused or gone, the pairs of that model wait.
 *
 * A copy of what matters of the roster: taken on the loop's thread, read on any. */
#ifndef ARENA_PEOPLE_PRESENCE_H
#define ARENA_PEOPLE_PRESENCE_H

#include "people/campaigns.h"

struct roster;

struct presence {
    char version[LIMIT_COMPETITORS][DIGEST_HEX + 1];
    size_t count;
};

void presence_take(struct presence *presence, const struct roster *roster);

/* One more; past LIMIT_COMPETITORS it is left out. */
void presence_add(struct presence *presence, const char *version);
bool presence_has(const struct presence *presence, const char *version);

/* Every model of this campaign answers as it was registered. */
bool presence_is_whole(const struct presence *presence, const struct campaign_terms *terms);

/* No pair of this campaign can be asked. */
bool presence_stops(const struct presence *presence, const struct campaign_terms *terms);

/* Does a campaign that this cohort votes in wait? */
bool presence_stops_any(const struct presence *presence, const struct campaigns *campaigns,
                        const char *cohort);

#endif
