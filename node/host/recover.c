/* Logs and capsules of a unit from a peer's directory. See recover.h. */
#include "node/host/recover.h"

#include <stdlib.h>

#include "node/host/recover_private.h"
#include "node/host/trust.h"
#include "proto/verify.h"

enum { CAPSULES_PER_COMMIT = 512 };

static const char META_FETCH[] = "recover-fetch";

/* ---- what is known of the unit's keys ---- */

static bool
voids(const struct root_statement *st, const struct sign_public *key)
{
    for (uint16_t i = 0; i < st->n_void_keys; i++)
        if (TYPE_EQ(&st->void_keys[i], key))
            return true;
    return false;
}

static int
look_at_opening(void *arg, const struct own_event *ev, const struct sign_public *key, struct err *err)
{
    struct recover_known *k = arg;
    struct event_payload p;
    struct root_statement st;
    int rc = event_payload_decode(KIND_LOG_OPENED, 1, ev->payload, &p, err);
    if (rc != 0)
        return rc;
    k->logs++;
    if ((!key || !TYPE_EQ(key, &p.log_opened.signing_key)) && p.log_opened.serial > k->serial)
        k->serial = p.log_opened.serial;
    if (!key || !p.log_opened.has_root_statement)
        return 0;
    rc = root_statement_decode(p.log_opened.root_statement, &st, err);
    if (rc != 0)
        return rc;
    k->revoked |= voids(&st, key);
    root_statement_release(&st);
    return 0;
}

int
recover_known(struct db *db, const struct unit_id *unit, const struct sign_public *key, struct recover_known *ret,
              struct err *err)
{
    struct db_txn *txn = NULL;
    struct recover_known k = {0};
    uint32_t count = 0;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = evlog_count(txn, &count, err);
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct log_row row;
        struct stored_event first;
        rc = evlog_get(txn, no, &row, err);
        if (rc != 0 || row.head_seq == 0 || !TYPE_EQ(&row.unit, unit))
            continue;
        rc = evlog_event(txn, no, 1, &first, err);
        struct own_event ev = {.txn = txn, .row = &row, .payload = first.payload};
        if (rc == 0)
            rc = look_at_opening(&k, &ev, key, err);
    }
    db_abort(&txn);
    if (rc == 0)
        *ret = k;
    return rc;
}

/* ---- whom the peer trusts ---- */

static int
pin_peer_itself(const struct datadir *from, struct datadir *to, struct db_txn *txn, struct err *err)
{
    const char *endpoints[CONFIG_ADVERTISE_MAX];
    struct buf card;
    for (uint8_t i = 0; i < from->config.n_advertise; i++)
        endpoints[i] = from->config.advertise[i];
    buf_init(&card, CARD_TEXT_MAX);
    int rc = identity_card(&from->identity, endpoints, from->config.n_advertise, datadir_today(to), &card, err);
    if (rc == 0)
        rc = trust_pin(txn, &to->identity, buf_slice(&card), NULL, err);
    buf_free(&card);
    return rc;
}

