/* See counting.h: who said what last, and how many people that makes. docs/PROTOCOL.md §10. */
#include <stdlib.h>

#include "node/rules/counting.h"
#include "node/rules/row.h"

#include "proto/base/check.h"

/* ---- rows of counted people ---- */

void
active_row_init(struct active_row *r, uint16_t year, const struct subject_id *pseudonym)
{
    memset(r, 0, sizeof(*r));
    r->year = year;
    r->pseudonym = *pseudonym;
}

void
active_row_release(struct active_row *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->entries[i].cells);
    }
    free(r->entries);
    r->entries = NULL;
    r->n = 0;
    r->cap = 0;
}

static int
compare_entry(const struct active_entry *e, const struct unit_id *unit, uint16_t month)
{
    int by_unit = memcmp(e->unit.b, unit->b, sizeof(unit->b));
    return by_unit != 0 ? by_unit : (int)e->month - (int)month;
}

size_t
active_row_units(const struct active_row *r)
{
    size_t units = 0;
    for (size_t i = 0; i < r->n; i++) {
        units += i == 0 || !TYPE_EQ(&r->entries[i].unit, &r->entries[i - 1].unit);
    }
    return units;
}

static bool
has_unit(const struct active_row *r, const struct unit_id *unit)
{
    for (size_t i = 0; i < r->n; i++) {
        if (TYPE_EQ(&r->entries[i].unit, unit)) {
            return true;
        }
    }
    return false;
}

/* Makes a new unit fit in: the greatest goes. False if the new one is that. */
static bool
make_way(struct active_row *r, const struct unit_id *unit)
{
    if (active_row_units(r) < ACTIVE_UNITS_MAX || has_unit(r, unit)) {
        return true;
    }
    struct unit_id greatest = r->entries[r->n - 1].unit;
    if (memcmp(unit->b, greatest.b, sizeof(unit->b)) > 0) {
        return false;
    }
    while (TYPE_EQ(&r->entries[r->n - 1].unit, &greatest)) {
        free(r->entries[--r->n].cells);
    }
    return true;
}

static int
make_room(struct active_row *r, struct err *err)
{
    if (r->n < r->cap) {
        return 0;
    }
    size_t cap = r->cap == 0 ? 2 : r->cap * 2;
    struct active_entry *more = realloc(r->entries, cap * sizeof(*more));
    if (more == NULL) {
        return err_set(err, ERR_NOMEM, "row of a counted person: out of memory");
    }
    r->entries = more;
    r->cap = cap;
    return 0;
}

int
active_row_add(struct active_row *r, const struct unit_id *unit, const struct position *at, uint16_t month,
               const struct activity_cell *cells, size_t n, const struct dag *dag, struct err *err)
{
    MUST(n <= ACTIVITY_CELLS_MAX && month / 12 + 1900 == r->year);
    size_t i = r->n;
    int order = 1;
    while (i > 0 && (order = compare_entry(&r->entries[i - 1], unit, month)) > 0) {
        i--;
    }
    bool there = i > 0 && order == 0;
    if (there && fold_compare(dag, &r->entries[i - 1].at, at) >= 0) {
        return 0;
    }
    struct activity_cell *copy = NULL;
    int rc = there ? 0 : make_room(r, err);
    if (rc == 0 && n > 0) {
        copy = malloc(n * sizeof(*copy));
        rc = copy == NULL ? err_set(err, ERR_NOMEM, "row of a counted person: out of memory") : 0;
    }
    if (rc != 0) {
        return rc;
    }
    if (n > 0) {
        memcpy(copy, cells, n * sizeof(*copy));
    }
    if (there) {
        i--;
        free(r->entries[i].cells);
    } else if (!make_way(r, unit)) {
        free(copy);
        return 0;
    } else {
        /* Whom make_way took out stood behind. */
        memmove(&r->entries[i + 1], &r->entries[i], (r->n - i) * sizeof(*r->entries));
        r->n++;
    }
    r->entries[i] = (struct active_entry){.unit = *unit, .month = month, .at = *at, .n = (uint8_t)n, .cells = copy};
    return 0;
}

/* ---- people ---- */

/* A cell as it is counted in one set: what the set has not is zero. */
struct seen {
    struct activity_cell cell;
    uint16_t unit; /* number among the units of the row */
};

struct people {
    const struct active_row *row;
    int (*emit)(void *arg, const struct people_contribution *c);
    void *arg;
    int64_t record_key;
    struct seen *seen;
    const struct unit_id *units[ACTIVE_UNITS_MAX];
};

static int
compare_seen(const void *a, const void *b)
{
    const struct seen *x = a;
    const struct seen *y = b;
    int by_cell = activity_cell_compare(&x->cell, &y->cell);
    return by_cell != 0 ? by_cell : (int)x->unit - (int)y->unit;
}

static void
sort_seen(struct seen *v, size_t n)
{
    if (n > 32) {
        qsort(v, n, sizeof(*v), compare_seen);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct seen x = v[i];
        size_t k = i;
        for (; k > 0 && compare_seen(&v[k - 1], &x) > 0; k--) {
            v[k] = v[k - 1];
        }
        v[k] = x;
    }
}

