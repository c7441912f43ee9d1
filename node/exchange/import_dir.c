/* See import_dir.h. */
#include "node/exchange/import_dir.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/command/rows.h"
#include "node/host/counting.h"
#include "node/host/person_read.h"

/* Who wrote imported events: no token stands behind them, so it is one for the program's import in each unit. */
static struct actor_id
import_actor(const struct unit_id *unit)
{
    static const char WHAT[] = "smartnode import";
    struct actor_id a;
    crypto_generichash(a.b, sizeof(a.b), (const uint8_t *)WHAT, sizeof(WHAT) - 1, unit->b, sizeof(unit->b));
    return a;
}

int
import_dir_init(struct import_dir *i, struct datadir *d, struct engine *engine, struct err *err)
{
    memset(i, 0, sizeof(*i));
    i->d = d;
    i->engine = engine;
    i->group_events = ENGINE_GROUP_EVENTS;
    i->actor = import_actor(&d->identity.unit);
    place_row_init(&i->unit, &d->identity.unit, NULL);
    i->op = calloc(1, sizeof(*i->op));
    return i->op ? 0 : err_set(err, ERR_NOMEM, "import: out of memory");
}

static void
close_view(struct import_dir *i)
{
    if (i->open && i->engine)
        engine_abort(i->engine);
    else if (i->open)
        db_abort(&i->ctx.txn);
    i->open = false;
}

void
import_dir_release(struct import_dir *i)
{
    if (!i->op)
        return;
    close_view(i);
    place_row_release(&i->unit);
    person_wipe(i->op, sizeof(*i->op));
    free(i->op);
    i->op = NULL;
}

/* ---- looking up ---- */

static int
dir_view(void *arg, const struct command_ctx **ret, struct err *err)
{
    struct import_dir *i = arg;
    if (i->open) {
        *ret = &i->ctx;
        return 0;
    }
    int rc;
    if (i->engine) {
        rc = engine_begin(i->engine, err);
        if (rc == 0)
            engine_context(i->engine, &i->actor, &i->world, &i->ctx);
    } else {
        i->ctx = (struct command_ctx){.vault = i->d->vault,
                                      .unit = i->d->identity.unit,
                                      .actor = i->actor,
                                      .today = datadir_today(i->d),
                                      .random = random_fill};
        rc = db_begin_read(i->d->db, &i->ctx.txn, err);
    }
    i->open = rc == 0;
    if (rc == 0)
        *ret = &i->ctx;
    return rc;
}

/* A group stays open from row to row, so that each sees what those before it wrote; a reader sees what the node has written since. */
static void
dir_release(void *arg)
{
    struct import_dir *i = arg;
    if (!i->engine)
        close_view(i);
}

static int
dir_office(void *arg, const char *text, struct import_office *ret, struct err *err)
{
    struct import_dir *i = arg;
    const struct command_ctx *ctx;
    struct place_row row;
    struct office_state state = {.open = true};
    int rc = dir_view(i, &ctx, err);
    if (rc == 0)
        rc = office_find(ctx, text, &ret->id, err);
    if (rc == 0)
        rc = rows_office(ctx, &ret->id, &row, err);
    if (rc == 0) {
        ret->open = !office_state_at(&row, DATE_MAX, &state) || state.open;
        ret->closed_on = state.closed_on;
        place_row_release(&row);
    }
    dir_release(i);
    return rc;
}

