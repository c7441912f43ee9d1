/* What the files of access.h share. Private to them. */
#ifndef SMARTNODE_COMMAND_ACCESS_PARTS_H
#define SMARTNODE_COMMAND_ACCESS_PARTS_H

#include "node/command/access.h"
#include "node/command/rows.h"

/* Fills in what is to be sealed with the draft, whose date is given. older_of: the member, where the data in force may be under earlier
 * generations; NULL where it has just been sealed anew, or the access has those keys. ERR_NOTFOUND, field "host". */
int access_seal(const struct command_ctx *ctx, const struct access_state *a, const struct member_row *older_of,
                struct draft *d, struct err *err) NODISCARD;
/* What a grant or pass of class 4 had no room for: its class 4 keys of before those of the draft, in renewals (kind 85) that follow it in the same
 * commit. ret: ACCESS_REST_MAX. ERR_LIMIT: more than that. */
int access_seal_rest(const struct command_ctx *ctx, const struct draft *given, struct draft *ret, size_t *ret_n,
                     struct err *err) NODISCARD;

#endif
