/* State, views, cursors and waiting index against what a rebuild from the same logs gives. See apply.h "apply_check". The logs are
 * copied into a scratch environment and applied there; then every row is compared. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "node/apply/apply_private.h"

enum { COPY_BYTES_PER_COMMIT = 64 * 1024 * 1024, PATH_TEXT_MAX = 4096, HEX_SHOWN = 12 };

static const enum table COPIED[] = {TABLE_LOGS, TABLE_LOG_BY_ID, TABLE_RUNS, TABLE_META};
static const enum table COMPARED[] = {
    TABLE_MEMBERS,    TABLE_OFFICES,  TABLE_UNITS,     TABLE_COUNTS,  TABLE_VOIDS,  TABLE_CONFLICTS, TABLE_CAPITAL,
    TABLE_ACTIVITIES, TABLE_INVOICES, TABLE_ACTIVE,    TABLE_WORK,    TABLE_PEOPLE, TABLE_SHARE_OPS, TABLE_PERIODS,
    TABLE_POSTINGS,   TABLE_ACCESS,   TABLE_ACCESS_OF, TABLE_DOUBLES, TABLE_WAITING};

/* ---- the copy ---- */

static bool
is_copied(enum table t, struct slice key)
{
    static const char name[] = "statements";
    return t != TABLE_META ||
           (key.len == sizeof(name) - 1 + HASH_BYTES && memcmp(key.data, name, sizeof(name) - 1) == 0);
}

static int
copy_table(struct db_txn *from, struct db *to, enum table t, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    struct db_txn *txn = NULL;
    size_t bytes = 0;
    int rc = db_cursor_open(from, t, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        if (!is_copied(t, key))
            continue;
        if (txn == NULL)
            rc = db_begin_write(to, &txn, err);
        if (rc == 0)
            rc = db_put(txn, t, key, value, err);
        bytes += key.len + value.len;
        if (rc == 0 && bytes > COPY_BYTES_PER_COMMIT) {
            bytes = 0;
            rc = db_commit(&txn, err);
        }
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    if (rc == ERR_NOTFOUND)
        rc = txn != NULL ? db_commit(&txn, err) : 0;
    if (txn != NULL)
        db_abort(&txn);
    return rc;
}

/* ---- the comparison ---- */

static int
differ(enum table t, struct slice key, const char *how, struct err *err)
{
    char hex[2 * HEX_SHOWN + 1];
    (void)hex_encode(key.data, key.len < HEX_SHOWN ? key.len : HEX_SHOWN, hex);
    return err_set(err, ERR_CORRUPT, "table %s, row %s…: %s", table_name(t), hex, how);
}

/* Rows in key order on both sides: the first difference. */
static int
compare_rows(struct db_cursor *ours, struct db_cursor *theirs, enum table t, struct err *err)
{
    struct slice k1, v1, k2, v2;
    int r1 = db_cursor_first(ours, &k1, &v1, err);
    int r2 = db_cursor_first(theirs, &k2, &v2, err);
    for (;;) {
        if (r1 == ERR_NOTFOUND && r2 == ERR_NOTFOUND)
            return 0;
        if ((r1 != 0 && r1 != ERR_NOTFOUND) || (r2 != 0 && r2 != ERR_NOTFOUND))
            return r1 != 0 && r1 != ERR_NOTFOUND ? r1 : r2;
        int c = r1 != 0 ? 1 : r2 != 0 ? -1 : memcmp(k1.data, k2.data, k1.len < k2.len ? k1.len : k2.len);
        if (c == 0 && k1.len != k2.len)
            c = k1.len < k2.len ? -1 : 1;
        if (c < 0)
            return differ(t, k1, "a rebuild does not give it", err);
        if (c > 0)
            return differ(t, k2, "missing, a rebuild gives it", err);
        if (!slice_eq(v1, v2))
            return differ(t, k1, "a rebuild gives another value", err);
        r1 = db_cursor_next(ours, &k1, &v1, err);
        r2 = db_cursor_next(theirs, &k2, &v2, err);
    }
}

static int
compare_table(struct db_txn *ours, struct db_txn *theirs, enum table t, struct err *err)
{
    struct db_cursor *c1, *c2;
    int rc = db_cursor_open(ours, t, &c1, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(theirs, t, &c2, err);
    if (rc == 0) {
        rc = compare_rows(c1, c2, t, err);
        db_cursor_close(&c2);
    }
    db_cursor_close(&c1);
    return rc;
}

static int
compare_logs(struct db_txn *ours, struct db_txn *theirs, struct err *err)
{
    uint32_t n;
    int rc = evlog_count(ours, &n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row a, b;
        char text[LOG_TEXT_MAX];
        rc = evlog_get(ours, no, &a, err);
        if (rc == 0)
            rc = evlog_get(theirs, no, &b, err);
        if (rc == 0 && (a.applied_seq != b.applied_seq || a.depth != b.depth || a.stands_to != b.stands_to))
            rc = err_set(err, ERR_CORRUPT, "%s: applied to %llu of depth %u, a rebuild gives %llu of depth %u",
                         check_log_text(ours, &a, text), (unsigned long long)a.applied_seq, (unsigned)a.depth,
                         (unsigned long long)b.applied_seq, (unsigned)b.depth);
    }
    return rc;
}

static int
compare_all(struct db_txn *ours, struct db *scratch, struct err *err)
{
    struct db_txn *theirs;
    struct fingerprint_row a[FINGERPRINTS_MAX], b[FINGERPRINTS_MAX];
    size_t n_a, n_b;
    int rc = db_begin_read(scratch, &theirs, err);
    if (rc != 0)
        return rc;
    rc = compare_logs(ours, theirs, err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(COMPARED); i++)
        rc = compare_table(ours, theirs, COMPARED[i], err);
    if (rc == 0)
        rc = state_fingerprints(ours, a, &n_a, err);
    if (rc == 0)
        rc = state_fingerprints(theirs, b, &n_b, err);
    for (size_t i = 0; rc == 0 && i < (n_a < n_b ? n_a : n_b); i++)
        if (n_a != n_b || a[i].table != b[i].table || !TYPE_EQ(&a[i].fingerprint, &b[i].fingerprint))
            rc = err_set(err, ERR_CORRUPT, "fingerprints are not those of a rebuild");
    db_abort(&theirs);
    return rc;
}

/* ---- all ---- */

/* Whether everything that can be applied is: only then do both sides speak of the same events. */
static int
caught_up(struct db_txn *txn, bool *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    struct map waiting;
    uint32_t n;
    *ret = true;
    map_init(&waiting, sizeof(uint32_t), sizeof(uint8_t), DAG_LOGS_MAX, NULL);
    int rc = db_cursor_open(txn, TABLE_WAITING, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        uint32_t no = key.len == KEY_WAITING && value.len == 1 ? be32_get(key.data + KEY_POSITION) : 0;
        if (no != 0 && map_put(&waiting, &no, NULL) == NULL) {
            rc = err_set(err, ERR_NOMEM, "check: out of memory");
            break;
        }
    }
    db_cursor_close(&c);
    rc = rc == ERR_NOTFOUND ? evlog_count(txn, &n, err) : rc;
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0 && row.applied_seq < row.head_seq && row.applied_seq < row.stands_to &&
            map_get(&waiting, &no) == NULL)
            *ret = false;
    }
    map_free(&waiting);
    return rc;
}