static int
dir_begin(void *arg, bool needs_unit, struct err *err)
{
    struct import_dir *i = arg;
    const struct command_ctx *ctx;
    struct place_row row;
    int rc = dir_view(i, &ctx, err);
    if (rc == 0)
        rc = rows_unit(ctx, &row, err);
    if (rc == 0) {
        place_row_release(&i->unit);
        i->unit = row;
    }
    dir_release(i);
    if (rc == ERR_NOTFOUND && needs_unit)
        return err_set(
            err, ERR_CONFLICT,
            "the unit is not described yet: it has no share price and no offices. Describe it first (PUT /v1/units/%s, "
            "or a file of type unit)",
            i->d->identity.unit_code);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static bool
dir_unit(void *arg, struct civil_date on, struct unit_described *ret)
{
    struct import_dir *i = arg;
    return unit_state_at(&i->unit, on, ret);
}

/* ---- carrying out ---- */

/* What refuses an operation for what it says; anything else is of the node, and the import stops. */
static bool
is_of_row(int rc)
{
    return rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_NOTFOUND || rc == ERR_EXISTS || rc == ERR_CONFLICT;
}

static int
run_job(struct import_dir *i, struct import_job *job, struct err *err)
{
    const struct import_type *type = import_type_of(job->row.type);
    while (job->next < job->row.n_steps) {
        memset(i->op, 0, sizeof(*i->op));
        type->op(job, i->op);
        int rc = engine_exec(i->engine, &i->actor, i->op, err);
        if (rc != 0)
            return rc;
        const struct api_result *result = &i->op->result;
        if (result->err.code != ERR_NONE && !is_of_row(result->err.code)) {
            *err = result->err;
            return err->code;
        }
        if (result->err.code != ERR_NONE) {
            job->err = result->err;
            return 0;
        }
        if (!job->has_subject)
            job->subject = result->subject;
        job->has_subject = true;
        job->at = result->position;
        job->next++;
        job->events++;
    }
    return 0;
}

static int
end_group(struct import_dir *i, struct err *err)
{
    bool urgent = false;
    if (i->rehearse) {
        int rehearsed = engine_rehearse(i->engine, err);
        i->open = rehearsed == 0;
        return rehearsed;
    }
    i->open = false;
    int rc = engine_commit(i->engine, err);
    if (rc == ERR_FULL)
        return err_wrap(
            err,
            "nothing of this group was kept; make room or raise map_gib in smartnode.conf and run the import again");
    if (rc == 0 && engine_vault_pending(i->engine, &urgent) && urgent)
        rc = engine_vault_flush(i->engine, err);
    if (rc == 0 && i->test_after_group)
        i->test_after_group();
    return rc;
}

/* A row is always whole in its group, so that a stop leaves none half written. */
static int
dir_run(void *arg, struct import_job *jobs, size_t n, struct err *err)
{
    struct import_dir *i = arg;
    const struct command_ctx *ctx;
    int rc = 0;
    for (size_t j = 0; j < n && rc == 0; j++) {
        if (jobs[j].err.code != ERR_NONE)
            continue;
        rc = dir_view(i, &ctx, err);
        if (rc == 0)
            rc = run_job(i, &jobs[j], err);
        if (rc == 0 && engine_group_events(i->engine) >= i->group_events)
            rc = end_group(i, err);
    }
    if (rc != 0)
        close_view(i);
    return rc;
}

static int
dir_end(void *arg, struct err *err)
{
    struct import_dir *i = arg;
    bool urgent;
    int rc = 0;
    if (i->open)
        rc = end_group(i, err);
    if (i->rehearse)
        return rc;
    return rc == 0 && engine_vault_pending(i->engine, &urgent) ? engine_vault_flush(i->engine, err) : rc;
}

void
import_dir_target(struct import_dir *i, struct import_target *ret)
{
    *ret = (struct import_target){.arg = i,
                                  .today = datadir_today(i->d),
                                  .begin = dir_begin,
                                  .view = dir_view,
                                  .release = dir_release,
                                  .office = dir_office,
                                  .unit = dir_unit,
                                  .group_rows = i->engine ? 1 : 0};
    if (i->engine) {
        ret->run = dir_run;
        ret->end = dir_end;
    }
}

int
import_dir_finish(struct import_dir *i, struct err *err)
{
    uint64_t counted;
    struct err failed = {0}; /* err may hold what ended the import, and keeps it */
    if (!i->engine || i->rehearse)
        return 0;
    close_view(i); /* what an import left behind that could not go on */
    int rc = counting_offline(i->d, i->engine, 0, NULL, NULL, &counted, &failed);
    if (rc != 0)
        *err = failed;
    return rc;
}
