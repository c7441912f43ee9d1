/* Units that closed: what they write afterwards has no effect, but what is still due. docs/PROTOCOL.md §10 "Closed units".
 * The rows of units are the source: they keep the first closing of each log whatever else they drop (node/rules/place.c), and a log has no
 * second one, for the first forbids it. What is here in memory is a list of these for each unit, taken from its row at a start and whenever one
 * comes, for every event asks; and what was found for the log asked about last, for events of a log come together. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

/* A place in the list after the last one of the unit: one that is there already, or a new one. */
static uint32_t
place_for(struct apply *a, uint32_t there)
{
    void *v = a->closings;
    if (there != 0)
        return there;
    if (a->n_closings >= UINT32_MAX || !grow(&v, &a->cap_closings, a->n_closings, sizeof(*a->closings)))
        return 0;
    a->closings = v;
    a->closings[a->n_closings++] = (struct closing){.next = 0};
    return (uint32_t)a->n_closings;
}

int
closings_of(struct apply *a, const struct place_row *row, struct err *err)
{
    uint32_t *first = map_get(&a->closed, row->unit.b), there = first != NULL ? *first : 0, before = 0;
    memset(&a->closing_asked, 0, sizeof(a->closing_asked));
    for (size_t i = 0; i < row->n; i++) {
        const struct place_entry *e = &row->entries[i];
        if (e->kind != KIND_UNIT_CLOSED || !event_kind_known(e->kind, e->kind_version))
            continue;
        uint32_t place = place_for(a, there);
        if (first == NULL && place != 0)
            first = map_put(&a->closed, row->unit.b, NULL);
        if (first == NULL || place == 0)
            return err_set(err, ERR_NOMEM, "closed units: out of memory");
        there = a->closings[place - 1].next;
        a->closings[place - 1] = (struct closing){.at = e->at, .next = 0};
        *(before == 0 ? first : &a->closings[before - 1].next) = place;
        before = place;
    }
    return 0;
}

int
closings_load(struct apply *a, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    a->n_closings = 0;
    map_clear(&a->closed);
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
            rc = closings_of(a, &row, err);
        place_row_release(&row);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The least position of a log that has one of the closings before it; 0 if there is none. Of another log's closing it is the first: it lies in
 * the past of the whole log, and was applied before the log began. */
static uint64_t
closed_from(const struct apply *a, const struct log_id *log, uint32_t first)
{
    uint64_t from = 0;
    for (uint32_t i = first; i != 0 && from != 1; i = a->closings[i - 1].next) {
        const struct position *at = &a->closings[i - 1].at;
        if (TYPE_EQ(&at->log, log))
            from = at->seq + 1;
        else if (dag_past_of(a->dag, log, &at->log) >= at->seq)
            from = 1;
    }
    return from;
}

bool
closings_forbid(struct apply *a, const struct unit_id *unit, const struct position *at, uint16_t kind)
{
    if (a->n_closings == 0 || unit_closed_allows(kind))
        return false;
    struct closing_asked *asked = &a->closing_asked;
    if (!asked->known || !TYPE_EQ(&asked->log, &at->log)) {
        const uint32_t *first = map_get(&a->closed, unit->b);
        *asked = (struct closing_asked){
            .known = true, .log = at->log, .from = first != NULL ? closed_from(a, &at->log, *first) : 0};
    }
    return asked->from != 0 && at->seq >= asked->from;
}