/* The rows as they are: the cards in them are signed, and were read when they were pinned. */
static int
pin_its_peers(struct db_txn *from, const struct unit_id *own, struct db_txn *to, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, v;
    int rc = db_cursor_open(from, TABLE_PEERS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &k, &v, err); rc == 0; rc = db_cursor_next(c, &k, &v, err)) {
        if (slice_eq(k, slice_of(own->b, sizeof(own->b))))
            continue;
        rc = db_put(to, TABLE_PEERS, k, v, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
recover_pins(struct datadir *from, struct datadir *to, struct err *err)
{
    struct db_txn *theirs = NULL, *ours = NULL;
    if (!TYPE_EQ(&from->identity.federation, &to->identity.federation) ||
        from->identity.production != to->identity.production)
        return err_set(err, ERR_FEDERATION, "%s: its node is of another federation, or test against production",
                       from->path);
    int rc = db_begin_read(from->db, &theirs, err);
    if (rc == 0)
        rc = db_begin_write(to->db, &ours, err);
    if (rc == 0)
        rc = pin_its_peers(theirs, &to->identity.unit, ours, err);
    if (rc == 0 && !TYPE_EQ(&from->identity.unit, &to->identity.unit))
        rc = pin_peer_itself(from, to, ours, err);
    db_abort(&theirs);
    if (rc == 0)
        return db_commit(&ours, err);
    db_abort(&ours);
    return rc;
}

/* ---- logs ---- */

struct copy {
    struct db *from;
    struct datadir *to;
    struct engine *e;
    struct trusted *trusted;
    size_t n_trusted;
    struct buf frames;
    bool in_group;
    recover_progress *progress;
    void *arg;
    uint64_t total;
    struct recover_copied *found;
};

/* §12.5: whose first event is taken. */
static bool
is_admitted(const struct copy *c, const struct log_opened *l)
{
    const struct identity *id = &c->to->identity;
    if (!TYPE_EQ(&l->federation, &id->federation) || l->production != id->production)
        return false;
    if (TYPE_EQ(&l->unit, &id->unit))
        return TYPE_EQ(&l->root_key, &id->root_key) && strcmp(l->unit_code, id->unit_code) == 0;
    for (size_t i = 0; i < c->n_trusted; i++) {
        const struct unit_card *card = &c->trusted[i].card;
        if (TYPE_EQ(&l->unit, &card->unit))
            return TYPE_EQ(&l->root_key, &card->root_key) && strcmp(l->unit_code, card->unit_code) == 0;
    }
    return false;
}

static int
begin_if_needed(struct copy *c, struct err *err)
{
    int rc = 0;
    if (c->in_group && engine_group_events(c->e) >= ENGINE_GROUP_EVENTS) {
        rc = engine_commit(c->e, err);
        c->in_group = false;
        if (c->progress)
            c->progress(c->arg, c->found->events, c->total);
    }
    if (rc == 0 && !c->in_group) {
        rc = engine_begin(c->e, err);
        c->in_group = rc == 0;
    }
    return rc;
}

static int
read_run(struct copy *c, uint32_t no, uint64_t from, struct run *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    int rc = db_begin_read(c->from, &txn, err);
    if (rc == 0)
        rc = evlog_get(txn, no, &row, err);
    if (rc == 0)
        rc = evlog_read(txn, &row, from, &c->frames, ret, err);
    db_abort(&txn);
    return rc;
}

static int
read_first(const struct run *run, struct event_header *ret_header, struct log_opened *ret, struct err *err)
{
    struct reader frames = reader_of(run->frames);
    struct slice header, payload;
    if (!event_frame_next(&frames, &header, &payload))
        return err_set(err, ERR_INVALID, "the first run has no first event");
    return verify_first_event(&run->log, header, payload, ret_header, ret, err);
}

static bool
is_of_run(int rc)
{
    return rc == ERR_FORGED || rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_VERSION;
}

/* A damaged log ends where it no longer verifies. */
static int
copy_log(struct copy *c, uint32_t no, struct err *err)
{
    struct event_header first;
    struct log_opened opened;
    struct sign_public key = {{0}};
    struct chain_value chain = {{0}}, after;
    struct run run;
    bool stored = true;
    uint64_t next = 1;
    for (;;) {
        int rc = read_run(c, no, next, &run, err);
        if (rc == ERR_NOTFOUND)
            break;
        if (rc == 0 && next == 1) {
            chain = crypto_chain_start(run.log);
            rc = read_first(&run, &first, &opened, err);
            if (rc == 0 && !is_admitted(c, &opened)) {
                c->found->not_admitted++;
                return 0;
            }
            if (rc == 0)
                key = opened.signing_key;
        }
        if (rc == 0)
            rc = verify_run(&run, &chain, &key, &after, err);
        if (is_of_run(rc)) {
            c->found->broken++;
            return 0;
        }
        if (rc == 0)
            rc = begin_if_needed(c, err);
        if (rc == 0)
            rc = engine_append(c->e, &run, &after, next == 1 ? &opened : NULL, next == 1 ? &first : NULL, &stored, err);
        if (rc != 0)
            return rc;
        if (!stored)
            break;
        chain = after;
        next = run.first + run.count;
        c->found->events += run.count;
    }
    c->found->logs += next > 1;
    return 0;
}

static int
count_events(struct db *db, uint32_t *ret_logs, uint64_t *ret_events, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, ret_logs, err);
    *ret_events = 0;
    for (uint32_t no = 1; rc == 0 && no <= *ret_logs; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            *ret_events += row.head_seq;
    }
    db_abort(&txn);
    return rc;
}

static int
finish_logs(struct copy *c, struct err *err)
{
    int rc = 0;
    while (rc == 0 && engine_apply_pending(c->e))
        rc = engine_apply_more(c->e, err);
    if (rc == 0 && engine_rebuild_wanted(c->e)) {
        rc = apply_rebuild(c->to->db, NULL, NULL, err);
        if (rc == 0)
            rc = engine_reload(c->e, err);
        while (rc == 0 && engine_apply_pending(c->e))
            rc = engine_apply_more(c->e, err);
    }
    return rc;
}

static int
load_trusted(struct copy *c, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_read(c->to->db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, &c->trusted, &c->n_trusted, err);
    db_abort(&txn);
    return rc;
}

int
recover_logs(struct db *from, struct datadir *to, struct engine *e, recover_progress *progress, void *arg,
             struct recover_copied *ret, struct err *err)
{
    struct copy c = {.from = from, .to = to, .e = e, .progress = progress, .arg = arg, .found = ret};
    uint32_t logs = 0;
    buf_init(&c.frames, 2 * RUN_BYTES_MAX);
    int rc = load_trusted(&c, err);
    if (rc == 0)
        rc = count_events(from, &logs, &c.total, err);
    for (uint32_t no = 1; rc == 0 && no <= logs; no++)
        rc = copy_log(&c, no, err);
    if (rc == 0 && c.in_group)
        rc = engine_commit(e, err);
    else if (rc != 0)
        engine_abort(e);
    if (rc == 0)
        rc = finish_logs(&c, err);
    free(c.trusted);
    buf_free(&c.frames);
    return rc;
}

/* ---- capsules ---- */

struct taken {
    struct position at;
    uint32_t no;
    uint8_t index, class;
    struct buf bytes;
};

struct capsules {
    struct datadir *from, *to;
    struct erased erased;
    struct taken list[CAPSULES_PER_COMMIT];
    size_t n;
    uint64_t seen, total;
    recover_progress *progress;
    void *arg;
    struct recover_copied *found;
};

/* The vault first: what the main environment has, a start does not look for again. */
static int
store_capsules(struct capsules *c, struct err *err)
{
    struct key_capsule keys[CAPSULES_PER_COMMIT];
    struct db_txn *txn = NULL;
    size_t n_keys = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->list[i].class == CLASS_KEY)
            keys[n_keys++] = (struct key_capsule){
                .at = c->list[i].at, .index = c->list[i].index, .bytes = buf_slice(&c->list[i].bytes)};
    int rc = n_keys > 0 ? vault_capsules_put(c->to->vault, keys, n_keys, err) : 0;
    if (rc == 0)
        rc = db_begin_write(c->to->db, &txn, err);
    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        const struct taken *t = &c->list[i];
        if (t->class != CLASS_KEY)
            rc = capsules_put(txn, t->no, t->at.seq, t->index, buf_slice(&t->bytes), err);
    }
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    for (size_t i = 0; i < c->n; i++)
        buf_free(&c->list[i].bytes);
    if (rc == 0)
        c->found->capsules += c->n;
    c->n = 0;
    return rc;
}

