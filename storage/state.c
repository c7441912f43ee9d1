/* The row cache of one write transaction, and its flush. See state.h. Fingerprints and counters: state_fingerprint.c.
 *
 * A row that was read or changed sits once in the cache, on the heap, and is found by (table, key). Counters rows are kept
 * decoded while only deltas come. The hash of a row as stored is computed when it is first changed, before its bytes are
 * replaced, so that the flush can take it out of the fingerprint; rows that are only read are never hashed. */
#include "storage/state.h"

#include <stdlib.h>

#include "proto/base/map.h"
#include "storage/db_private.h"
#include "storage/state_private.h"

/* A flush sweeps the table of a map, or releases it: one that is large for what it held, or larger than the next group needs. */
enum {
    MAP_SLOTS_SWEPT = 1024,
    MAP_SLOTS_KEPT = 16384,
    MAP_SPARSE = 8,
    MAP_ROWS_MAX = 1 << 22,
    ROW_VALUE_MAX = 1 << 30
};

struct row {
    bool stored;  /* in the table, with the hash below once dirty */
    bool present; /* as the transaction sees it */
    bool dirty;
    bool decoded; /* counters hold the value, not value/len */
    uint8_t n;    /* counters */
    uint8_t key_len;
    struct hash stored_hash;
    uint8_t *value;
    size_t len, cap;
    int64_t *counters; /* STATE_COUNTERS_MAX, or NULL */
    uint8_t key[];
};

/* Keys in the map: length, then the key padded to the longest of its table. */
struct table_cache {
    struct map rows; /* → struct row * */
    size_t key_max;
    size_t n_dirty;
};

struct state {
    struct db *db;
    struct db_txn *txn;
    size_t bytes;
    int64_t rows_added;
    struct table_cache tables[TABLE_COUNT_ALL]; /* only the replicated ones are used */
};

static size_t
key_max_of(enum table t)
{
    switch (t) {
    case TABLE_MEMBERS: return KEY_MEMBER;
    case TABLE_OFFICES: return KEY_OFFICE;
    case TABLE_UNITS: return HASH_BYTES;
    case TABLE_COUNTS: return KEY_COUNTS;
    case TABLE_VOIDS: return KEY_POSITION;
    case TABLE_CONFLICTS: return KEY_CONFLICT;
    case TABLE_CAPITAL: return KEY_CAPITAL;
    case TABLE_ACTIVITIES: return KEY_ACTIVITY;
    case TABLE_INVOICES: return KEY_INVOICE;
    case TABLE_ACTIVE: return KEY_ACTIVE;
    case TABLE_WORK: return KEY_WORK;
    case TABLE_PEOPLE: return KEY_PEOPLE;
    case TABLE_SHARE_OPS: return KEY_SHARE_OP;
    case TABLE_PERIODS: return KEY_PERIOD_ROW;
    case TABLE_POSTINGS: return KEY_POSTING;
    case TABLE_ACCESS: return KEY_ACCESS;
    default: return KEY_MAX;
    }
}

static void
cache_init(struct table_cache *c)
{
    map_init(&c->rows, 1 + c->key_max, sizeof(struct row *), MAP_ROWS_MAX, NULL);
    c->n_dirty = 0;
}

int
state_new(struct db *db, struct state **ret, struct err *err)
{
    struct state *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_NOMEM, "state: out of memory");
    s->db = db;
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++) {
        s->tables[t].key_max = key_max_of(t);
        cache_init(&s->tables[t]);
    }
    *ret = s;
    return 0;
}

static void
row_free(struct row *row)
{
    free(row->counters);
    free(row->value);
    free(row);
}

static void
empty_cache(struct state *s)
{
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++) {
        struct table_cache *c = &s->tables[t];
        size_t cursor = 0;
        const void *key;
        void *value;
        if (c->rows.count == 0)
            continue;
        bool sparse = c->rows.capacity > MAP_SLOTS_SWEPT && c->rows.count < c->rows.capacity / MAP_SPARSE;
        while (map_next(&c->rows, &cursor, &key, &value))
            row_free(*(struct row **)value);
        if (sparse || c->rows.capacity > MAP_SLOTS_KEPT) {
            map_free(&c->rows);
            cache_init(c);
        } else {
            map_clear(&c->rows);
            c->n_dirty = 0;
        }
    }
    s->bytes = 0;
}

void
state_free(struct state **s)
{
    if (!*s)
        return;
    empty_cache(*s);
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++)
        map_free(&(*s)->tables[t].rows);
    free(*s);
    *s = NULL;
}

void
state_begin(struct state *s, struct db_txn *txn)
{
    MUST(db_of(txn) == s->db && db_is_write(txn) && s->bytes == 0);
    s->txn = txn;
}

void
state_discard(struct state *s)
{
    empty_cache(s);
    s->txn = NULL;
}

int64_t
state_rows_added(const struct state *s)
{
    return s->rows_added;
}

