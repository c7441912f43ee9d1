/* One event into one row: members, offices, units, and what else follows from the row. docs/PROTOCOL.md §10, §13. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

static const struct subject_id NOBODY;

/* ---- the world of the fold ---- */

int
entity_chain_at(void *arg, const struct position *at, struct chain_value *ret)
{
    struct apply *a = arg;
    struct log_row found;
    const struct log_row *row = &found;
    if (a->n_pending > 0 && TYPE_EQ(&at->log, &a->pending_log) && at->seq >= a->pending_first &&
        at->seq - a->pending_first < a->n_pending) {
        *ret = a->pending[at->seq - a->pending_first];
        return 0;
    }
    if (a->current != NULL && TYPE_EQ(&at->log, &a->current->id)) {
        row = a->current;
    } else {
        int rc = evlog_find(a->txn, &at->log, &found, NULL);
        if (rc != 0)
            return rc;
    }
    if (at->seq > row->applied_seq || at->seq > row->stands_to)
        return ERR_NOTFOUND;
    return evlog_chain_at_kept(a->txn, row, at->seq, a->chains, CHAINS_KEPT, ret, NULL);
}

static struct office_slot *
office_slot(struct apply *a, const struct office_id *office)
{
    uint64_t h;
    memcpy(&h, office->b, sizeof(h));
    return &a->offices[mix64(h) % OFFICE_CACHE];
}

void
entity_office_cache_clear(struct apply *a)
{
    for (size_t i = 0; i < OFFICE_CACHE; i++) {
        if (a->offices[i].used)
            place_row_release(&a->offices[i].row);
        a->offices[i].used = false;
    }
}

static void
office_forget(struct apply *a, const struct office_id *office)
{
    struct office_slot *slot = office_slot(a, office);
    if (slot->used)
        place_row_release(&slot->row);
    slot->used = false;
}

bool
entity_office_known(void *arg, const struct unit_id *unit, const struct office_id *office, const struct position *at)
{
    struct apply *a = arg;
    struct office_slot *slot = office_slot(a, office);
    if (!slot->used || !TYPE_EQ(&slot->row.unit, unit) || !TYPE_EQ(&slot->row.office, office)) {
        uint8_t key[KEY_OFFICE];
        struct slice bytes;
        struct place_row row;
        key_office(key, unit, office);
        struct err err = {.code = ERR_NONE};
        int rc = state_get(a->state, TABLE_OFFICES, slice_of(key, sizeof(key)), &bytes, &err);
        if (rc == 0) {
            place_row_init(&row, unit, office);
            rc = place_row_decode(bytes, unit, office, &row, &err);
        }
        if (rc != 0) {
            if (rc != ERR_NOTFOUND)
                a->world_error = err;
            return false;
        }
        office_forget(a, office);
        slot->row = row;
        slot->used = true;
    }
    return office_opened_before(&slot->row, a->dag, at);
}

struct member_world
entity_world(struct apply *a)
{
    a->world_error.code = ERR_NONE;
    return (struct member_world){
        .dag = a->dag, .arg = a, .chain_at = entity_chain_at, .office_known = entity_office_known, .kin = entity_kin};
}

int
entity_world_failed(const struct apply *a, struct err *err)
{
    if (a->world_error.code == ERR_NONE)
        return 0;
    if (err != NULL)
        *err = a->world_error;
    return a->world_error.code;
}

/* ---- members ---- */

int
entity_member_load(struct apply *a, const struct entity *e, struct slice key, struct member_row *row, struct err *err)
{
    struct slice bytes;
    member_row_init(row, &e->unit, &e->subject);
    bool found = false;
    int rc = state_find(a->state, TABLE_MEMBERS, key, &bytes, &found, err);
    return rc == 0 && found ? member_row_decode(bytes, &e->unit, &e->subject, row, err) : rc;
}

/* Records of other units that this one is declared to be a double of. */
static int
member_doubles(struct marks *m, const struct entity *e, const struct member_row *row, struct err *err)
{
    struct member_state s;
    bool any = false;
    for (size_t i = 0; i < row->n && !any; i++)
        any = row->entries[i].kind == KIND_DOUBLE_DECLARED;
    if (!any)
        return 0;
    int rc = 0;
    member_state_at(row, DATE_MAX, &s);
    for (uint8_t i = 0; i < s.n_doubles && rc == 0; i++) {
        const struct member_double *d = &s.doubles[i];
        struct mark mark = {.table = TABLE_DOUBLES, .reason = d->settled, .len = KEY_DOUBLE};
        key_double(mark.key, &e->unit, &e->subject, &d->unit, &d->subject);
        rc = marks_push(m, &mark, err);
    }
    return rc;
}

static int
member_marks(struct apply *a, struct marks *m, const struct entity *e, const struct member_row *row, struct err *err)
{
    int rc = marks_of(a, m, e, ROW_ENTRIES(row), err);
    if (rc != 0)
        return rc;
    enum handover_step step = member_handover_step(row);
    if (step != HANDOVER_NONE) {
        struct mark mark = {.table = TABLE_HANDOVERS, .reason = (uint8_t)step, .len = KEY_HANDOVER};
        key_handover(mark.key, &e->unit, &e->subject);
        rc = marks_push(m, &mark, err);
        if (rc != 0)
            return rc;
    }
    return member_doubles(m, e, row, err);
}

