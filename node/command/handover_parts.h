/* What the files of handover.h share. Private to them. */
#ifndef SMARTNODE_COMMAND_HANDOVER_PARTS_H
#define SMARTNODE_COMMAND_HANDOVER_PARTS_H

#include "node/command/access_parts.h"
#include "node/command/handover.h"

/* Fills in the capsules of class 8 of an offer or a completion, whose date is given, and the keys that open what the new home is to read. row: of this
 * unit. all: every open activity must be listed. ERR_NOTFOUND, field "unit": nothing of the new home is held here; ERR_CONFLICT, field
 * "activities": all, and there are more than TAKEN_MAX. */
int handover_dossier(const struct command_ctx *ctx, const struct member_row *row, const struct unit_id *to, bool all,
                     struct draft *d, struct err *err) NODISCARD;

#endif
