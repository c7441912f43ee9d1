/* See moved_work.h. */
#include "node/host/moved_work.h"

#include <stdlib.h>

#include "node/command/rows.h"
#include "node/host/draws.h"

enum { TURN_MAX = 4096 /* the rest in the next turn */ };

struct closing_work {
    struct subject_id activity;
    struct civil_date month; /* of the move */
};

struct found {
    struct closing_work *v;
    size_t n, cap;
};

/* The month in which the member moved away, if that is over; DATE_NONE otherwise. */
static int
month_moved(const struct moved_work *m, const struct command_ctx *ctx, const struct subject_id *member,
            struct civil_date *ret, struct err *err)
{
    struct member_row row;
    struct member_state s;
    int rc = rows_member(ctx, member, &row, err);
    *ret = DATE_NONE;
    if (rc != 0) {
        err_clear(err);
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_state_at(&row, m->today, &s);
    member_row_release(&row);
    if (s.status == STATUS_LEFT && s.left_reason == LEFT_MOVED && month_number(s.left_on) < month_number(m->today))
        *ret = month_first(month_number(s.left_on));
    return 0;
}

static int
add(struct found *f, const struct closing_work *w, struct err *err)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        struct closing_work *more = reallocarray(f->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "activities of members who moved: out of memory");
        f->v = more;
        f->cap = cap;
    }
    f->v[f->n++] = *w;
    return 0;
}

static int
look_at(const struct moved_work *m, const struct command_ctx *ctx, const struct subject_id *activity,
        struct slice value, struct found *f, struct err *err)
{
    struct activity_row row;
    struct activity_state s;
    struct vault_link link;
    struct closing_work w = {.activity = *activity};
    int rc = activity_row_decode(value, &m->unit, activity, &row, err);
    if (rc != 0)
        return rc;
    activity_state_at(&row, DATE_MAX, &s);
    activity_row_release(&row);
    if (!s.exists || !s.open)
        return 0;
    rc = vault_link_get(m->vault, activity, &link, err);
    if (rc != 0 || (link.flags & LINK_OTHER_UNIT) != 0) {
        err_clear(err);
        return rc == 0 || rc == ERR_NOTFOUND ? 0 : rc;
    }
    rc = month_moved(m, ctx, &link.member, &w.month, err);
    return rc == 0 && !date_is_none(w.month) ? add(f, &w, err) : rc;
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
    const struct command_ctx ctx = {.txn = txn, .vault = m->vault, .unit = m->unit};
    rc = db_cursor_open(txn, TABLE_ACTIVITIES, &c, err);
    if (rc == 0) {
        for (rc = db_cursor_seek(c, slice_of(m->unit.b, sizeof(m->unit.b)), &key, &value, err);
             rc == 0 && f->n < TURN_MAX; rc = db_cursor_next(c, &key, &value, err)) {
            struct subject_id activity;
            if (key.len != KEY_ACTIVITY || memcmp(key.data, m->unit.b, sizeof(m->unit.b)) != 0)
                break;
            memcpy(activity.b, key.data + sizeof(m->unit.b), sizeof(activity.b));
            rc = look_at(m, &ctx, &activity, value, f, err);
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
moved_work_run(const struct moved_work *m, uint64_t *ret_closed, struct err *err)
{
    struct found f = {.v = NULL};
    struct api_op *op = calloc(1, sizeof(*op));
    *ret_closed = 0;
    int rc = op ? find(m, &f, err) : err_set(err, ERR_NOMEM, "activities of members who moved: out of memory");
    draws_shuffle(m->random, m->random_arg, f.v, f.n, sizeof(*f.v));
    for (size_t i = 0; rc == 0 && i < f.n; i++) {
        if (m->stop && m->stop(m->arg)) {
            rc = err_set(err, ERR_UNAVAILABLE, "stopped");
            break;
        }
        *op = (struct api_op){.kind = OP_ACTIVITY, .status_on_success = 200};
        op->activity.request = (struct activity_request){.action = WORK_CLOSE_ACTIVITY,
                                                         .has_activity = true,
                                                         .activity = f.v[i].activity,
                                                         .effective = f.v[i].month,
                                                         .adjusts_closed = true};
        rc = m->run(m->arg, &m->actor, op, err);
        *ret_closed += rc == 0 && op->result.err.code == ERR_NONE;
    }
    free(f.v);
    free(op);
    return rc;
}
