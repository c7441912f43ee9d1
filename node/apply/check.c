/* The semantic check: what must hold in an environment beyond what LMDB promises. Names the first thing that does not. The logs
 * here; the state against a rebuild: check_state.c. */
#include <stdio.h>
#include <stdlib.h>

#include "node/apply/apply_private.h"
#include "proto/verify.h"

enum { CHECK_LOGS_MAX = 1 << 24 };

const char *
check_log_text(struct db_txn *txn, const struct log_row *row, char out[LOG_TEXT_MAX])
{
    struct stored_event e;
    struct event_payload p;
    bool known = evlog_event(txn, row->no, 1, &e, NULL) == 0 &&
                 event_payload_decode(KIND_LOG_OPENED, 1, e.payload, &p, NULL) == 0;
    char id[9];
    (void)hex_encode(row->id.b, 4, id);
    (void)snprintf(out, LOG_TEXT_MAX, "%s log %s", known ? p.log_opened.unit_code : "?", id);
    return out;
}

static int
wrong(struct db_txn *txn, const struct log_row *row, struct err *err, const char *what)
{
    char text[LOG_TEXT_MAX];
    return err_set(err, ERR_CORRUPT, "%s: %s", check_log_text(txn, row, text), what);
}

/* Whatever a verification says, in our own store it is corruption. */
static int
wrong_because(struct db_txn *txn, const struct log_row *row, const char *where, uint64_t seq, const struct err *why,
              struct err *err)
{
    char text[LOG_TEXT_MAX];
    if (why->code == ERR_NOMEM)
        return err_set(err, ERR_NOMEM, "%s", why->text);
    return err_set(err, ERR_CORRUPT, "%s %s %llu: %s", check_log_text(txn, row, text), where, (unsigned long long)seq,
                   why->text);
}

/* ---- events of a log ---- */

static int
check_first(struct db_txn *txn, const struct log_row *row, struct err *err)
{
    struct stored_event e;
    struct event_header h;
    struct log_opened o;
    struct err why = {.code = ERR_NONE};
    int rc = evlog_event(txn, row->no, 1, &e, &why);
    if (rc == 0)
        rc = verify_first_event(&row->id, e.header, e.payload, &h, &o, &why);
    if (rc != 0)
        return wrong_because(txn, row, "seq", 1, &why, err);
    size_t n = 0;
    bool ok = TYPE_EQ(&o.unit, &row->unit) && TYPE_EQ(&o.signing_key, &row->signing_key) && o.serial == row->serial &&
              memcmp(o.nonce, row->nonce, sizeof(o.nonce)) == 0;
    for (size_t i = 0; ok && i < h.n_refs; i++) {
        if (h.refs[i].role != REF_PREDECESSOR)
            continue;
        const struct log_predecessor *p = &row->predecessors[n++];
        ok = n <= row->n_predecessors && TYPE_EQ(&p->log, &h.refs[i].log) && p->seq == h.refs[i].seq &&
             TYPE_EQ(&p->chain, &h.refs[i].chain);
    }
    return ok && n == row->n_predecessors ? 0 : wrong(txn, row, err, "its row says otherwise than its first event");
}

/* Finds the event of a run that does not verify, for the message. */
static uint64_t
bad_event(const struct stored_run *run)
{
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    struct event_header h;
    uint64_t seq = run->first;
    for (; event_frame_next(&r, &header, &payload); seq++) {
        if (event_header_decode(header, &h, NULL) != 0 || h.seq != seq)
            return seq;
        struct hash hash = crypto_hash1("smart.payload", payload);
        if (!TYPE_EQ(&hash, &h.payload_hash))
            return seq;
    }
    return run->first + run->count - 1; /* frames and payloads fit: it is the chain or the seal */
}

