/* Two records of one person made one, and two again. docs/PROTOCOL.md §10: no rule compares the two halves, so that they fit is assured here:
 * both drafts come from one look at both rows, for one commit. */
#include "node/command/rows.h"

struct merge {
    const struct command_ctx *ctx;
    const struct merge_request *req;
    struct member_row from, into;
    struct member_state from_state, into_state; /* on the date of effect */
    struct civil_date effective;
};

static const char *
hex(const struct subject_id *id, char out[2 * ID_BYTES + 1])
{
    return hex_encode(id->b, sizeof(id->b), out);
}

/* ---- merging ---- */

static int
check_pair(const struct merge *m, struct err *err)
{
    const struct member_state *from = &m->from_state, *into = &m->into_state;
    char day[DATE_TEXT_MAX], id[2 * ID_BYTES + 1];
    date_format(m->effective, day);
    if (from->status == STATUS_MERGED)
        return err_field(err, ERR_CONFLICT, "from", "from: was merged into %s already", hex(&from->merged_into, id));
    if (into->status == STATUS_MERGED)
        return err_field(err, ERR_CONFLICT, "into", "into: was itself merged into %s; merge into that one",
                         hex(&into->merged_into, id));
    if (from->status == STATUS_NONE)
        return err_field(err, ERR_CONFLICT, "from", "from: has no record on %s; choose a later date", day);
    if (into->status == STATUS_NONE)
        return err_field(err, ERR_CONFLICT, "into", "into: has no record on %s; choose a later date", day);
    if (from->person_type != into->person_type)
        return err_field(err, ERR_CONFLICT, "into",
                         "into: one of the two is a natural person and the other a legal one: they are not the same");
    if (from->status == STATUS_MEMBER && into->status != STATUS_MEMBER)
        return err_field(err, ERR_CONFLICT, "into",
                         "into: is no member on %s, but the record to be given up is; keep that one instead", day);
    return 0;
}

/* What passes on: the shares held, or those owed, in one currency. */
static int
brought(const struct merge *m, struct share_amount *ret, struct err *err)
{
    struct member_owed held[CURRENCIES_OWED_MAX];
    size_t n = member_held_at(&m->from, m->effective, held);
    const struct member_state *s = &m->from_state;
    memset(ret, 0, sizeof(*ret));
    if (n + s->n_owed > 1)
        return err_field(err, ERR_CONFLICT, "from",
                         "from: shares are %s; repay first what is owed, so that they are of one kind",
                         n > 1 || s->n_owed > 1 ? "held or owed in more than one currency" : "both held and owed");
    if (n + s->n_owed == 0)
        return 0;
    const struct member_owed *all = n > 0 ? &held[0] : &s->owed[0];
    ret->shares = all->shares;
    ret->amount_minor = all->amount_minor;
    ret->owed = n == 0;
    memcpy(ret->currency, all->currency, sizeof(ret->currency));
    if (all->amount_minor > REPAID_MINOR_MAX)
        return err_field(err, ERR_CONFLICT, "from", "from: more than 10^15 minor units cannot pass on at once");
    return 0;
}

static int
check_drafts(const struct merge *m, const struct draft d[MERGE_DRAFTS],
             const struct member_row *const rows[MERGE_DRAFTS], const char *const names[MERGE_DRAFTS], struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < MERGE_DRAFTS && rc == 0; i++) {
        rc = draft_check_payload(&d[i], err);
        if (rc == 0)
            rc = draft_try_member(m->ctx, &d[i], rows[i], err);
        if (rc != 0)
            (void)err_wrap(err, "%s", names[i]);
    }
    return rc;
}

static int
merge(struct merge *m, struct draft d[MERGE_DRAFTS], struct err *err)
{
    const struct member_row *const rows[MERGE_DRAFTS] = {&m->from, &m->into};
    static const char *const names[MERGE_DRAFTS] = {"from", "into"};
    struct share_amount b;
    int rc = draft_date(m->ctx, m->req->effective, &m->effective, err);
    if (rc != 0)
        return rc;
    member_state_at(&m->from, m->effective, &m->from_state);
    member_state_at(&m->into, m->effective, &m->into_state);
    rc = check_pair(m, err);
    if (rc == 0)
        rc = brought(m, &b, err);
    if (rc != 0)
        return rc;
    draft_init(&d[0], m->ctx, KIND_MEMBER_MERGED, &m->req->from, m->effective);
    d[0].payload.other = m->req->into;
    draft_init(&d[1], m->ctx, KIND_MEMBER_ABSORBED, &m->req->into, m->effective);
    d[1].payload.absorbed.from = m->req->from;
    d[1].payload.absorbed.brought = b;
    rc = check_drafts(m, d, rows, names, err);
    return rc != 0
               ? rc
               : draft_check_closed(m->ctx, m->effective, CLOSED_SINCE, m->req->adjusts_closed, "effective_on", err);
}