static int
scratch_remove(const char *dir, struct err *err)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[PATH_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        int n = snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        if (n < 0 || (size_t)n >= sizeof(path))
            return err_set(err, ERR_LIMIT, "check: the name of the directory is too long");
        if (unlink(path) != 0 && errno != ENOENT)
            return err_errno(err, "check: %s", path);
    }
    return 0;
}

int
check_against_rebuild(struct db *db, struct db_txn *txn, const char *scratch_dir, struct err *err)
{
    struct db *scratch;
    struct db_usage usage;
    uint32_t version;
    bool ready;
    int rc = caught_up(txn, &ready, err);
    if (rc == 0)
        rc = state_rules_version(txn, &version, err);
    if (rc != 0 || !ready || version != RULES_VERSION)
        return rc;
    rc = db_usage(db, &usage, err);
    if (rc != 0)
        return rc;
    struct db_opts opts = {.path = scratch_dir,
                           .map_bytes = usage.map_bytes,
                           .kind = DB_MAIN,
                           .create = true,
                           .volatile_for_simulation = true};
    rc = db_open(&opts, &scratch, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(COPIED); i++)
        rc = copy_table(txn, scratch, COPIED[i], err);
    if (rc == 0)
        rc = apply_rebuild(scratch, NULL, NULL, err);
    if (rc == 0)
        rc = compare_all(txn, scratch, err);
    db_close(&scratch);
    int gone = scratch_remove(scratch_dir, rc == 0 ? err : NULL);
    return rc != 0 ? rc : gone;
}
