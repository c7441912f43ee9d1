/* Members who moved here: received by the node itself, as soon as the data that the old home sealed for this unit is here
 * (docs/PROTOCOL.md §10 "Handover", kind 68). In the upkeep's thread; the keys were opened by guests.h, the capsules fetched by wanted.h.
 *
 * Nothing is received by half: a member waits until every class in force at the old home that is not erased, and the dossier, is here and
 * opens. The desk may receive her by hand before. The number that she had in the old home's register is left behind: the new one gives its
 * own. */
#ifndef SMARTNODE_HOST_ARRIVALS_H
#define SMARTNODE_HOST_ARRIVALS_H

#include "node/api/api.h"
#include "node/host/identity.h"

struct arrivals {
    struct db *db;
    struct vault *vault;
    const struct identity *identity;
    struct civil_date today;
    /* As in counting.h. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg); /* asked between members; NULL = never */
    void *arg;
};

struct arrivals_found {
    uint64_t received; /* in this turn */
    uint64_t waiting;  /* what the old home sealed is not all here yet */
    uint64_t
        by_hand; /* cannot be received by the node: there is no name any more, or this unit's rules refuse what the old home had */
    struct civil_date since; /* first day here of whoever waits, or is for the desk, longest; DATE_NONE = nobody */
};

/* One turn over everybody who arrived and was not received. What the writer refuses is counted by_hand and tried again the next time. Errors: those
 * of storage, of run; ERR_UNAVAILABLE: stopped. *ret says what was found so far in any case. */
int arrivals_run(const struct arrivals *a, struct arrivals_found *ret, struct err *err) NODISCARD;

#endif
