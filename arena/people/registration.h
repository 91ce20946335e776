/* What is stored when a campaign begins, in one transaction: its question, and the pairs with a
 * known winner. Owned by whoever made it; plain data in between. */
#ifndef ARENA_PEOPLE_REGISTRATION_H
#define ARENA_PEOPLE_REGISTRATION_H

#include "people/campaigns.h"

#define REGISTRATION_GOLD_MAX 10000 /* far more than a rater can be tested with */

struct registration;

/* Checks the question, works out what to expect, gives it an id. Copies everything. */
struct registration *registration_new(const struct campaign_wish *wish, struct err *err);
void registration_free(struct registration *registration);

/* On the writer's thread. */
bool registration_store(struct db *tx, struct registration *registration, struct err *err);

const char *registration_id(const struct registration *registration);
const struct question *registration_question(const struct registration *registration);

#endif
