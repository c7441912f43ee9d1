/* What the commands share: rows as the writer's transaction or a reader sees them, and the last steps of a draft. Private to
 * node/command. */
#ifndef SMARTNODE_COMMAND_ROWS_H
#define SMARTNODE_COMMAND_ROWS_H

#include "node/command/command.h"

/* ERR_NOTFOUND if there is none. Borrowed as state_get or db_get lend it. */
int rows_get(const struct command_ctx *ctx, enum table t, struct slice key, struct slice *ret,
             struct err *err) NODISCARD;
/* The member, office, activity, invoice or unit of ctx's unit. Released by the caller. ERR_NOTFOUND (field "subject", "office",
 * "activity", "invoice", "unit"). */
int rows_member(const struct command_ctx *ctx, const struct subject_id *subject, struct member_row *ret,
                struct err *err) NODISCARD;
/* A member of any unit. */
int rows_member_of(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *subject,
                   struct member_row *ret, struct err *err) NODISCARD;
int rows_office(const struct command_ctx *ctx, const struct office_id *office, struct place_row *ret,
                struct err *err) NODISCARD;
int rows_activity(const struct command_ctx *ctx, const struct subject_id *activity, struct activity_row *ret,
                  struct err *err) NODISCARD;
int rows_invoice(const struct command_ctx *ctx, const struct subject_id *invoice, struct invoice_row *ret,
                 struct err *err) NODISCARD;
int rows_unit(const struct command_ctx *ctx, struct place_row *ret, struct err *err) NODISCARD;
/* Calls one for each office of ctx's unit, in key order; other than 0 from it ends the walk and is returned. */
int rows_offices(const struct command_ctx *ctx, int (*one)(void *arg, const struct place_row *row), void *arg,
                 struct err *err) NODISCARD;

/* That another unit is known here (ERR_NOTFOUND) and has not closed (ERR_CONFLICT), naming `field`. */
int draft_check_unit(const struct command_ctx *ctx, const struct unit_id *unit, const char *field,
                     struct err *err) NODISCARD;

/* Date or today, checked. ERR_INVALID, field "effective_on". */
int draft_date(const struct command_ctx *ctx, struct civil_date given, struct civil_date *ret,
               struct err *err) NODISCARD;
/* What begins (an admission, an activity, a posting) or is invoiced lies at most AHEAD_DAYS_MAX ahead: what is further off is a slip of the
 * hand, and nothing that ends things by today would find it. ERR_INVALID naming `field`. */
enum { AHEAD_DAYS_MAX = 366 };
int draft_check_ahead(const struct command_ctx *ctx, struct civil_date date, const char *field,
                      struct err *err) NODISCARD;
/* A date in a year whose figures the unit has closed must be meant: ERR_CONFLICT naming `field` otherwise. CLOSED_SINCE: a year before a
 * closed one likewise, for what is in force from a day on (membership, shares) is in the figures of every later year. */
enum closed_reach { CLOSED_YEAR, CLOSED_SINCE };
/* The same of the new home of somebody who moves, as far as its years are known here. It was asked about the day of the offer when it accepted
 * (accepted: where in its log): what it had closed by then is meant. */
int draft_check_closed_there(const struct command_ctx *ctx, const struct unit_id *unit, struct civil_date offered,
                             const struct position *accepted, struct civil_date date, bool meant, const char *field,
                             struct err *err) NODISCARD;
int draft_check_closed(const struct command_ctx *ctx, struct civil_date date, enum closed_reach reach, bool meant,
                       const char *field, struct err *err) NODISCARD;
/* Whether a client saw the row as it is (last: its newest event). ERR_CONFLICT, field "if-match"; what: "member", … */
int draft_check_match(const struct position *seen, const struct position *last, const char *what,
                      struct err *err) NODISCARD;
/* The world as the rules see it, but for the event to be, which has no position yet: its office was looked up by the caller. below
 * is filled, borrowed by ret. */
void draft_world(const struct command_ctx *ctx, struct member_world *below, struct member_world *ret);
/* Whether a draft about a member would be valid after all that its row has, and leaves the room that is kept (room.h). Errors as
 * member_row_try. */
int draft_try_member(const struct command_ctx *ctx, const struct draft *d, const struct member_row *row,
                     struct err *err) NODISCARD;
/* The same but for the room, and the row as it would be with it, for a draft that follows in the same commit. Release ret. */
int draft_after_member(const struct command_ctx *ctx, const struct draft *d, const struct member_row *row,
                       struct member_row *ret, struct err *err) NODISCARD;
/* Empty draft of a kind with actor, subject (NULL = none) and date. */
void draft_init(struct draft *d, const struct command_ctx *ctx, uint16_t kind, const struct subject_id *subject,
                struct civil_date effective);
/* A further capsule of the draft, which has room (MUST): what it is to hold is appended to the buffer. */
struct buf *draft_capsule(struct draft *d, uint8_t class);
/* Whether the payload will encode: the bounds of docs/PROTOCOL.md §9. ERR_INVALID names the field. */
int draft_check_payload(const struct draft *d, struct err *err) NODISCARD;
/* The header that the writer will make of it, as far as the rules look at it. */
void draft_header(const struct draft *d, struct event_header *ret);
/* A reference with the chain value at the position. ERR_NOTFOUND if the world does not hold it. */
int draft_refer(struct draft *d, const struct command_ctx *ctx, enum ref_role role, const struct position *at,
                struct err *err) NODISCARD;

#endif
