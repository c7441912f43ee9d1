/* What the files of handover.h share. Private to them. */
#ifndef SMARTNODE_COMMAND_HANDOVER_PARTS_H
#define SMARTNODE_COMMAND_HANDOVER_PARTS_H

#include "node/command/access_parts.h"
#include "node/command/handover.h"

/* Fills in the capsule of class 8 of an offer or a completion, whose date is given, and the keys that open what the new home is to read. row: of this
 * unit. ERR_NOTFOUND, field "unit": nothing of the new home is held here. */
int handover_dossier(const struct command_ctx *ctx, const struct member_row *row, const struct unit_id *to,
                     struct draft *d, struct err *err) NODISCARD;

#endif
