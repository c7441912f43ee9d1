/* Keys of what is written: the escrow key of the day, the data keys of a subject, the capsules. docs/PROTOCOL.md §6. See ownlog.h. */
#include <sodium.h>

#include "node/command/keys.h"
#include "node/host/log.h"
#include "node/host/ownlog_private.h"

static const char META_ESCROW_DAY[] = "escrow-day";

void
ownlog_keep_key_capsule(struct ownlog *o, uint64_t seq, uint8_t index, struct slice bytes)
{
    buf_put(&o->key_capsules, o->row.id.b, sizeof(o->row.id.b));
    buf_put_u64(&o->key_capsules, seq);
    buf_put_u8(&o->key_capsules, index);
    buf_put_u32(&o->key_capsules, (uint32_t)bytes.len);
    buf_put(&o->key_capsules, bytes.data, bytes.len);
}

/* A new day's escrow key: vault first, then the event; a crash between leaves a key that the next attempt takes up. */
static int
write_escrow(struct ownlog *o, struct db_txn *txn, struct civil_date day, struct err *err)
{
    struct event_header h = {.kind = KIND_ESCROW_OPENED, .kind_version = 1, .n_capsules = 1};
    struct event_payload p = {.kind = KIND_ESCROW_OPENED, .escrow_day = day};
    struct buf payload, header, capsule;
    struct slice header_bytes;
    uint8_t day_bytes[4];
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    p.common.effective = DATE_NONE;
    p.common.has_salt = true;
    o->config->random(o->config->arg, p.common.salt, sizeof(p.common.salt));
    int rc = vault_escrow_get(o->config->vault, day, &o->escrow, err);
    if (rc == ERR_NOTFOUND) {
        o->config->random(o->config->arg, o->escrow.b, sizeof(o->escrow.b));
        rc = vault_escrow_put(o->config->vault, day, &o->escrow, err);
    }
    if (rc == 0)
        rc = escrow_capsule(&o->config->identity->recovery_key, &o->config->identity->unit, &o->escrow,
                            o->config->random, o->config->arg, &capsule, err);
    if (rc == 0) {
        struct key_capsule kc = {.at = {.log = o->row.id, .seq = o->seq + 1}, .index = 0, .bytes = buf_slice(&capsule)};
        h.capsules[0] = (struct capsule_commitment){
            .class = CLASS_KEY, .hash = capsule_hash(buf_slice(&capsule)), .bytes = (uint32_t)capsule.len};
        rc = vault_capsules_put(o->config->vault, &kc, 1, err);
    }
    if (rc == 0)
        rc = event_payload_encode(&p, &payload, err);
    if (rc == 0)
        rc = ownlog_emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0)
        rc = ownlog_apply(o, txn, header_bytes, buf_slice(&payload), err);
    be32_put(day_bytes, (uint32_t)day.days);
    if (rc == 0)
        rc = db_put(txn, TABLE_META, slice_of(META_ESCROW_DAY, sizeof(META_ESCROW_DAY) - 1), slice_of(day_bytes, 4),
                    err);
    if (rc == 0) {
        o->has_escrow = true;
        o->escrow_day = day;
    }
    buf_free(&payload);
    buf_free(&header);
    buf_free(&capsule);
    return rc;
}

int
ownlog_escrow(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    struct civil_date today = o->config->today(o->config->arg);
    if (o->has_escrow && o->escrow_day.days == today.days)
        return 0;
    struct slice stored;
    int rc = db_get(txn, TABLE_META, slice_of(META_ESCROW_DAY, sizeof(META_ESCROW_DAY) - 1), &stored, err);
    if (rc == 0 && stored.len == 4 && (int32_t)be32_get(stored.data) == today.days) {
        rc = vault_escrow_get(o->config->vault, today, &o->escrow, err);
        if (rc == 0) {
            o->has_escrow = true;
            o->escrow_day = today;
            return 0;
        }
    }
    return rc == 0 || rc == ERR_NOTFOUND ? write_escrow(o, txn, today, err) : rc;
}

int
ownlog_seal_capsules(struct ownlog *o, struct db_txn *txn, const struct draft *d, const struct slot_keys *keys,
                     uint64_t seq, struct event_header *h, struct err *err)
{
    struct buf capsule;
    int rc = 0;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    for (uint8_t i = 0; i < d->n_capsules && rc == 0; i++) {
        uint8_t nonce[CAPSULE_NONCE_BYTES], class = d->capsules[i].class;
        int k = vault_class_index(class);
        MUST(k >= 0);
        buf_clear(&capsule);
        draws_take(&o->draws, nonce, sizeof(nonce));
        rc = capsule_seal(&keys->keys[k], class, nonce, buf_slice(&d->capsules[i].plain), &capsule, err);
        if (rc == 0)
            rc = capsules_put(txn, o->row.no, seq, h->n_capsules, buf_slice(&capsule), err);
        if (rc == 0)
            h->capsules[h->n_capsules++] = (struct capsule_commitment){
                .class = class, .hash = capsule_hash(buf_slice(&capsule)), .bytes = (uint32_t)capsule.len};
    }
    buf_free(&capsule);
    return rc;
}

/* Keys of the classes that no generation has, as a further one; with the capsule that escrows them. */
static int
new_keys(struct ownlog *o, struct db_txn *txn, const struct subject_id *subject, uint32_t generation, unsigned lacking,
         struct slot_keys *keys, struct buf *ret_capsule, struct err *err)
{
    struct slot_keys fresh;
    int rc = vault_take_classes(o->config->vault, lacking, &fresh, err);
    if (rc != 0)
        return rc;
    rc = keyslot_put(txn, subject, generation, fresh.slot, err);
    if (rc == 0)
        rc = member_keys_capsule(&o->escrow, &o->config->identity->unit, subject, generation, &fresh, ret_capsule, err);
    for (size_t c = 0; c < VAULT_CLASSES && rc == 0; c++)
        if (lacking & 1U << c)
            keys->keys[c] = fresh.keys[c];
    sodium_memzero(&fresh, sizeof(fresh));
    return rc;
}

int
ownlog_find_keys(struct ownlog *o, struct db_txn *txn, const struct draft *d, struct slot_keys *keys,
                 struct buf *ret_capsule, struct err *err)
{
    static const struct subject_id none = {{0}};
    const struct subject_id *subject = TYPE_EQ(&d->key_subject, &none) ? &d->payload.common.subject : &d->key_subject;
    uint32_t generation = 0;
    uint64_t damaged = 0;
    unsigned wanted = d->new_keys ? VAULT_ALL_CLASSES : 0, lacking = 0;
    int rc = keyslots_newest(txn, o->config->vault, subject, keys, &generation, &damaged, err);
    for (uint8_t i = 0; i < d->n_capsules; i++)
        wanted |= 1U << vault_class_index(d->capsules[i].class);
    for (size_t c = 0; c < VAULT_CLASSES && rc == 0; c++)
        if (!vault_key_there(&keys->keys[c]))
            lacking |= 1U << c;
    if (rc != 0 || (wanted & lacking) == 0)
        return rc;
    if (damaged != 0)
        log_line(LOG_WARNING, "vault: key slot %llu does not open; what is written now gets new keys",
                 (unsigned long long)damaged);
    return new_keys(o, txn, subject, generation + 1, lacking, keys, ret_capsule, err);
}
