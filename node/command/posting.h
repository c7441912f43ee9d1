/* What the parts about postings share. Private to node/command. */
#ifndef SMARTNODE_COMMAND_POSTING_H
#define SMARTNODE_COMMAND_POSTING_H

#include "node/command/work.h"

/* The unit's posting. Released by the caller. ERR_NOTFOUND, field "posting". */
int rows_posting(const struct command_ctx *ctx, const struct subject_id *posting, struct posting_row *ret,
                 struct err *err) NODISCARD;
/* The event to be cancelled, of whatever row. */
struct cancel_target {
    uint16_t kind;
    struct civil_date effective;
    enum date_precision precision;
    enum outcome outcome;
    enum void_reason reason;
    bool emptied; /* a cancellation fills its slot */
    bool has_links;
    struct position links; /* of the capsule of its slot (activities, invoices, postings) */
};
/* Everything but the rules. The cancellation has the date of what it cancels: it has no effect on another. */
int cancel_start(const struct command_ctx *ctx, const struct cancel_request *req, uint16_t kind,
                 const struct cancel_target *t, struct draft *d, struct err *err) NODISCARD;
/* For command_cancel: a draft of kind 226 (docs/PROTOCOL.md §9). */
int cancel_posting(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *d,
                   struct err *err) NODISCARD;

#endif
