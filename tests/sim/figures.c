/* Figures of a unit that has closed, of the days up to its end, as every node says them: noted when it has closed, and once more when others have
 * written in its name since. They stay. See sim.h; docs/OPERATIONS.md "The end of a unit". */
#include "tests/sim/sim.h"

#include "node/view/view.h"

enum { FIRST_YEAR = 2024, FIRST_MONTH = 4, STEP_DAYS = 9 };

static void
mix(uint64_t *digest, const void *data, size_t len)
{
    *digest = mix64(*digest ^ trace_bytes(slice_of(data, len)));
}

static void
mix_report(uint64_t *digest, struct report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        mix(digest, &r->rows[i].office, sizeof(r->rows[i].office));
        mix(digest, &r->rows[i].category, 1);
        mix(digest, &r->rows[i].person_type, 1);
        mix(digest, r->rows[i].counts, sizeof(r->rows[i].counts));
    }
    for (size_t i = 0; i < r->n_capital; i++) {
        mix(digest, r->capital[i].currency, CURRENCY_MAX);
        mix(digest, r->capital[i].v, sizeof(r->capital[i].v));
    }
    report_release(r);
}

static int
on_day(struct db_txn *txn, const struct unit_id *unit, struct civil_date day, uint64_t *digest, struct err *err)
{
    const struct civil_date first = date_from_ymd(FIRST_YEAR, 1, 1);
    struct report r = {0};
    struct activity_report work = {0};
    int rc = report_members(txn, unit, day, BY_CATEGORY | BY_OFFICE | BY_PERSON_TYPE, &r, err);
    if (rc == 0)
        mix_report(digest, &r);
    if (rc == 0)
        rc = report_flows(txn, unit, DATE_MIN, day, BY_CATEGORY | BY_PERSON_TYPE, &r, err);
    if (rc == 0)
        mix_report(digest, &r);
    if (rc == 0)
        rc = report_activity(txn, unit, first, day, SPAN_MONTHS, 0, &work, err);
    for (size_t i = 0; rc == 0 && i < work.n; i++) {
        mix(digest, &work.rows[i].period, sizeof(work.rows[i].period));
        mix(digest, work.rows[i].cell.currency, CURRENCY_MAX);
        mix(digest, work.rows[i].v, sizeof(work.rows[i].v));
        mix(digest, &work.rows[i].people, work.rows[i].has_people ? sizeof(work.rows[i].people) : 0);
    }
    if (rc == 0)
        activity_report_release(&work);
    return rc;
}

static void
of_node(struct sim_node *n, struct sim_figures *f, bool note)
{
    struct db_txn *txn = NULL;
    char text[DATE_TEXT_MAX];
    struct err err = {0};
    struct civil_date day = date_from_ymd(FIRST_YEAR, FIRST_MONTH, 1);
    const struct sim_unit *u = &n->w->units[f->unit];
    node_program(n);
    int rc = db_begin_read(n->db, &txn, &err);
    for (size_t i = 0; i < SIM_FIGURES_MAX && rc == 0 && day.days <= f->until.days; i++, day.days += STEP_DAYS) {
        uint64_t digest = 0;
        rc = on_day(txn, &u->identity.unit, day, &digest, &err);
        if (note)
            f->digest[n->index][i] = digest;
        else if (rc == 0 && f->digest[n->index][i] != digest)
            world_fail(n->w, n, "the figures of %s on %s are others than when it closed", u->identity.unit_code,
                       date_format(day, text));
    }
    db_abort(&txn);
    if (rc != 0)
        world_fail(n->w, n, "figures: %s", err.text);
}

/* Not one that is linked with the others by a liar alone: to it things come when they like. */
static bool
has_all(struct world *w, const struct sim_node *n, int unit)
{
    for (uint32_t i = 0; i < w->n_ledger; i++)
        if (w->ledger[i].unit == unit && n->held[i] != w->nodes[unit].held[i])
            return false;
    return n->up;
}

void
figures_note(struct world *w, int unit, struct civil_date until)
{
    w->figures.unit = unit;
    w->figures.until = until;
    w->figures.n_nodes = w->n_nodes;
    for (int i = 0; i < w->n_nodes && !w->failed; i++) {
        w->figures.noted[i] = has_all(w, &w->nodes[i], unit);
        if (w->figures.noted[i])
            of_node(&w->nodes[i], &w->figures, true);
    }
}

void
figures_check(struct world *w)
{
    for (int i = 0; i < w->figures.n_nodes && !w->failed; i++)
        if (w->figures.noted[i] && w->nodes[i].up)
            of_node(&w->nodes[i], &w->figures, false);
}
