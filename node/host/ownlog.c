/* Drafts into sealed events. See ownlog.h. */
#include "node/host/ownlog.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/command/keys.h"
#include "proto/base/map.h"
#include "storage/keyslots.h"

enum { KEY_CAPSULES_BYTES_MAX = 64 * 1024 * 1024, GROUP_BYTES_MAX = 256 * RUN_BYTES_MAX };

static const char META_ESCROW_DAY[] = "escrow-day";

void
ownlog_init(struct ownlog *o, const struct engine_config *config, struct apply *apply)
{
    *o = (struct ownlog){.config = config, .apply = apply};
    buf_init(&o->frames, GROUP_BYTES_MAX);
    buf_init(&o->key_capsules, KEY_CAPSULES_BYTES_MAX);
}

void
ownlog_release(struct ownlog *o)
{
    buf_free(&o->frames);
    buf_free(&o->key_capsules);
    sodium_memzero(o, sizeof(*o));
}

void
ownlog_begin(struct ownlog *o)
{
    o->before.open = o->open;
    o->before.has_escrow = o->has_escrow;
    o->before.row = o->row;
    o->before.last = o->last;
    o->before.escrow_day = o->escrow_day;
    o->before.escrow = o->escrow;
    o->chain = o->row.head_chain;
    o->seq = o->row.head_seq;
    o->n_runs = 0;
    buf_clear(&o->frames);
    buf_clear(&o->key_capsules);
}

void
ownlog_rollback(struct ownlog *o)
{
    o->open = o->before.open;
    o->has_escrow = o->before.has_escrow;
    o->row = o->before.row;
    o->last = o->before.last;
    o->escrow_day = o->before.escrow_day;
    o->escrow = o->before.escrow;
    ownlog_begin(o);
}

void
ownlog_close(struct ownlog *o)
{
    o->open = false;
    o->row = (struct log_row){0};
}

/* Where the own unit's logs are applied, and how far applied successors name them. */
struct applied_end {
    uint32_t no;
    uint64_t seq, named;
};

static int
note_applied(struct db_txn *txn, const struct unit_id *unit, uint32_t count, bool names, struct map *ends,
             struct err *err)
{
    for (uint32_t no = 1; no <= count; no++) {
        struct log_row row;
        int rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            return rc;
        uint64_t seq = row.applied_seq < row.stands_to ? row.applied_seq : row.stands_to;
        if (row.depth == 0 || seq == 0 || !TYPE_EQ(&row.unit, unit))
            continue;
        struct applied_end *end = names ? NULL : map_put(ends, &row.id, NULL);
        if (!names && !end)
            return err_set(err, ERR_NOMEM, "own log: out of memory");
        if (end)
            *end = (struct applied_end){.no = no, .seq = seq};
        for (uint8_t i = 0; names && i < row.n_predecessors; i++) {
            end = map_get(ends, &row.predecessors[i].log);
            if (end && end->no != no && row.predecessors[i].seq > end->named)
                end->named = row.predecessors[i].seq;
        }
    }
    return 0;
}

/* Tips among the logs that are applied, each up to where it is. One that waits for a predecessor, or cannot go on, must not be
 * named: the own log would wait with it, and a unit can always write. */
static int
applied_tips(struct db_txn *txn, const struct unit_id *unit, struct head **ret, size_t *ret_n, struct err *err)
{
    enum { LOGS_MAX = 1 << 24 };
    uint32_t count = 0;
    size_t n = 0, cursor = 0;
    const void *key;
    void *value;
    struct map ends;
    struct head *tips = NULL;
    map_init(&ends, sizeof(struct log_id), sizeof(struct applied_end), LOGS_MAX, NULL);
    int rc = evlog_count(txn, &count, err);
    if (rc == 0)
        rc = note_applied(txn, unit, count, false, &ends, err);
    if (rc == 0)
        rc = note_applied(txn, unit, count, true, &ends, err);
    if (rc == 0 && !(tips = calloc(ends.count + 1, sizeof(*tips))))
        rc = err_set(err, ERR_NOMEM, "own log: out of memory");
    while (rc == 0 && map_next(&ends, &cursor, &key, &value)) {
        const struct applied_end *end = value;
        struct log_row row;
        if (end->named >= end->seq)
            continue;
        rc = evlog_get(txn, end->no, &row, err);
        if (rc == 0)
            rc = evlog_chain_at(txn, &row, end->seq, &tips[n].chain, err);
        tips[n].log = row.id;
        tips[n].unit = *unit;
        tips[n++].seq = end->seq;
    }
    map_free(&ends);
    if (rc != 0) {
        free(tips);
        return rc;
    }
    *ret = tips;
    *ret_n = n;
    return 0;
}

