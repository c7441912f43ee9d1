/* What peers ask for. See netreads.h. */
#include "node/host/netreads.h"

#include <stdlib.h>

#include "storage/erasures.h"

void
netreads_init(struct netreads *r, const struct netloop_config *config, struct peers *peers)
{
    *r = (struct netreads){.db = config->db,
                           .vault = config->vault,
                           .identity = config->identity,
                           .residency = config->settings->residency,
                           .today = config->today,
                           .today_arg = config->arg,
                           .peers = peers};
    buf_init(&r->bytes, MESSAGE_BYTES_MAX);
    buf_init(&r->hashes, EVIDENCE_HASHES_MAX * HASH_BYTES);
}

void
netreads_release(struct netreads *r)
{
    buf_free(&r->bytes);
    buf_free(&r->hashes);
}

/* Header hashes from exactly `first` to the seal of the run that holds min(at, head). */
static int
branch(struct netreads *r, struct db_txn *txn, const struct log_row *row, uint64_t first, uint64_t at,
       struct sync_branch *ret, struct err *err)
{
    struct stored_run run;
    struct evlog_iter it;
    struct stored_event ev;
    uint64_t end = at < row->head_seq ? at : row->head_seq;
    buf_clear(&r->hashes);
    int rc = evlog_run_at(txn, row->no, end, &run, err);
    if (rc == 0)
        rc = evlog_chain_at(txn, row, first - 1, &ret->before, err);
    if (rc != 0)
        return rc;
    uint64_t last = run.first + run.count - 1;
    ret->first = first;
    ret->seal = run.seal;
    rc = evlog_iter_init(&it, txn, row->no, first, err);
    for (uint64_t seq = first; rc == 0 && seq <= last; seq++) {
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0) {
            struct hash h = crypto_header_hash(ev.header);
            buf_put(&r->hashes, h.b, sizeof(h.b));
        }
    }
    evlog_iter_release(&it);
    if (rc == 0)
        rc = buf_check(&r->hashes, "evidence", err);
    ret->header_hashes = buf_slice(&r->hashes);
    return rc;
}

static int
read_run(struct netreads *r, struct db_txn *txn, const struct sync_effect *e, struct sync_event *ret, struct err *err)
{
    struct log_row row;
    struct chain_value ours;
    ret->type = SYNC_READ_DONE;
    ret->read_done.conn = e->conn;
    ret->read_done.number = e->read.number;
    ret->read_done.result = SYNC_READ_NOT_HELD;
    int rc = evlog_find(txn, &e->read.log, &row, err);
    if (rc != 0 || e->read.from > row.head_seq + 1)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = evlog_chain_at(txn, &row, e->read.from - 1, &ours, err);
    if (rc != 0)
        return rc;
    if (e->read.compare && !TYPE_EQ(&ours, &e->read.before)) {
        struct stored_run run;
        uint64_t at = e->read.from > 1 ? e->read.from - 1 : 1;
        ret->read_done.result = SYNC_READ_DIFFERS;
        rc = evlog_run_at(txn, row.no, at, &run, err);
        return rc == 0 ? branch(r, txn, &row, run.first, at, &ret->read_done.ours, err) : rc;
    }
    if (e->read.from == row.head_seq + 1) {
        ret->read_done.result = SYNC_READ_AT_HEAD;
        return 0;
    }
    ret->read_done.result = SYNC_READ_RUN;
    return evlog_read(txn, &row, e->read.from, &r->bytes, &ret->read_done.run, err);
}

