/* Rows of the list of changes. See changes.h; layouts: docs/STORAGE.md. */
#include "storage/changes.h"

#include <stdlib.h>

enum { NUMBER_BYTES = 8, ROW_BYTES = 4 + 8 + 8 + 1 + CHANGES_TAG_BYTES };

static int
broken(struct err *err, const char *what)
{
    return err_set(err, ERR_CORRUPT, "list of changes: %s", what);
}

/* ---- rows ---- */

static int
row_decode(struct slice key, struct slice value, struct changes_row *ret, struct err *err)
{
    struct changes_row row;
    struct reader r = reader_of(value);
    row.log_no = reader_u32(&r);
    row.first = reader_u64(&r);
    row.count = reader_u64(&r);
    row.type = reader_u8(&r);
    reader_copy(&r, row.before, sizeof(row.before));
    if (!reader_done(&r) || key.len != NUMBER_BYTES || row.type < CHANGES_EVENTS || row.type > CHANGES_WITHDRAWN ||
        row.log_no == 0 || row.first == 0 || row.count == 0 || row.count > be64_get(key.data))
        return broken(err, "a row makes no sense");
    row.last = be64_get(key.data);
    *ret = row;
    return 0;
}

static int
row_put(struct db_txn *txn, const struct changes_row *row, struct err *err)
{
    uint8_t key[NUMBER_BYTES], memory[ROW_BYTES];
    struct buf value;
    be64_put(key, row->last);
    buf_fixed(&value, memory, sizeof(memory));
    buf_put_u32(&value, row->log_no);
    buf_put_u64(&value, row->first);
    buf_put_u64(&value, row->count);
    buf_put_u8(&value, row->type);
    buf_put(&value, row->before, sizeof(row->before));
    MUST(!value.failed && value.len == ROW_BYTES);
    return db_put(txn, TABLE_CHANGES, slice_of(key, sizeof(key)), buf_slice(&value), err);
}

static int
row_del(struct db_txn *txn, uint64_t last, struct err *err)
{
    uint8_t key[NUMBER_BYTES];
    be64_put(key, last);
    return db_del(txn, TABLE_CHANGES, slice_of(key, sizeof(key)), err);
}

