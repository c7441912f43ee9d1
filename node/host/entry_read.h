/* What the entries of a member's row say of persons, in clear: for the import, which compares, and the export. Any thread, each with its own
 * transaction. A class that was erased, or whose key is gone, or that stands in an event that is not committed yet is left out. */
#ifndef SMARTNODE_HOST_ENTRY_READ_H
#define SMARTNODE_HOST_ENTRY_READ_H

#include "node/command/command.h"

/* The person that entry i stands with: of the slot that it fills, the newest capsule of each class; of kind 45 the representative. Wipe
 * *ret. */
int entry_person_read(struct db_txn *txn, struct vault *vault, const struct member_row *row, size_t i,
                      struct person_input *ret, struct err *err) NODISCARD;
/* Its note; empty if it has none. Wipe *ret. */
int entry_note_read(struct db_txn *txn, struct vault *vault, const struct member_row *row, size_t i,
                    struct person_note *ret, struct err *err) NODISCARD;

#endif
