/* See left_postings.h. */
#include "node/host/left_postings.h"

#include <stdlib.h>

#include "node/command/rows.h"
#include "node/command/work.h"
#include "node/host/draws.h"

enum {
    TURN_MAX = 4096, /* the rest in the next turn */
    CHANGES_MAX = 64 /* of a posting that is cancelled, event by event; likewise */
};

struct ending {
    struct subject_id posting;
    struct civil_date to;
    bool cancels;          /* it begins later */
    struct position event; /* its next one to be cancelled */
};

struct found {
    struct ending *v;
    size_t n, cap;
};

/* The last day on which somebody who left was a member, if the month of the leaving is over; DATE_NONE otherwise. */
static int
last_day(const struct moved_work *m, const struct command_ctx *ctx, const struct subject_id *member,
         struct civil_date *ret, struct err *err)
{
    struct subject_id kept;
    struct member_row row;
    struct member_state s;
    *ret = DATE_NONE;
    int rc = work_kept(ctx, member, &kept, err);
    if (rc == 0)
        rc = rows_member(ctx, &kept, &row, err);
    if (rc != 0) {
        err_clear(err);
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_state_at(&row, m->today, &s);
    member_row_release(&row);
    if (s.status == STATUS_LEFT && month_number(s.left_on) < month_number(m->today))
        *ret = (struct civil_date){s.left_on.days - 1};
    return 0;
}

static int
add(struct found *f, const struct ending *e, struct err *err)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct ending *more = reallocarray(f->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "postings of members who left: out of memory");
        f->v = more;
        f->cap = cap;
    }
    f->v[f->n++] = *e;
    return 0;
}

/* Its changes first, since none is possible without the issue. False: nothing of it stands. */
static bool
next_cancelled(const struct posting_row *row, struct position *ret)
{
    static const uint16_t kinds[] = {KIND_POSTING_CHANGED, KIND_POSTING_ISSUED};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = row->n; i-- > 0;) {
            const struct posting_entry *e = &row->entries[i];
            if (e->kind == kinds[k] && e->outcome == OUTCOME_APPLIED && !posting_slot_empty(row, i)) {
                *ret = e->at;
                return true;
            }
        }
    }
    return false;
}

static int
look_at(const struct moved_work *m, const struct command_ctx *ctx, const struct posting_row *row, struct found *f,
        struct err *err)
{
    struct posting_state s;
    struct vault_link link;
    struct civil_date first, last;
    struct ending e = {.posting = row->posting};
    posting_state_of(row, &s);
    if (!s.exists)
        return 0;
    int rc = vault_link_get(m->vault, &row->posting, &link, err);
    if (rc != 0 || (link.flags & LINK_OTHER_UNIT) != 0) {
        err_clear(err);
        return rc == 0 || rc == ERR_NOTFOUND ? 0 : rc;
    }
    rc = last_day(m, ctx, &link.member, &e.to, err);
    if (rc != 0 || date_is_none(e.to) || month_number(s.facts.last_month) < month_number(e.to))
        return rc;
    rc = posting_days(ctx, row, &first, &last, err);
    e.cancels = rc == 0 && first.days > e.to.days && next_cancelled(row, &e.event);
    /* What was said for a month after the leaving was said in knowledge of it. */
    bool ends =
        rc == 0 && first.days <= e.to.days && last.days > e.to.days && month_number(s.said) <= month_number(e.to);
    return ends || e.cancels ? add(f, &e, err) : rc;
}

static int
find(const struct moved_work *m, struct found *f, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_begin_read(m->db, &txn, err);
    if (rc != 0)
        return rc;
    const struct command_ctx ctx = {.txn = txn, .vault = m->vault, .unit = m->unit, .today = m->today};
    rc = db_cursor_open(txn, TABLE_POSTINGS, &c, err);
    if (rc == 0) {
        for (rc = db_cursor_seek(c, slice_of(m->unit.b, sizeof(m->unit.b)), &key, &value, err);
             rc == 0 && f->n < TURN_MAX; rc = db_cursor_next(c, &key, &value, err)) {
            struct subject_id posting;
            struct posting_row row;
            if (key.len != KEY_POSTING || memcmp(key.data, m->unit.b, sizeof(m->unit.b)) != 0)
                break;
            memcpy(posting.b, key.data + sizeof(m->unit.b), sizeof(posting.b));
            rc = posting_row_decode(value, &m->unit, &posting, &row, err);
            if (rc == 0) {
                rc = look_at(m, &ctx, &row, f, err);
                posting_row_release(&row);
            }
            if (rc != 0)
                break;
        }
        db_cursor_close(&c);
    }
    db_abort(&txn);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

static void
operation(const struct ending *e, struct api_op *ret)
{
    *ret = (struct api_op){.kind = e->cancels ? OP_CANCEL : OP_POSTING, .status_on_success = 200};
    if (e->cancels) {
        ret->cancel = (struct cancel_request){
            .what = CANCEL_POSTING, .subject = e->posting, .event = e->event, .adjusts_closed = true};
        return;
    }
    struct posting_request *q = &ret->posting.request;
    q->action = POSTING_CHANGE;
    q->has_posting = true;
    q->posting = e->posting;
    q->from = q->effective = DATE_NONE;
    q->to = e->to;
}

/* *ret_more: events were cancelled, and others of these postings may be left. */
static int
turn(const struct moved_work *m, struct api_op *op, uint64_t *ret_ended, bool *ret_more, struct err *err)
{
    struct found f = {.v = NULL};
    int rc = find(m, &f, err);
    *ret_more = false;
    draws_shuffle(m->random, m->random_arg, f.v, f.n, sizeof(*f.v));
    for (size_t i = 0; rc == 0 && i < f.n; i++) {
        if (m->stop && m->stop(m->arg)) {
            rc = err_set(err, ERR_UNAVAILABLE, "stopped");
            break;
        }
        operation(&f.v[i], op);
        rc = m->run(m->arg, &m->actor, op, err);
        *ret_more |= f.v[i].cancels && rc == 0 && op->result.err.code == ERR_NONE;
        *ret_ended += rc == 0 && op->result.err.code == ERR_NONE;
    }
    free(f.v);
    return rc;
}

int
left_postings_run(const struct moved_work *m, uint64_t *ret_ended, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    bool more = true;
    *ret_ended = 0;
    int rc = op ? 0 : err_set(err, ERR_NOMEM, "postings of members who left: out of memory");
    for (int i = 0; rc == 0 && more && i < CHANGES_MAX; i++)
        rc = turn(m, op, ret_ended, &more, err);
    free(op);
    return rc;
}
