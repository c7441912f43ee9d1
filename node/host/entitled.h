/* Who may have which capsule, docs/PROTOCOL.md §12.7: one function of the rows, used for what peers ask for and for what this node asks
 * for itself. Any node that has a capsule answers by it, also for another unit whose node is down: the rows are the same everywhere.
 * What only the home knows, its residency and its keepers, counts for its own capsules alone. */
#ifndef SMARTNODE_HOST_ENTITLED_H
#define SMARTNODE_HOST_ENTITLED_H

#include "node/host/config.h"
#include "node/rules/access.h"
#include "storage/evlog.h"
#include "storage/vault.h"

/* How this node stands; filled by the caller for each question, txn is a transaction of the main environment. */
struct entitled_by {
    struct db_txn *txn;
    struct vault *vault; /* says whose work an activity or invoice is; NULL = that is not known */
    struct unit_id own;
    enum residency residency; /* of the own unit */
    struct civil_date today;  /* own time zone */
};

/* One capsule of a stored event. */
struct entitled_to {
    const struct log_row *log;
    const struct event_header *header;
    struct slice payload;
    uint8_t index;
};

/* *ret: whether `asker` may have it. is_keeper: the operator named that unit a keeper of the own one. A payload that does not read
 * entitles to nothing. Errors are those of storage. */
int entitled(const struct entitled_by *by, const struct unit_id *asker, bool is_keeper, const struct entitled_to *what,
             bool *ret, struct err *err) NODISCARD;

/* The same of one member's names, addresses, bank accounts (classes 1 … 3), for whoever asks of many capsules: the row is read and folded once, the
 * accesses when a capsule is asked of that is in force. Good while by->txn is. */
struct entitled_rights {
    struct entitled_by by;
    struct unit_id asker, home;
    struct subject_id member;
    bool by_handover, in_force[3], has_classes; /* in force, and not restricted */
    struct position at[3];
    unsigned grants, passes;
};
int entitled_rights(const struct entitled_by *by, const struct unit_id *asker, const struct member_row *row,
                    struct entitled_rights *ret, struct err *err) NODISCARD;
/* *ret: whether the capsule of the class in the event at a position, of that row. ERR_INVALID: another class. */
int entitled_data(struct entitled_rights *r, uint8_t class, const struct position *at, bool *ret,
                  struct err *err) NODISCARD;

/* Accesses of a member of a unit. one: 0 goes on, positive ends the walk (as 0), negative is an error; row and state are good until it
 * returns. */
int entitled_accesses(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                      int (*one)(void *arg, const struct access_row *row, const struct access_state *state), void *arg,
                      struct err *err) NODISCARD;
/* The access of an id; ERR_NOTFOUND. Released by the caller. */
int entitled_access(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *access,
                    struct access_row *ret, struct err *err) NODISCARD;
/* Classes (bit class − 1) that the accesses of the member which stand on the day open at the unit `host`; of a pass, at every unit. */
int entitled_classes(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                     const struct unit_id *host, struct civil_date on, unsigned *ret_grants, unsigned *ret_passes,
                     struct err *err) NODISCARD;
/* Whether an offer that is open, or a completion, in the member's row of `unit` names `to`. */
int entitled_by_handover(struct db_txn *txn, const struct member_row *row, const struct unit_id *to, bool *ret,
                         struct err *err) NODISCARD;
/* Whether what an offer (64) or completion (66) in the row gave may be kept by whom it names: an offer while it is open, and once it was
 * completed; a completion while it has its effect. ret_withdrawn (may be NULL): the event that took an offer back; seq 0 = none did. */
bool entitled_offer_stands(const struct member_row *row, const struct position *event, struct position *ret_withdrawn);
/* The member's row of a unit; ERR_NOTFOUND. */
int entitled_member(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                    struct member_row *ret, struct err *err) NODISCARD;

/* Whether a unit is one of those, by code, that this node keeps capsules for. */
bool entitled_is_kept(struct db_txn *txn, const char (*keep)[UNIT_CODE_MAX], uint8_t n_keep,
                      const struct unit_id *unit);

#endif
