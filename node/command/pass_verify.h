/* A pass that a member of another unit shows: is it good, and what does it open? Works with the home unit out of reach, from what this node
 * holds of that unit's log. docs/PROTOCOL.md §6 "Grants, passes, offers", §11. Nothing is written here: the caller puts the visit on
 * record (guest_opening) and the keys that stay into the vault (received_put), both before anybody sees the answer. */
#ifndef SMARTNODE_COMMAND_PASS_VERIFY_H
#define SMARTNODE_COMMAND_PASS_VERIFY_H

#include "node/command/access.h"
#include "storage/received.h"

/* Why a pass is refused, in the order in which it is found out. The words (pass_refusal_word) are stable: programs branch on them. */
enum pass_refusal {
    PASS_GOOD = 0,
    PASS_NOT_A_PASS,       /* "not_a_pass": another QR code */
    PASS_LATER_VERSION,    /* "later_version" */
    PASS_MISTYPED,         /* "mistyped": cut off, or a letter wrong */
    PASS_OTHER_FEDERATION, /* "other_federation": or test against production */
    PASS_UNKNOWN_UNIT,     /* "unknown_unit": this node has nothing of the unit that issued it */
    PASS_UNKNOWN,          /* "unknown_pass": not in what this node has of that unit, perhaps not yet */
    PASS_FORGED,           /* "forged": the secret is not that of this pass */
    PASS_REVOKED,          /* "revoked" */
    PASS_NOT_YET,          /* "not_yet_valid" */
    PASS_EXPIRED,          /* "expired" */
    PASS_MOVED,            /* "moved": the member has another home now (moved_to) */
    PASS_LEFT,             /* "left": resigned, excluded, merged … */
    PASS_ERASED,           /* "erased": all that it opened, or something, and it ended then */
    PASS_RESTRICTED,       /* "restricted": likewise */
    PASS_STALE,            /* "stale": what this node knows of the home unit is older than the pass allows */
    PASS_SILENT,           /* "silent": … than this node allows: 30 days without hearing of that unit, or a restore */
    PASS_NO_KEYS,          /* "no_keys": what it opens has not arrived here yet */
};
const char *pass_refusal_word(enum pass_refusal r);

struct pass_check {
    const struct command_ctx *ctx; /* a read transaction is enough */
    struct federation_id federation;
    bool production;
    struct wall_ms now;
    uint32_t foreign_days_max; /* guest_knowledge */
    /* When this node last knew that it held all of a unit's events; false = never. */
    bool (*known_at)(void *arg, const struct unit_id *unit, struct wall_ms *ret);
    void *arg;
};

/* Of all classes, the newest first: some 450 generations of class 4, half of what is kept here of a member (RECEIVED_MAX). */
enum { PASS_KEYS_MAX = 512 };

/* Personal data and keys: wipe with pass_seen_wipe. */
struct pass_seen {
    enum pass_refusal refusal;
    char text
        [ERR_TEXT_MAX]; /* of a refusal, for the desk; says nothing of the member but where it was issued and until when */
    bool has_unit;      /* the home unit, once the text was read */
    struct unit_id unit;
    int64_t age_ms;            /* of what this node knows of it; −1 = it never knew; 0 for the own unit */
    bool has_access;           /* the pass is known here */
    struct subject_id access;  /* its id */
    struct access_state state; /* from, until, classes */
    struct unit_id moved_to;   /* PASS_MOVED */
    /* Of a good one. */
    struct subject_id member;
    bool own; /* of this very unit: nothing is to be kept or recorded */
    /* Classes named: opened; closed by an erasure or a restriction; that the member has and that did not open, since they are not here (yet). */
    uint16_t opened, closed, missing;
    struct person_input person; /* of the classes opened */
    size_t n_keys;
    struct received_key keys[PASS_KEYS_MAX]; /* class 4 and years: what stays until the pass ends */
};
void pass_seen_wipe(struct pass_seen *p);

/* Judges a text as scanned or typed. 0 also for a pass that is refused: ret->refusal; errors are those of storage. ret is wiped and set in
 * every case. */
int pass_verify(const struct pass_check *check, struct slice text, struct pass_seen *ret, struct err *err) NODISCARD;

#endif