static int
check_runs(struct db_txn *txn, const struct log_row *row, bool deep, uint64_t *runs, struct err *err)
{
    struct chain_value chain = crypto_chain_start(row->id);
    uint64_t next = 1;
    while (next <= row->head_seq) {
        struct stored_run stored;
        struct err why = {.code = ERR_NONE};
        if (evlog_run_at(txn, row->no, next, &stored, &why) != 0)
            return wrong_because(txn, row, "seq", next, &why, err);
        if (stored.first != next || stored.first + stored.count - 1 > row->head_seq)
            return wrong(txn, row, err, "its runs do not follow each other up to the head");
        if (deep) {
            struct run run = {row->id, stored.first, stored.count, stored.frames, stored.seal};
            struct chain_value after;
            if (verify_run(&run, &chain, &row->signing_key, &after, &why) != 0)
                return wrong_because(txn, row, "seq", bad_event(&stored), &why, err);
            if (!TYPE_EQ(&after, &stored.chain_after))
                return wrong(txn, row, err, "a run has another chain value than its events give");
        }
        chain = stored.chain_after;
        next += stored.count;
        ++*runs;
    }
    if (!TYPE_EQ(&chain, &row->head_chain))
        return wrong(txn, row, err, "its head is not its last run");
    return 0;
}

static int
check_log(struct db_txn *txn, uint32_t no, bool deep, uint64_t *runs, struct err *err)
{
    struct log_row row, by_id;
    int rc = evlog_get(txn, no, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "log %u: no row", (unsigned)no) : rc;
    if (evlog_find(txn, &row.id, &by_id, NULL) != 0 || by_id.no != no)
        return wrong(txn, &row, err, "the index by id does not name it");
    if (row.head_seq == 0)
        return wrong(txn, &row, err, "it has no events");
    uint64_t end = row.head_seq < row.stands_to ? row.head_seq : row.stands_to;
    if (row.applied_seq > 0 && row.depth == 0)
        return wrong(txn, &row, err, "applied without a depth");
    if (row.applied_seq > end)
        return wrong(txn, &row, err, "more is applied than is held or stands");
    rc = check_runs(txn, &row, deep, runs, err);
    return rc == 0 && deep ? check_first(txn, &row, err) : rc;
}

static int
check_logs(struct db_txn *txn, bool deep, struct err *err)
{
    uint32_t n;
    uint64_t runs = 0;
    int rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++)
        rc = check_log(txn, no, deep, &runs, err);
    if (rc != 0)
        return rc;
    if (db_table_entries(txn, TABLE_LOG_BY_ID) != n)
        return err_set(err, ERR_CORRUPT, "the index of logs by id names logs that are not there");
    if (db_table_entries(txn, TABLE_RUNS) != runs)
        return err_set(err, ERR_CORRUPT, "there are runs beyond the heads");
    return 0;
}

/* ---- tips ---- */

struct tip {
    struct unit_id unit;
    uint64_t end, named;
    struct chain_value chain, named_chain;
    bool apart;
};

static bool
is_tip(const struct tip *t)
{
    if (t->end == 0 || t->named > t->end)
        return false;
    return t->named < t->end || t->apart || !TYPE_EQ(&t->chain, &t->named_chain);
}

static int
count_tips(struct db_txn *txn, uint32_t n, struct map *tips, struct err *err)
{
    struct log_row row;
    int rc = 0;
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        rc = evlog_get(txn, no, &row, err);
        uint64_t end = rc == 0 ? (row.head_seq < row.stands_to ? row.head_seq : row.stands_to) : 0;
        for (size_t i = 0; end > 0 && i < (size_t)row.n_predecessors + 1; i++) {
            bool self = i == row.n_predecessors;
            struct tip *t = map_put(tips, self ? row.id.b : row.predecessors[i].log.b, NULL);
            if (t == NULL)
                return err_set(err, ERR_NOMEM, "tips: out of memory");
            const struct log_predecessor *p = &row.predecessors[i];
            if (self) {
                t->end = end;
                t->unit = row.unit;
                rc = evlog_chain_at(txn, &row, end, &t->chain, err);
            } else if (p->seq >= t->named) {
                bool other = p->seq == t->named && !TYPE_EQ(&p->chain, &t->named_chain);
                t->apart = p->seq == t->named && (t->apart || other);
                t->named = p->seq;
                t->named_chain = p->chain;
            }
        }
    }
    return rc;
}