/* ---- and back ---- */

/* The half of the merge in a row: the event in force of that kind that names the other record; NULL if none. */
static const struct member_entry *
half(const struct member_row *r, uint16_t kind, const struct subject_id *other)
{
    const struct member_entry *found = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const struct member_entry *e = &r->entries[i];
        if (e->kind == kind && e->outcome == OUTCOME_APPLIED && TYPE_EQ(&e->other, other))
            found = e;
    }
    return found;
}

static int
cancel_half(const struct merge *m, const struct member_entry *e, const struct subject_id *subject, struct draft *d,
            struct err *err)
{
    draft_init(d, m->ctx, KIND_ENTRY_CANCELLED, subject, e->effective);
    d->payload.common.precision = e->precision;
    int rc = draft_refer(d, m->ctx, REF_CANCELS, &e->at, err);
    return rc != 0
               ? rc
               : draft_check_closed(m->ctx, e->effective, CLOSED_SINCE, m->req->adjusts_closed, "effective_on", err);
}

/* The record kept first: if it has used since what it was given, that is where the undoing fails. */
static int
unmerge(struct merge *m, struct draft d[MERGE_DRAFTS], struct err *err)
{
    const struct member_row *const rows[MERGE_DRAFTS] = {&m->into, &m->from};
    static const char *const names[MERGE_DRAFTS] = {"into", "from"};
    const struct member_entry *merged = half(&m->from, KIND_MEMBER_MERGED, &m->req->into);
    const struct member_entry *absorbed = half(&m->into, KIND_MEMBER_ABSORBED, &m->req->from);
    if (!merged || !absorbed)
        return err_field(err, ERR_CONFLICT, "from", "from: is not merged into that record");
    int rc = cancel_half(m, absorbed, &m->req->into, &d[0], err);
    if (rc == 0)
        rc = cancel_half(m, merged, &m->req->from, &d[1], err);
    return rc != 0 ? rc : check_drafts(m, d, rows, names, err);
}

/* Both rows; of an undoing that does not say from what, the record that the merge named. */
static int
rows_of(struct merge *m, struct merge_request *q, struct err *err)
{
    static const struct subject_id nobody;
    const char *field = "from";
    int rc = rows_member(m->ctx, &q->from, &m->from, err);
    if (rc == 0) {
        field = "into";
        member_state_at(&m->from, DATE_MAX, &m->from_state);
        if (q->undo && TYPE_EQ(&q->into, &nobody))
            q->into = m->from_state.merged_into;
        rc = q->undo && TYPE_EQ(&q->into, &nobody)
                 ? err_field(err, ERR_CONFLICT, "from", "from: is not merged into any record")
                 : rows_member(m->ctx, &q->into, &m->into, err);
        if (rc != 0)
            member_row_release(&m->from);
    }
    return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, field, "%s: no such member", field) : rc;
}

int
command_merge(const struct command_ctx *ctx, const struct merge_request *req, struct draft ret[MERGE_DRAFTS],
              struct err *err)
{
    struct merge_request q = *req;
    struct merge m = {.ctx = ctx, .req = &q};
    struct draft d[MERGE_DRAFTS];
    if (TYPE_EQ(&req->from, &req->into))
        return err_field(err, ERR_INVALID, "into", "into: is the very record that is to be given up");
    int rc = rows_of(&m, &q, err);
    if (rc != 0)
        return rc;
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &m.from_state.last_change, "member", err);
    if (rc == 0)
        rc = req->undo ? unmerge(&m, d, err) : merge(&m, d, err);
    if (rc == 0)
        memcpy(ret, d, sizeof(d));
    member_row_release(&m.from);
    member_row_release(&m.into);
    return rc;
}
