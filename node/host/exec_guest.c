/* What the upkeep worked out about visitors, stored: see guests.h, struct guest_work_order. */
#include <sodium.h>

#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/guests.h"
#include "storage/erasures.h"
#include "storage/parted.h"
#include "storage/received.h"
#include "storage/vault_erase.h"

static int
opened(struct engine *e, const struct guest_work_order *o, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_places && rc == 0; i++) {
        uint8_t key[KEY_CAPSULE];
        key_capsule(key, o->places[i].log_no, o->places[i].at.seq, o->places[i].index);
        rc = db_del(e->txn, TABLE_ARRIVED, slice_of(key, sizeof(key)), err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        if (rc == 0 && o->places[i].erased)
            rc = tombstone_put(e->txn, &o->places[i].at, o->places[i].index, &o->places[i].erased_by, err);
        if (rc == 0 && o->places[i].erased)
            rc = capsules_del(e->txn, o->places[i].log_no, o->places[i].at.seq, o->places[i].index, err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc;
}

static int
record(struct engine *e, struct api_op *op, struct err *err)
{
    const struct guest_work_order *o = &op->guest;
    struct err refusal;
    int rc = engine_ready(e, &refusal);
    if (rc != 0) {
        op->result.err = refusal;
        return db_error(e->txn, err);
    }
    for (size_t i = 0; i < o->n_drafts && rc == 0; i++)
        rc = engine_write(e, &o->drafts[i], &op->result.position, err);
    op->result.has_position = o->n_drafts > 0;
    for (size_t i = 0; i < o->n_places && rc == 0; i++)
        rc = o->step == GUEST_RECORD ? guests_put_read(e->txn, &o->places[i].at, err)
                                     : guests_put_owed(e->txn, &o->places[i].at, false, err);
    return rc;
}

/* Whether an order takes the key that this node has noted, and may have carried out since the key capsule was read, or before one came that was
 * sealed side by side with it: listed or not, its key is erased (docs/PROTOCOL.md §10). What follows an order has no key of it. A year's key
 * has no generation. */
static int
is_erased(struct engine *e, const struct command_ctx *ctx, const struct received_key *k, bool *ret, struct err *err)
{
    struct member_row row;
    *ret = false;
    int rc = rows_member_of(ctx, &k->unit, &k->subject, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; rc == 0 && i < row.n && !*ret; i++) {
        struct erasure_order o;
        if (row.entries[i].kind != KIND_ERASURE_ORDERED)
            continue;
        rc = erasure_get(e->txn, &row.entries[i].at, &o, err);
        *ret = rc == 0 && (o.classes & 1U << k->class) != 0 &&
               (k->class == CLASS_COUNTING || k->generation <= o.generation) &&
               !dag_before(ctx->world->dag, &o.at, &k->from);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_row_release(&row);
    return rc;
}

static int
keep_keys(struct engine *e, const struct guest_work_order *o, struct err *err)
{
    const struct actor_id nobody = {{0}};
    struct member_world world;
    struct command_ctx ctx;
    size_t n = 0;
    engine_context(e, &nobody, &world, &ctx);
    for (size_t i = 0; i < o->n_received; i++) {
        bool erased;
        int rc = is_erased(e, &ctx, &o->received[i], &erased, err);
        if (rc != 0)
            return rc;
        if (!erased)
            o->received[n++] = o->received[i];
    }
    sodium_memzero(o->received + n, (o->n_received - n) * sizeof(*o->received));
    return n > 0 ? received_put(e->config.vault, o->received, n, err) : 0;
}

/* Of whom there is work here, the pseudonym stays until the month is counted; her keys do not. */
static int
keep_pseudonym(struct engine *e, const struct position *from, struct err *err)
{
    struct received_key one;
    struct subject_id work;
    uint8_t token[VAULT_TOKEN_BYTES];
    size_t n = 0, works = 0;
    int rc = received_of_event(e->config.vault, from, &one, 1, &n, NULL, err);
    if (rc == 0 && n > 0) {
        index_work_of(e->config.vault, &one.subject, token);
        rc = vault_index_find(e->config.vault, token, NULL, 1, &work, &works, err);
    }
    person_wipe(&one, sizeof(one));
    if (rc != 0 || works == 0)
        return rc;
    return parted_note(e->config.vault, from, month_number(e->config.today(e->config.arg)), err);
}

/* Keys first: what is left over after a failure between is looked for again, and finds less. */
static int
forget(struct engine *e, const struct guest_work_order *o, struct err *err)
{
    struct vault_erase_capsule capsules[GUEST_PLACES_MAX];
    struct vault_erase what = {.capsules = capsules};
    int rc = 0;
    for (size_t i = 0; i < o->n_keys && rc == 0; i++) {
        rc = keep_pseudonym(e, &o->keys[i], err);
        if (rc == 0)
            rc = received_del_event(e->config.vault, &o->keys[i], NULL, err);
    }
    for (size_t i = 0; i < o->n_places && rc == 0; i++) {
        const struct guest_place *p = &o->places[i];
        if (p->log_no != 0)
            rc = capsules_del(e->txn, p->log_no, p->at.seq, p->index, err);
        else
            capsules[what.n_capsules++] = (struct vault_erase_capsule){p->at, p->index};
    }
    if (rc == 0 && what.n_capsules > 0)
        rc = vault_erase(e->config.vault, &what, NULL, err);
    return rc == 0 && o->has_revoked ? guests_put_owed(e->txn, &o->revoked, true, err) : rc;
}

int
engine_exec_guest(struct engine *e, struct api_op *op, struct err *err)
{
    const struct guest_work_order *o = &op->guest;
    int rc = 0;
    switch (o->step) {
    case GUEST_OPENED: return opened(e, o, err);
    case GUEST_KEYS: return keep_keys(e, o, err);
    case GUEST_RECORD:
    case GUEST_CONFIRM: return record(e, op, err);
    case GUEST_FORGET: return forget(e, o, err);
    case GUEST_KNOWN:
        for (size_t i = 0; i < o->n_units && rc == 0; i++)
            rc = guests_put_known(e->txn, &o->units[i], o->known_at[i], err);
        return rc;
    }
    return err_set(err, ERR_INVALID, "no such step");
}