/* ERR_NOTFOUND: the list is empty. */
static int
row_last(struct db_txn *txn, struct changes_row *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(txn, TABLE_CHANGES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_last(c, &key, &value, err);
    db_cursor_close(&c);
    return rc == 0 ? row_decode(key, value, ret, err) : rc;
}

int
changes_at(struct db_txn *txn, uint64_t number, struct changes_row *ret, struct err *err)
{
    uint8_t from[NUMBER_BYTES];
    struct changes_row row;
    struct db_cursor *c;
    struct slice key, value;
    MUST(number > 0);
    be64_put(from, number);
    int rc = db_cursor_open(txn, TABLE_CHANGES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    db_cursor_close(&c);
    if (rc == 0)
        rc = row_decode(key, value, &row, err);
    if (rc != 0)
        return rc;
    if (number <= row.last - row.count)
        return broken(err, "numbers are missing");
    *ret = row;
    return 0;
}

/* ---- how far a log is listed ---- */

static int
listed_get(struct db_txn *txn, uint32_t log_no, uint64_t *ret, struct err *err)
{
    uint8_t key[4];
    struct slice value;
    be32_put(key, log_no);
    int rc = db_get(txn, TABLE_CHANGES_UPTO, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && value.len != 8)
        return broken(err, "a position of wrong length");
    if (rc == 0 || rc == ERR_NOTFOUND)
        *ret = rc == 0 ? be64_get(value.data) : 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
listed_put(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct err *err)
{
    uint8_t key[4], value[8];
    be32_put(key, log_no);
    be64_put(value, seq);
    return db_put(txn, TABLE_CHANGES_UPTO, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

/* ---- tags ---- */

int
changes_tag(struct db_txn *txn, const struct changes_row *row, const struct log_row *log, uint64_t number,
            struct evlog_chains *chains, size_t n_chains, uint8_t ret[CHANGES_TAG_BYTES], struct err *err)
{
    uint8_t memory[1 + 8 + 8];
    struct buf numbers;
    struct chain_value chain = crypto_chain_start(log->id);
    uint64_t seq = row->first + (number - (row->last - row->count + 1));
    MUST(number > row->last - row->count && number <= row->last && row->log_no == log->no);
    if (row->type == CHANGES_GONE)
        return err_set(err, ERR_NOTFOUND, "list of changes: what stood there is gone");
    /* Which events were withdrawn is said by the rows before. */
    int rc = row->type == CHANGES_EVENTS ? evlog_chain_at_kept(txn, log, seq, chains, n_chains, &chain, err) : 0;
    if (rc != 0)
        return rc == ERR_NOTFOUND ? broken(err, "an event is not held") : rc;
    buf_fixed(&numbers, memory, sizeof(memory));
    buf_put_u8(&numbers, row->type);
    buf_put_u64(&numbers, row->first);
    buf_put_u64(&numbers, seq);
    const struct slice parts[] = {slice_of(row->before, sizeof(row->before)), slice_of(log->id.b, sizeof(log->id.b)),
                                  buf_slice(&numbers), slice_of(chain.b, sizeof(chain.b))};
    struct hash h = crypto_hash_parts("smart.changes", parts, ARRAY_LEN(parts));
    memcpy(ret, h.b, CHANGES_TAG_BYTES);
    return 0;
}

static int
tag_alone(struct db_txn *txn, const struct changes_row *row, uint64_t number, uint8_t ret[CHANGES_TAG_BYTES],
          struct err *err)
{
    struct evlog_chains chains = {.n = 0};
    struct log_row log;
    int rc = evlog_get(txn, row->log_no, &log, err);
    if (rc == ERR_NOTFOUND)
        return broken(err, "it names a log that is not there");
    return rc == 0 ? changes_tag(txn, row, &log, number, &chains, 1, ret, err) : rc;
}

int
changes_end(struct db_txn *txn, struct changes_mark *ret, struct err *err)
{
    struct changes_row last;
    struct changes_mark mark = {.number = 0};
    int rc = row_last(txn, &last, err);
    if (rc == 0) {
        mark.number = last.last;
        rc = tag_alone(txn, &last, last.last, mark.tag, err);
        if (rc == ERR_NOTFOUND)
            return broken(err, "it ends in a gap");
    }
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret = mark;
    return 0;
}

int
changes_holds(struct db_txn *txn, const struct changes_mark *mark, bool *ret, struct err *err)
{
    struct changes_row row;
    uint8_t tag[CHANGES_TAG_BYTES] = {0};
    int rc = mark->number == 0 ? 0 : changes_at(txn, mark->number, &row, err);
    if (rc == 0 && mark->number > 0)
        rc = tag_alone(txn, &row, mark->number, tag, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret = rc == 0 && memcmp(tag, mark->tag, sizeof(tag)) == 0;
    return 0;
}

/* ---- writing ---- */

int
changes_list(struct db_txn *txn, const struct log_row *row, uint64_t upto, struct err *err)
{
    struct changes_row last;
    struct changes_mark end = {.number = 0};
    uint64_t listed;
    int rc = listed_get(txn, row->no, &listed, err);
    if (rc != 0 || upto <= listed)
        return rc;
    rc = row_last(txn, &last, err);
    if (rc == 0 && last.type == CHANGES_EVENTS && last.log_no == row->no && last.first + last.count == listed + 1) {
        rc = row_del(txn, last.last, err);
        last.last += upto - listed;
        last.count += upto - listed;
    } else if (rc == 0 || rc == ERR_NOTFOUND) {
        rc = changes_end(txn, &end, err);
        last = (struct changes_row){.last = end.number + (upto - listed),
                                    .count = upto - listed,
                                    .first = listed + 1,
                                    .log_no = row->no,
                                    .type = CHANGES_EVENTS};
        memcpy(last.before, end.tag, sizeof(last.before));
    }
    if (rc == 0)
        rc = row_put(txn, &last, err);
    return rc == 0 ? listed_put(txn, row->no, upto, err) : rc;
}

int
changes_list_all(struct db_txn *txn, struct err *err)
{
    uint32_t n = 0;
    int rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            rc = changes_list(txn, &row, row.applied_seq, err);
    }
    return rc;
}

/* Makes a gap of what the row lists beyond seq `last`; the events before it keep their numbers and tags. */
static int
row_cut(struct db_txn *txn, const struct changes_row *row, uint64_t last, struct err *err)
{
    struct changes_row kept = *row, gone = *row;
    int rc = 0;
    gone.type = CHANGES_GONE;
    if (row->first <= last) {
        kept.count = last - row->first + 1;
        kept.last = row->last - (row->count - kept.count);
        gone.first = last + 1;
        gone.count = row->count - kept.count;
        rc = tag_alone(txn, &kept, kept.last, gone.before, err);
        if (rc == 0)
            rc = row_put(txn, &kept, err);
    }
    return rc == 0 ? row_put(txn, &gone, err) : rc;
}

int
changes_withdraw(struct db_txn *txn, const struct log_row *row, uint64_t last, struct err *err)
{
    struct changes_mark end;
    uint64_t listed;
    int rc = listed_get(txn, row->no, &listed, err);
    if (rc != 0 || listed <= last)
        return rc;
    rc = changes_end(txn, &end, err);
    bool more = true;
    for (uint64_t number = end.number; rc == 0 && more && number > 0;) {
        struct changes_row r;
        rc = changes_at(txn, number, &r, err);
        if (rc != 0)
            break;
        number = r.last - r.count;
        if (r.log_no != row->no || r.type != CHANGES_EVENTS)
            continue;
        if (r.first + r.count - 1 > last)
            rc = row_cut(txn, &r, last, err);
        more = r.first > last + 1;
    }
    struct changes_row notice = {.last = end.number + (listed - last),
                                 .count = listed - last,
                                 .first = last + 1,
                                 .log_no = row->no,
                                 .type = CHANGES_WITHDRAWN};
    memcpy(notice.before, end.tag, sizeof(notice.before));
    if (rc == 0)
        rc = row_put(txn, &notice, err);
    return rc == 0 ? listed_put(txn, row->no, last, err) : rc;
}

/* ---- check ---- */

/* seqs[n]: how far log n is listed by the rows so far. */
static int
check_rows(struct db_txn *txn, uint64_t *seqs, uint32_t n, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    uint64_t number = 0;
    int rc = db_cursor_open(txn, TABLE_CHANGES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_first(c, &key, &value, err);
    while (rc == 0) {
        struct changes_row row;
        rc = row_decode(key, value, &row, err);
        if (rc != 0)
            break;
        if (row.last - row.count != number || row.log_no > n)
            rc = broken(err, "its rows do not follow each other");
        else if (row.type == CHANGES_EVENTS && row.first != seqs[row.log_no] + 1)
            rc = broken(err, "the events of a log are not listed in order");
        if (rc != 0)
            break;
        if (row.type == CHANGES_EVENTS)
            seqs[row.log_no] += row.count;
        number = row.last;
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
changes_check(struct db_txn *txn, struct err *err)
{
    uint32_t n = 0;
    bool none = db_table_entries(txn, TABLE_CHANGES) == 0;
    int rc = evlog_count(txn, &n, err);
    if (rc != 0)
        return rc;
    uint64_t *seqs = calloc((size_t)n + 1, sizeof(*seqs));
    if (!seqs)
        return err_set(err, ERR_NOMEM, "list of changes: out of memory");
    rc = check_rows(txn, seqs, n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        uint64_t listed;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            rc = listed_get(txn, no, &listed, err);
        if (rc != 0)
            break;
        if (seqs[no] != listed)
            rc = broken(err, "it lists other events of a log than it says");
        else if (listed > row.head_seq)
            rc = broken(err, "it lists events that are not held");
        else if (listed < row.applied_seq && !none) /* before the first start with this table */
            rc = broken(err, "an applied event is missing");
    }
    free(seqs);
    return rc;
}
