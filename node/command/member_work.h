/* What the parts of command_member share. Private to node/command: member.c has the order of the steps, member_fill.c what the event says in
 * clear, member_person.c its capsules. */
#ifndef SMARTNODE_COMMAND_MEMBER_WORK_H
#define SMARTNODE_COMMAND_MEMBER_WORK_H

#include "node/command/rows.h"

/* What one request gathers on its way to a draft. Holds personal data: wiped by command_member. */
struct work {
    const struct command_ctx *ctx;
    const struct member_request *req;
    struct civil_date effective;
    bool found; /* the member has a row */
    struct member_row row;
    const struct member_entry *base; /* of row: the event to be corrected; NULL if none */
    struct member_state now;         /* on the date of effect */
    struct member_state latest;      /* with everything that is dated later, too */
    struct person_input person;
    struct person_note note;
    struct draft d;
};

/* APPLY, ADMIT. */
bool work_creates(enum member_action action);
/* The open application on the date of effect; NULL if none. */
const struct member_entry *work_open_application(const struct work *w);

/* The payload but for date and references. */
int work_fill(struct work *w, struct err *err) NODISCARD;
/* Capsules of the classes given. After work_fill, which says whose. */
int work_person(struct work *w, struct err *err) NODISCARD;
/* Whether whom the capsules are about needs keys. */
int work_new_keys(struct work *w, struct err *err) NODISCARD;

#endif
