/* Whom another unit is asked about when a person is admitted: the identity as docs/PROTOCOL.md §12.8 writes it, the same at every unit. In
 * clear: wipe it. Pure, any thread. */
#ifndef SMARTNODE_COMMAND_LOOKUP_H
#define SMARTNODE_COMMAND_LOOKUP_H

#include "node/command/command.h"

enum { LOOKUP_INPUT_MAX = 16384 };

/* Appends it to out, of at least LOOKUP_INPUT_MAX bytes. ERR_NOTFOUND: nothing to ask with: a natural person without family name or birth
 * date, a legal person without legal name, another person_type. ERR_INVALID: not UTF-8; ERR_LIMIT, ERR_NOMEM. */
int lookup_input(const struct person_identity *p, uint8_t person_type, struct buf *out, struct err *err) NODISCARD;

/* The blind index's token of a bucket: who of the members may be in it, by an identity that was entered at some time (INDEX_BUCKET). */
void index_bucket(const struct vault *v, uint8_t bucket, uint8_t ret[VAULT_TOKEN_BYTES]);

#endif