static int
outcomes_keep(struct apply *a, const struct member_row *row, struct err *err)
{
    a->outcomes.n = 0;
    for (size_t i = 0; i < row->n; i++) {
        if (!grow(&a->outcomes.v, &a->outcomes.cap, i, sizeof(enum outcome)))
            return err_set(err, ERR_NOMEM, "views: out of memory");
        ((enum outcome *)a->outcomes.v)[a->outcomes.n++] = row->entries[i].outcome;
    }
    return 0;
}

/* What the row stood for and stands for now, as far as it differs. The stored row is still the one before. */
static int
member_views(struct apply *a, const struct entity *e, struct slice key, const struct member_entry *add,
             const struct member_row *row, struct err *err)
{
    struct member_row before;
    if (add != NULL && member_last_adds(row, &add->at, a->outcomes.v, a->outcomes.n)) {
        a->before[VIEW_COUNTS].n = a->before[VIEW_SHARES].n = 0;
        return views_of_last(row, a->after, err);
    }
    int rc = entity_member_load(a, e, key, &before, err);
    if (rc == 0)
        rc = views_of_member(&before, a->before, err);
    member_row_release(&before);
    return rc == 0 ? views_of_member(row, a->after, err) : rc;
}

/* What the row, folded again, stands for now. The marks of before are there, the stored row is still the one before. */
static int
member_store(struct apply *a, const struct entity *e, struct slice key, const struct member_entry *add,
             struct member_row *row, struct err *err)
{
    kin_stored(a, e);
    int rc = member_views(a, e, key, add, row, err);
    if (rc == 0)
        rc = member_marks(a, &a->marks_after, e, row, err);
    buf_clear(&a->bytes);
    if (rc == 0)
        rc = member_row_encode(row, &a->bytes, err);
    if (rc == 0)
        rc = state_put(a->state, TABLE_MEMBERS, key, buf_slice(&a->bytes), err);
    if (rc == 0)
        rc = views_apply(a, VIEW_COUNTS, e, err);
    if (rc == 0)
        rc = views_apply(a, VIEW_SHARES, e, err);
    if (rc == 0)
        rc = marks_apply(a, e, err);
    return rc;
}

static int
member_change(struct apply *a, const struct entity *e, struct slice key, const struct member_entry *add,
              struct member_row *row, struct err *err)
{
    struct missing missing;
    struct member_world world = entity_world(a);
    int rc = outcomes_keep(a, row, err);
    if (rc == 0)
        rc = member_marks(a, &a->marks_before, e, row, err);
    if (rc == 0)
        rc = add != NULL ? member_row_add(row, add, &world, &missing, err)
                         : member_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    return rc == 0 ? member_store(a, e, key, add, row, err) : rc;
}

/* Whether the stored form is that of the row. */
static int
member_stored_is(struct apply *a, struct slice key, const struct member_row *row, bool *ret, struct err *err)
{
    struct slice bytes;
    bool found = false;
    buf_clear(&a->bytes);
    int rc = member_row_encode(row, &a->bytes, err);
    if (rc == 0)
        rc = state_find(a->state, TABLE_MEMBERS, key, &bytes, &found, err);
    struct slice now = buf_slice(&a->bytes);
    if (rc == 0)
        *ret = found && bytes.len == now.len && memcmp(bytes.data, now.data, now.len) == 0;
    return rc;
}

int
entity_member_refold(struct apply *a, const struct entity *e, struct member_row *row,
                     const struct member_row *candidates, bool *ret_changed, struct err *err)
{
    uint8_t raw[KEY_MEMBER];
    struct missing missing;
    bool arrived, same = true;
    struct member_world world = entity_world(a);
    key_member(raw, &e->subject, &e->unit);
    struct slice key = slice_of(raw, sizeof(raw));
    int rc = member_marks(a, &a->marks_before, e, row, err);
    if (rc == 0)
        rc = member_row_arrive(row, candidates, a->dag, &arrived, err);
    if (rc == 0)
        rc = member_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    if (rc == 0)
        rc = member_stored_is(a, key, row, &same, err);
    if (rc == 0 && !same)
        rc = member_store(a, e, key, NULL, row, err);
    if (rc == 0)
        *ret_changed = !same;
    return rc;
}

int
entity_member(struct apply *a, const struct entity *e, const struct member_entry *add, enum outcome *ret,
              enum void_reason *ret_reason, struct err *err)
{
    uint8_t raw[KEY_MEMBER];
    struct member_row row, was;
    key_member(raw, &e->subject, &e->unit);
    struct slice key = slice_of(raw, sizeof(raw));
    member_row_init(&was, &e->unit, &e->subject);
    int rc = entity_member_load(a, e, key, &row, err);
    if (rc == 0)
        rc = member_row_face(&row, &was, err);
    if (rc == 0)
        rc = member_change(a, e, key, add, &row, err);
    if (rc == 0 && (was.n > 0 || member_row_has_kin(&row))) {
        rc = kin_settle(a, e, &was, &row, err);
        member_row_release(&row);
        if (rc == 0)
            rc = entity_member_load(a, e, key, &row, err);
    }
    member_row_release(&was);
    if (rc == 0)
        rc = erasures_note(a, &row, err);
    if (rc == 0 && add != NULL)
        outcome_of(ROW_ENTRIES(&row), &add->at, ret, ret_reason);
    member_row_release(&row);
    return rc;
}