/* Clock of the last event of every tip: what is written now must not lie before it. */
static int
last_clock(struct db_txn *txn, const struct head *tips, size_t n, struct hlc *ret, struct err *err)
{
    struct hlc last = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct log_row row;
        struct stored_event ev;
        struct event_header h;
        rc = evlog_find(txn, &tips[i].log, &row, err);
        if (rc == 0)
            rc = evlog_event(txn, row.no, tips[i].seq, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0 && h.clock.v > last.v)
            last = h.clock;
    }
    if (rc == 0)
        *ret = last;
    return rc;
}

static int
check_clock(const struct ownlog *o, struct hlc last, struct err *err)
{
    int64_t behind = hlc_wall(last).ms - o->config->now(o->config->arg).ms;
    if (behind <= ENGINE_CLOCK_BACK_MS || o->config->allow_clock_back)
        return 0;
    return err_set(err, ERR_UNAVAILABLE,
                   "this machine's clock is %lld s before the last event of the unit; set the clock, or allow it with "
                   "allow_clock_back",
                   (long long)(behind / 1000));
}

int
ownlog_clock(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    if (o->open)
        return check_clock(o, o->last, err);
    struct head *tips = NULL;
    size_t n = 0;
    struct hlc last;
    int rc = applied_tips(txn, &o->config->identity->unit, &tips, &n, err);
    if (rc == 0)
        rc = last_clock(txn, tips, n, &last, err);
    if (rc == 0)
        rc = check_clock(o, last, err);
    if (rc == 0)
        o->last = last;
    free(tips);
    return rc;
}

/* Fills in what the writer gives: position, clock, commitment. Encoded once, never again. */
static int
emit(struct ownlog *o, struct event_header *h, struct slice payload, struct slice *ret_header, struct buf *header,
     struct err *err)
{
    h->suite = SUITE_1;
    h->seq = o->seq + 1;
    o->last = hlc_next(o->last, o->config->now(o->config->arg));
    h->clock = o->last;
    h->payload_hash = crypto_hash1("smart.payload", payload);
    h->payload_bytes = (uint32_t)payload.len;
    buf_clear(header);
    int rc = event_header_encode(h, header, err);
    if (rc == 0)
        *ret_header = buf_slice(header);
    return rc;
}

