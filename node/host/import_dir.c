/* See import_dir.h. */
#include "node/host/import_dir.h"

#include <sodium.h>
#include <stdlib.h>

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
    struct db_txn *txn = NULL;
    struct slice value;
    memset(i, 0, sizeof(*i));
    i->d = d;
    i->engine = engine;
    i->actor = import_actor(&d->identity.unit);
    i->op = calloc(1, sizeof(*i->op));
    place_row_init(&i->unit, &d->identity.unit, NULL);
    int rc = i->op ? db_begin_read(d->db, &txn, err) : err_set(err, ERR_NOMEM, "import: out of memory");
    if (rc == 0)
        rc = db_get(txn, TABLE_UNITS, slice_of(d->identity.unit.b, HASH_BYTES), &value, err);
    if (rc == 0)
        rc = place_row_decode(value, &d->identity.unit, NULL, &i->unit, err);
    db_abort(&txn);
    if (rc == ERR_NOTFOUND)
        rc = err_set(
            err, ERR_CONFLICT,
            "the unit is not described yet: it has no share price and no offices. Describe it first (PUT /v1/units/%s)",
            d->identity.unit_code);
    if (rc != 0)
        import_dir_release(i);
    return rc;
}

void
import_dir_release(struct import_dir *i)
{
    place_row_release(&i->unit);
    if (i->op)
        person_wipe(i->op, sizeof(*i->op));
    free(i->op);
    i->op = NULL;
}

static int
dir_find(void *arg, const char *number, bool *ret_found, struct member_row *ret, struct err *err)
{
    struct import_dir *i = arg;
    struct db_txn *txn = NULL;
    int rc = db_begin_read(i->d->db, &txn, err);
    if (rc == 0)
        rc = member_by_number(txn, i->d->vault, &i->d->identity.unit, number, ret_found, ret, err);
    db_abort(&txn);
    return rc;
}

static int
dir_office(void *arg, const char *text, struct import_office *ret, struct err *err)
{
    struct import_dir *i = arg;
    const struct unit_id *unit = &i->d->identity.unit;
    struct command_ctx ctx = {.vault = i->d->vault, .unit = *unit, .random = random_fill};
    struct place_row row;
    struct office_state state = {.open = true};
    struct slice value;
    uint8_t key[KEY_OFFICE];
    int rc = db_begin_read(i->d->db, &ctx.txn, err);
    if (rc == 0)
        rc = office_find(&ctx, text, &ret->id, err);
    if (rc == 0) {
        key_office(key, unit, &ret->id);
        rc = db_get(ctx.txn, TABLE_OFFICES, slice_of(key, sizeof(key)), &value, err);
    }
    if (rc == 0)
        rc = place_row_decode(value, unit, &ret->id, &row, err);
    if (rc == 0) {
        ret->open = !office_state_at(&row, DATE_MAX, &state) || state.open;
        ret->closed_on = state.closed_on;
        place_row_release(&row);
    }
    db_abort(&ctx.txn);
    return rc;
}

static bool
dir_priced(void *arg, struct civil_date on)
{
    struct import_dir *i = arg;
    struct unit_described facts;
    return unit_state_at(&i->unit, on, &facts);
}

/* What refuses an operation for what it says; anything else is of the node, and the import stops. */
static bool
is_of_row(int rc)
{
    return rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_NOTFOUND || rc == ERR_EXISTS || rc == ERR_CONFLICT;
}

static int
run_job(struct import_dir *i, struct import_job *job, struct err *err)
{
    while (job->next < job->row.n_steps) {
        import_op(&job->row, job->next, &job->office->id, job->has_subject ? &job->subject : NULL, i->op);
        bool had = job->has_subject;
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
        if (!had)
            job->subject = result->subject;
        job->has_subject = true;
        job->next++;
        i->events++;
    }
    return 0;
}

static int
end_group(struct import_dir *i, struct err *err)
{
    bool urgent = false;
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
    int rc = engine_begin(i->engine, err);
    if (rc != 0)
        return rc;
    for (size_t j = 0; j < n && rc == 0; j++) {
        if (jobs[j].err.code == ERR_NONE) {
            bool had = jobs[j].has_subject;
            rc = run_job(i, &jobs[j], err);
            jobs[j].has_subject = had;
        }
        if (rc == 0 && engine_group_events(i->engine) >= ENGINE_GROUP_EVENTS) {
            rc = end_group(i, err);
            if (rc == 0)
                rc = engine_begin(i->engine, err);
            if (rc != 0)
                return rc;
        }
    }
    if (rc != 0) {
        engine_abort(i->engine);
        return rc;
    }
    return end_group(i, err);
}

void
import_dir_target(struct import_dir *i, struct import_target *ret)
{
    *ret = (struct import_target){
        .arg = i, .today = datadir_today(i->d), .find = dir_find, .office = dir_office, .priced = dir_priced};
    if (i->engine)
        ret->run = dir_run;
}

int
import_dir_finish(struct import_dir *i, struct err *err)
{
    bool urgent;
    uint64_t counted;
    struct err failed = {0}; /* err may hold what ended the import, and keeps it */
    if (!i->engine)
        return 0;
    int rc = engine_vault_pending(i->engine, &urgent) ? engine_vault_flush(i->engine, &failed) : 0;
    if (rc == 0)
        rc = counting_offline(i->d, i->engine, 0, NULL, NULL, &counted, &failed);
    if (rc != 0)
        *err = failed;
    return rc;
}
