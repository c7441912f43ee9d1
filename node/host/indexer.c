/* The vault follows the log. See indexer.h. */
#include "node/host/indexer.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/host/engine.h"
#include "node/host/log.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"

enum {
    CAPSULE_HEAD = HASH_BYTES + 8 + 1 + 4,
    CAPSULES_BYTES_MAX = 128 * 1024 * 1024,
    WARNINGS_MAX = 16,      /* lines in the log, of one start */
    INDEX_FIELDS = 2,       /* 1: release 0.1, without INDEX_BUCKET */
    COMPLETE_EVENTS = 4096, /* of a log, for each commit of the vault */
    ESCROW_DAYS_BACK =
        8, /* an escrow key is found by the day of the event's clock, give or take a zone and a late commit */
};

void
indexer_init(struct indexer *x, struct db *db, struct vault *vault, const struct identity *identity)
{
    *x = (struct indexer){.db = db, .vault = vault, .identity = identity};
    buf_init(&x->capsules, CAPSULES_BYTES_MAX);
}

void
indexer_release(struct indexer *x)
{
    free(x->entries);
    buf_free(&x->capsules);
    *x = (struct indexer){0};
}

void
indexer_begin(struct indexer *x)
{
    x->n = x->n_kept;
    x->seq = x->seq_kept;
    x->log = x->log_kept;
}

void
indexer_rollback(struct indexer *x)
{
    indexer_begin(x);
}

static int
add_entry(struct indexer *x, const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *subject, struct err *err)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 256;
        struct index_entry *more = realloc(x->entries, cap * sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "blind index: out of memory");
        x->entries = more;
        x->cap = cap;
    }
    memcpy(x->entries[x->n].token, token, VAULT_TOKEN_BYTES);
    x->entries[x->n++].subject = *subject;
    return 0;
}

void
indexer_follow(struct indexer *x, const struct position *at)
{
    x->log = at->log;
    x->seq = at->seq;
}

int
indexer_add(struct indexer *x, const struct person_input *p, const struct subject_id *subject,
            const struct position *at, struct err *err)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    size_t n = 0;
    indexer_follow(x, at);
    if (!p->has_identity && !p->has_contact)
        return 0;
    int rc = index_tokens(x->vault, p, tokens, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_entry(x, tokens[i].token, subject, err);
    return rc;
}

void
indexer_commit(struct indexer *x, const struct buf *group_capsules)
{
    buf_put(&x->capsules, group_capsules->data, group_capsules->len);
    x->n_kept = x->n;
    x->seq_kept = x->seq;
    x->log_kept = x->log;
}

bool
indexer_full(const struct indexer *x)
{
    return x->n >= 2 * ENGINE_VAULT_PENDING_MAX || x->capsules.len >= CAPSULES_BYTES_MAX / 2;
}

bool
indexer_pending(const struct indexer *x, bool *ret_urgent)
{
    *ret_urgent = x->n_kept >= ENGINE_VAULT_PENDING_MAX || x->capsules.len >= CAPSULES_BYTES_MAX / 4;
    return x->n_kept > 0 || x->capsules.len > 0;
}

