/* What the files of access.h share. Private to them. */
#ifndef SMARTNODE_COMMAND_ACCESS_PARTS_H
#define SMARTNODE_COMMAND_ACCESS_PARTS_H

#include "node/command/access.h"
#include "node/command/rows.h"

/* Fills in what is to be sealed with the draft, whose date is given. older_of: the member, where the data in force may be under earlier
 * generations; NULL where it has just been sealed anew, or the access has those keys. ERR_NOTFOUND, field "host". */
int access_seal(const struct command_ctx *ctx, const struct access_state *a, const struct member_row *older_of,
                struct draft *d, struct err *err) NODISCARD;

#endif