static void
project(const struct activity_cell *cell, uint8_t by, struct activity_cell *ret)
{
    memset(ret, 0, sizeof(*ret));
    if ((by & PEOPLE_BY_OFFICE) != 0) {
        ret->facets.office = cell->facets.office;
    }
    ret->facets.sector = (by & PEOPLE_BY_SECTOR) != 0 ? cell->facets.sector : 0;
    ret->facets.culture = (by & PEOPLE_BY_CULTURE) != 0 && cell->facets.culture;
    if ((by & PEOPLE_BY_CURRENCY) != 0) {
        memcpy(ret->currency, cell->currency, sizeof(ret->currency));
    }
}

static int
emit_one(const struct people *p, const struct people_contribution *head, const struct activity_cell *cell,
         const struct unit_id *unit, int64_t people)
{
    struct people_contribution c = *head;
    c.cell = *cell;
    c.overlap = unit == NULL;
    if (unit != NULL) {
        c.unit = *unit;
    }
    c.v[PEOPLE_COUNT] = people;
    c.v[PEOPLE_RECORD_KEYS] = people * p->record_key;
    return p->emit(p->arg, &c);
}

/* One set of one period, whose n projections are in p->seen. */
static int
count_set(const struct people *p, const struct people_contribution *head, size_t n)
{
    int64_t units = 0;
    sort_seen(p->seen, n);
    for (size_t i = 0; i < n; i++) {
        const struct seen *s = &p->seen[i];
        bool same_cell = i > 0 && activity_cell_compare(&s[-1].cell, &s->cell) == 0;
        bool last = i + 1 == n || activity_cell_compare(&s->cell, &s[1].cell) != 0;
        int rc = 0;
        if (!same_cell || s[-1].unit != s->unit) {
            rc = emit_one(p, head, &s->cell, p->units[s->unit], 1);
            units++;
        }
        if (rc == 0 && last && units > 1) {
            rc = emit_one(p, head, &s->cell, NULL, units - 1);
        }
        if (rc != 0) {
            return rc;
        }
        units = last ? 0 : units;
    }
    return 0;
}

/* month 0: the year. */
static int
count_period(const struct people *p, uint16_t month)
{
    struct people_contribution head;
    memset(&head, 0, sizeof(head));
    head.is_year = month == 0;
    head.month = month != 0 ? month : month_number(date_from_ymd(p->row->year, 1, 1));
    for (uint8_t by = 0; by < PEOPLE_SETS; by++) {
        size_t n = 0;
        uint16_t unit = 0;
        head.by = by;
        for (size_t i = 0; i < p->row->n; i++) {
            const struct active_entry *e = &p->row->entries[i];
            unit = (uint16_t)(unit + (i > 0 && !TYPE_EQ(&e->unit, &e[-1].unit)));
            for (size_t k = 0; k < e->n && (month == 0 || e->month == month); k++) {
                project(&e->cells[k], by, &p->seen[n].cell);
                p->seen[n++].unit = unit;
            }
        }
        int rc = count_set(p, &head, n);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int
active_contributions_of(const struct active_row *r, uint16_t month,
                        int (*emit)(void *arg, const struct people_contribution *c), void *arg)
{
    struct people p = {.row = r, .emit = emit, .arg = arg, .record_key = member_record_key(&r->pseudonym)};
    struct seen small[32];
    size_t cells = 0, units = 0;
    for (size_t i = 0; i < r->n; i++) {
        cells += r->entries[i].n;
        if (i == 0 || !TYPE_EQ(&r->entries[i].unit, &r->entries[i - 1].unit)) {
            p.units[units++] = &r->entries[i].unit;
        }
    }
    p.seen = cells <= ARRAY_LEN(small) ? small : malloc(cells * sizeof(*p.seen));
    if (p.seen == NULL) {
        return ERR_NOMEM;
    }
    uint16_t january = month_number(date_from_ymd(r->year, 1, 1));
    int rc = 0;
    for (uint16_t m = january; m < january + 12 && rc == 0; m++) {
        rc = month == 0 || m == month ? count_period(&p, m) : 0;
    }
    rc = rc != 0 ? rc : count_period(&p, 0);
    if (p.seen != small) {
        free(p.seen);
    }
    return rc;
}

int
active_contributions(const struct active_row *r, int (*emit)(void *arg, const struct people_contribution *c), void *arg)
{
    return active_contributions_of(r, 0, emit, arg);
}

/* ---- closed periods ---- */

void
period_row_init(struct period_row *r, const struct unit_id *unit, uint16_t year)
{
    memset(r, 0, sizeof(*r));
    r->unit = *unit;
    r->year = year;
}

void
period_row_release(struct period_row *r)
{
    free(r->figures);
    r->figures = NULL;
    r->n = 0;
    r->has = false;
}

int
period_row_add(struct period_row *r, const struct position *at, struct civil_date closed_on,
               const struct period_figure *figures, size_t n, const struct dag *dag, struct err *err)
{
    MUST(n >= 1 && n <= FIGURES_MAX);
    if (r->has && fold_compare(dag, &r->at, at) >= 0) {
        return 0;
    }
    struct period_figure *copy = malloc(n * sizeof(*copy));
    if (copy == NULL) {
        return err_set(err, ERR_NOMEM, "closed period: out of memory");
    }
    memcpy(copy, figures, n * sizeof(*copy));
    free(r->figures);
    r->figures = copy;
    r->n = n;
    r->has = true;
    r->at = *at;
    r->closed_on = closed_on;
    return 0;
}
