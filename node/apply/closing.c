/* Units that closed: what they write afterwards has no effect, but what is still due. docs/PROTOCOL.md §10 "Closed units".
 * Kept in memory, for every event asks; there are hardly ever any. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

int
closings_add(struct apply *a, const struct unit_id *unit, const struct position *at, struct err *err)
{
    void *v = a->closings;
    if (!grow(&v, &a->cap_closings, a->n_closings, sizeof(*a->closings)))
        return err_set(err, ERR_NOMEM, "closed units: out of memory");
    a->closings = v;
    a->closings[a->n_closings++] = (struct closing){.unit = *unit, .at = *at};
    return 0;
}

static int
add_of_row(struct apply *a, const struct place_row *row, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < row->n && rc == 0; i++) {
        const struct place_entry *e = &row->entries[i];
        if (e->kind == KIND_UNIT_CLOSED && event_kind_known(e->kind, e->kind_version))
            rc = closings_add(a, &row->unit, &e->at, err);
    }
    return rc;
}

int
closings_load(struct apply *a, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    a->n_closings = 0;
    int rc = db_cursor_open(txn, TABLE_UNITS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        struct unit_id unit;
        struct place_row row;
        if (key.len != sizeof(unit.b))
            continue;
        memcpy(unit.b, key.data, sizeof(unit.b));
        place_row_init(&row, &unit, NULL);
        rc = place_row_decode(value, &unit, NULL, &row, err);
        if (rc == 0)
            rc = add_of_row(a, &row, err);
        place_row_release(&row);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

bool
closings_forbid(const struct apply *a, const struct unit_id *unit, const struct position *at, uint16_t kind)
{
    for (size_t i = 0; i < a->n_closings; i++) {
        const struct closing *c = &a->closings[i];
        if (TYPE_EQ(&c->unit, unit) && !unit_closed_allows(kind) && dag_before(a->dag, &c->at, at))
            return true;
    }
    return false;
}
