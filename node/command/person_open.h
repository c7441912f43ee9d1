/* A person of the own unit in clear: row → position of the capsule → capsule → key slot → plaintext. What is in clear is wiped by whoever
 * asked (person_wipe). Any thread, each with its own transaction. docs/PROTOCOL.md §6.
 * A class that was erased, never entered, or whose key is gone is left out (has_… false) and no error. ERR_CORRUPT: likewise, but a slot of
 * the vault is damaged; ERR_INVALID, ERR_FORGED: a capsule is; and errors of storage. ret is zero after an error. */
#ifndef SMARTNODE_COMMAND_PERSON_OPEN_H
#define SMARTNODE_COMMAND_PERSON_OPEN_H

#include "node/command/command.h"

/* Classes are a set: 1U << CLASS_IDENTITY and so on, of identity, contact and bank. */

/* What is in force. */
int person_open(struct db_txn *txn, struct vault *vault, const struct member_row *row, unsigned classes,
                struct person_input *ret, struct err *err) NODISCARD;
/* One class as an event of some time said it: at is a position that member_capsule_history gave. */
int person_open_at(struct db_txn *txn, struct vault *vault, const struct subject_id *subject, const struct position *at,
                   uint8_t class, struct person_input *ret, struct err *err) NODISCARD;
/* Identity and contact of a representative of the legal person in row. */
int person_open_representative(struct db_txn *txn, struct vault *vault, const struct member_row *row,
                               const struct subject_id *person, struct person_input *ret, struct err *err) NODISCARD;

#endif
