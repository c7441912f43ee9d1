/* Log rows and runs: create, append, read, truncate. See evlog.h. Walks and proofs: evlog_read.c; tips: evlog_tips.c. */
#include "storage/evlog.h"

#include "storage/changes.h"
#include "storage/evlog_private.h"

enum {
    ROW_VERSION = 1,
    PREDECESSOR_BYTES = 2 * HASH_BYTES + 8,
    ROW_BYTES_MAX = 512 + HEADER_REFS_MAX * PREDECESSOR_BYTES,
};

/* ---- log rows ---- */

static void
row_encode(const struct log_row *row, struct buf *out)
{
    buf_put_u8(out, ROW_VERSION);
    buf_put(out, row->id.b, sizeof(row->id.b));
    buf_put(out, row->unit.b, sizeof(row->unit.b));
    buf_put(out, row->nonce, sizeof(row->nonce));
    buf_put(out, row->signing_key.b, sizeof(row->signing_key.b));
    buf_put_u64(out, row->serial);
    buf_put_u32(out, row->depth);
    buf_put_u8(out, row->state);
    buf_put_u64(out, row->head_seq);
    buf_put(out, row->head_chain.b, sizeof(row->head_chain.b));
    buf_put_u64(out, row->applied_seq);
    buf_put_u64(out, row->stands_to);
    buf_put_u8(out, row->n_predecessors);
    for (size_t i = 0; i < row->n_predecessors; i++) {
        const struct log_predecessor *p = &row->predecessors[i];
        buf_put(out, p->log.b, sizeof(p->log.b));
        buf_put_u64(out, p->seq);
        buf_put(out, p->chain.b, sizeof(p->chain.b));
    }
}

static int
row_decode(uint32_t no, struct slice value, struct log_row *ret, struct err *err)
{
    struct log_row row = {.no = no};
    struct reader r = reader_of(value);
    uint8_t version = reader_u8(&r);
    reader_copy(&r, row.id.b, sizeof(row.id.b));
    reader_copy(&r, row.unit.b, sizeof(row.unit.b));
    reader_copy(&r, row.nonce, sizeof(row.nonce));
    reader_copy(&r, row.signing_key.b, sizeof(row.signing_key.b));
    row.serial = reader_u64(&r);
    row.depth = reader_u32(&r);
    row.state = reader_u8(&r);
    row.head_seq = reader_u64(&r);
    reader_copy(&r, row.head_chain.b, sizeof(row.head_chain.b));
    row.applied_seq = reader_u64(&r);
    row.stands_to = reader_u64(&r);
    row.n_predecessors = reader_u8(&r);
    bool sense = version == ROW_VERSION && (row.state == LOG_LIVE || row.state == LOG_FROZEN) &&
                 row.n_predecessors <= HEADER_REFS_MAX;
    for (size_t i = 0; sense && i < row.n_predecessors; i++) {
        struct log_predecessor *p = &row.predecessors[i];
        reader_copy(&r, p->log.b, sizeof(p->log.b));
        p->seq = reader_u64(&r);
        reader_copy(&r, p->chain.b, sizeof(p->chain.b));
    }
    if (!sense || !reader_done(&r))
        return err_set(err, ERR_CORRUPT, "log %u: its row makes no sense", (unsigned)no);
    *ret = row;
    return 0;
}

int
evlog_get(struct db_txn *txn, uint32_t no, struct log_row *ret, struct err *err)
{
    uint8_t key[4];
    struct slice value;
    be32_put(key, no);
    int rc = db_get(txn, TABLE_LOGS, slice_of(key, sizeof(key)), &value, err);
    return rc == 0 ? row_decode(no, value, ret, err) : rc;
}

int
evlog_find(struct db_txn *txn, const struct log_id *id, struct log_row *ret, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, TABLE_LOG_BY_ID, slice_of(id->b, sizeof(id->b)), &value, err);
    if (rc != 0)
        return rc;
    if (value.len != 4)
        return err_set(err, ERR_CORRUPT, "log index: a number of wrong length");
    rc = evlog_get(txn, be32_get(value.data), ret, err);
    return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "log index: it names a log that is not there") : rc;
}

