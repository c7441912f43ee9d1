/* Counting the people of months that are over (kind 112; docs/PROTOCOL.md §6 "Counting", §9): what their invoices say against what was said
 * before. The months are those of TABLE_UNCOUNTED. What is to be said is worked out on read transactions, beside the writer; it is stored in
 * groups of COUNT_GROUP_EVENTS between which others write. An invoice that changes meanwhile leaves its month to the next turn, and so does
 * a stop at any point: counting again says only what is still to be said. */
#ifndef SMARTNODE_HOST_COUNTING_H
#define SMARTNODE_HOST_COUNTING_H

#include "node/host/datadir.h"

struct counting {
    struct db *db;
    struct vault *vault;
    const struct identity *identity;
    struct civil_date today;
    /* Carries out one operation in a group of its own (OP_COUNT). 0 or the group's error; a refusal is in op->result.err. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg);                                     /* asked between groups; NULL = never */
    void (*counted)(void *arg, uint16_t month, uint64_t events); /* after each month; NULL = silent */
    void *arg;
};

/* Who writes what was counted: a system of the unit, without a token. */
struct actor_id counting_actor(const struct unit_id *unit);

/* Counts the months that are due, or one, marked or not (month_number; 0 = those that are due). *ret_events: stored, also where it fails
 * later. ERR_CONFLICT, field "month": it is not over. ERR_UNAVAILABLE: stopped. And what run and command_count give. */
int counting_run(const struct counting *c, uint16_t month_or_0, uint64_t *ret_events, struct err *err) NODISCARD;

/* Lets a month be counted in the next turn. */
int counting_mark(const struct counting *c, uint16_t month, struct err *err) NODISCARD;

/* The same in a data directory that no node holds, by its engine; for the importers and `smartnode count`. */
int counting_offline(struct datadir *d, struct engine *e, uint16_t month_or_0,
                     void (*counted)(void *arg, uint16_t month, uint64_t events), void *arg, uint64_t *ret_events,
                     struct err *err) NODISCARD;
int counting_mark_offline(struct datadir *d, struct engine *e, uint16_t month, struct err *err) NODISCARD;

#endif
