/* The fold of members as §7, §8 and §10 of docs/PROTOCOL.md say it, word for word and as slow as that: it knows only the set of events.
 * What node/rules does is held against it (tests/unit/rules/test_fold_random.c). */
#ifndef SMARTNODE_TESTS_SUPPORT_FOLD_REFERENCE_H
#define SMARTNODE_TESTS_SUPPORT_FOLD_REFERENCE_H

#include "tests/support/rules_world.h"

enum { REF_LOGS = 4, REF_EVENTS = 14, REF_CURRENCIES = 5, REF_PEOPLE = 3, REF_PURPOSES = 3 };
extern const char ref_currencies[REF_CURRENCIES][4];

struct ref_event {
    struct member_entry e;
    bool held;
};

struct ref_case {
    uint64_t seed, random;
    struct world world;
    size_t n_logs, n;
    uint64_t len[REF_LOGS]; /* seq of the last event of each */
    struct position before[REF_LOGS][2];
    struct ref_event ev[REF_EVENTS];
    struct office_id offices[3];
    struct position stranger; /* held, of another entity */
    struct position absent;   /* never held */
};

struct reference {
    bool past[REF_EVENTS][REF_EVENTS];
    int outcome[REF_EVENTS]; /* 0 = not judged; APPLIED = valid until the end */
    int reason[REF_EVENTS];
};

/* Index of the event that is held at the position; -1 if none is. */
int ref_find(const struct ref_case *c, const struct event_ref *r);
/* Outcome and reason of every event that is held. */
void ref_outcomes(const struct ref_case *c, struct reference *r);

#endif
