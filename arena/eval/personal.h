/* Personal data in a text, by patterns: what keeps a battle from being exported before somebody
 * has looked at it.
 *
 * Found are e-mail addresses, telephone numbers (international ones anywhere, others behind "tel",
 * "call me at" and the like), IBANs, card numbers, public IP addresses, keys, tokens and passwords,
 * URLs that carry a password, identity numbers with a form or a label, a name behind "my name is",
 * a date of birth behind its label, a street with house number and postcode. Other names, health
 * and the like have no pattern: finder.h. What is reserved for examples and private networks is
 * nobody's.
 * Pure, linear in the text; any bytes; any thread. */
#ifndef ARENA_EVAL_PERSONAL_H
#define ARENA_EVAL_PERSONAL_H

#include "base/buf.h"

#define PERSONAL_MAP(X)                                                                            \
    X(PERSONAL_EMAIL, "e-mail address")                                                            \
    X(PERSONAL_PHONE, "telephone number")                                                          \
    X(PERSONAL_IBAN, "IBAN")                                                                       \
    X(PERSONAL_CARD, "card number")                                                                \
    X(PERSONAL_IP, "IP address")                                                                   \
    X(PERSONAL_SECRET, "key or token")                                                             \
    X(PERSONAL_LOGIN, "URL with a password")                                                       \
    X(PERSONAL_NAME, "name")                                                                       \
    X(PERSONAL_ADDRESS, "postal address")                                                          \
    X(PERSONAL_NUMBER, "identity or account number")                                               \
    X(PERSONAL_BIRTH, "date of birth")                                                             \
    X(PERSONAL_HEALTH, "health")                                                                   \
    X(PERSONAL_OTHER, "other")
enum personal_kind {
#define X(name, words) name,
    PERSONAL_MAP(X)
#undef X
        PERSONAL_KINDS
};
const char *personal_word(enum personal_kind kind);

/* A bit (1 << kind) for each kind that is there; 0: none. */
unsigned personal_find(struct text text);

#endif