size_t
state_cached_bytes(const struct state *s)
{
    return s->bytes;
}

/* ---- one row ---- */

static int
out_of_memory(struct state *s, struct err *err)
{
    struct err failed;
    err_set(&failed, ERR_NOMEM, "state: out of memory");
    if (err)
        *err = failed;
    return db_stick(s->txn, &failed);
}

static int
set_value(struct state *s, struct row *row, struct slice value, struct err *err)
{
    if (value.len > row->cap) {
        /* Rows of bulk work grow a little at a time. */
        size_t cap = value.len + value.len / 2;
        uint8_t *p = malloc(cap);
        if (!p)
            return out_of_memory(s, err);
        free(row->value);
        s->bytes += cap - row->cap;
        row->value = p;
        row->cap = cap;
    }
    if (value.len > 0)
        memcpy(row->value, value.data, value.len);
    row->len = value.len;
    row->decoded = false;
    return 0;
}

static int
load_row(struct state *s, enum table t, struct slice key, struct row **ret, struct err *err)
{
    struct slice stored;
    int rc = db_get(s->txn, t, key, &stored, NULL); /* most rows of bulk work are new: no text for that */
    if (rc != 0 && rc != ERR_NOTFOUND)
        return db_error(s->txn, err);
    struct row *row = calloc(1, sizeof(*row) + key.len);
    if (!row)
        return out_of_memory(s, err);
    row->key_len = (uint8_t)key.len;
    memcpy(row->key, key.data, key.len);
    row->stored = row->present = rc == 0;
    rc = rc == 0 ? set_value(s, row, stored, err) : 0;
    if (rc != 0) {
        row_free(row);
        return rc;
    }
    s->bytes += sizeof(*row) + key.len + s->tables[t].rows.slot_bytes;
    *ret = row;
    return 0;
}

/* The row in the cache, read from the table if it is not there yet; present or not. */
static int
find_row(struct state *s, enum table t, struct slice key, struct row **ret, struct err *err)
{
    struct table_cache *c = &s->tables[t];
    uint8_t padded[1 + KEY_MAX] = {0};
    MUST(s->txn && table_fingerprint_no(t) != 0 && key.len > 0 && key.len <= c->key_max);
    int rc = db_error(s->txn, err);
    if (rc != 0)
        return rc;
    padded[0] = (uint8_t)key.len;
    memcpy(padded + 1, key.data, key.len);
    bool is_new = false;
    struct row **slot = map_put(&c->rows, padded, &is_new);
    if (!slot)
        return out_of_memory(s, err);
    if (is_new) {
        rc = load_row(s, t, key, slot, err);
        if (rc != 0) {
            map_remove(&c->rows, padded);
            return rc;
        }
    }
    *ret = *slot;
    return 0;
}

/* To be called before the bytes of a row change for the first time. */
static void
mark_dirty(struct state *s, enum table t, struct row *row)
{
    if (row->dirty)
        return;
    if (row->stored)
        row->stored_hash = fingerprint_of_row(t, slice_of(row->key, row->key_len), slice_of(row->value, row->len));
    row->dirty = true;
    s->tables[t].n_dirty++;
}

/* Brings value up to the counters. */
static int
encode_row(struct state *s, struct row *row, struct err *err)
{
    uint8_t memory[STATE_COUNTERS_MAX * VARINT_MAX];
    struct buf out;
    if (!row->decoded)
        return 0;
    buf_fixed(&out, memory, sizeof(memory));
    counters_encode(row->counters, row->n, &out);
    MUST(!out.failed);
    return set_value(s, row, buf_slice(&out), err);
}

int
state_find(struct state *s, enum table t, struct slice key, struct slice *ret, bool *ret_found, struct err *err)
{
    struct row *row;
    int rc = find_row(s, t, key, &row, err);
    if (rc == 0 && row->present)
        rc = encode_row(s, row, err);
    if (rc != 0)
        return rc;
    *ret_found = row->present;
    if (row->present)
        *ret = slice_of(row->value, row->len);
    return 0;
}

int
state_get(struct state *s, enum table t, struct slice key, struct slice *ret, struct err *err)
{
    bool found = false;
    int rc = state_find(s, t, key, ret, &found, err);
    return rc != 0 || found ? rc : err_set(err, ERR_NOTFOUND, "no such row in table %s", table_name(t));
}

int
state_put(struct state *s, enum table t, struct slice key, struct slice value, struct err *err)
{
    struct row *row;
    MUST(value.len <= ROW_VALUE_MAX);
    int rc = find_row(s, t, key, &row, err);
    if (rc != 0)
        return rc;
    mark_dirty(s, t, row);
    rc = set_value(s, row, value, err);
    if (rc == 0)
        row->present = true;
    return rc;
}

int
state_del(struct state *s, enum table t, struct slice key, struct err *err)
{
    struct row *row;
    int rc = find_row(s, t, key, &row, err);
    if (rc != 0 || !row->present)
        return rc;
    mark_dirty(s, t, row);
    row->present = row->decoded = false;
    row->len = 0;
    return 0;
}

