/* Closing the activities of members who moved to another unit. Not with the completion: in the log they would stand beside it, and so say in clear
 * whose they are. Once the month of the move is over, those of all who moved in it are closed in an order of their own, with that month.
 * (Nothing can be invoiced on them meanwhile: an invoice asks for a member.) By the upkeep. */
#ifndef SMARTNODE_HOST_MOVED_WORK_H
#define SMARTNODE_HOST_MOVED_WORK_H

#include "node/api/api.h"

struct moved_work {
    struct db *db;
    struct vault *vault;
    struct unit_id unit;
    struct actor_id actor;
    struct civil_date today;
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
    /* As in counting.h. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg); /* NULL = never */
    void *arg;
};

/* *ret_closed: also where it fails later; what could not be closed is tried again the next time. Reads all open activities of the unit. */
int moved_work_run(const struct moved_work *m, uint64_t *ret_closed, struct err *err) NODISCARD;

#endif
