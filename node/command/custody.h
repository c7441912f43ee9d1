/* The end of a unit: who stands in for it, and its closing. docs/PROTOCOL.md §9 kinds 20 and 21, §10 "Custodian", "Closed units". */
#ifndef SMARTNODE_COMMAND_CUSTODY_H
#define SMARTNODE_COMMAND_CUSTODY_H

#include "node/command/command.h"

struct custody_request {
    bool close;         /* kind 21, with which nothing new can be recorded in the unit's name; else kind 20 */
    bool has_custodian; /* needed to close; without it nobody is named any more */
    struct unit_id custodian;
    struct civil_date effective; /* DATE_NONE = today */
};
/* A closing is final, and leaves nothing open: it is refused while on its day, or later, somebody is a member or applicant, an activity is open, a
 * posting runs, or months are not counted: ERR_CONFLICT, field "unit", with how many and what ends them. Others: ERR_INVALID (custodian;
 * effective_on: a day to come), ERR_NOTFOUND, ERR_CONFLICT (custodian: has closed). Reads every member, activity and posting of the unit. */
int command_custody(const struct command_ctx *ctx, const struct custody_request *req, struct draft *ret,
                    struct err *err) NODISCARD;

#endif