/* What the peer has of it, as it is; ERR_NOTFOUND if it has nothing that fits. */
static int
fetch(struct capsules *c, struct db_txn *theirs, const struct position *at, const struct capsule_commitment *commitment,
      uint8_t index, struct buf *out, struct err *err)
{
    struct log_row row;
    struct slice bytes;
    int rc = evlog_find(theirs, &at->log, &row, err);
    if (rc == 0 && commitment->class == CLASS_KEY) {
        rc = vault_capsule_get(c->from->vault, at, index, out, err);
    } else if (rc == 0) {
        rc = capsules_get(theirs, row.no, at->seq, index, &bytes, err);
        if (rc == 0)
            buf_put(out, bytes.data, bytes.len);
    }
    if (rc != 0)
        return rc;
    rc = buf_check(out, "capsule", err);
    struct hash hash = capsule_hash(buf_slice(out));
    return rc == 0 && !TYPE_EQ(&hash, &commitment->hash) ? err_set(err, ERR_NOTFOUND, "a damaged capsule") : rc;
}

static int
take_event(void *arg, const struct own_event *ev, struct err *err)
{
    struct capsules *c = arg;
    struct position at = {.log = ev->row->id, .seq = ev->header->seq};
    struct db_txn *theirs = NULL;
    int rc = 0;
    if (ev->header->n_capsules > 0)
        rc = db_begin_read(c->from->db, &theirs, err);
    for (uint8_t i = 0; rc == 0 && i < ev->header->n_capsules; i++) {
        struct taken *t = &c->list[c->n];
        if (erased_place(&c->erased, &at, i)) {
            c->found->capsules_erased++;
            continue;
        }
        *t = (struct taken){.at = at, .no = ev->row->no, .index = i, .class = ev->header->capsules[i].class};
        buf_init(&t->bytes, CAPSULE_BYTES_MAX);
        rc = fetch(c, theirs, &at, &ev->header->capsules[i], i, &t->bytes, err);
        if (rc == 0)
            c->n++;
        else
            buf_free(&t->bytes);
        c->found->capsules_missing += rc == ERR_NOTFOUND;
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        if (rc == 0 && c->n == CAPSULES_PER_COMMIT)
            rc = store_capsules(c, err);
    }
    db_abort(&theirs);
    if (c->progress && ++c->seen % CAPSULES_PER_COMMIT == 0)
        c->progress(c->arg, c->seen, c->total);
    return rc;
}