/* ---- counters ---- */

static int
decode_row(struct state *s, enum table t, struct row *row, size_t n, struct err *err)
{
    if (row->decoded) {
        MUST(row->n == n); /* rows of one table have one number of counters */
        return 0;
    }
    if (!row->counters) {
        row->counters = calloc(STATE_COUNTERS_MAX, sizeof(*row->counters));
        if (!row->counters)
            return out_of_memory(s, err);
        s->bytes += STATE_COUNTERS_MAX * sizeof(*row->counters);
    }
    struct err failed;
    memset(row->counters, 0, STATE_COUNTERS_MAX * sizeof(*row->counters));
    if (row->present && counters_decode(slice_of(row->value, row->len), row->counters, n, &failed) != 0) {
        err_wrap(&failed, "table %s", table_name(t));
        if (err)
            *err = failed;
        return db_stick(s->txn, &failed);
    }
    row->n = (uint8_t)n;
    return 0;
}

int
state_add(struct state *s, enum table t, struct slice key, const int64_t *deltas, size_t n, struct err *err)
{
    struct row *row;
    bool any = false;
    MUST(n > 0 && n <= STATE_COUNTERS_MAX);
    int rc = find_row(s, t, key, &row, err);
    if (rc == 0)
        rc = decode_row(s, t, row, n, err);
    if (rc != 0)
        return rc;
    mark_dirty(s, t, row);
    for (size_t i = 0; i < n; i++) {
        row->counters[i] = (int64_t)((uint64_t)row->counters[i] + (uint64_t)deltas[i]);
        any = any || row->counters[i] != 0;
    }
    row->decoded = true;
    s->rows_added += (int)any - (int)row->present;
    row->present = any;
    return 0;
}

/* ---- flush ---- */

static int
by_key(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a;
    const struct row *y = *(struct row *const *)b;
    size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->key, y->key, len);
    return order != 0 ? order : (int)x->key_len - (int)y->key_len;
}

static int
flush_row(struct state *s, enum table t, struct row *row, struct hash *sum, struct err *err)
{
    struct slice key = slice_of(row->key, row->key_len);
    if (!row->present) {
        if (!row->stored)
            return 0;
        fingerprint_subtract(sum, &row->stored_hash);
        return db_del(s->txn, t, key, err);
    }
    int rc = encode_row(s, row, err);
    if (rc != 0)
        return rc;
    struct slice value = slice_of(row->value, row->len);
    struct hash h = fingerprint_of_row(t, key, value);
    if (row->stored && TYPE_EQ(&h, &row->stored_hash))
        return 0;
    if (row->stored)
        fingerprint_subtract(sum, &row->stored_hash);
    fingerprint_add(sum, &h);
    return db_put(s->txn, t, key, value, err);
}

static int
flush_table(struct state *s, enum table t, struct err *err)
{
    struct table_cache *c = &s->tables[t];
    struct hash sum;
    size_t cursor = 0, n = 0;
    const void *key;
    void *value;
    int rc = fingerprint_get(s->txn, t, &sum, err);
    if (rc != 0)
        return rc;
    struct row **rows = malloc(c->n_dirty * sizeof(struct row *));
    if (!rows)
        return out_of_memory(s, err);
    while (map_next(&c->rows, &cursor, &key, &value))
        if ((*(struct row **)value)->dirty)
            rows[n++] = *(struct row **)value;
    MUST(n == c->n_dirty);
    qsort(rows, n, sizeof(struct row *), by_key);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = flush_row(s, t, rows[i], &sum, err);
    free(rows);
    return rc == 0 ? fingerprint_put(s->txn, t, &sum, err) : rc;
}

int
state_flush(struct state *s, struct err *err)
{
    MUST(s->txn);
    int rc = db_error(s->txn, err);
    for (unsigned t = 0; rc == 0 && t < TABLE_COUNT_ALL; t++)
        if (s->tables[t].n_dirty > 0)
            rc = flush_table(s, t, err);
    if (rc == 0)
        empty_cache(s);
    return rc;
}

int
state_scan(struct state *s, enum table t, struct slice prefix,
           int (*row)(void *arg, struct slice key, struct slice value), void *arg, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    MUST(table_fingerprint_no(t) != 0);
    MUST(s->txn);
    /* A flush empties the cache and writes counters that the next event changes again: only for what the walk would miss. */
    int rc = s->tables[t].n_dirty > 0 ? state_flush(s, err) : db_error(s->txn, err);
    if (rc == 0)
        rc = db_cursor_open(s->txn, t, &c, err);
    if (rc != 0)
        return rc;
    rc = prefix.len > 0 ? db_cursor_seek(c, prefix, &key, &value, err) : db_cursor_first(c, &key, &value, err);
    while (rc == 0 && key.len >= prefix.len && (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0)) {
        rc = row(arg, key, value);
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
        else
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
