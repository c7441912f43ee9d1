/* Activities that members who moved here take along, until they are opened: a table of the vault. In the log the openings must not stand beside the
 * reception, which names the member; so what is to be opened waits here, each under the id that the activity will have (node/host/taken_work.h).
 * Whose it is, which ids it will have and its title are personal data: there is one row for each member, wrapped, padded, under a label that says
 * nothing without the vault's key. It goes with the vault's rewriting once it is deleted.
 * Threads: puts and deletes by any, LMDB lets one commit after the other; reads by any. */
#ifndef SMARTNODE_STORAGE_TAKEN_H
#define SMARTNODE_STORAGE_TAKEN_H

#include "proto/person.h"
#include "storage/vault.h"

enum {
    TAKEN_DOSSIERS_MAX = 3,                                  /* capsules of one move that list them */
    TAKEN_MAX = TAKEN_DOSSIERS_MAX * DOSSIER_ACTIVITIES_MAX, /* of one member */
};

struct taken_key {
    struct subject_id member, activity; /* activity: the id that it will have here */
};
struct taken_activity {
    struct taken_key key;
    struct civil_date month;    /* of the move, its first day: from when it is open here */
    struct civil_date received; /* when the member was received here */
    uint16_t sector;
    bool culture;
    struct person_text title; /* may be empty */
};

/* One vault commit, none if nothing changes: these, all of the member, take the place of what was there of it. n: TAKEN_MAX at most (MUST).
 * ERR_FULL, ERR_NOMEM. */
int taken_put(struct vault *v, const struct subject_id *member, const struct taken_activity *list, size_t n,
              struct err *err) NODISCARD;
/* Those of a member in the order in which they were put: ret, TAKEN_MAX of them. Wipe them. ERR_CORRUPT: the row does not open. ERR_NOMEM. */
int taken_list(struct vault *v, const struct subject_id *member, struct taken_activity *ret, size_t *ret_n,
               struct err *err) NODISCARD;
/* Members of whom any wait, in an order that says nothing, after `after` (NULL = from the start), at most max. A row that does not open is nobody's,
 * and left out. ERR_NOMEM. */
int taken_members(struct vault *v, const struct subject_id *after, struct subject_id *ret, size_t max, size_t *ret_n,
                  struct err *err) NODISCARD;
/* ERR_NOTFOUND, ERR_CORRUPT, ERR_NOMEM. Wipe it. */
int taken_get(struct vault *v, const struct taken_key *key, struct taken_activity *ret, struct err *err) NODISCARD;
/* How many of a member wait. ERR_CORRUPT, ERR_NOMEM. */
int taken_count(struct vault *v, const struct subject_id *member, size_t *ret, struct err *err) NODISCARD;
/* One vault commit each, none if nothing is there. ret_n (may be NULL): how many went. A row that does not open only goes as a whole. */
int taken_del(struct vault *v, const struct taken_key *keys, size_t n, size_t *ret_n, struct err *err) NODISCARD;
int taken_del_member(struct vault *v, const struct subject_id *member, size_t *ret_n, struct err *err) NODISCARD;

#endif
