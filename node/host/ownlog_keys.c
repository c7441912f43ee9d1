/* Keys of what is written: the escrow key of the day, the data keys of a subject, the capsules. docs/PROTOCOL.md §6. See ownlog.h. */
#include <sodium.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/host/indexer.h"
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
        const struct draft_capsule *c = &d->capsules[i];
        int k = vault_class_index(class);
        MUST(c->has_key || k >= 0);
        buf_clear(&capsule);
        draws_take(&o->draws, nonce, sizeof(nonce));
        rc = capsule_seal(c->has_key ? &c->key : &keys->keys[k], class, nonce, buf_slice(&c->plain), &capsule, err);
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

/* Of a new generation, as the vault counts classes. */
static unsigned
fresh_classes(const struct draft *d)
{
    unsigned classes = VAULT_ALL_CLASSES & ~(1U << vault_class_index(CLASS_COUNTING));
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        if (d->fresh_without >> (class - 1) & 1)
            classes &= ~(1U << vault_class_index(class));
    return classes;
}

static const struct subject_id *
going_of(const struct draft *d, const struct subject_id *subject)
{
    return d->payload.kind == KIND_REPRESENTATIVE_NAMED ? &d->payload.common.subject : subject;
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
    struct keys_going going;
    bool own = d->new_keys || d->fresh_keys;
    for (uint8_t i = 0; i < d->n_capsules; i++)
        own |= !d->capsules[i].has_key;
    if (!own)
        return 0;
    /* Of a representative by the orders of the member: whether they take her keys, too, is not known here, and a generation more does no harm. */
    int rc = keys_going(txn, &o->config->identity->unit, going_of(d, subject), &going, err);
    if (rc == 0)
        rc = keyslots_newest(txn, o->config->vault, subject, &going, keys, &generation, &damaged, err);
    for (uint8_t i = 0; i < d->n_capsules; i++)
        wanted |= d->capsules[i].has_key ? 0 : 1U << vault_class_index(d->capsules[i].class);
    if (d->fresh_keys)
        wanted = lacking = fresh_classes(d);
    for (size_t c = 0; c < VAULT_CLASSES && rc == 0; c++)
        if (!vault_key_there(&keys->keys[c]))
            lacking |= 1U << c;
    if (rc != 0 || (wanted & lacking) == 0)
        return rc;
    /* No more than is wanted: a key of another class, in the key capsule of an invoice, could not be erased without naming the invoice. */
    if (wanted & 1U << vault_class_index(CLASS_ACTIVITY))
        wanted |= 1U << vault_class_index(CLASS_COUNTING);
    lacking &= wanted;
    if (damaged != 0)
        log_line(LOG_WARNING, "vault: key slot %llu does not open; what is written now gets new keys",
                 (unsigned long long)damaged);
    rc = new_keys(o, txn, subject, generation + 1, lacking, keys, ret_capsule, err);
    if (rc == 0 && generation > 0 && !d->fresh_keys && !d->seal.use) {
        o->has_renewed = true;
        o->renewed = *subject;
    }
    return rc;
}

/* ---- keys for other units and passes ---- */

enum { SEALED_PER_EVENT_MAX = 4, SEALED_KEYS_MAX = SEALED_PER_EVENT_MAX * DATA_KEYS_MAX };

struct sealed_keys {
    size_t n;
    struct keyed_class v[SEALED_KEYS_MAX];
};

static int
add_key(struct sealed_keys *s, uint8_t class, uint32_t generation, const struct data_key *key, struct err *err)
{
    if (s->n == SEALED_KEYS_MAX)
        return err_set(err, ERR_LIMIT, "more keys than an event can carry");
    s->v[s->n++] = (struct keyed_class){class, generation, *key};
    return 0;
}

/* The newest key of a class, and the earlier ones that the draft names. */
static int
add_class(struct ownlog *o, struct db_txn *txn, const struct draft_seal *s, const struct keys_going *going,
          uint8_t class, struct sealed_keys *ret, struct err *err)
{
    struct keyslot_key *keys = NULL;
    size_t n = 0;
    int rc = keyslots_class(txn, o->config->vault, &s->member, going, class, SIZE_MAX, &keys, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool named = i == 0;
        for (uint8_t k = 0; k < s->n_older && !named; k++)
            named = s->older[k].class == class && s->older[k].generation == keys[i].generation;
        if (named)
            rc = add_key(ret, class, keys[i].generation, &keys[i].key, err);
    }
    keyslot_keys_free(&keys, n);
    return rc;
}

