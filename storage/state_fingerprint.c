/* Fingerprints of the replicated tables, encoding of counters, the rules version, and emptying it all. See state.h. */
#include "proto/crypto.h"
#include "storage/evlog.h"
#include "storage/state_private.h"

enum { LANES = 4, META_KEY_MAX = 16, TOTAL_PREFIX = 0 };

static const char RULES_KEY[] = "rules-version"; /* → u32; absent = state never built */
static const char PRINT_PREFIX[] = "fingerprint-";

static struct slice
text_key(const char *text)
{
    return slice_of(text, strlen(text));
}

/* "fingerprint-" and the table's number as one byte. */
static struct slice
print_key(enum table t, uint8_t memory[META_KEY_MAX])
{
    size_t n = sizeof(PRINT_PREFIX) - 1;
    memcpy(memory, PRINT_PREFIX, n);
    memory[n] = (uint8_t)table_fingerprint_no(t);
    return slice_of(memory, n + 1);
}

struct hash
fingerprint_of_row(enum table t, struct slice key, struct slice value)
{
    uint8_t head[3];
    head[0] = (uint8_t)table_fingerprint_no(t);
    be16_put(head + 1, (uint16_t)key.len);
    struct slice parts[] = {slice_of(head, sizeof(head)), key, value};
    return crypto_hash_parts("smart.fprint", parts, ARRAY_LEN(parts));
}

static uint64_t
lane_get(const struct hash *h, unsigned lane)
{
    uint64_t v = 0;
    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | h->b[lane * 8 + i];
    return v;
}

static void
lane_put(struct hash *h, unsigned lane, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        h->b[lane * 8 + i] = (uint8_t)(v >> (8 * i));
}

void
fingerprint_add(struct hash *sum, const struct hash *h)
{
    for (unsigned i = 0; i < LANES; i++)
        lane_put(sum, i, lane_get(sum, i) + lane_get(h, i));
}

void
fingerprint_subtract(struct hash *sum, const struct hash *h)
{
    for (unsigned i = 0; i < LANES; i++)
        lane_put(sum, i, lane_get(sum, i) - lane_get(h, i));
}

int
fingerprint_get(struct db_txn *txn, enum table t, struct hash *ret, struct err *err)
{
    uint8_t memory[META_KEY_MAX];
    struct slice value;
    int rc = db_get(txn, TABLE_META, print_key(t, memory), &value, err);
    if (rc == ERR_NOTFOUND) {
        *ret = (struct hash){0};
        return 0;
    }
    if (rc != 0)
        return rc;
    if (value.len != sizeof(ret->b))
        return err_set(err, ERR_CORRUPT, "fingerprint of table %s: wrong length", table_name(t));
    memcpy(ret->b, value.data, sizeof(ret->b));
    return 0;
}

int
fingerprint_put(struct db_txn *txn, enum table t, const struct hash *sum, struct err *err)
{
    uint8_t memory[META_KEY_MAX];
    return db_put(txn, TABLE_META, print_key(t, memory), slice_of(sum->b, sizeof(sum->b)), err);
}

int
state_fingerprints(struct db_txn *txn, struct fingerprint_row ret[FINGERPRINTS_MAX], size_t *ret_n, struct err *err)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX] = {0};
    size_t n = 0;
    for (unsigned t = 0; t < TABLE_COUNT_ALL; t++) {
        uint32_t no = table_fingerprint_no(t);
        if (no == 0)
            continue;
        MUST(n < FINGERPRINTS_MAX);
        size_t i = n++;
        for (; i > 0 && rows[i - 1].table > no; i--)
            rows[i] = rows[i - 1];
        rows[i].table = no;
        int rc = fingerprint_get(txn, t, &rows[i].fingerprint, err);
        if (rc != 0)
            return rc;
    }
    memcpy(ret, rows, n * sizeof(rows[0]));
    *ret_n = n;
    return 0;
}

struct hash
fingerprint_total(const struct fingerprint_row *rows, size_t n)
{
    uint8_t memory[1 + FINGERPRINTS_MAX * (1 + HASH_BYTES)];
    struct buf b;
    MUST(n <= FINGERPRINTS_MAX);
    buf_fixed(&b, memory, sizeof(memory));
    buf_put_u8(&b, TOTAL_PREFIX); /* no table has this number */
    for (size_t i = 0; i < n; i++) {
        buf_put_u8(&b, (uint8_t)rows[i].table);
        buf_put(&b, rows[i].fingerprint.b, HASH_BYTES);
    }
    return crypto_hash1("smart.fprint", buf_slice(&b));
}

int
state_fingerprint_recompute(struct db_txn *txn, enum table t, struct hash *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    struct hash sum = {0};
    MUST(table_fingerprint_no(t) != 0);
    int rc = db_cursor_open(txn, t, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_first(c, &key, &value, err);
    while (rc == 0) {
        struct hash h = fingerprint_of_row(t, key, value);
        fingerprint_add(&sum, &h);
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    if (rc != ERR_NOTFOUND)
        return rc;
    *ret = sum;
    return 0;
}

/* ---- counters ---- */

int
counters_decode(struct slice value, int64_t *ret, size_t n, struct err *err)
{
    int64_t v[STATE_COUNTERS_MAX];
    struct reader r = reader_of(value);
    MUST(n <= STATE_COUNTERS_MAX);
    for (size_t i = 0; i < n; i++)
        v[i] = reader_svarint(&r);
    if (!reader_done(&r))
        return err_set(err, ERR_CORRUPT, "a counters row does not hold %zu counters", n);
    memcpy(ret, v, n * sizeof(*ret));
    return 0;
}

void
counters_encode(const int64_t *values, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_put_svarint(out, values[i]);
}

/* ---- rules version ---- */

int
state_rules_version(struct db_txn *txn, uint32_t *ret, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, TABLE_META, text_key(RULES_KEY), &value, err);
    if (rc == ERR_NOTFOUND) {
        *ret = 0;
        return 0;
    }
    if (rc != 0)
        return rc;
    if (value.len != 4)
        return err_set(err, ERR_CORRUPT, "rules version: wrong length");
    *ret = be32_get(value.data);
    return 0;
}

int
state_set_rules_version(struct db_txn *txn, uint32_t version, struct err *err)
{
    uint8_t raw[4];
    be32_put(raw, version);
    return db_put(txn, TABLE_META, text_key(RULES_KEY), slice_of(raw, sizeof(raw)), err);
}

int
state_clear(struct db_txn *txn, struct err *err)
{
    uint8_t memory[META_KEY_MAX];
    uint32_t n_logs;
    int rc = db_clear(txn, TABLE_WAITING, err);
    if (rc == 0)
        rc = db_clear(txn, TABLE_ACCESS_OF, err);
    for (unsigned t = 0; rc == 0 && t < TABLE_COUNT_ALL; t++) {
        if (table_fingerprint_no(t) == 0)
            continue;
        rc = db_clear(txn, t, err);
        if (rc == 0)
            rc = db_del(txn, TABLE_META, print_key(t, memory), err);
    }
    if (rc == 0)
        rc = db_del(txn, TABLE_META, text_key(RULES_KEY), err);
    if (rc == 0)
        rc = evlog_count(txn, &n_logs, err);
    for (uint32_t no = 1; rc == 0 && no <= n_logs; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            break;
        row.applied_seq = 0;
        row.depth = 0;
        rc = evlog_put(txn, &row, err);
    }
    return rc;
}