int
evlog_put(struct db_txn *txn, const struct log_row *row, struct err *err)
{
    uint8_t key[4], memory[ROW_BYTES_MAX];
    struct buf value;
    MUST(row->no > 0 && row->n_predecessors <= HEADER_REFS_MAX);
    be32_put(key, row->no);
    buf_fixed(&value, memory, sizeof(memory));
    row_encode(row, &value);
    MUST(!value.failed);
    return db_put(txn, TABLE_LOGS, slice_of(key, sizeof(key)), buf_slice(&value), err);
}

int
evlog_count(struct db_txn *txn, uint32_t *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(txn, TABLE_LOGS, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_last(c, &key, &value, err);
    uint32_t last = rc == 0 && key.len == 4 ? be32_get(key.data) : 0;
    db_cursor_close(&c);
    if (rc == 0 && last == 0)
        return err_set(err, ERR_CORRUPT, "logs: a key of wrong length");
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret = last;
    return 0;
}

int
evlog_create(struct db_txn *txn, const struct log_id *id, const struct log_opened *opened,
             const struct event_header *first, struct log_row *ret, struct err *err)
{
    struct slice present;
    uint32_t count;
    uint8_t no[4];
    struct slice key = slice_of(id->b, sizeof(id->b));
    int rc = db_get(txn, TABLE_LOG_BY_ID, key, &present, err);
    if (rc == 0)
        return err_set(err, ERR_EXISTS, "this log is there already");
    if (rc == ERR_NOTFOUND)
        rc = evlog_count(txn, &count, err);
    if (rc != 0)
        return rc;
    if (count == UINT32_MAX)
        return err_set(err, ERR_LIMIT, "too many logs");
    struct log_row row = {
        .no = count + 1,
        .id = *id,
        .unit = opened->unit,
        .signing_key = opened->signing_key,
        .serial = opened->serial,
        .state = LOG_LIVE,
        .head_chain = crypto_chain_start(*id),
        .stands_to = UINT64_MAX,
    };
    memcpy(row.nonce, opened->nonce, sizeof(row.nonce));
    for (size_t i = 0; i < first->n_refs; i++)
        if (first->refs[i].role == REF_PREDECESSOR)
            row.predecessors[row.n_predecessors++] =
                (struct log_predecessor){first->refs[i].log, first->refs[i].seq, first->refs[i].chain};
    be32_put(no, row.no);
    rc = db_put(txn, TABLE_LOG_BY_ID, key, slice_of(no, sizeof(no)), err);
    if (rc == 0)
        rc = evlog_put(txn, &row, err);
    if (rc == 0)
        *ret = row;
    return rc;
}

/* ---- runs ---- */

int
evlog_append(struct db_txn *txn, struct log_row *row, const struct run *run, const struct chain_value *chain_after,
             struct err *err)
{
    uint8_t raw_key[KEY_RUN];
    uint8_t *p = NULL;
    if (row->state == LOG_FROZEN)
        return err_set(err, ERR_FORK, "the log is frozen");
    if (run->count > RUN_EVENTS_MAX || run->frames.len > RUN_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "append: the run is too large");
    if (!TYPE_EQ(&run->log, &row->id) || run->count < 1 || run->first != row->head_seq + 1)
        return err_set(err, ERR_INVALID, "append: the run does not continue the log");
    uint64_t last = run->first + run->count - 1;
    key_run(raw_key, row->no, last);
    int rc =
        db_put_reserve(txn, TABLE_RUNS, slice_of(raw_key, sizeof(raw_key)), RUN_HEAD_BYTES + run->frames.len, &p, err);
    if (rc != 0)
        return rc;
    struct buf value;
    buf_fixed(&value, p, RUN_HEAD_BYTES + run->frames.len);
    buf_put_u64(&value, run->first);
    buf_put_u16(&value, (uint16_t)run->count);
    buf_put_u16(&value, 0);
    buf_put(&value, chain_after->b, sizeof(chain_after->b));
    buf_put(&value, run->seal.b, sizeof(run->seal.b));
    buf_put(&value, run->frames.data, run->frames.len);
    MUST(!value.failed && value.len == value.cap);

    struct log_row next = *row;
    next.head_seq = last;
    next.head_chain = *chain_after;
    rc = evlog_put(txn, &next, err);
    if (rc == 0)
        *row = next;
    return rc;
}

int
evlog_run_decode(struct slice key, struct slice value, struct stored_run *ret, struct err *err)
{
    struct stored_run run;
    struct reader r = reader_of(value);
    run.first = reader_u64(&r);
    run.count = reader_u16(&r);
    uint16_t flags = reader_u16(&r);
    reader_copy(&r, run.chain_after.b, sizeof(run.chain_after.b));
    reader_copy(&r, run.seal.b, sizeof(run.seal.b));
    run.frames = reader_bytes(&r, reader_left(&r));
    if (r.failed || key.len != KEY_RUN || flags != 0 || run.count < 1 || run.count > RUN_EVENTS_MAX || run.first < 1 ||
        run.first + run.count - 1 != be64_get(key.data + 4))
        return err_set(err, ERR_CORRUPT, "a stored run makes no sense");
    *ret = run;
    return 0;
}

int
evlog_run_at(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct stored_run *ret, struct err *err)
{
    uint8_t raw[KEY_RUN];
    struct db_cursor *c;
    struct slice key, value;
    struct stored_run run;
    key_run(raw, log_no, seq);
    int rc = db_cursor_open(txn, TABLE_RUNS, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(raw, sizeof(raw)), &key, &value, err);
    db_cursor_close(&c); /* what it returned is the transaction's */
    if (rc == 0 && (key.len != KEY_RUN || be32_get(key.data) != log_no || seq == 0))
        rc = ERR_NOTFOUND;
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_NOTFOUND, "log %u: event %llu is not held", (unsigned)log_no, (unsigned long long)seq);
    if (rc == 0)
        rc = evlog_run_decode(key, value, &run, err);
    if (rc != 0)
        return rc;
    if (run.first > seq)
        return err_set(err, ERR_CORRUPT, "log %u: there is a gap at event %llu", (unsigned)log_no,
                       (unsigned long long)seq);
    *ret = run;
    return 0;
}