static int
gather(struct ownlog *o, struct db_txn *txn, const struct draft_seal *s, struct sealed_keys *ret, struct err *err)
{
    struct keys_going going;
    int rc = keys_going(txn, &o->config->identity->unit, &s->member, &going, err);
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_ACTIVITY; class ++)
        if (class == CLASS_ACTIVITY || s->classes & 1U << (class - 1))
            rc = add_class(o, txn, s, &going, class, ret, err);
    for (uint16_t year = s->first_year; rc == 0 && year <= s->last_year; year++) {
        struct data_key key;
        rc = member_year_key(txn, o->config->vault, &s->member, &going, year, &key, err);
        if (rc == 0)
            rc = add_key(ret, CLASS_COUNTING, year, &key, err);
        sodium_memzero(&key, sizeof(key));
    }
    return rc;
}

static int
seal_some(struct ownlog *o, const struct draft_seal *s, const struct keyed_class *keys, size_t n, struct buf *out,
          struct err *err)
{
    struct key_capsule_content content = {
        .use = (enum key_use)s->use, .unit = o->config->identity->unit, .subject = s->member, .n_keys = n};
    uint8_t seed[KEY_BYTES], nonce[CAPSULE_NONCE_BYTES];
    struct buf plain;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    memcpy(content.keys, keys, n * sizeof(*keys));
    draws_take(&o->draws, seed, sizeof(seed));
    draws_take(&o->draws, nonce, sizeof(nonce));
    int rc = key_capsule_encode(&content, &plain, err);
    if (rc == 0)
        rc = capsule_seal_to(&s->to, CLASS_KEY, seed, nonce, buf_slice(&plain), out, err);
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(&content, sizeof(content));
    buf_free(&plain);
    return rc;
}

int
ownlog_seal_keys(struct ownlog *o, struct db_txn *txn, const struct draft_seal *s, uint64_t seq, struct event_header *h,
                 struct err *err)
{
    struct sealed_keys keys = {.n = 0};
    struct buf capsule;
    if (s->use == 0)
        return 0;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    int rc = gather(o, txn, s, &keys, err);
    for (size_t at = 0; rc == 0 && at < keys.n; at += DATA_KEYS_MAX) {
        size_t n = keys.n - at < DATA_KEYS_MAX ? keys.n - at : DATA_KEYS_MAX;
        buf_clear(&capsule);
        rc = seal_some(o, s, &keys.v[at], n, &capsule, err);
        if (rc == 0) {
            ownlog_keep_key_capsule(o, seq, h->n_capsules, buf_slice(&capsule));
            h->capsules[h->n_capsules++] = (struct capsule_commitment){
                .class = CLASS_KEY, .hash = capsule_hash(buf_slice(&capsule)), .bytes = (uint32_t)capsule.len};
        }
    }
    o->has_sealed = true;
    sodium_memzero(&keys, sizeof(keys));
    buf_free(&capsule);
    return rc == 0 ? buf_check(&o->key_capsules, "key capsules of one commit", err) : rc;
}

int
ownlog_keys_commit(struct ownlog *o, struct err *err)
{
    struct key_capsule *list = NULL;
    size_t n = 0;
    if (!o->has_sealed)
        return 0;
    int rc = key_capsules_list(buf_slice(&o->key_capsules), &list, &n, err);
    if (rc == 0)
        rc = vault_capsules_put(o->config->vault, list, n, err);
    free(list);
    return rc;
}

/* Put into the vault before the commit: a start could not make those of a representative again, for the order does not name them. */
int
ownlog_escrow_rest(struct ownlog *o, const struct draft *d, uint64_t seq, struct event_header *h, struct err *err)
{
    struct slot_keys keys;
    struct buf capsule;
    int rc = 0;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    for (size_t i = 0; rc == 0 && i < d->n_escrow; i++) {
        const struct draft_escrow *e = &d->escrow[i];
        if (h->n_capsules == HEADER_CAPSULES_MAX) {
            rc = err_set(err, ERR_LIMIT, "more key capsules than an event can carry");
            break;
        }
        rc = vault_slot(o->config->vault, e->slot, &keys, err);
        for (size_t c = 0; c < VAULT_CLASSES; c++)
            if (e->gone & 1U << c)
                sodium_memzero(&keys.keys[c], sizeof(keys.keys[c]));
        buf_clear(&capsule);
        if (rc == 0)
            rc = member_keys_capsule(&o->escrow, &o->config->identity->unit, &e->subject, e->generation, &keys,
                                     &capsule, err);
        if (rc != 0)
            break;
        ownlog_keep_key_capsule(o, seq, h->n_capsules, buf_slice(&capsule));
        h->capsules[h->n_capsules++] = (struct capsule_commitment){
            .class = CLASS_KEY, .hash = capsule_hash(buf_slice(&capsule)), .bytes = (uint32_t)capsule.len};
        rc = buf_check(&o->key_capsules, "key capsules of one commit", err);
    }
    o->has_sealed |= d->n_escrow > 0;
    sodium_memzero(&keys, sizeof(keys));
    buf_free(&capsule);
    return rc;
}