int
key_capsules_list(struct slice kept, struct key_capsule **ret, size_t *ret_n, struct err *err)
{
    struct reader r = reader_of(kept);
    struct key_capsule *list = NULL;
    size_t n = 0, cap = 0;
    while (reader_left(&r) >= CAPSULE_HEAD) {
        if (n == cap) {
            cap = cap ? cap * 2 : 256;
            struct key_capsule *more = reallocarray(list, cap, sizeof(*more));
            if (!more) {
                free(list);
                return err_set(err, ERR_NOMEM, "key capsules: out of memory");
            }
            list = more;
        }
        reader_copy(&r, list[n].at.log.b, HASH_BYTES);
        list[n].at.seq = reader_u64(&r);
        list[n].index = reader_u8(&r);
        list[n].bytes = reader_bytes(&r, reader_u32(&r));
        n++;
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

int
indexer_flush(struct indexer *x, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct key_capsule *capsules = NULL;
    struct vault_batch b = {.entries = x->entries, .n_entries = x->n_kept, .seq = x->seq_kept};
    int rc = db_begin_read(x->db, &txn, err);
    if (rc == 0)
        rc = evlog_find(txn, &x->log_kept, &row, err);
    db_abort(&txn);
    if (rc == 0)
        rc = key_capsules_list(buf_slice(&x->capsules), &capsules, &b.n_capsules, err);
    if (rc == 0) {
        b.log_no = row.no;
        b.capsules = capsules;
        rc = vault_put(x->vault, &b, err);
    }
    free(capsules);
    if (rc != 0)
        return rc;
    x->n = x->n_kept = 0;
    buf_free(&x->capsules);
    buf_init(&x->capsules, CAPSULES_BYTES_MAX);
    return 0;
}

/* ---- at start ---- */

/* What one event of a log is completed from. */
struct event_at {
    struct db_txn *txn;
    const struct log_row *row;
    const struct event_header *header;
    struct subject_id subject; /* whom the index entries name */
    struct subject_id keys_of; /* whose keys seal the capsules */
    unsigned gone;             /* classes of which the key capsules have none: what an erasure escrows anew */
};

/* A start goes on without what cannot be opened: the rest of the register is worth more. One line for each event. */
static void
warn(struct indexer *x, const struct event_at *e, const struct err *err)
{
    struct log_about about = {.code = "index",
                              .log = &e->row->id,
                              .seq = e->header->seq,
                              .next = "restore the vault, or correct what this event entered"};
    if (x->warned == e->header->seq || x->warnings++ >= WARNINGS_MAX)
        return;
    x->warned = e->header->seq;
    log_write(LOG_WARNING, &about, "an event's persons are not in the search index: %s", err->text);
}

static bool
is_of_event(int rc)
{
    return rc == ERR_NOTFOUND || rc == ERR_CORRUPT || rc == ERR_FORGED || rc == ERR_INVALID;
}

static int
read_class(struct indexer *x, const struct event_at *e, uint8_t index, struct buf *plain, struct person_input *p,
           struct err *err)
{
    struct slice capsule;
    uint8_t class = e->header->capsules[index].class;
    buf_clear(plain);
    int rc = capsules_get(e->txn, e->row->no, e->header->seq, index, &capsule, err);
    if (rc == 0)
        rc = keyslots_open(e->txn, x->vault, &e->keys_of, class, capsule, plain, err);
    if (rc == 0 && class == CLASS_IDENTITY)
        p->has_identity = (rc = person_identity_decode(buf_slice(plain), &p->identity, err)) == 0;
    else if (rc == 0)
        p->has_contact = (rc = person_contact_decode(buf_slice(plain), &p->contact, err)) == 0;
    return rc;
}

static int
index_person(struct indexer *x, const struct event_at *e, struct err *err)
{
    struct position at = {.log = e->row->id, .seq = e->header->seq};
    struct buf plain;
    int rc = 0;
    struct person_input *p = calloc(1, sizeof(*p));
    if (!p)
        return err_set(err, ERR_NOMEM, "blind index: out of memory");
    buf_init(&plain, CAPSULE_BYTES_MAX);
    for (uint8_t i = 0; i < e->header->n_capsules && rc == 0; i++) {
        uint8_t class = e->header->capsules[i].class;
        if (class != CLASS_IDENTITY && class != CLASS_CONTACT)
            continue;
        rc = read_class(x, e, i, &plain, p, err);
        if (is_of_event(rc) && rc != ERR_NOTFOUND) /* erased is no matter */
            warn(x, e, err);
        rc = is_of_event(rc) ? 0 : rc;
    }
    if (rc == 0)
        rc = indexer_add(x, p, &e->subject, &at, err);
    buf_free(&plain);
    person_wipe(p, sizeof(*p));
    free(p);
    return rc;
}

/* The capsule of one generation under the escrow keys of the days that it may be of. */
static int
remake_with(struct indexer *x, const struct event_at *e, uint8_t index, uint32_t generation,
            const struct slot_keys *keys, struct buf *capsule, bool *ret_done, struct err *err)
{
    int32_t day = (int32_t)(hlc_wall(e->header->clock).ms / 86400000) + 1;
    int rc = 0;
    for (int back = 0; back <= ESCROW_DAYS_BACK && !*ret_done && rc == 0; back++) {
        struct data_key escrow;
        buf_clear(capsule);
        rc = vault_escrow_get(x->vault, (struct civil_date){day - back}, &escrow, err);
        if (rc == 0)
            rc = member_keys_capsule(&escrow, &x->identity->unit, &e->keys_of, generation, keys, capsule, err);
        sodium_memzero(&escrow, sizeof(escrow));
        struct hash hash = capsule_hash(buf_slice(capsule));
        *ret_done = rc == 0 && TYPE_EQ(&hash, &e->header->capsules[index].hash);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc;
}

/* Makes the key capsule again, byte for byte. Kept with the others, so that a stretch costs one commit. */
static int
remake_key_capsule(struct indexer *x, const struct event_at *e, uint8_t index, struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    struct buf capsule;
    size_t n = 0;
    bool done = false;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    int rc = keyslots_all(e->txn, &e->keys_of, &slots, &n, err);
    while (rc == 0 && !done && n > 0) {
        n--;
        rc = vault_slot(x->vault, slots[n].slot, &keys, err);
        for (size_t c = 0; c < VAULT_CLASSES; c++)
            if (e->gone & 1U << c)
                sodium_memzero(&keys.keys[c], sizeof(keys.keys[c]));
        if (rc == 0)
            rc = remake_with(x, e, index, slots[n].generation, &keys, &capsule, &done, err);
        if (is_of_event(rc) && rc != ERR_NOTFOUND)
            warn(x, e, err);
        rc = is_of_event(rc) ? 0 : rc;
    }
    sodium_memzero(&keys, sizeof(keys));
    free(slots);
    if (rc == 0 && done) {
        buf_put(&x->capsules, e->row->id.b, sizeof(e->row->id.b));
        buf_put_u64(&x->capsules, e->header->seq);
        buf_put_u8(&x->capsules, index);
        buf_put_u32(&x->capsules, (uint32_t)capsule.len);
        buf_put(&x->capsules, capsule.data, capsule.len);
        rc = buf_check(&x->capsules, "key capsules", err);
    }
    buf_free(&capsule);
    return rc;
}

/* Whose keys seal the capsules of the event (§6). False: nobody's that is known here. */
static bool
key_subject(struct indexer *x, uint16_t kind, uint16_t version, struct slice payload, struct event_at *e)
{
    struct event_payload p;
    struct vault_link link;
    struct err ignored;
    e->keys_of = e->subject;
    switch (kind) {
    case KIND_REPRESENTATIVE_NAMED:
        if (event_payload_decode(kind, version, payload, &p, &ignored) != 0)
            return false;
        e->keys_of = p.other;
        return true;
    case KIND_ERASURE_ORDERED:
        if (event_payload_decode(kind, version, payload, &p, &ignored) != 0)
            return false;
        for (uint8_t i = 0; i < p.erasure.n_classes; i++)
            if (vault_class_index(p.erasure.classes[i]) >= 0)
                e->gone |= 1U << vault_class_index(p.erasure.classes[i]);
        return true;
    case KIND_ACTIVITY_OPENED:
    case KIND_ACTIVITY_CHANGED:
    case KIND_INVOICE_ISSUED:
    case KIND_INVOICE_CREDITED:
        if (vault_link_get(x->vault, &e->subject, &link, &ignored) != 0)
            return false;
        e->keys_of = link.member;
        return true;
    default: return true;
    }
}

static int
complete_event(struct indexer *x, struct db_txn *txn, const struct log_row *row, const struct event_header *h,
               struct slice payload, struct err *err)
{
    struct event_common common;
    struct event_at e = {.txn = txn, .row = row, .header = h};
    if (h->n_capsules == 0 || payload.len == 0 || event_common_decode(payload, &common, err) != 0 ||
        !common.has_subject)
        return 0;
    e.subject = common.subject;
    if (!key_subject(x, h->kind, h->kind_version, payload, &e))
        return 0;
    int rc = 0;
    for (uint8_t i = 0; i < h->n_capsules && rc == 0; i++) {
        struct position at = {.log = row->id, .seq = h->seq};
        bool erased = false;
        if (h->capsules[i].class == CLASS_KEY)
            rc = tombstone_find(txn, &at, i, &erased, NULL, err);
        if (rc == 0 && h->capsules[i].class == CLASS_KEY && !erased)
            rc = remake_key_capsule(x, &e, i, err);
    }
    return rc == 0 ? index_person(x, &e, err) : rc;
}

/* One stretch of a log, at most COMPLETE_EVENTS; *ret_done when its head is reached. */
static int
complete_stretch(struct indexer *x, uint32_t log_no, bool *ret_done, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct evlog_iter it;
    struct stored_event ev;
    uint64_t seq = 0;
    *ret_done = true;
    int rc = db_begin_read(x->db, &txn, err);
    if (rc == 0)
        rc = evlog_get(txn, log_no, &row, err);
    if (rc == 0 && TYPE_EQ(&row.unit, &x->identity->unit))
        rc = vault_index_cursor(x->vault, log_no, &seq, err);
    else
        seq = UINT64_MAX;
    if (rc != 0 || seq >= row.head_seq) {
        db_abort(&txn);
        return rc;
    }
    x->log = row.id;
    x->seq = seq;
    rc = evlog_iter_init(&it, txn, log_no, seq + 1, err);
    for (int i = 0; rc == 0 && i < COMPLETE_EVENTS; i++) {
        struct event_header h;
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0)
            rc = complete_event(x, txn, &row, &h, ev.payload, err);
        if (rc == 0)
            x->seq = h.seq;
    }
    evlog_iter_release(&it);
    db_abort(&txn);
    *ret_done = rc == ERR_NOTFOUND || x->seq >= row.head_seq;
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0) {
        x->n_kept = x->n;
        x->seq_kept = x->seq;
        x->log_kept = x->log;
        rc = indexer_flush(x, err);
    }
    return rc;
}

/* An index of an earlier release lacks a sort of entries: it is made again, over what is there. */
static int
check_fields(struct indexer *x, struct err *err)
{
    static const char name[] = "index-fields";
    const uint8_t fields = INDEX_FIELDS;
    struct buf value;
    buf_init(&value, 8);
    int rc = vault_meta_get(x->vault, name, &value, err);
    bool same = rc == 0 && value.len == 1 && value.data[0] >= INDEX_FIELDS;
    buf_free(&value);
    if (same || (rc != 0 && rc != ERR_NOTFOUND))
        return rc;
    rc = vault_index_restart(x->vault, err);
    return rc == 0 ? vault_meta_put(x->vault, name, slice_of(&fields, 1), err) : rc;
}

int
indexer_complete(struct indexer *x, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t n = 0;
    int rc = check_fields(x, err);
    if (rc == 0)
        rc = db_begin_read(x->db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, &n, err);
    db_abort(&txn);
    for (uint32_t no = 1; no <= n && rc == 0; no++) {
        bool done = false;
        while (rc == 0 && !done)
            rc = complete_stretch(x, no, &done, err);
    }
    return rc;
}
