/* The vault follows the log. See indexer.h. */
#include "node/host/indexer.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/host/engine.h"
#include "node/host/ownlog.h"

enum {
    CAPSULE_HEAD = HASH_BYTES + 8 + 1 + 4,
    CAPSULES_BYTES_MAX = 128 * 1024 * 1024,
    CAPSULES_PER_PUT = 1024,
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

int
indexer_add(struct indexer *x, const struct person_input *p, const struct subject_id *subject,
            const struct position *at, struct err *err)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    size_t n = 0;
    x->log = at->log;
    x->seq = at->seq;
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

static int
flush_capsules(struct indexer *x, struct err *err)
{
    static struct key_capsule list[CAPSULES_PER_PUT]; /* one writer in a process */
    struct reader r = reader_of(buf_slice(&x->capsules));
    int rc = 0;
    while (rc == 0 && reader_left(&r) >= CAPSULE_HEAD) {
        size_t n = 0;
        while (n < CAPSULES_PER_PUT && reader_left(&r) >= CAPSULE_HEAD) {
            reader_copy(&r, list[n].at.log.b, HASH_BYTES);
            list[n].at.seq = reader_u64(&r);
            list[n].index = reader_u8(&r);
            list[n].bytes = reader_bytes(&r, reader_u32(&r));
            n++;
        }
        rc = vault_capsules_put(x->vault, list, n, err);
    }
    return rc;
}

/* Capsules first: the cursor that the index carries says that both are there. */
int
indexer_flush(struct indexer *x, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    int rc = flush_capsules(x, err);
    if (rc == 0)
        rc = db_begin_read(x->db, &txn, err);
    if (rc == 0)
        rc = evlog_find(txn, &x->log, &row, err);
    db_abort(&txn);
    if (rc == 0)
        rc = vault_index_put(x->vault, x->entries, x->n_kept, row.no, x->seq_kept, err);
    if (rc != 0)
        return rc;
    x->n = x->n_kept = 0;
    buf_free(&x->capsules);
    buf_init(&x->capsules, CAPSULES_BYTES_MAX);
    return 0;
}

/* ---- at start ---- */

static int
reopen(struct db_txn *txn, const struct log_row *row, uint64_t seq, uint8_t index, uint8_t class,
       const struct slot_keys *keys, struct buf *plain, struct err *err)
{
    struct slice capsule;
    int k = vault_class_index(class);
    buf_clear(plain);
    int rc = capsules_get(txn, row->no, seq, index, &capsule, err);
    if (rc == 0 && k >= 0)
        rc = capsule_open(&keys->keys[k], class, capsule, plain, err);
    return rc;
}

static int
read_person(struct db_txn *txn, const struct log_row *row, const struct event_header *h, const struct slot_keys *keys,
            struct person_input *p, struct err *err)
{
    struct buf plain;
    int rc = 0;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    for (uint8_t i = 0; i < h->n_capsules && rc == 0; i++) {
        uint8_t class = h->capsules[i].class;
        if (class != CLASS_IDENTITY && class != CLASS_CONTACT)
            continue;
        rc = reopen(txn, row, h->seq, i, class, keys, &plain, err);
        if (rc == 0 && class == CLASS_IDENTITY) {
            rc = person_identity_decode(buf_slice(&plain), &p->identity, err);
            p->has_identity = rc == 0;
        } else if (rc == 0) {
            rc = person_contact_decode(buf_slice(&plain), &p->contact, err);
            p->has_contact = rc == 0;
        }
    }
    buf_free(&plain);
    return rc;
}

/* Makes the key capsule again, byte for byte, under the escrow key of its day. */
static int
remake_key_capsule(struct indexer *x, const struct log_row *row, const struct event_header *h, uint8_t index,
                   const struct subject_id *subject, uint32_t generation, const struct slot_keys *keys, struct err *err)
{
    int32_t day = (int32_t)(hlc_wall(h->clock).ms / 86400000) + 1;
    struct buf capsule;
    int rc = 0;
    bool done = false;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    for (int back = 0; back <= ESCROW_DAYS_BACK && !done && rc == 0; back++) {
        struct data_key escrow;
        rc = vault_escrow_get(x->vault, (struct civil_date){day - back}, &escrow, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        buf_clear(&capsule);
        if (rc == 0)
            rc = member_keys_capsule(&escrow, &x->identity->unit, subject, generation, keys, &capsule, err);
        sodium_memzero(&escrow, sizeof(escrow));
        struct hash hash = capsule_hash(buf_slice(&capsule));
        done = rc == 0 && TYPE_EQ(&hash, &h->capsules[index].hash);
    }
    if (done) { /* kept with the others, so that a stretch costs one commit */
        buf_put(&x->capsules, row->id.b, sizeof(row->id.b));
        buf_put_u64(&x->capsules, h->seq);
        buf_put_u8(&x->capsules, index);
        buf_put_u32(&x->capsules, (uint32_t)capsule.len);
        buf_put(&x->capsules, capsule.data, capsule.len);
        rc = buf_check(&x->capsules, "key capsules", err);
    }
    buf_free(&capsule);
    return rc;
}

static int
complete_event(struct indexer *x, struct db_txn *txn, const struct log_row *row, const struct event_header *h,
               struct slice payload, struct err *err)
{
    struct event_common common;
    struct slot_keys keys;
    struct person_input *p;
    uint32_t generation = 0;
    uint64_t slot = 0;
    if (h->n_capsules == 0 || payload.len == 0 || event_common_decode(payload, &common, err) != 0 ||
        !common.has_subject)
        return 0;
    int rc = keyslot_find(txn, &common.subject, &generation, &slot, err);
    if (rc == 0)
        rc = vault_slot(x->vault, slot, &keys, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc; /* erased, or of a node whose vault was lost */
    p = calloc(1, sizeof(*p));
    if (!p)
        rc = err_set(err, ERR_NOMEM, "blind index: out of memory");
    for (uint8_t i = 0; i < h->n_capsules && rc == 0; i++)
        if (h->capsules[i].class == CLASS_KEY)
            rc = remake_key_capsule(x, row, h, i, &common.subject, generation, &keys, err);
    if (rc == 0)
        rc = read_person(txn, row, h, &keys, p, err);
    if (rc == ERR_NOTFOUND || rc == ERR_DENIED)
        rc = 0; /* a capsule under keys of another generation: indexed when it was written */
    if (rc == 0) {
        struct position at = {.log = row->id, .seq = h->seq};
        rc = indexer_add(x, p, &common.subject, &at, err);
    }
    sodium_memzero(&keys, sizeof(keys));
    if (p)
        person_wipe(p, sizeof(*p));
    free(p);
    return rc;
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
        rc = indexer_flush(x, err);
    }
    return rc;
}

int
indexer_complete(struct indexer *x, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t n = 0;
    int rc = db_begin_read(x->db, &txn, err);
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
