/* Whose an activity, invoice or posting is, from the event's side: what goes into the vault before an event is committed, and what is found again by
 * trying keys where events came back without it (a restored disk). docs/PROTOCOL.md §6, docs/STORAGE.md "Vault". */
#ifndef SMARTNODE_HOST_LINKS_H
#define SMARTNODE_HOST_LINKS_H

#include "node/command/command.h"

/* Stages link and index entries (the member's, the unit's own number) of what the draft's class 4 capsule says; nothing without one.
 * The writer's thread; the group's commit follows with vault_links_commit. Errors are the group's. */
int links_stage(struct vault *vault, const struct unit_id *unit, const struct draft *d, struct err *err) NODISCARD;

/* Finds the links that are missing of the unit's own events. Reads each log from where an earlier search ended; a capsule that is not held
 * (yet) ends it there. Any one thread; other threads may write meanwhile. *ret is set also on failure. ERR_UNAVAILABLE: stopped. */
struct links_search {
    struct db *db;
    struct vault *vault;
    struct unit_id unit;
    /* Before the links of a month's invoices are stored, once for each month: its people were counted without them. NULL = nobody counts. */
    int (*mark)(void *arg, uint16_t month, struct err *err);
    bool (*stop)(void *arg);                                        /* NULL = never */
    void (*progress)(void *arg, uint64_t linked, uint64_t missing); /* now and then; NULL = silent */
    void *arg;
};
struct links_found {
    uint64_t linked;  /* found again */
    uint64_t missing; /* whose keys are not here */
};
int links_restore(const struct links_search *s, struct links_found *ret, struct err *err) NODISCARD;
/* The next search reads this log from its start again: keys came back that were missing. One vault commit. */
int links_again(struct vault *vault, const struct log_id *log, struct err *err) NODISCARD;

#endif
