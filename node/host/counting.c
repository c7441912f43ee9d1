/* See counting.h. */
#include "node/host/counting.h"

#include <sodium.h>
#include <stdlib.h>

#include "storage/parted.h"

enum {
    PLAN_EVENTS = 4096, /* worked out at a time: bounds memory */
    MONTHS_MAX = 4096,  /* in one turn; the format has 3,600 */
};

struct actor_id
counting_actor(const struct unit_id *unit)
{
    static const char WHAT[] = "smartnode count";
    struct actor_id a;
    crypto_generichash(a.b, sizeof(a.b), (const uint8_t *)WHAT, sizeof(WHAT) - 1, unit->b, sizeof(unit->b));
    return a;
}

static int
run_op(const struct counting *c, struct api_op *op, struct err *err)
{
    struct actor_id actor = counting_actor(&c->identity->unit);
    if (c->stop && c->stop(c->arg))
        return err_set(err, ERR_UNAVAILABLE, "counting was stopped");
    int rc = c->run(c->arg, &actor, op, err);
    if (rc == 0 && op->result.err.code != ERR_NONE) {
        *err = op->result.err;
        rc = err->code;
    }
    return rc;
}

/* What is to be said of the pseudonyms after `after`. */
static int
plan(const struct counting *c, uint16_t month, const struct subject_id *after, struct draft *ret, size_t *ret_n,
     struct err *err)
{
    struct command_ctx ctx = {.vault = c->vault,
                              .unit = c->identity->unit,
                              .actor = counting_actor(&c->identity->unit),
                              .today = c->today,
                              .random = random_fill};
    memcpy(ctx.unit_code, c->identity->unit_code, sizeof(ctx.unit_code));
    *ret_n = 0;
    int rc = db_begin_read(c->db, &ctx.txn, err);
    if (rc == 0)
        rc = command_count(&ctx, month, after, PLAN_EVENTS, ret, ret_n, err);
    db_abort(&ctx.txn);
    return rc;
}

static int
store(const struct counting *c, struct api_op *op, struct draft *drafts, size_t n, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i += COUNT_GROUP_EVENTS) {
        op->count.step = COUNT_WRITE;
        op->count.drafts = &drafts[i];
        op->count.n = n - i < COUNT_GROUP_EVENTS ? n - i : COUNT_GROUP_EVENTS;
        rc = run_op(c, op, err);
    }
    return rc;
}

static int
count_month(const struct counting *c, struct api_op *op, uint16_t month, struct draft *drafts, uint64_t *events,
            struct err *err)
{
    struct subject_id after;
    size_t n = PLAN_EVENTS;
    bool first = true;
    op->count.step = COUNT_BEGIN;
    op->count.month = month;
    int rc = run_op(c, op, err);
    while (rc == 0 && n == PLAN_EVENTS) {
        rc = plan(c, month, first ? NULL : &after, drafts, &n, err);
        if (rc == 0)
            rc = store(c, op, drafts, n, err);
        if (rc == 0 && n > 0)
            after = drafts[n - 1].payload.common.subject;
        for (size_t i = 0; i < n; i++)
            draft_release(&drafts[i]);
        first = false;
        *events += rc == 0 ? n : 0;
    }
    op->count.step = COUNT_END;
    return rc == 0 ? run_op(c, op, err) : rc;
}

