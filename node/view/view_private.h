/* What the sources of this room share. Not for other rooms. */
#ifndef SMARTNODE_VIEW_PRIVATE_H
#define SMARTNODE_VIEW_PRIVATE_H

#include "node/view/view.h"

/* Calls row for the view rows of a unit of one granularity with from ≤ period < to, in the order of their keys: tail is what follows the
 * period in the key. Ends with the first error of row, ERR_NOTFOUND without one. */
int view_range(struct db_txn *txn, enum table t, const struct unit_id *unit, const uint8_t from[KEY_PERIOD],
               const uint8_t to[KEY_PERIOD],
               int (*row)(void *arg, struct slice tail, struct slice value, struct err *err), void *arg,
               struct err *err) NODISCARD;
/* Calls each for every unit, in the order of ids. */
int view_each_unit(struct db_txn *txn, int (*each)(void *arg, const struct unit_id *unit, struct err *err), void *arg,
                   struct err *err) NODISCARD;

#endif