int
recover_capsules(struct datadir *from, struct datadir *to, recover_progress *progress, void *arg,
                 struct recover_copied *ret, struct err *err)
{
    struct capsules *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(err, ERR_NOMEM, "recover: out of memory");
    *c = (struct capsules){.from = from, .to = to, .progress = progress, .arg = arg, .found = ret};
    int rc = erased_load(to->db, &to->identity.unit, &c->erased, err);
    if (rc != 0) {
        free(c);
        return rc;
    }
    rc = own_events_count(to->db, &to->identity.unit, &c->total, err);
    if (rc == 0)
        rc = own_events_walk(to->db, &to->identity.unit, take_event, c, err);
    if (rc == 0)
        rc = store_capsules(c, err);
    for (size_t i = 0; i < c->n; i++)
        buf_free(&c->list[i].bytes);
    erased_free(&c->erased);
    free(c);
    return rc;
}

int
recover_fetch_put(struct db_txn *txn, bool on, struct err *err)
{
    uint8_t value = on;
    return db_put(txn, TABLE_META, slice_of(META_FETCH, sizeof(META_FETCH) - 1), slice_of(&value, 1), err);
}

int
recover_fetch_get(struct db_txn *txn, bool *ret, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, TABLE_META, slice_of(META_FETCH, sizeof(META_FETCH) - 1), &value, err);
    *ret = rc == 0 && value.len == 1 && value.data[0] == 1;
    return rc == ERR_NOTFOUND ? 0 : rc;
}