/* ---- truncation ---- */

/* Deletes the rows of a table whose key is the log's number and a seq above `after`. */
static int
delete_after(struct db_txn *txn, enum table t, uint32_t log_no, uint64_t after, struct err *err)
{
    uint8_t from[KEY_RUN], raw[KEY_MAX];
    key_run(from, log_no, after + 1);
    for (;;) {
        struct db_cursor *c;
        struct slice key, value;
        int rc = db_cursor_open(txn, t, &c, err);
        if (rc != 0)
            return rc;
        rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
        db_cursor_close(&c);
        if (rc == ERR_NOTFOUND || (rc == 0 && (key.len < KEY_RUN || be32_get(key.data) != log_no)))
            return 0;
        if (rc != 0)
            return rc;
        /* The key lies in the page that the delete changes. */
        size_t len = key.len;
        MUST(len <= sizeof(raw));
        memcpy(raw, key.data, len);
        rc = db_del(txn, t, slice_of(raw, len), err);
        if (rc != 0)
            return rc;
    }
}

int
evlog_truncate(struct db_txn *txn, struct log_row *row, uint64_t last, struct err *err)
{
    struct log_row next = *row;
    struct stored_run run;
    int rc;
    if (last >= row->head_seq)
        return 0;
    rc = evlog_run_at(txn, row->no, last + 1, &run, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "log %u: its head is not held", (unsigned)row->no) : rc;
    next.head_seq = run.first - 1;
    rc = evlog_chain_before(txn, row, &run, &next.head_chain, err);
    if (rc != 0)
        return rc;
    if (next.applied_seq > next.head_seq)
        next.applied_seq = next.head_seq;
    rc = changes_withdraw(txn, row, next.head_seq, err); /* while what goes is still there */
    if (rc == 0)
        rc = delete_after(txn, TABLE_RUNS, row->no, next.head_seq, err);
    if (rc == 0)
        rc = delete_after(txn, TABLE_CAPSULES, row->no, last, err);
    if (rc == 0)
        rc = evlog_put(txn, &next, err);
    if (rc == 0)
        *row = next;
    return rc;
}
