/* What is noted of other units: when each was known to be complete here last, for after a restart, and which of their capsules that came are to be
 * opened. See guests.h. */
#include "node/host/guests.h"

static const char KNOWN[] = "known-";
enum { KNOWN_KEY = sizeof(KNOWN) - 1 + HASH_BYTES };

static void
known_key(uint8_t out[KNOWN_KEY], const struct unit_id *unit)
{
    memcpy(out, KNOWN, sizeof(KNOWN) - 1);
    memcpy(out + sizeof(KNOWN) - 1, unit->b, HASH_BYTES);
}

bool
guests_known_at(struct db_txn *txn, const struct unit_id *unit, struct wall_ms *ret)
{
    uint8_t key[KNOWN_KEY];
    struct slice value;
    known_key(key, unit);
    if (db_get(txn, TABLE_META, slice_of(key, sizeof(key)), &value, NULL) != 0 || value.len != 8)
        return false;
    ret->ms = (int64_t)be64_get(value.data);
    return true;
}

int
guests_put_known(struct db_txn *txn, const struct unit_id *unit, struct wall_ms at, struct err *err)
{
    uint8_t key[KNOWN_KEY], value[8];
    known_key(key, unit);
    be64_put(value, (uint64_t)at.ms);
    return db_put(txn, TABLE_META, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

int
guests_drop_known(struct db_txn *txn, struct err *err)
{
    const struct slice prefix = slice_of(KNOWN, sizeof(KNOWN) - 1);
    uint8_t key[KNOWN_KEY];
    struct db_cursor *c = NULL;
    struct slice k, v;
    int rc = 0;
    while (rc == 0) {
        rc = db_cursor_open(txn, TABLE_META, &c, err);
        if (rc == 0)
            rc = db_cursor_seek(c, prefix, &k, &v, err);
        if (rc == 0 && (k.len != KNOWN_KEY || memcmp(k.data, KNOWN, prefix.len) != 0))
            rc = ERR_NOTFOUND;
        if (rc == 0)
            memcpy(key, k.data, KNOWN_KEY);
        db_cursor_close(&c);
        if (rc == 0)
            rc = db_del(txn, TABLE_META, slice_of(key, sizeof(key)), err);
    }
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

int
guests_note_known(const struct guests *g, int64_t older_ms, struct err *err)
{
    struct unit_id units[GUEST_UNITS_MAX];
    struct wall_ms at[GUEST_UNITS_MAX], before;
    struct api_op op = {.kind = OP_GUEST, .guest = {.step = GUEST_KNOWN, .units = units, .known_at = at}};
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice k, v;
    size_t n = 0;
    int rc = db_begin_read(g->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_PEERS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &k, &v, err); rc == 0 && n < GUEST_UNITS_MAX;
         rc = db_cursor_next(c, &k, &v, err)) {
        if (k.len != HASH_BYTES)
            continue;
        memcpy(units[n].b, k.data, HASH_BYTES);
        bool noted = guests_known_at(txn, &units[n], &before);
        if (g->known_at(g->arg, &units[n], &at[n]) && (!noted || at[n].ms - before.ms >= older_ms))
            n++;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    op.guest.n_units = n;
    return n > 0 ? guests_run(g, &op, err) : 0;
}

/* ---- capsules that come ---- */

static bool
is_for_us(const struct event_payload *p, const struct unit_id *own)
{
    switch (p->kind) {
    case KIND_ACCESS_GRANTED: return TYPE_EQ(&p->access.host, own);
    case KIND_ACCESS_RENEWED: return true; /* its row says whose; a pass's is not opened */
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_COMPLETED: return TYPE_EQ(&p->handover.other, own);
    case KIND_GUEST_RECORDED: return TYPE_EQ(&p->guest.home, own);
    default: return false;
    }
}

int
guests_note_arrival(struct db_txn *txn, const struct unit_id *own, const struct log_row *log,
                    const struct event_header *h, struct slice payload, uint8_t index, bool asked_for, struct err *err)
{
    struct event_payload p;
    uint8_t key[KEY_CAPSULE], class = h->capsules[index].class;
    if (TYPE_EQ(&log->unit, own))
        return 0;
    bool ours = false;
    if (class == CLASS_ACTIVITY)
        ours = asked_for;
    else if (class == CLASS_KEY || class == CLASS_GUEST)
        ours = event_payload_decode(h->kind, h->kind_version, payload, &p, NULL) == 0 && is_for_us(&p, own);
    if (!ours)
        return 0;
    key_capsule(key, log->no, h->seq, index);
    return db_put(txn, TABLE_ARRIVED, slice_of(key, sizeof(key)), slice_of(&class, 1), err);
}
