/* What the upkeep worked out about visitors, stored: see guests.h, struct guest_work_order. */
#include <stdlib.h>

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

static int
has_work(struct engine *e, const struct subject_id *member, bool *ret, struct err *err)
{
    struct subject_id work;
    uint8_t token[VAULT_TOKEN_BYTES];
    size_t works = 0;
    index_work_of(e->config.vault, member, token);
    int rc = vault_index_find(e->config.vault, token, NULL, 1, &work, &works, err);
    *ret = works > 0;
    return rc;
}

/* Of whom there is work here, the pseudonym stays until the month is counted; her keys do not. */
static int
keep_pseudonyms(struct engine *e, const struct guest_work_order *o, struct err *err)
{
    struct position *from = calloc(o->n_keys + 1, sizeof(*from));
    struct subject_id last = {{0}};
    bool asked = false, works = false;
    size_t n_from = 0;
    int rc = from ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    for (size_t i = 0; i < o->n_keys && rc == 0; i++) {
        struct received_key one;
        size_t n = 0;
        rc = received_of_event(e->config.vault, &o->keys[i], &one, 1, &n, NULL, err);
        if (rc == 0 && n > 0 && !(asked && TYPE_EQ(&last, &one.subject))) {
            rc = has_work(e, &one.subject, &works, err);
            last = one.subject;
            asked = true;
        }
        if (rc == 0 && n > 0 && works)
            from[n_from++] = o->keys[i];
        person_wipe(&one, sizeof(one));
    }
    if (rc == 0 && n_from > 0)
        rc = parted_note(e->config.vault, from, n_from, month_number(e->config.today(e->config.arg)), err);
    free(from);
    return rc;
}

/* Keys first: what is left over after a failure between is looked for again, and finds less. That the end is to be confirmed is noted in a commit
 * before this. */
static int
forget(struct engine *e, const struct guest_work_order *o, struct err *err)
{
    struct vault_erase_capsule capsules[GUEST_PLACES_MAX];
    struct vault_erase what = {.capsules = capsules};
    int rc = o->n_keys > 0 ? keep_pseudonyms(e, o, err) : 0;
    MUST(o->n_places <= GUEST_PLACES_MAX);
    if (rc == 0 && o->n_keys > 0)
        rc = received_del_events(e->config.vault, o->keys, o->n_keys, NULL, err);
    for (size_t i = 0; i < o->n_places && rc == 0; i++) {
        const struct guest_place *p = &o->places[i];
        if (p->log_no != 0)
            rc = capsules_del(e->txn, p->log_no, p->at.seq, p->index, err);
        else
            capsules[what.n_capsules++] = (struct vault_erase_capsule){p->at, p->index};
    }
    return rc == 0 && what.n_capsules > 0 ? vault_erase(e->config.vault, &what, NULL, err) : rc;
}

int
engine_exec_guest(struct engine *e, struct api_op *op, struct err *err)
{
    const struct guest_work_order *o = &op->guest;
    int rc = 0;
    switch (o->step) {
    case GUEST_OPENED: return opened(e, o, err);
    case GUEST_KEYS: return engine_keep_keys(e, &op->guest, err);
    case GUEST_RECORD:
    case GUEST_CONFIRM: return record(e, op, err);
    case GUEST_OWED:
        for (size_t i = 0; i < o->n_keys && rc == 0; i++)
            rc = guests_put_owed(e->txn, &o->keys[i], true, err);
        return rc;
    case GUEST_FORGET: return forget(e, o, err);
    case GUEST_KNOWN:
        for (size_t i = 0; i < o->n_units && rc == 0; i++)
            rc = guests_put_known(e->txn, &o->units[i], o->known_at[i], err);
        return rc;
    }
    return err_set(err, ERR_INVALID, "no such step");
}
