/* What the commands about activities and invoices share: whose it is, what its capsule says, whether a number is free. Private to
 * node/command. Holds personal data in clear: wiped with person_wipe. */
#ifndef SMARTNODE_COMMAND_WORK_H
#define SMARTNODE_COMMAND_WORK_H

#include "node/command/rows.h"

struct civil_date month_last(struct civil_date month);
/* Empty draft of a kind with month precision. */
void work_draft(struct draft *d, const struct command_ctx *ctx, uint16_t kind, const struct subject_id *subject,
                struct civil_date month);

/* Whose activity or invoice it is, as linked here. ERR_CONFLICT naming `field`: not known here. */
int work_owner(const struct command_ctx *ctx, const struct subject_id *entity, const char *field,
               struct subject_id *ret, struct err *err) NODISCARD;
/* A visitor: who is another unit's member, and the key under which what is recorded of her is sealed. */
struct work_guest {
    bool is;
    struct unit_id unit;
    struct data_key key; /* class 4; wiped with the request */
};
/* Whether the entity is linked to a visitor, and if so, ret as guest_key of guest.h has it: ERR_CONFLICT naming `field` without a key. */
int work_guest(const struct command_ctx *ctx, const struct subject_id *entity, const char *field,
               struct work_guest *ret, struct err *err) NODISCARD;
/* The record that a member's was merged into, itself otherwise. */
int work_kept(const struct command_ctx *ctx, const struct subject_id *member, struct subject_id *ret,
              struct err *err) NODISCARD;
/* That the member, or the record that it was merged into, was a member of this unit on some day of the month (as_recorded: or is not asked
 * for). ret_kept: as work_kept; ret_state: on such a day. ERR_NOTFOUND, ERR_CONFLICT naming `field`. */
int work_member(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date month,
                bool as_recorded, const char *field, struct subject_id *ret_kept, struct member_state *ret_state,
                struct err *err) NODISCARD;
/* The same of another unit's member, as far as her home's row is here: ERR_CONFLICT naming `field`. */
int work_visitor(const struct command_ctx *ctx, const struct unit_id *home, const struct subject_id *member,
                 struct civil_date month, bool as_recorded, const char *field, struct err *err) NODISCARD;
/* That the unit has the office and it is not closed. ERR_NOTFOUND, ERR_CONFLICT, field "office". */
int work_office(const struct command_ctx *ctx, const struct office_id *office, struct civil_date month,
                struct err *err) NODISCARD;

/* The slot of a number: an activity's, or that of an invoice's issue or of one of its credit notes. */
struct numbered {
    enum index_field field;
    struct subject_id entity;
    size_t slot;
};
/* That no other slot of the unit has the number; one that was cancelled has none, and one whose number cannot be read any more keeps
 * it. ERR_CONFLICT, ERR_INVALID, field "number". */
int work_number_free(const struct command_ctx *ctx, const struct numbered *mine, const char *number,
                     struct err *err) NODISCARD;

/* Texts that were given, cleaned, into a capsule's content; empty ones empty it. ERR_INVALID names the field. */
struct work_text {
    bool has;
    const struct person_text *in;
    const char *field;
    struct person_text *out;
};
int work_texts(const struct work_text *texts, size_t n, struct err *err) NODISCARD;
/* The content of the capsule in force that a change or correction goes on from; has: there is one, at the position. ERR_CONFLICT naming
 * `field`: its key is gone. */
int work_links_before(const struct command_ctx *ctx, const struct subject_id *entity, bool has,
                      const struct position *at, const char *field, struct activity_links *ret,
                      struct err *err) NODISCARD;
/* The class 4 capsule under the member's keys, and the link. guest: NULL, or whose she is if she is a visitor. */
int work_capsule(struct draft *d, const struct activity_links *links, const struct work_guest *guest,
                 struct err *err) NODISCARD;

/* Whether an invoice that counts is of the activity, as far as links and keys here tell. */
int work_is_invoiced(const struct command_ctx *ctx, const struct subject_id *activity, bool *ret,
                     struct err *err) NODISCARD;

/* Whether an entry can be corrected: it has an effect, and was not corrected since; one that was cancelled can, which brings it
 * back. ERR_CONFLICT, field "corrects". */
int work_correctable(enum outcome outcome, bool slot_empty, struct err *err) NODISCARD;

#endif
