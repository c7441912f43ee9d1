/* What two nodes' states differ in, for people: logs first, since nodes that hold different events may differ, then tables by
 * fingerprint, then rows. Reads only. One thread. */
#ifndef SMARTNODE_CLI_STATE_DIFF_H
#define SMARTNODE_CLI_STATE_DIFF_H

#include <stdio.h>

#include "storage/state.h"

struct state_diff {
    size_t heads_differ; /* tips that one side has and the other has not */
    size_t tables_differ;
    uint64_t rows_differ; /* counted up to the limit of each table */
};
/* a, b: read transactions on two main environments; names as people call the two. Prints up to rows_max rows of each table. */
int state_diff(struct db_txn *a, struct db_txn *b, const char *a_name, const char *b_name, size_t rows_max, FILE *to,
               struct state_diff *ret, struct err *err) NODISCARD;

#endif
