/* What an erasure takes of what hosts recorded, also when it arrives after the order. See guest.h. */
#include "node/command/guest.h"
#include "node/command/rows.h"

/* ERR_NOTFOUND: not held, or of the open group. */
static int
clock_of(const struct command_ctx *ctx, const struct position *at, struct hlc *ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_find(ctx->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(ctx->txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc == 0)
        *ret = h.clock;
    return rc;
}

int
guest_erased_since(const struct command_ctx *ctx, const struct member_row *row, const struct position *at,
                   struct civil_date day, uint16_t *ret, struct position *ret_by, struct err *err)
{
    struct hlc written = {0}, ordered;
    uint16_t classes = 0;
    int rc = clock_of(ctx, at, &written, err);
    for (size_t i = 0; rc == 0 && i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->kind != KIND_ERASURE_ORDERED || e->outcome != OUTCOME_APPLIED)
            continue;
        rc = clock_of(ctx, &e->at, &ordered, err);
        bool later = rc == ERR_NOTFOUND || (rc == 0 && written.v < ordered.v) || day.days < e->effective.days;
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        if (!later)
            continue;
        classes |= e->classes;
        if (ret_by != NULL)
            *ret_by = e->at;
    }
    if (rc != 0)
        return rc;
    err_clear(err);
    *ret = classes;
    return 0;
}

void
guest_record_forget_contact(struct guest_record *r)
{
    person_wipe(&r->contact, sizeof(r->contact));
    person_wipe(r->text, sizeof(r->text));
    r->n_contact = 0;
}
