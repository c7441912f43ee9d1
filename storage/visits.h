/* What hosts recorded about members of this unit (docs/PROTOCOL.md §9 kind 86): a table of the vault, filled as the records arrive and
 * open. What a record says is personal data: it is wrapped, and goes with the vault's rewriting once it is deleted.
 * Threads: any; LMDB lets one commit after the other. */
#ifndef SMARTNODE_STORAGE_VISITS_H
#define SMARTNODE_STORAGE_VISITS_H

#include "storage/vault.h"

enum visit_settled { VISIT_OPEN = 0, VISIT_ACCEPTED = 1, VISIT_DECLINED = 2 };

/* One capsule of class 7. */
struct visit {
    struct subject_id subject; /* the member */
    struct position at;        /* the host's event */
    uint8_t index;
    struct unit_id host;
    uint8_t settled; /* enum visit_settled: what became of the contact that it proposes */
};

/* plain: the capsule's content. One vault commit; one that is there already stays as it is. ERR_FULL, ERR_LIMIT (plain longer than a
 * capsule). */
int visits_put(struct vault *v, const struct visit *visit, struct slice plain, struct err *err) NODISCARD;
/* Calls one for each record of a subject in the order of log, seq, index, after `after` (NULL = from the start), or, with subject
 * NULL, for every record in the order of their labels, until it returns other than 0, which ends the walk: positive as 0, an error as that error.
 * plain is good until it returns, and wiped then; it must not write to the vault. after need not be there any more. ERR_CORRUPT: a row does
 * not open. */
int visits_each(struct vault *v, const struct subject_id *subject, const struct visit *after,
                int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg,
                struct err *err) NODISCARD;
/* One record; plain (may be NULL) gets its content, which the caller wipes. ERR_NOTFOUND, ERR_CORRUPT. */
int visits_get(struct vault *v, const struct subject_id *subject, const struct position *at, uint8_t index,
               struct visit *ret, struct buf *plain, struct err *err) NODISCARD;
/* What stands for a record (subject, at and index of it) outside the vault: nobody without the vault's key can tell of whom it is. */
void visits_label(const struct vault *v, const struct visit *of, struct subject_id *ret);
/* Of the record with that label. One vault commit. ERR_NOTFOUND, ERR_FULL, ERR_CORRUPT. */
int visits_settle(struct vault *v, const struct subject_id *label, enum visit_settled settled,
                  struct err *err) NODISCARD;
/* What a record says is this from now on; what became of it stays as it was. Empty: the record goes. One vault commit, none if it is not
 * there. A vault_rewrite takes what it said out of the file. ERR_FULL, ERR_LIMIT, ERR_CORRUPT. */
int visits_replace(struct vault *v, const struct visit *visit, struct slice plain, struct err *err) NODISCARD;
/* All of a subject. One vault commit, none if nothing is there; ret_n (may be NULL). */
int visits_del(struct vault *v, const struct subject_id *subject, size_t *ret_n, struct err *err) NODISCARD;

#endif