static int
frame(struct ownlog *o, struct slice header, struct slice payload, struct err *err)
{
    size_t before = o->frames.len;
    event_frame_put(&o->frames, header, payload);
    int rc = buf_check(&o->frames, "events of one commit", err);
    if (rc != 0)
        return rc;
    size_t added = o->frames.len - before;
    struct ownlog_run *r = o->n_runs > 0 ? &o->runs[o->n_runs - 1] : NULL;
    if (!r || r->count >= RUN_EVENTS_MAX || r->len + added > RUN_BYTES_MAX) {
        if (o->n_runs == OWNLOG_RUNS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d runs in one commit", OWNLOG_RUNS_MAX);
        r = &o->runs[o->n_runs++];
        *r = (struct ownlog_run){.first = o->seq, .offset = before};
    }
    r->count++;
    r->len += added;
    r->chain = o->chain;
    return 0;
}

static int
apply_one(struct ownlog *o, struct db_txn *txn, struct slice header, struct slice payload, struct err *err)
{
    enum outcome outcome = OUTCOME_APPLIED;
    enum void_reason reason = VOID_NONE;
    o->chain = crypto_chain(o->chain, crypto_header_hash(header));
    o->seq++;
    int rc = apply_local(o->apply, txn, &o->row, header, payload, &o->chain, &outcome, &reason, err);
    if (rc == 0 && outcome != OUTCOME_APPLIED)
        rc = err_set(err, ERR_CONFLICT, "the event would have no effect: %s", void_reason_text(reason));
    if (rc == 0)
        rc = frame(o, header, payload, err);
    return rc;
}

static void
opening_payload(const struct ownlog *o, struct event_payload *p)
{
    const struct identity *id = o->config->identity;
    struct log_opened *l = &p->log_opened;
    *p = (struct event_payload){.kind = KIND_LOG_OPENED};
    p->common.effective = DATE_NONE;
    p->common.has_salt = true;
    o->config->random(o->config->arg, p->common.salt, sizeof(p->common.salt));
    l->unit = id->unit;
    memcpy(l->unit_code, id->unit_code, sizeof(l->unit_code));
    l->federation = id->federation;
    l->production = id->production;
    o->config->random(o->config->arg, l->nonce, sizeof(l->nonce));
    l->root_key = id->root_key;
    l->signing_key = id->signing_key;
    l->exchange_key = id->exchange_key;
    l->transport_key = id->transport_key;
    l->recovery_key = id->recovery_key;
    l->serial = id->serial;
    l->certificate = id->certificate;
    memcpy(l->program, o->config->program, sizeof(l->program));
}

static int
add_statement(const struct root_statement *st, const struct sign_secret *root, struct log_opened *l, struct buf *bytes,
              struct err *err)
{
    struct root_statement full = *st;
    full.unit = l->unit;
    full.federation = l->federation;
    full.production = l->production;
    full.signing_key = l->signing_key;
    memcpy(full.log_nonce, l->nonce, sizeof(full.log_nonce));
    int rc = root_statement_encode(&full, bytes, err);
    if (rc != 0)
        return rc;
    struct hash hash = crypto_hash1("smart.rootst", buf_slice(bytes));
    l->has_root_statement = true;
    l->root_statement = buf_slice(bytes);
    l->root_signature = crypto_sign_purpose(root, PURPOSE_ROOT_STATEMENT, slice_of(hash.b, sizeof(hash.b)));
    return 0;
}

/* Tips in the order in which they are named: greatest depth first, then least log id; at most 8. */
static int
name_predecessors(struct db_txn *txn, struct head *tips, size_t n, struct event_header *h, struct err *err)
{
    bool used[HEADER_REFS_MAX * 64] = {false};
    size_t seen = n < ARRAY_LEN(used) ? n : ARRAY_LEN(used);
    for (h->n_refs = 0; h->n_refs < HEADER_REFS_MAX && h->n_refs < seen; h->n_refs++) {
        size_t best = SIZE_MAX;
        uint32_t best_depth = 0;
        for (size_t i = 0; i < seen; i++) {
            struct log_row row;
            if (used[i])
                continue;
            int rc = evlog_find(txn, &tips[i].log, &row, err);
            if (rc != 0)
                return rc;
            if (best == SIZE_MAX || row.depth > best_depth ||
                (row.depth == best_depth && memcmp(&tips[i].log, &tips[best].log, sizeof(tips[i].log)) < 0)) {
                best = i;
                best_depth = row.depth;
            }
        }
        used[best] = true;
        h->refs[h->n_refs] = (struct event_ref){
            .role = REF_PREDECESSOR, .log = tips[best].log, .seq = tips[best].seq, .chain = tips[best].chain};
    }
    return 0;
}

int
ownlog_open(struct ownlog *o, struct db_txn *txn, const struct root_statement *st_or_null,
            const struct sign_secret *root, struct err *err)
{
    struct head *tips = NULL;
    size_t n = 0;
    struct event_header h = {.kind = KIND_LOG_OPENED, .kind_version = 1, .must_understand = true};
    struct event_payload p;
    struct buf payload, header, statement;
    struct slice header_bytes;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&statement, PAYLOAD_BYTES_MAX);
    MUST(!o->open);
    o->seq = 0;
    opening_payload(o, &p);
    int rc = ownlog_clock(o, txn, err);
    if (rc == 0 && st_or_null)
        rc = add_statement(st_or_null, root, &p.log_opened, &statement, err);
    if (rc == 0)
        rc = applied_tips(txn, &o->config->identity->unit, &tips, &n, err);
    if (rc == 0)
        rc = name_predecessors(txn, tips, n, &h, err);
    if (rc == 0)
        rc = event_payload_encode(&p, &payload, err);
    if (rc == 0)
        rc = emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0) {
        struct log_id id = crypto_log_id(header_bytes);
        o->chain = crypto_chain_start(id);
        rc = evlog_create(txn, &id, &p.log_opened, &h, &o->row, err);
    }
    if (rc == 0)
        rc = apply_one(o, txn, header_bytes, buf_slice(&payload), err);
    if (rc == 0)
        o->open = true;
    free(tips);
    buf_free(&payload);
    buf_free(&header);
    buf_free(&statement);
    return rc;
}

static void
keep_key_capsule(struct ownlog *o, uint64_t seq, uint8_t index, struct slice bytes)
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
        rc = emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0)
        rc = apply_one(o, txn, header_bytes, buf_slice(&payload), err);
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

static int
ensure_escrow(struct ownlog *o, struct db_txn *txn, struct err *err)
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