static int
check_tips(struct db_txn *txn, struct err *err)
{
    struct map tips;
    struct head *heads = NULL;
    size_t n_heads = 0, n_tips = 0, cursor = 0;
    const void *key;
    void *value;
    uint32_t n;
    map_init(&tips, HASH_BYTES, sizeof(struct tip), CHECK_LOGS_MAX, NULL);
    int rc = evlog_count(txn, &n, err);
    if (rc == 0)
        rc = count_tips(txn, n, &tips, err);
    if (rc == 0)
        rc = evlog_tips(txn, NULL, &heads, &n_heads, err);
    while (rc == 0 && map_next(&tips, &cursor, &key, &value)) {
        const struct tip *t = value;
        n_tips += is_tip(t);
    }
    for (size_t i = 0; rc == 0 && i < n_heads; i++) {
        const struct tip *t = map_get(&tips, heads[i].log.b);
        if (t == NULL || t->end != heads[i].seq || !is_tip(t))
            rc = err_set(err, ERR_CORRUPT, "tips: a log is listed that is none");
    }
    if (rc == 0 && n_tips != n_heads)
        rc = err_set(err, ERR_CORRUPT, "tips: %zu are listed, there are %zu", n_heads, n_tips);
    free(heads);
    map_free(&tips);
    return rc;
}

/* ---- capsules ---- */

static int
check_capsule(struct db_txn *txn, struct slice key, struct slice bytes, struct err *err)
{
    struct stored_event e;
    struct event_header h;
    struct log_row row;
    if (key.len != KEY_CAPSULE)
        return err_set(err, ERR_CORRUPT, "capsules: a key of wrong length");
    uint64_t seq = be64_get(key.data + 4);
    uint8_t index = key.data[12];
    if (evlog_get(txn, be32_get(key.data), &row, NULL) != 0)
        return err_set(err, ERR_CORRUPT, "capsules: one of a log that is not held");
    /* After a roll back the capsules of events that come back are kept (storage/evlog.h). */
    if (seq > row.head_seq)
        return 0;
    int rc = evlog_event(txn, row.no, seq, &e, err);
    if (rc == 0)
        rc = event_header_decode(e.header, &h, err);
    if (rc != 0)
        return rc;
    struct hash hash = capsule_hash(bytes);
    if (index >= h.n_capsules || h.capsules[index].bytes != bytes.len || !TYPE_EQ(&hash, &h.capsules[index].hash)) {
        struct err why = {.code = ERR_FORGED, .text = "a capsule does not fit its commitment"};
        return wrong_because(txn, &row, "seq", seq, &why, err);
    }
    return 0;
}

static int
check_capsules(struct db_txn *txn, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(txn, TABLE_CAPSULES, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        rc = check_capsule(txn, key, value, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- all ---- */

static int
check_fingerprints(struct db_txn *txn, struct err *err)
{
    struct fingerprint_row stored[FINGERPRINTS_MAX];
    size_t n;
    int rc = state_fingerprints(txn, stored, &n, err);
    for (enum table t = 0; rc == 0 && t < TABLE_COUNT_ALL; t++) {
        struct hash now;
        uint32_t number = table_fingerprint_no(t);
        if (number == 0)
            continue;
        rc = state_fingerprint_recompute(txn, t, &now, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            if (stored[i].table == number && !TYPE_EQ(&stored[i].fingerprint, &now))
                rc = err_set(err, ERR_CORRUPT, "table %s: its fingerprint is not that of its rows", table_name(t));
    }
    return rc;
}

int
apply_check(struct db *db, const char *scratch_dir, bool deep, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = check_logs(txn, deep, err);
    if (rc == 0)
        rc = check_tips(txn, err);
    if (rc == 0)
        rc = changes_check(txn, err);
    if (rc == 0 && deep)
        rc = check_capsules(txn, err);
    if (rc == 0 && deep)
        rc = check_fingerprints(txn, err);
    if (rc == 0 && deep)
        rc = check_against_rebuild(db, txn, scratch_dir, err);
    db_abort(&txn);
    return rc;
}
