/* Carrying out erasures: what apply noted (storage/erasures.h) is destroyed in the vault, the vault's file is rewritten, the own log
 * confirms. Resumable at every step:
 *
 *   noted --vault_erase, index of what is left, vault_rewrite (one for many), mark--> destroyed --97 in the own log--> done
 *
 * What was stopped is begun again: each step may be done twice. The mark, drawn anew each time, is in the vault and in the main environment;
 * where they differ at a start one of the two came from a backup, and everything that was ever ordered is carried out again.
 * docs/OPERATIONS.md "Erasure". Belongs to the engine and its thread. */
#ifndef SMARTNODE_HOST_ERASING_H
#define SMARTNODE_HOST_ERASING_H

#include <stdbool.h>

#include "proto/base/err.h"

struct engine;

enum {
    ERASING_BATCH = 256,              /* orders for one rewrite */
    ERASING_COLLECT_MS = 500,         /* so long orders are collected before the vault is rewritten for them, */
    ERASING_REWRITE_EVERY_MS = 10000, /* and so far apart rewrites are at least */
};

struct erasing {
    bool due;          /* something is to be done */
    bool rewrite_owed; /* something may have been destroyed in the vault since its file was written */
};

/* At the start: whether vault and main environment are of one age; otherwise everything is due again. No group is open. */
int erasing_start(struct engine *e, struct err *err) NODISCARD;
/* Before the commit of a group: notes what it brought. */
void erasing_note(struct engine *e);
/* One batch, in groups of its own. *ret_rewrote: the vault was rewritten. engine_erasures_due says whether there is more. Errors leave
 * what is left to the next call. */
int erasing_turn(struct engine *e, bool *ret_rewrote, struct err *err) NODISCARD;

#endif
