/* What follows the commit of an operation into the vault: which of a host's proposals was answered, and whose requests to move are dealt with. It
 * is noted in the main environment with the events that it belongs to, done in the vault once they are durable, and crossed out. So a stop at any
 * line leaves neither an answer without its event nor an event whose answer is lost: what is noted is done by the next group or start, and may
 * be done again. The notes say nothing of whom: a proposal has a label there (storage/visits.h), and that a member moves is in the log.
 * Of the engine's thread. */
#ifndef SMARTNODE_HOST_SETTLING_H
#define SMARTNODE_HOST_SETTLING_H

#include "node/host/engine.h"
#include "storage/visits.h"

/* In a group. as: not VISIT_OPEN. Errors: those of storage. */
int settling_note_answer(struct engine *e, const struct visit *of, enum visit_settled as, struct err *err) NODISCARD;
int settling_note_moved(struct engine *e, const struct subject_id *member, struct err *err) NODISCARD;
/* In a group: how a proposal was answered, by the vault, or by what is noted and yet to be done there. */
int settling_answered(struct engine *e, const struct visit *v, uint8_t *ret, struct err *err) NODISCARD;
/* Does what is noted; no group is open. ERR_FULL, and others of storage: the rest stays noted. */
int settling_turn(struct engine *e, struct err *err) NODISCARD;

#endif
