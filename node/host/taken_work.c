/* See taken_work.h. */
#include "node/host/taken_work.h"

#include <stdlib.h>

#include "node/command/work.h"
#include "node/host/draws.h"

enum { TURN_MAX = 4096 /* the rest in the next turn */, PAGE = 32 };

/* What is to be opened, or only leaves the list. */
struct keys {
    struct taken_key *v; /* TURN_MAX of them */
    size_t n;
};

enum fate { FATE_WAITS, FATE_OPENS, FATE_LEAVES };

static bool
is_over(struct civil_date month, struct civil_date today)
{
    return month_number(month) < month_number(today);
}

/* Of somebody who is received: whose record it is now may be another one, into which it was merged. */
static int
fate_by_member(const struct taken_work *t, const struct command_ctx *ctx, const struct taken_activity *a,
               enum fate *ret, struct err *err)
{
    struct member_row row;
    struct member_state s;
    struct subject_id kept;
    struct civil_date on = month_last(a->month);
    bool over = is_over(a->month, t->today) && is_over(a->received, t->today);
    int rc = work_kept(ctx, &a->key.member, &kept, err);
    if (rc == 0)
        rc = rows_member(ctx, &kept, &row, err);
    if (rc != 0)
        return rc;
    bool received = member_arrival_unreceived(&row) == SIZE_MAX;
    member_state_at(&row, on.days > t->today.days ? on : t->today, &s);
    member_row_release(&row);
    if (!received || !(over || (t->all && month_number(a->month) <= month_number(t->today))))
        *ret = FATE_WAITS;
    else if (s.status == STATUS_LEFT)
        *ret = over ? FATE_LEAVES : FATE_WAITS;
    else
        *ret = FATE_OPENS;
    return 0;
}

static int
fate_of(const struct taken_work *t, const struct command_ctx *ctx, const struct taken_activity *a, enum fate *ret,
        struct err *err)
{
    struct activity_row there;
    int rc = rows_activity(ctx, &a->key.activity, &there, err);
    if (rc == 0) {
        activity_row_release(&there);
        *ret = FATE_LEAVES;
        return 0;
    }
    if (rc == ERR_NOTFOUND)
        rc = fate_by_member(t, ctx, a, ret, err);
    if (rc == ERR_NOTFOUND) { /* the state does not have the member yet */
        err_clear(err);
        *ret = FATE_WAITS;
        rc = 0;
    }
    return rc;
}

static int
look_at(const struct taken_work *t, const struct command_ctx *ctx, const struct subject_id *member,
        struct taken_activity *list, struct keys *opens, struct keys *leaves, struct taken_found *ret, struct err *err)
{
    size_t n = 0;
    int rc = taken_list(t->vault, member, list, &n, err);
    if (rc == ERR_CORRUPT) { /* rewritten or gone meanwhile, or damaged: nobody's */
        err_clear(err);
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        enum fate fate = FATE_WAITS;
        rc = fate_of(t, ctx, &list[i], &fate, err);
        struct keys *to = fate == FATE_OPENS ? opens : leaves;
        if (fate == FATE_WAITS || to->n == TURN_MAX)
            ret->waiting++;
        else
            to->v[to->n++] = list[i].key;
    }
    person_wipe(list, TAKEN_MAX * sizeof(*list));
    return rc;
}

static int
look(const struct taken_work *t, struct keys *opens, struct keys *leaves, struct taken_found *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct subject_id page[PAGE], after;
    size_t n = PAGE;
    struct taken_activity *list = calloc(TAKEN_MAX, sizeof(*list));
    int rc = list ? db_begin_read(t->db, &txn, err) : err_set(err, ERR_NOMEM, "activities taken along: out of memory");
    const struct command_ctx ctx = {.txn = txn, .vault = t->vault, .unit = t->unit, .today = t->today};
    for (bool first = true; rc == 0 && n == PAGE; first = false) {
        rc = taken_members(t->vault, first ? NULL : &after, page, PAGE, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            rc = look_at(t, &ctx, &page[i], list, opens, leaves, ret, err);
        if (rc == 0 && n > 0)
            after = page[n - 1];
    }
    db_abort(&txn);
    free(list);
    return rc;
}

static int
open_one(const struct taken_work *t, const struct taken_key *key, struct api_op *op, struct taken_found *ret,
         struct err *err)
{
    *op = (struct api_op){.kind = OP_ACTIVITY, .status_on_success = 201};
    op->activity.taken = true;
    op->activity.request.member = key->member;
    op->activity.request.activity = key->activity;
    int rc = t->run(t->arg, &t->actor, op, err);
    person_wipe(&op->activity, sizeof(op->activity));
    if (rc != 0)
        return rc;
    switch (op->result.err.code) {
    case ERR_NONE: ret->opened++; return 0;
    case ERR_INVALID:
    case ERR_CONFLICT:
    case ERR_LIMIT:
    case ERR_NOTFOUND: ret->refused++; return 0;
    default: *err = op->result.err; return err->code;
    }
}

static int
open_all(const struct taken_work *t, struct keys *opens, struct keys *leaves, struct taken_found *ret, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    int rc = op ? 0 : err_set(err, ERR_NOMEM, "activities taken along: out of memory");
    draws_shuffle(t->random, t->random_arg, opens->v, opens->n, sizeof(*opens->v));
    for (size_t i = 0; rc == 0 && i < opens->n; i++) {
        uint64_t before = ret->opened;
        if (t->stop && t->stop(t->arg))
            rc = err_set(err, ERR_UNAVAILABLE, "stopped");
        else
            rc = open_one(t, &opens->v[i], op, ret, err);
        if (rc == 0 && ret->opened > before && leaves->n < TURN_MAX)
            leaves->v[leaves->n++] = opens->v[i];
    }
    free(op);
    return rc;
}

int
taken_work_run(const struct taken_work *t, struct taken_found *ret, struct err *err)
{
    struct keys opens = {.v = calloc(TURN_MAX, sizeof(*opens.v))}, leaves = {.v = calloc(TURN_MAX, sizeof(*leaves.v))};
    struct err later;
    *ret = (struct taken_found){0};
    int rc = opens.v && leaves.v ? look(t, &opens, &leaves, ret, err)
                                 : err_set(err, ERR_NOMEM, "activities taken along: out of memory");
    if (rc == 0)
        rc = open_all(t, &opens, &leaves, ret, err);
    /* What is open leaves the list, also where the turn ended early. */
    if (leaves.v) {
        int gone = taken_del(t->vault, leaves.v, leaves.n, NULL, rc == 0 ? err : &later);
        rc = rc != 0 ? rc : gone;
    }
    free(opens.v);
    free(leaves.v);
    return rc;
}
