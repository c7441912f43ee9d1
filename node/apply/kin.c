/* Rows of one subject in several units: what a handover ties together. docs/PROTOCOL.md §8 "Kin", §10 "Handover".
 * A row looks at its kin when it is folded (entity_kin) and takes arrivals from them. A change of one row is followed by its kin, and by
 * theirs, until nothing changes. That ends: whether an event is valid rests on its past, which does not change, and what a completion does
 * rests only on completions that are less by (day, log id, seq) (fold_sort_trips). */
#include <stdlib.h>

#include "node/apply/apply_private.h"

/* KIN_TURNS_MAX: no federation comes near it; a row that would is damaged. */
enum { KIN_UNITS_MAX = 1024, KIN_TURNS_MAX = 1 << 20 };

static struct entity
entity_of(const struct subject_id *subject, const struct unit_id *unit)
{
    return (struct entity){.type = ENTITY_MEMBER, .unit = *unit, .subject = *subject};
}

static int
load(struct apply *a, const struct entity *e, struct member_row *ret, struct err *err)
{
    uint8_t raw[KEY_MEMBER];
    key_member(raw, &e->subject, &e->unit);
    int rc = entity_member_load(a, e, slice_of(raw, sizeof(raw)), ret, err);
    if (rc != 0)
        member_row_release(ret);
    return rc;
}

int
entity_kin(void *arg, const struct subject_id *subject, const struct position *at, struct unit_id *ret_unit,
           struct member_entry *ret)
{
    struct apply *a = arg;
    struct log_row log;
    struct member_row row;
    int rc = evlog_find(a->txn, &at->log, &log, NULL);
    if (rc != 0)
        return rc;
    struct entity e = entity_of(subject, &log.unit);
    rc = load(a, &e, &row, &a->world_error);
    if (rc != 0)
        return rc;
    size_t i = member_entry_find(&row, at);
    rc = i == SIZE_MAX || row.entries[i].arrival ? ERR_NOTFOUND : 0;
    if (rc == 0) {
        *ret = row.entries[i];
        *ret_unit = log.unit;
    }
    member_row_release(&row);
    return rc;
}

/* Rows whose turn it is, each once at a time. */
struct turns {
    struct unit_id *v;
    size_t n, cap;
};

static int
turns_add(struct turns *t, const struct unit_id *units, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        bool there = false;
        for (size_t k = 0; k < t->n && !there; k++)
            there = TYPE_EQ(&t->v[k], &units[i]);
        if (there)
            continue;
        void *v = t->v;
        if (!grow(&v, &t->cap, t->n, sizeof(*t->v)))
            return err_set(err, ERR_NOMEM, "kin: out of memory");
        t->v = v;
        t->v[t->n++] = units[i];
    }
    return 0;
}

/* One row against its kin. Those who look at it have their turn if it changed. */
static int
turn(struct apply *a, const struct entity *e, struct unit_id *units, struct turns *t, struct err *err)
{
    struct member_row row;
    bool changed = false;
    int rc = load(a, e, &row, err);
    if (rc != 0)
        return rc;
    size_t n = member_row_kin(&row, units, KIN_UNITS_MAX), loaded = 0;
    bool known = row.n > 0;
    member_row_release(&row);
    if (!known)
        return 0;
    struct member_row *kin = calloc(n > 0 ? n : 1, sizeof(*kin));
    if (kin == NULL)
        return err_set(err, ERR_NOMEM, "kin: out of memory");
    for (; loaded < n && rc == 0; loaded += rc == 0) {
        struct entity other = entity_of(&e->subject, &units[loaded]);
        rc = load(a, &other, &kin[loaded], err);
    }
    if (rc == 0)
        rc = entity_member_refold(a, e, kin, n, &changed, err);
    for (size_t i = 0; i < loaded; i++)
        member_row_release(&kin[i]);
    free(kin);
    return rc == 0 && changed ? turns_add(t, units, n, err) : rc;
}

/* What came into force in a row of another unit meanwhile. */
static int
note_erasures(struct apply *a, const struct entity *changed, struct unit_id *units, struct err *err)
{
    struct member_row row;
    int rc = load(a, changed, &row, err);
    if (rc != 0)
        return rc;
    size_t n = member_row_kin(&row, units, KIN_UNITS_MAX);
    member_row_release(&row);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct entity other = entity_of(&changed->subject, &units[i]);
        rc = load(a, &other, &row, err);
        if (rc != 0)
            break;
        rc = erasures_note(a, &row, err);
        member_row_release(&row);
    }
    return rc;
}

int
kin_settle(struct apply *a, const struct entity *changed, struct err *err)
{
    struct turns t = {.v = NULL};
    struct member_row row;
    struct unit_id *units = malloc(KIN_UNITS_MAX * sizeof(*units));
    int rc = units == NULL ? err_set(err, ERR_NOMEM, "kin: out of memory") : load(a, changed, &row, err);
    if (rc == 0) {
        size_t n = member_row_kin(&row, units, KIN_UNITS_MAX);
        member_row_release(&row);
        rc = turns_add(&t, units, n, err);
        /* The row itself last: what came in may be an acceptance that a completion waited for. */
        if (rc == 0)
            rc = turns_add(&t, &changed->unit, 1, err);
    }
    for (size_t i = 0; rc == 0 && t.n > 0; i++) {
        if (i == KIN_TURNS_MAX) {
            rc = err_set(err, ERR_CORRUPT, "rows of one member in several units do not settle");
            break;
        }
        struct entity e = entity_of(&changed->subject, &t.v[0]);
        memmove(&t.v[0], &t.v[1], --t.n * sizeof(*t.v));
        rc = turn(a, &e, units, &t, err);
    }
    if (rc == 0)
        rc = note_erasures(a, changed, units, err);
    free(t.v);
    free(units);
    return rc;
}
