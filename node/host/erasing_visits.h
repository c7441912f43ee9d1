/* What hosts recorded about members of this unit (kind 86, storage/visits.h), at an erasure: an order cannot list it, for it lies in the
 * hosts' logs. All of it goes with activity links or identity; with contact goes the contact that a record proposes. The capsule at this
 * node goes, too; those at hosts and keepers have lost their key. Belongs to erasing.c. */
#ifndef SMARTNODE_HOST_ERASING_VISITS_H
#define SMARTNODE_HOST_ERASING_VISITS_H

#include "node/host/engine.h"
#include "storage/erasures.h"

/* Of the orders of the own unit that are noted, in groups of its own; may be done again. Capsules first: the rows say where they are.
 * *ret_vault: the vault was changed and has to be rewritten; it stays as it was otherwise. */
int erasing_visits(struct engine *e, const struct erasure_order *orders, size_t n, bool *ret_vault,
                   struct err *err) NODISCARD;

#endif
