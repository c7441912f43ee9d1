/* Who looked at whom: two small tables of the vault. Nothing in them names a person, only pseudonyms, days and counts.
 *
 * "Pending": someone of this unit opened a member of another one; the writer turns these rows into events for the home and takes off
 * what it wrote. "Own": someone opened a member of this unit; the journal from which a member is told who looked.
 *
 * Threads: notes are made by any thread (LMDB lets one commit after the other; while the vault is rewritten they wait), the rest by
 * the writer's thread, lists by any. Every note is a durable commit: collect those of one answer into one call. */
#ifndef SMARTNODE_STORAGE_OPENINGS_H
#define SMARTNODE_STORAGE_OPENINGS_H

#include "storage/vault.h"

/* At a foreign member. */
struct opening {
    struct unit_id home;
    struct subject_id subject;
    struct civil_date day;
    struct actor_id actor;
    struct subject_id access; /* the grant or pass that allowed it; part of the key */
    uint32_t count;
    uint32_t done; /* bits of what was done, by the caller's meaning; a note adds its own to those there */
};
/* Adds counts (≥ 1) and bits to what is there; one vault commit. A count stops at UINT32_MAX. */
int openings_note(struct vault *v, const struct opening *o, size_t n, struct err *err) NODISCARD;
/* In the order of home, subject, day, actor, access, after `after` (NULL = from the start), at most max. Only days before `before`
 * (DATE_NONE = all). */
int openings_list(struct vault *v, const struct opening *after, struct civil_date before, struct opening *ret,
                  size_t max, size_t *ret_n, struct err *err) NODISCARD;
/* Takes the counts as they were listed off; a row without any left goes, one that grew meanwhile keeps the rest. One vault commit. */
int openings_written(struct vault *v, const struct opening *o, size_t n, struct err *err) NODISCARD;

/* At an own member. */
struct look {
    struct subject_id subject;
    struct civil_date day;
    struct actor_id actor;
    uint8_t purpose; /* by the caller's meaning */
    uint32_t count;
};
int looks_note(struct vault *v, const struct look *l, size_t n, struct err *err) NODISCARD;
/* Of a subject, by day, actor, purpose, on days from … to (DATE_NONE = open), after `after` (NULL), at most max. */
int looks_list(struct vault *v, const struct subject_id *subject, struct civil_date from, struct civil_date to,
               const struct look *after, struct look *ret, size_t max, size_t *ret_n, struct err *err) NODISCARD;
/* All rows of days before `before`: the end of their retention. One vault commit, none if nothing is there; walks the table. */
int looks_expire(struct vault *v, struct civil_date before, size_t *ret_n, struct err *err) NODISCARD;

#endif
