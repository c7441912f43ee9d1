/* Erasures of the own unit that some pinned unit has not confirmed: for status and monitoring. Work grows with the number of orders, of
 * which at most OVERDUE_LOOK_MAX are looked at. Any thread. */
#ifndef SMARTNODE_HOST_OVERDUE_H
#define SMARTNODE_HOST_OVERDUE_H

#include "node/api/api.h"

enum { OVERDUE_LOOK_MAX = 20000 };
struct overdue {
    uint64_t open; /* orders that a pinned unit, or this one, has not confirmed */
    uint64_t late; /* of those, ordered more than `silent_days` ago */
    char unit
        [UNIT_CODE_MAX]; /* one of the silent units of a late order; empty if there is none, "?" if it is this one */
};
/* What cannot be read stays 0. */
void overdue_read(struct db *db, const struct unit_id *own, const struct api_peer *peers, size_t n_peers,
                  struct civil_date today, uint32_t silent_days, struct overdue *ret);

#endif