/* ---- offices and units ---- */

static struct slice
place_key(const struct entity *e, uint8_t raw[KEY_OFFICE])
{
    struct office_id office;
    memcpy(office.b, e->subject.b, sizeof(office.b));
    key_office(raw, &e->unit, &office);
    return slice_of(raw, e->type == ENTITY_UNIT ? sizeof(e->unit.b) : KEY_OFFICE);
}

static enum table
place_table(const struct entity *e)
{
    return e->type == ENTITY_UNIT ? TABLE_UNITS : TABLE_OFFICES;
}

static int
place_load(struct apply *a, const struct entity *e, struct slice key, struct place_row *row, struct err *err)
{
    struct slice bytes;
    struct office_id office;
    memcpy(office.b, e->subject.b, sizeof(office.b));
    place_row_init(row, &e->unit, &office);
    int rc = state_get(a->state, place_table(e), key, &bytes, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    return rc == 0 ? place_row_decode(bytes, &e->unit, &office, row, err) : rc;
}

static int
place_store(struct apply *a, const struct entity *e, struct slice key, const struct place_row *row, struct err *err)
{
    buf_clear(&a->bytes);
    int rc = place_row_encode(row, &a->bytes, err);
    if (rc == 0)
        rc = state_put(a->state, place_table(e), key, buf_slice(&a->bytes), err);
    if (rc == 0 && e->type == ENTITY_OFFICE)
        office_forget(a, &row->office);
    return rc;
}

static int
place_change(struct apply *a, const struct entity *e, struct slice key, const struct place_entry *add,
             struct place_row *row, struct err *err)
{
    struct missing missing;
    struct member_world world = entity_world(a);
    int rc = marks_of(a, &a->marks_before, e, ROW_ENTRIES(row), err);
    if (rc == 0)
        rc =
            add != NULL ? place_row_add(row, add, &world, &missing, err) : place_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    if (rc == 0)
        rc = marks_of(a, &a->marks_after, e, ROW_ENTRIES(row), err);
    if (rc == 0)
        rc = place_store(a, e, key, row, err);
    if (rc == 0)
        rc = marks_apply(a, e, err);
    return rc;
}

int
entity_place(struct apply *a, const struct entity *e, const struct place_entry *add, enum outcome *ret,
             enum void_reason *ret_reason, struct err *err)
{
    uint8_t raw[KEY_OFFICE];
    struct place_row row;
    struct slice key = place_key(e, raw);
    int rc = place_load(a, e, key, &row, err);
    if (rc == 0)
        rc = place_change(a, e, key, add, &row, err);
    if (rc == 0 && add != NULL)
        outcome_of(ROW_ENTRIES(&row), &add->at, ret, ret_reason);
    if (rc == 0 && add != NULL && add->kind == KIND_UNIT_CLOSED)
        rc = closings_of(a, &row, err);
    place_row_release(&row);
    return rc;
}

int
entity_refold(struct apply *a, const struct entity *e, struct err *err)
{
    switch (e->type) {
    case ENTITY_MEMBER: return entity_member(a, e, NULL, NULL, NULL, err);
    case ENTITY_OFFICE:
    case ENTITY_UNIT: return entity_place(a, e, NULL, NULL, NULL, err);
    case ENTITY_ACTIVITY:
    case ENTITY_INVOICE: return entity_work(a, e, NULL, NULL, NULL, err);
    case ENTITY_POSTING: return entity_posting(a, e, NULL, NULL, NULL, err);
    case ENTITY_ACCESS: return entity_access(a, e, NULL, NULL, NULL, err);
    default: return err_set(err, ERR_CORRUPT, "the waiting index names an entity of no type");
    }
}

/* The code of a unit is the least that a first event of it gives: the same whatever arrived first. */
int
entity_unit_code(struct apply *a, const struct unit_id *unit, const char *code, struct err *err)
{
    uint8_t raw[KEY_OFFICE];
    struct place_row row;
    struct entity e = {.type = ENTITY_UNIT, .unit = *unit, .subject = NOBODY};
    struct slice key = place_key(&e, raw);
    int rc = place_load(a, &e, key, &row, err);
    if (rc == 0 && (row.unit_code[0] == 0 || strcmp(code, row.unit_code) < 0)) {
        memset(row.unit_code, 0, sizeof(row.unit_code));
        memcpy(row.unit_code, code, strnlen(code, UNIT_CODE_MAX - 1));
        rc = place_store(a, &e, key, &row, err);
    }
    place_row_release(&row);
    return rc;
}
