/* Opening the activities that members who moved here take along. Not with the reception: in the log they would stand beside it, and so say in clear
 * whose they are. They wait in the vault (storage/taken.h) until the months of the move and of the reception are over; then those of all who came
 * are opened in an order of their own, with the month of the move: the counterpart of moved_work.h. A desk that cannot wait has all that waits
 * opened at once. By the upkeep. */
#ifndef SMARTNODE_HOST_TAKEN_WORK_H
#define SMARTNODE_HOST_TAKEN_WORK_H

#include "node/api/api.h"

struct taken_work {
    struct db *db;
    struct vault *vault;
    struct unit_id unit;
    struct actor_id actor;
    struct civil_date today;
    bool all; /* also those whose month is not over; not those whose month has not begun */
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
    /* As in counting.h. */
    int (*run)(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
    bool (*stop)(void *arg); /* NULL = never */
    void *arg;
};

struct taken_found {
    uint64_t opened;  /* in this turn */
    uint64_t refused; /* the writer did not take: the office has closed, or the unit; tried again the next time */
    uint64_t waiting; /* not due yet */
};

/* Each may be interrupted at any step and begun again: an activity has its id before it is opened, so what is open already only leaves the list.
 * So does what belongs to somebody who has left. *ret says what was found so far in any case. Errors: those of storage, of run; ERR_UNAVAILABLE:
 * stopped. */
int taken_work_run(const struct taken_work *t, struct taken_found *ret, struct err *err) NODISCARD;

#endif
