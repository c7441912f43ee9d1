/* Visitors whose access is over before the month of their invoices was counted. With the access the keys go, the year key among them; what is
 * kept until that month is counted is the pseudonym of the year alone (docs/PROTOCOL.md §6 "Counting"), which opens nothing and leads into no
 * other year. Nothing says in clear whose it is. A table of the vault.
 * Threads: any; LMDB lets one commit after the other. */
#ifndef SMARTNODE_STORAGE_PARTED_H
#define SMARTNODE_STORAGE_PARTED_H

#include "storage/vault.h"

/* Of the year keys that the events gave: a note for each, that the member may still be counted for months up to `last` (docs/PROTOCOL.md §2). One vault
 * commit, none if they gave no such key here; again is fine. Before received_del_events. ERR_FULL, ERR_CORRUPT, ERR_NOMEM. */
int parted_note(struct vault *v, const struct position *from, size_t n, uint16_t last, struct err *err) NODISCARD;
/* home_or_null: whose member it is, where that is known; two units may use one id. ERR_NOTFOUND: nothing is noted. ERR_CORRUPT. */
int parted_get(struct vault *v, const struct subject_id *member, const struct unit_id *home_or_null, uint16_t year,
               struct subject_id *ret_pseudonym, struct err *err) NODISCARD;
/* Those whose last month is before `month` go: it and all before it are counted. One vault commit, none if nothing is there; ret_n (may be
 * NULL). */
int parted_expire(struct vault *v, uint16_t month, size_t *ret_n, struct err *err) NODISCARD;

#endif