/* Months before the present one that are marked, the earliest first. */
static int
due_months(const struct counting *c, uint16_t *ret, size_t *ret_n, struct err *err)
{
    struct db_txn *txn = NULL;
    struct db_cursor *cursor = NULL;
    struct slice k, v;
    uint16_t now = month_number(c->today);
    int rc = db_begin_read(c->db, &txn, err);
    if (rc != 0)
        return rc;
    *ret_n = 0;
    rc = db_cursor_open(txn, TABLE_UNCOUNTED, &cursor, err);
    for (rc = rc != 0 ? rc : db_cursor_first(cursor, &k, &v, err); rc == 0; rc = db_cursor_next(cursor, &k, &v, err))
        if (k.len == KEY_UNCOUNTED && be16_get(k.data) < now && *ret_n < MONTHS_MAX)
            ret[(*ret_n)++] = be16_get(k.data);
    db_cursor_close(&cursor);
    db_abort(&txn);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
counting_run(const struct counting *c, uint16_t month_or_0, uint64_t *ret_events, struct err *err)
{
    size_t n = 1;
    int rc = 0;
    *ret_events = 0;
    if (month_or_0 >= month_number(c->today))
        return err_field(err, ERR_CONFLICT, "month", "the month is not over yet");
    uint16_t *months = calloc(MONTHS_MAX, sizeof(*months));
    struct api_op *op = calloc(1, sizeof(*op));
    struct draft *drafts = calloc(PLAN_EVENTS, sizeof(*drafts));
    if (!months || !op || !drafts) {
        rc = err_set(err, ERR_NOMEM, "counting: out of memory");
        goto done;
    }
    op->kind = OP_COUNT;
    months[0] = month_or_0;
    if (month_or_0 == 0)
        rc = due_months(c, months, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint64_t events = 0;
        rc = count_month(c, op, months[i], drafts, &events, err);
        *ret_events += events;
        if (rc == 0 && c->counted)
            c->counted(c->arg, months[i], events);
    }
    if (rc == 0 && month_or_0 == 0) /* all months that are over are counted */
        rc = parted_expire(c->vault, month_number(c->today), NULL, err);
done:
    free(drafts);
    free(op);
    free(months);
    return rc;
}

int
counting_mark(const struct counting *c, uint16_t month, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    if (!op)
        return err_set(err, ERR_NOMEM, "counting: out of memory");
    op->kind = OP_COUNT;
    op->count.step = COUNT_BEGIN;
    op->count.month = month;
    int rc = run_op(c, op, err);
    free(op);
    return rc;
}

/* ---- without a node ---- */

/* Nobody writes meanwhile, so months are committed together: a commit for each step of each would take longer than the counting. */
struct offline {
    struct engine *engine;
    bool open;                /* a group */
    uint64_t written, stored; /* events: in the open group, and before it */
    void (*counted)(void *arg, uint16_t month, uint64_t events);
    void *arg;
};

static int
offline_end(struct offline *o, struct err *err)
{
    bool urgent = false;
    if (!o->open)
        return 0;
    o->open = false;
    int rc = engine_commit(o->engine, err);
    if (rc == 0)
        o->stored += o->written;
    o->written = 0;
    return rc == 0 && engine_vault_pending(o->engine, &urgent) ? engine_vault_flush(o->engine, err) : rc;
}

static int
offline_run(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct offline *o = arg;
    int rc = o->open ? 0 : engine_begin(o->engine, err);
    if (rc == 0)
        rc = engine_exec(o->engine, actor, op, err);
    o->open = rc == 0;
    if (rc != 0) {
        engine_abort(o->engine);
        return rc;
    }
    if (op->count.step == COUNT_WRITE)
        o->written += op->count.n;
    return engine_group_events(o->engine) >= ENGINE_GROUP_EVENTS ? offline_end(o, err) : 0;
}

static void
offline_counted(void *arg, uint16_t month, uint64_t events)
{
    struct offline *o = arg;
    if (o->counted)
        o->counted(o->arg, month, events);
}

int
counting_mark_offline(struct datadir *d, struct engine *e, uint16_t month, struct err *err)
{
    struct offline o = {.engine = e};
    struct counting c = {.identity = &d->identity, .run = offline_run, .arg = &o};
    int rc = counting_mark(&c, month, err);
    if (rc == 0)
        return offline_end(&o, err);
    engine_abort(e);
    return rc;
}

int
counting_offline(struct datadir *d, struct engine *e, uint16_t month_or_0,
                 void (*counted)(void *arg, uint16_t month, uint64_t events), void *arg, uint64_t *ret_events,
                 struct err *err)
{
    struct offline o = {.engine = e, .counted = counted, .arg = arg};
    struct counting c = {.db = d->db,
                         .vault = d->vault,
                         .identity = &d->identity,
                         .today = datadir_today(d),
                         .run = offline_run,
                         .counted = offline_counted,
                         .arg = &o};
    int rc = counting_run(&c, month_or_0, ret_events, err);
    if (rc == 0)
        rc = offline_end(&o, err);
    else
        engine_abort(e);
    if (rc != 0)
        *ret_events = o.stored;
    return rc;
}
