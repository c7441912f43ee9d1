/* What an erasure takes away in the transaction that applies it, and who has confirmed one. docs/PROTOCOL.md §10 "Erasure"; the vault's
 * part is done afterwards (node/host/erasing.h). */
#include "node/apply/apply_private.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"

/* Positions in logs of other units, and what does not lie in the order's past, are not its to erase. */
static int
place_erased(struct apply *a, const struct unit_id *unit, const struct position *by, const struct erased_place *place,
             struct err *err)
{
    struct log_row log;
    struct position at = {.log = place->log, .seq = place->seq};
    int rc = evlog_find(a->txn, &at.log, &log, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    if (rc != 0 || !TYPE_EQ(&log.unit, unit) || !dag_before(a->dag, &at, by))
        return rc;
    for (uint8_t i = 0; rc == 0 && i < HEADER_CAPSULES_MAX; i++) {
        if ((place->indexes & 1U << i) == 0)
            continue;
        rc = tombstone_put(a->txn, &at, i, by, err);
        if (rc == 0)
            rc = capsules_del(a->txn, log.no, at.seq, i, err);
    }
    return rc;
}

/* The payload of the event at hand, which may not be stored yet, or of an earlier one that waited until now. */
static int
payload_of(struct apply *a, const struct position *at, struct slice *ret, struct err *err)
{
    struct log_row log;
    struct stored_event stored;
    if (a->event != NULL && a->event->at.seq == at->seq && TYPE_EQ(&a->event->at.log, &at->log)) {
        *ret = a->event->payload;
        return 0;
    }
    int rc = evlog_find(a->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(a->txn, log.no, at->seq, &stored, err);
    if (rc == 0)
        *ret = stored.payload;
    return rc;
}

static int
newest_of(struct apply *a, const struct subject_id *subject, uint32_t *newest, struct err *err)
{
    uint32_t generation = 0;
    uint64_t slot;
    int rc = keyslot_find(a->txn, subject, &generation, &slot, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    *newest = rc == 0 && generation > *newest ? generation : *newest;
    return rc;
}

/* At home the order takes keys that are there now. Another instance of the node, which wrote it, counts generations of its own: those that
 * begin here afterwards are under the same numbers, and the order may be carried out again. */
static int
end_at_newest(struct apply *a, const struct member_row *row, uint32_t *generation, struct err *err)
{
    uint32_t newest = 0;
    if (!a->has_own || !TYPE_EQ(&row->unit, &a->own))
        return 0;
    int rc = newest_of(a, &row->subject, &newest, err);
    for (size_t i = 0; rc == 0 && i < row->n; i++)
        if (row->entries[i].kind == KIND_REPRESENTATIVE_NAMED)
            rc = newest_of(a, &row->entries[i].other, &newest, err);
    *generation = rc == 0 && newest < *generation ? newest : *generation;
    return rc;
}

static int
order_note(struct apply *a, const struct member_row *row, const struct member_entry *x, struct err *err)
{
    struct erasure_order order;
    struct event_payload p;
    struct slice payload;
    struct erased_place places[ERASED_PLACES_MAX];
    int rc = erasure_get(a->txn, &x->at, &order, err);
    if (rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    rc = payload_of(a, &x->at, &payload, err);
    if (rc == 0)
        rc = event_payload_decode(x->kind, x->kind_version, payload, &p, err);
    if (rc != 0)
        return rc;
    order = (struct erasure_order){.at = x->at,
                                   .kind = x->kind,
                                   .state = ERASURE_NOTED,
                                   .unit = row->unit,
                                   .subject = row->subject,
                                   .generation = p.erasure.has_generation ? p.erasure.generation : UINT32_MAX,
                                   .ground = p.erasure.ground,
                                   .effective = x->effective};
    for (uint8_t i = 0; i < p.erasure.n_classes; i++)
        order.classes |= (uint16_t)(1U << p.erasure.classes[i]);
    rc = end_at_newest(a, row, &order.generation, err);
    size_t n = x->kind == KIND_ERASURE_ORDERED ? erased_places_read(payload, places) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = place_erased(a, &row->unit, &x->at, &places[i], err);
    return rc == 0 ? erasure_put(a->txn, &order, err) : rc;
}

int
erasures_note(struct apply *a, const struct member_row *row, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < row->n; i++) {
        const struct member_entry *x = &row->entries[i];
        if ((x->kind == KIND_ERASURE_ORDERED || x->kind == KIND_RESTRICTION_ORDERED) && x->outcome == OUTCOME_APPLIED)
            rc = order_note(a, row, x, err);
    }
    return rc;
}

/* ---- confirmations ---- */

static bool
comes_after(const struct confirmation *a, const struct confirmation *b)
{
    if (a->depth != b->depth)
        return a->depth > b->depth;
    int order = memcmp(a->at.log.b, b->at.log.b, sizeof(a->at.log.b));
    return order != 0 ? order > 0 : a->at.seq > b->at.seq;
}

int
entity_confirmation(struct apply *a, struct event *e, const struct event_payload *p, struct err *err)
{
    uint8_t raw[KEY_CONFIRMATION], row[CONFIRMATION_ROW_BYTES];
    struct slice bytes, key = slice_of(raw, sizeof(raw));
    struct confirmation before;
    bool found = false;
    size_t n = 0;
    const struct event_ref *asked = event_header_ref(&e->header, REF_CONFIRMS);
    for (uint8_t i = 0; i < e->header.n_refs; i++)
        n += e->header.refs[i].role == REF_CONFIRMS;
    if (n != 1)
        return event_void(a, e, VOID_REFERENCE, err);
    struct confirmation now = {.depth = dag_depth(a->dag, &e->at.log),
                               .at = e->at,
                               .effective = p->common.effective,
                               .has_backup = !date_is_none(p->destroyed.backup_on),
                               .backup = p->destroyed.backup_on,
                               .backup_gone = p->destroyed.backup_gone_on};
    key_confirmation(raw, &(struct position){asked->log, asked->seq}, e->unit);
    int rc = state_find(a->state, TABLE_CONFIRMATIONS, key, &bytes, &found, err);
    if (rc == 0 && found)
        rc = confirmation_decode(bytes, &before, err);
    if (rc != 0 || (found && !comes_after(&now, &before)))
        return rc;
    confirmation_encode(&now, row);
    return state_put(a->state, TABLE_CONFIRMATIONS, key, slice_of(row, sizeof(row)), err);
}