static int
read_chain(struct db_txn *txn, const struct sync_effect *e, struct sync_event *ret, struct err *err)
{
    struct log_row row;
    ret->type = SYNC_CHAIN_DONE;
    ret->chain_done.conn = e->conn;
    ret->chain_done.log = e->read_chain.log;
    ret->chain_done.seq = e->read_chain.seq;
    int rc = evlog_find(txn, &e->read_chain.log, &row, err);
    if (rc == 0 && e->read_chain.seq <= row.head_seq) {
        rc = evlog_chain_at(txn, &row, e->read_chain.seq, &ret->chain_done.chain, err);
        ret->chain_done.held = rc == 0;
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
read_evidence(struct netreads *r, struct db_txn *txn, const struct sync_effect *e, struct sync_event *ret,
              struct err *err)
{
    struct log_row row;
    ret->type = SYNC_EVIDENCE_DONE;
    ret->evidence_done.conn = e->conn;
    ret->evidence_done.log = e->read_evidence.log;
    int rc = evlog_find(txn, &e->read_evidence.log, &row, err);
    if (rc == 0 && e->read_evidence.first >= 1 && e->read_evidence.first <= row.head_seq) {
        rc = branch(r, txn, &row, e->read_evidence.first, e->read_evidence.at, &ret->evidence_done.ours, err);
        ret->evidence_done.held = rc == 0;
        rc = rc == ERR_LIMIT ? 0 : rc;
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
read_event(struct netreads *r, struct db_txn *txn, const struct sync_effect *e, struct sync_event *ret, struct err *err)
{
    struct log_row row;
    struct receipt receipt;
    struct buf scratch;
    ret->type = SYNC_EVENT_DONE;
    ret->event_done.conn = e->conn;
    ret->event_done.log = e->read_event.log;
    ret->event_done.seq = e->read_event.seq;
    ret->event_done.gone = GONE_NOT_HELD;
    buf_init(&scratch, MESSAGE_BYTES_MAX);
    buf_clear(&r->bytes);
    int rc = evlog_find(txn, &e->read_event.log, &row, err);
    if (rc == 0)
        rc = evlog_receipt(txn, &row, e->read_event.seq, &scratch, &receipt, err);
    if (rc == 0)
        rc = receipt_encode(&receipt, &r->bytes, err);
    if (rc == 0) {
        ret->event_done.gone = 0;
        ret->event_done.receipt = buf_slice(&r->bytes);
    }
    buf_free(&scratch);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
may_have(struct netreads *r, struct db_txn *txn, const struct unit_id *asker, const struct entitled_to *what, bool *ret,
         struct err *err)
{
    const struct peer *peer = peers_find(r->peers, asker);
    const struct entitled_by by = {.txn = txn,
                                   .vault = r->vault,
                                   .own = r->identity->unit,
                                   .residency = r->residency,
                                   .today = r->today(r->today_arg)};
    *ret = false;
    return peer ? entitled(&by, asker, peer->trusted.keeper, what, ret, err) : 0;
}

static int
read_capsule(struct netreads *r, struct db_txn *txn, const struct sync_effect *e, struct sync_event *ret,
             struct err *err)
{
    struct log_row row;
    struct stored_event ev;
    struct event_header h;
    struct slice bytes = {0};
    uint8_t index = (uint8_t)e->read_capsule.index;
    bool erased = false;
    ret->type = SYNC_CAPSULE_DONE;
    ret->capsule_done.conn = e->conn;
    ret->capsule_done.log = e->read_capsule.log;
    ret->capsule_done.seq = e->read_capsule.seq;
    ret->capsule_done.index = e->read_capsule.index;
    ret->capsule_done.gone = GONE_NOT_HELD;
    buf_clear(&r->bytes);
    int rc = evlog_find(txn, &e->read_capsule.log, &row, err);
    if (rc == 0)
        rc = evlog_event(txn, row.no, e->read_capsule.seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc != 0 || e->read_capsule.index >= h.n_capsules)
        return rc == ERR_NOTFOUND ? 0 : rc;
    const struct entitled_to what = {.log = &row, .header = &h, .payload = ev.payload, .index = index};
    bool may = false;
    rc = may_have(r, txn, &e->read_capsule.unit, &what, &may, err);
    if (rc != 0)
        return rc;
    if (!may) {
        ret->capsule_done.gone = GONE_NOT_FOR_YOU;
        return 0;
    }
    struct position at = {.log = row.id, .seq = h.seq};
    rc = tombstone_find(txn, &at, index, &erased, NULL, err);
    if (rc != 0 || erased) {
        ret->capsule_done.gone = erased ? GONE_ERASED : GONE_NOT_HELD;
        return rc;
    }
    if (h.capsules[index].class == CLASS_KEY) {
        rc = vault_capsule_get(r->vault, &at, index, &r->bytes, err);
    } else {
        rc = capsules_get(txn, row.no, h.seq, index, &bytes, err);
        if (rc == 0)
            buf_put(&r->bytes, bytes.data, bytes.len);
    }
    if (rc == 0) {
        ret->capsule_done.gone = 0;
        ret->capsule_done.bytes = buf_slice(&r->bytes);
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
read_fingerprints(struct db_txn *txn, struct sync_event *ret, struct err *err)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct head *heads = NULL;
    size_t n = 0, n_heads = 0;
    ret->type = SYNC_FINGERPRINTS;
    int rc = state_rules_version(txn, &ret->fingerprints.rules_version, err);
    if (rc == 0)
        rc = state_fingerprints(txn, rows, &n, err);
    if (rc == 0)
        rc = evlog_tips(txn, NULL, &heads, &n_heads, err);
    if (rc != 0)
        return rc;
    ret->fingerprints.heads_hash = sync_heads_hash(heads, n_heads);
    free(heads);
    for (size_t i = 0; i < n && i < MESSAGE_TABLES_MAX; i++)
        ret->fingerprints.tables[ret->fingerprints.n++] =
            (struct table_fingerprint){rows[i].table, rows[i].fingerprint};
    return 0;
}

int
netreads_answer(struct netreads *r, const struct sync_effect *effect, struct sync_event *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    *ret = (struct sync_event){0};
    int rc = db_begin_read(r->db, &txn, err);
    if (rc != 0)
        return rc;
    switch (effect->type) {
    case SYNC_READ: rc = read_run(r, txn, effect, ret, err); break;
    case SYNC_READ_CHAIN: rc = read_chain(txn, effect, ret, err); break;
    case SYNC_READ_EVIDENCE: rc = read_evidence(r, txn, effect, ret, err); break;
    case SYNC_READ_EVENT: rc = read_event(r, txn, effect, ret, err); break;
    case SYNC_READ_CAPSULE: rc = read_capsule(r, txn, effect, ret, err); break;
    case SYNC_FINGERPRINTS_NEEDED: rc = read_fingerprints(txn, ret, err); break;
    default: rc = err_set(err, ERR_INVALID, "not a read"); break;
    }
    db_abort(&txn);
    return rc;
}

int
netreads_log(struct db_txn *txn, const struct log_row *row, struct sync_log *ret, struct buf *proof, struct err *err)
{
    uint8_t key[HASH_BYTES + 1];
    struct slice stored;
    *ret = (struct sync_log){.log = row->id,
                             .unit = row->unit,
                             .signing_key = row->signing_key,
                             .head_seq = row->head_seq,
                             .head_chain = row->head_chain,
                             .stands_to = row->stands_to,
                             .frozen = row->state == LOG_FROZEN,
                             .n_predecessors = row->n_predecessors};
    int rc = 0;
    if (row->stands_to > 0 && row->stands_to <= row->head_seq)
        rc = evlog_chain_at(txn, row, row->stands_to, &ret->stands_chain, err);
    for (uint8_t i = 0; i < row->n_predecessors; i++)
        ret->predecessors[i] = (struct event_ref){.role = REF_PREDECESSOR,
                                                  .log = row->predecessors[i].log,
                                                  .seq = row->predecessors[i].seq,
                                                  .chain = row->predecessors[i].chain};
    if (rc != 0 || !ret->frozen)
        return rc;
    memcpy(key, row->id.b, HASH_BYTES);
    key[HASH_BYTES] = 0;
    buf_clear(proof);
    rc = db_get(txn, TABLE_EVIDENCE, slice_of(key, sizeof(key)), &stored, err);
    if (rc == 0) {
        buf_put(proof, stored.data, stored.len);
        ret->proof = buf_slice(proof);
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
netreads_proofs(struct db_txn *txn, void (*each)(void *arg, const struct log_id *log, struct slice proof), void *arg,
                struct err *err)
{
    struct db_cursor *cursor = NULL;
    struct slice key, proof;
    int rc = db_cursor_open(txn, TABLE_EVIDENCE, &cursor, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(cursor, &key, &proof, err); rc == 0; rc = db_cursor_next(cursor, &key, &proof, err)) {
        struct log_id log;
        struct log_row row;
        if (key.len != HASH_BYTES + 1 || key.data[HASH_BYTES] != 0)
            continue;
        memcpy(log.b, key.data, sizeof(log.b));
        rc = evlog_find(txn, &log, &row, err);
        if (rc != 0 && rc != ERR_NOTFOUND)
            break;
        if (rc == ERR_NOTFOUND || row.head_seq == 0)
            each(arg, &log, proof);
    }
    db_cursor_close(&cursor);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
