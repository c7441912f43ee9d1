/* What becomes due for grants and passes of the own unit by the passing of time, once an hour: in December the key of the next year for those
 * that go on into it (kind 85); and their end, once the member is none any more, however that came about. Worked out on a read
 * transaction, written one access, or one member, at a time; whoever is stopped between begins anew. docs/PROTOCOL.md §6. */
#ifndef SMARTNODE_HOST_ACCESS_UPKEEP_H
#define SMARTNODE_HOST_ACCESS_UPKEEP_H

#include "node/api/api.h"

struct access_upkeep {
    struct db *db;
    struct unit_id unit;
    struct actor_id actor; /* the node's own */
    struct civil_date today;
    /* Carries out one operation in a group of its own (OP_ACCESS). 0 or the group's error; a refusal is in op->result.err. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg); /* asked between operations */
    void *arg;
};

/* ret: accesses renewed, members whose access was ended. A refusal is an error, after the others were tried. */
struct access_upkept {
    uint64_t renewed, ended;
};
int access_upkeep_run(const struct access_upkeep *u, struct access_upkept *ret, struct err *err) NODISCARD;

#endif
