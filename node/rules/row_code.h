/* What the encodings of member and place rows share. Private to node/rules; the rest of the layouts: member_code.c, place_code.c.
 *
 *   position  = varint (seq − seq of the entry before), if that is of the same log; else 0 ‖ log id (32) ‖ varint seq
 *   reference = role (1) with bit 7 set if to another log than the entry's ‖ [log id (32) of that] ‖ varint seq ‖ chain value (32) */
#ifndef SMARTNODE_RULES_ROW_CODE_H
#define SMARTNODE_RULES_ROW_CODE_H

#include "node/rules/member.h"

enum { ROW_VERSION = 1 };

/* before: the entry before, NULL for the first. */
void row_position_put(struct buf *out, const struct position *before, const struct position *at);
void row_position_read(struct reader *in, const struct position *before, struct position *ret);
/* at: the entry that holds the reference. */
void row_ref_put(struct buf *out, const struct position *at, const struct event_ref *ref);
void row_ref_read(struct reader *in, const struct position *at, struct event_ref *ret);
/* OUTCOME_APPLIED … OUTCOME_UNKNOWN and a reason that goes with it. */
bool row_outcome_ok(unsigned outcome, unsigned reason);

#endif
