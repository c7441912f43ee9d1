/* Access of other units to a member: grants and passes. Rows and fold, pure like member.h. docs/PROTOCOL.md §9, §10.
 *
 *   none ── granted or issued ──▶ given ── renewed ──▶ given ── revoked ──▶ revoked
 *
 * No rule compares a date with today: whether it has begun or is over is asked with a day (access_stands). */
#ifndef SMARTNODE_RULES_ACCESS_H
#define SMARTNODE_RULES_ACCESS_H

#include "node/rules/member.h"

/* Begins as row.h asks. No kind takes a reference. */
struct access_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective;
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs; /* always 0 */
    struct event_ref refs[1];
    uint8_t keys;        /* capsules of class 15 that it carries, a bit for each index below 8 */
    struct access facts; /* 80, 81, 83 */
};

struct access_row {
    struct unit_id unit; /* the home */
    struct subject_id access;
    size_t n, cap;
    struct access_entry *entries; /* heap, in the order (depth, log id, seq) */
};

/* As their namesakes in member.h, also in their bounds. */
void access_row_init(struct access_row *r, const struct unit_id *unit, const struct subject_id *access);
void access_row_release(struct access_row *r);
int access_row_encode(const struct access_row *r, struct buf *out, struct err *err) NODISCARD;
int access_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *access,
                      struct access_row *ret, struct err *err) NODISCARD;
void access_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                             struct access_entry *ret);
bool access_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                          struct access_entry *ret);
int access_row_add(struct access_row *r, const struct access_entry *e, const struct member_world *w,
                   struct missing *ret_missing, struct err *err) NODISCARD;
int access_row_refold(struct access_row *r, const struct member_world *w, struct missing *ret_missing,
                      struct err *err) NODISCARD;
int access_row_try(const struct access_row *r, const struct access_entry *e, const struct member_world *w,
                   struct err *err) NODISCARD;

struct access_state {
    bool exists, revoked, is_pass;
    struct access facts;          /* member, host (a grant's), classes, purpose, until, hours, key */
    struct civil_date from;       /* date of effect of what made it */
    struct position made;         /* that event */
    struct civil_date revoked_on; /* DATE_NONE */
    uint8_t revoked_why;          /* 0 */
    struct position revoked_by;   /* if revoked */
    struct civil_date keyed_on;   /* greatest date of effect of an event that brought keys; DATE_NONE */
    struct position last_change;  /* newest entry, whatever became of it */
};
/* All that is held; with what is dated in the future. */
void access_state_of(const struct access_row *r, struct access_state *ret);
/* Whether it opens anything on a day: given, not revoked (whenever), begun, not over. */
bool access_stands(const struct access_state *s, struct civil_date on);
/* Whether it may still open something on that day or later. */
bool access_is_open(const struct access_state *s, struct civil_date on);

/* Effective events that carry key capsules, the last one in the order of the fold first: what they are, and which of their capsules (bits
 * by index). Of an escrow of new keys the capsule is among them. Returns how many there are and fills the first max. */
struct access_keys {
    struct position at;
    uint16_t kind;
    uint8_t capsules;
};
size_t access_keys_of(const struct access_row *r, struct access_keys *ret, size_t max);

/* The index by member (TABLE_ACCESS_OF): each member and unit for which an event of the row, whatever its outcome, makes an access; so a
 * row of the index never goes while its row stays. Calls emit once for each member. */
int access_members(const struct access_row *r, int (*emit)(void *arg, const struct subject_id *member), void *arg);

#endif
