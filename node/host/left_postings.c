/* See left_postings.h. */
#include "node/host/left_postings.h"

#include <stdlib.h>

#include "node/command/rows.h"
#include "node/command/work.h"
#include "node/host/draws.h"

enum { TURN_MAX = 4096 /* the rest in the next turn */ };

struct ending {
    struct subject_id posting;
    struct civil_date to;
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
    /* What was said for a month after the leaving was said in knowledge of it. */
    bool ends =
        rc == 0 && first.days <= e.to.days && last.days > e.to.days && month_number(s.said) <= month_number(e.to);
    return ends ? add(f, &e, err) : rc;
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

int
left_postings_run(const struct moved_work *m, uint64_t *ret_ended, struct err *err)
{
    struct found f = {.v = NULL};
    struct api_op *op = calloc(1, sizeof(*op));
    *ret_ended = 0;
    int rc = op ? find(m, &f, err) : err_set(err, ERR_NOMEM, "postings of members who left: out of memory");
    draws_shuffle(m->random, m->random_arg, f.v, f.n, sizeof(*f.v));
    for (size_t i = 0; rc == 0 && i < f.n; i++) {
        if (m->stop && m->stop(m->arg)) {
            rc = err_set(err, ERR_UNAVAILABLE, "stopped");
            break;
        }
        *op = (struct api_op){.kind = OP_POSTING, .status_on_success = 200};
        struct posting_request *q = &op->posting.request;
        q->action = POSTING_CHANGE;
        q->has_posting = true;
        q->posting = f.v[i].posting;
        q->from = q->effective = DATE_NONE;
        q->to = f.v[i].to;
        rc = m->run(m->arg, &m->actor, op, err);
        *ret_ended += rc == 0 && op->result.err.code == ERR_NONE;
    }
    free(f.v);
    free(op);
    return rc;
}
