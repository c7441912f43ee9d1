/* Members of the own unit by id and by number. Their persons in clear: node/command/person_open.h. Any thread, each with its own read
 * transaction. */
#ifndef SMARTNODE_HOST_PERSON_READ_H
#define SMARTNODE_HOST_PERSON_READ_H

#include "node/command/command.h"

/* Row of a member. ERR_NOTFOUND. The caller releases it. */
int member_read(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *subject,
                struct member_row *ret, struct err *err) NODISCARD;
/* The member of that number, in any spelling that the index takes for the same: found by the blind index, and its own number
 * compared, for words of names are indexed too. *ret_found false if none. `ret` is set and to be released only if found. */
int member_by_number(struct db_txn *txn, struct vault *vault, const struct unit_id *unit, const char *number,
                     bool *ret_found, struct member_row *ret, struct err *err) NODISCARD;

/* Numbers with the same letters and digits, but for case and marks, have the same key. ERR_INVALID: no letter or digit in it. */
enum { NUMBER_KEY_BYTES = 32 };
int number_key(const char *number, uint8_t out[NUMBER_KEY_BYTES], struct err *err) NODISCARD;

#endif
