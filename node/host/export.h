/* Writing the own unit's members in the columns of the import, with their persons in clear. What an import cannot say is left out: of
 * somebody who left and came back the last membership, and shares subscribed later as if they had been at the admission. A cell that a
 * spreadsheet would take for a formula gets an apostrophe in front, also a telephone number with its +; the import takes it away. */
#ifndef SMARTNODE_HOST_EXPORT_H
#define SMARTNODE_HOST_EXPORT_H

#include <stdio.h>

#include "node/host/datadir.h"

struct export_result {
    uint64_t members;
    uint64_t nameless; /* erased, or of keys that this node does not have */
};
enum export_form { EXPORT_CSV, EXPORT_NDJSON };
/* In the order of the subjects. ERR_IO, and errors of storage. */
int export_members(struct datadir *d, enum export_form form, FILE *to, struct export_result *ret,
                   struct err *err) NODISCARD;

#endif