static int
seal_capsules(struct ownlog *o, struct db_txn *txn, const struct draft *d, const struct slot_keys *keys, uint64_t seq,
              struct event_header *h, struct err *err)
{
    struct buf capsule;
    int rc = 0;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    for (uint8_t i = 0; i < d->n_capsules && rc == 0; i++) {
        uint8_t nonce[CAPSULE_NONCE_BYTES], class = d->capsules[i].class;
        int k = vault_class_index(class);
        MUST(k >= 0);
        buf_clear(&capsule);
        o->config->random(o->config->arg, nonce, sizeof(nonce));
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

/* New keys for a subject without any (or whose vault was lost): slot, key capsule. */
static int
new_keys(struct ownlog *o, struct db_txn *txn, const struct draft *d, uint32_t generation, struct slot_keys *keys,
         struct buf *ret_capsule, struct err *err)
{
    int rc = vault_take(o->config->vault, keys, err);
    if (rc == 0)
        rc = keyslot_put(txn, &d->subject, generation, keys->slot, err);
    if (rc == 0)
        rc = member_keys_capsule(&o->escrow, &o->config->identity->unit, &d->subject, generation, keys, ret_capsule,
                                 err);
    return rc;
}

static int
find_keys(struct ownlog *o, struct db_txn *txn, const struct draft *d, struct slot_keys *keys, struct buf *ret_capsule,
          struct err *err)
{
    uint32_t generation = 0;
    uint64_t slot = 0;
    int rc = keyslot_find(txn, &d->subject, &generation, &slot, err);
    if (rc == 0)
        rc = vault_slot(o->config->vault, slot, keys, err);
    if (rc == ERR_NOTFOUND)
        rc = new_keys(o, txn, d, generation + 1, keys, ret_capsule, err);
    return rc;
}

static int
write_draft(struct ownlog *o, struct db_txn *txn, struct draft *d, struct slot_keys *keys, struct buf *key_capsule,
            struct position *ret, struct err *err)
{
    struct event_header h = {.kind = d->kind, .kind_version = 1, .n_refs = d->n_refs};
    uint64_t seq = o->seq + 1;
    struct buf payload, header;
    struct slice header_bytes;
    memcpy(h.refs, d->refs, d->n_refs * sizeof(d->refs[0]));
    d->payload.common.has_salt = true;
    o->config->random(o->config->arg, d->payload.common.salt, sizeof(d->payload.common.salt));
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    int rc = event_payload_encode(&d->payload, &payload, err);
    if (rc == 0)
        rc = seal_capsules(o, txn, d, keys, seq, &h, err);
    if (rc == 0 && key_capsule->len > 0) {
        keep_key_capsule(o, seq, h.n_capsules, buf_slice(key_capsule));
        h.capsules[h.n_capsules++] = (struct capsule_commitment){
            .class = CLASS_KEY, .hash = capsule_hash(buf_slice(key_capsule)), .bytes = (uint32_t)key_capsule->len};
        rc = buf_check(&o->key_capsules, "key capsules of one commit", err);
    }
    if (rc == 0)
        rc = emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0)
        rc = apply_one(o, txn, header_bytes, buf_slice(&payload), err);
    if (rc == 0)
        *ret = (struct position){.log = o->row.id, .seq = seq};
    buf_free(&payload);
    buf_free(&header);
    return rc;
}

int
ownlog_write(struct ownlog *o, struct db_txn *txn, struct draft *d, struct position *ret, struct err *err)
{
    struct slot_keys keys = {0};
    struct buf key_capsule;
    buf_init(&key_capsule, CAPSULE_BYTES_MAX);
    int rc = o->open ? 0 : ownlog_open(o, txn, NULL, NULL, err);
    if (rc == 0 && d->n_capsules > 0)
        rc = ensure_escrow(o, txn, err);
    if (rc == 0 && d->n_capsules > 0)
        rc = find_keys(o, txn, d, &keys, &key_capsule, err);
    if (rc == 0)
        rc = write_draft(o, txn, d, &keys, &key_capsule, ret, err);
    sodium_memzero(&keys, sizeof(keys));
    buf_free(&key_capsule);
    return rc;
}

bool
ownlog_payload(const struct ownlog *o, uint64_t seq, struct slice *ret)
{
    for (size_t i = 0; i < o->n_runs; i++) {
        const struct ownlog_run *r = &o->runs[i];
        struct reader frames = reader_of(slice_of(o->frames.data + r->offset, r->len));
        struct slice header, payload;
        if (seq < r->first || seq >= r->first + r->count)
            continue;
        for (uint64_t at = r->first; event_frame_next(&frames, &header, &payload); at++) {
            if (at == seq) {
                *ret = payload;
                return true;
            }
        }
    }
    return false;
}

int
ownlog_seal(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_runs && rc == 0; i++) {
        const struct ownlog_run *r = &o->runs[i];
        uint64_t last = r->first + r->count - 1;
        struct run run = {.log = o->row.id,
                          .first = r->first,
                          .count = r->count,
                          .frames = slice_of(o->frames.data + r->offset, r->len)};
        run.seal = crypto_seal(&o->config->identity->signing_secret, &o->row.id, last, &r->chain);
        rc = evlog_append(txn, &o->row, &run, &r->chain, err);
    }
    o->n_runs = 0;
    return rc;
}
