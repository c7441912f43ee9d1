/* Root statements: which events stand. docs/PROTOCOL.md §7. What stands is a function of the first events held, so it is computed
 * from all statements of a unit whenever one of them or a new log of that unit arrives.
 *
 * TABLE_META keeps, for each unit that ever made a statement, which logs carry one: "statements" ‖ unit → number of the last log
 * that was looked at, u32 ‖ numbers of the carriers, u32 each. Work: one pass over the log rows and one over the statements. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

enum { META_NAME = 10, META_KEY = META_NAME + HASH_BYTES, UNIT_LOGS_MAX = 1 << 20 };
static const char META[META_NAME + 1] = "statements";

/* The statement that decides about a log. */
struct named {
    uint64_t serial, seq;
    struct hash hash;
    struct chain_value chain;
};
struct voided {
    uint32_t n; /* statements that name the key */
    struct log_id carrier;
};

struct standing {
    const struct unit_id *unit;
    struct map relevant;  /* logs of the unit that are held (value 1) or named as predecessors (0) */
    struct map named;     /* log id → struct named */
    struct map void_keys; /* signing key → struct voided */
    struct map reach;     /* log id → last seq in the past of a standing position */
    struct map flipped;   /* logs of which nothing stood, or nothing stands now */
};

static int
no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "root statements: out of memory");
}

static void
meta_key(uint8_t key[META_KEY], const struct unit_id *unit)
{
    memcpy(key, META, META_NAME);
    memcpy(key + META_NAME, unit->b, sizeof(unit->b));
}

static void
standing_init(struct standing *s, const struct unit_id *unit)
{
    s->unit = unit;
    map_init(&s->relevant, HASH_BYTES, sizeof(uint8_t), UNIT_LOGS_MAX, NULL);
    map_init(&s->named, HASH_BYTES, sizeof(struct named), UNIT_LOGS_MAX, NULL);
    map_init(&s->void_keys, KEY_BYTES, sizeof(struct voided), UNIT_LOGS_MAX, NULL);
    map_init(&s->reach, HASH_BYTES, sizeof(uint64_t), UNIT_LOGS_MAX, NULL);
    map_init(&s->flipped, HASH_BYTES, sizeof(uint8_t), UNIT_LOGS_MAX, NULL);
}

static void
standing_release(struct standing *s)
{
    map_free(&s->relevant);
    map_free(&s->named);
    map_free(&s->void_keys);
    map_free(&s->reach);
    map_free(&s->flipped);
}

/* ---- reading ---- */

/* Calls each for every log row of the unit. */
static int
unit_logs(struct apply *a, struct db_txn *txn, struct standing *s,
          int (*each)(struct apply *a, struct db_txn *txn, struct standing *s, struct log_row *row, struct err *err),
          struct err *err)
{
    uint32_t n;
    int rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0 && TYPE_EQ(&row.unit, s->unit))
            rc = each(a, txn, s, &row, err);
    }
    return rc;
}

static int
note_relevant(struct apply *a UNUSED, struct db_txn *txn UNUSED, struct standing *s, struct log_row *row,
              struct err *err)
{
    uint8_t *held = map_put(&s->relevant, row->id.b, NULL);
    if (held == NULL)
        return no_memory(err);
    *held = 1;
    for (size_t i = 0; i < row->n_predecessors; i++)
        if (map_put(&s->relevant, row->predecessors[i].log.b, NULL) == NULL)
            return no_memory(err);
    return 0;
}

static int
first_event(struct db_txn *txn, uint32_t no, struct event_payload *ret, struct err *err)
{
    struct stored_event e;
    int rc = evlog_event(txn, no, 1, &e, err);
    if (rc == 0)
        rc = event_payload_decode(KIND_LOG_OPENED, 1, e.payload, ret, err);
    return rc == ERR_INVALID ? err_set(err, ERR_CORRUPT, "log %u: its first event does not read", (unsigned)no) : rc;
}

static int
decide(struct standing *s, const struct root_statement *st, const struct hash *hash, const struct log_id *carrier,
       struct err *err)
{
    for (size_t i = 0; i < st->n_void_keys; i++) {
        bool is_new;
        struct voided *v = map_put(&s->void_keys, st->void_keys[i].b, &is_new);
        if (v == NULL)
            return no_memory(err);
        if (v->n == 0 || !TYPE_EQ(&v->carrier, carrier))
            v->n++;
        v->carrier = *carrier;
    }
    for (size_t i = 0; i < st->n_standing; i++) {
        const struct standing_position *p = &st->standing[i];
        if (TYPE_EQ(&p->log, carrier) || map_get(&s->relevant, p->log.b) == NULL)
            continue;
        bool is_new;
        struct named *n = map_put(&s->named, p->log.b, &is_new);
        if (n == NULL)
            return no_memory(err);
        if (is_new || st->serial > n->serial ||
            (st->serial == n->serial && memcmp(hash->b, n->hash.b, sizeof(hash->b)) > 0))
            *n = (struct named){.serial = st->serial, .seq = p->seq, .hash = *hash, .chain = p->chain};
    }
    return 0;
}

static int
read_statement(struct db_txn *txn, struct standing *s, uint32_t no, struct err *err)
{
    struct event_payload p;
    struct root_statement st;
    struct log_row row;
    int rc = evlog_get(txn, no, &row, err);
    if (rc != 0 || row.head_seq == 0)
        return rc; /* cut off with the rest of its first run, and on its way back */
    rc = first_event(txn, no, &p, err);
    if (rc != 0 || !p.log_opened.has_root_statement)
        return rc;
    rc = root_statement_decode(p.log_opened.root_statement, &st, err);
    if (rc != 0)
        return rc == ERR_NOMEM ? rc
                               : err_set(err, ERR_CORRUPT, "log %u: its root statement does not read", (unsigned)no);
    struct hash hash = crypto_hash1("smart.rootst", p.log_opened.root_statement);
    rc = decide(s, &st, &hash, &row.id, err);
    root_statement_release(&st);
    return rc;
}

/* Named logs and void keys from the carriers in the row of TABLE_META. */
static int
read_statements(struct apply *a, struct db_txn *txn, struct standing *s, struct slice carriers, struct err *err)
{
    struct reader r = reader_of(carriers);
    int rc = unit_logs(a, txn, s, note_relevant, err);
    (void)reader_u32(&r);
    while (rc == 0 && reader_left(&r) > 0) {
        uint32_t no = reader_u32(&r);
        rc = r.failed ? err_set(err, ERR_CORRUPT, "list of root statements: cut off") : read_statement(txn, s, no, err);
    }
    return rc;
}

/* ---- the past of the standing positions ---- */

static int
reach_predecessors(struct standing *s, const struct log_row *row, struct log_id *list, size_t cap, size_t *n,
                   struct err *err)
{
    for (size_t i = 0; i < row->n_predecessors; i++) {
        bool is_new;
        uint64_t *seq = map_put(&s->reach, row->predecessors[i].log.b, &is_new);
        if (seq == NULL)
            return no_memory(err);
        if (is_new) {
            MUST(*n < cap); /* each relevant log once */
            list[(*n)++] = row->predecessors[i].log;
        }
        if (row->predecessors[i].seq > *seq)
            *seq = row->predecessors[i].seq;
    }
    return 0;
}

static int
compute_past(struct db_txn *txn, struct standing *s, struct err *err)
{
    size_t cap = s->relevant.count + s->named.count, n = 0, cursor = 0;
    struct log_id *list = calloc(cap + 1, sizeof(*list));
    const void *key;
    void *value;
    if (list == NULL)
        return no_memory(err);
    while (map_next(&s->named, &cursor, &key, &value))
        if (((const struct named *)value)->seq > 0)
            memcpy(list[n++].b, key, HASH_BYTES);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct log_row row;
        rc = evlog_find(txn, &list[i], &row, err);
        if (rc == 0 && TYPE_EQ(&row.unit, s->unit))
            rc = reach_predecessors(s, &row, list, cap, &n, err);
        else if (rc == ERR_NOTFOUND)
            rc = 0;
    }
    free(list);
    return rc;
}

static uint64_t
stands_to(const struct standing *s, const struct log_row *row)
{
    const struct named *named = map_get(&s->named, row->id.b);
    const struct voided *voided = map_get(&s->void_keys, row->signing_key.b);
    if (named != NULL)
        return named->seq;
    if (voided == NULL || (voided->n == 1 && TYPE_EQ(&voided->carrier, &row->id)))
        return UINT64_MAX;
    const uint64_t *reach = map_get(&s->reach, row->id.b);
    return reach != NULL ? *reach : 0;
}

/* ---- setting ---- */

/* Holds the log to the branch that stands. */
static int
set_branch(struct apply *a, struct db_txn *txn, struct standing *s, struct log_row *row, struct err *err)
{
    const struct named *named = map_get(&s->named, row->id.b);
    uint64_t applied = row->applied_seq;
    bool changed = false;
    if (named == NULL)
        return 0;
    int rc = settle_log(txn, row, named->seq, &named->chain, &changed, err);
    if (rc == 0 && row->applied_seq < applied && map_put(&s->flipped, s->unit->b, NULL) == NULL)
        rc = no_memory(err);
    a->restood |= changed;
    return rc;
}

static int
set_row(struct apply *a, struct db_txn *txn, struct standing *s, struct log_row *row, struct err *err)
{
    uint64_t to = stands_to(s, row);
    int rc = set_branch(a, txn, s, row, err);
    uint64_t end = to < row->head_seq ? to : row->head_seq;
    if (rc == 0 && (row->applied_seq < end || map_get(&a->wait_of, &row->no) != NULL))
        rc = queue_push(a, row->no, err);
    if (rc != 0 || to == row->stands_to)
        return rc;
    a->restood = true;
    if ((to == 0) != (row->stands_to == 0) && map_put(&s->flipped, row->id.b, NULL) == NULL)
        return no_memory(err);
    if (row->applied_seq > to && map_put(&s->flipped, s->unit->b, NULL) == NULL)
        return no_memory(err); /* stands for "rebuild": no log has the id of a unit */
    row->stands_to = to;
    return evlog_put(txn, row, err);
}

static int
find_flipped(struct apply *a UNUSED, struct db_txn *txn UNUSED, struct standing *s, struct log_row *row,
             struct err *err)
{
    for (size_t i = 0; row->depth > 0 && i < row->n_predecessors; i++)
        if (map_get(&s->flipped, row->predecessors[i].log.b) != NULL && map_put(&s->flipped, s->unit->b, NULL) == NULL)
            return no_memory(err);
    return 0;
}

/* Standing positions of logs that are not held: a successor need not wait for what does not stand. */
static int
set_decided(struct apply *a, struct standing *s, struct err *err)
{
    size_t cursor = 0;
    const void *key;
    void *value;
    while (map_next(&s->named, &cursor, &key, &value)) {
        uint8_t pair[2 * HASH_BYTES];
        const uint8_t *held = map_get(&s->relevant, key);
        uint64_t seq = ((const struct named *)value)->seq;
        bool is_new;
        memcpy(pair, s->unit->b, HASH_BYTES);
        memcpy(pair + HASH_BYTES, key, HASH_BYTES);
        if (held != NULL && *held == 1) {
            (void)map_remove(&a->decided, pair);
            continue;
        }
        uint64_t *at = map_put(&a->decided, pair, &is_new);
        if (at == NULL || (!is_new && *at == 0 && seq != 0 && map_put(&s->flipped, key, NULL) == NULL))
            return no_memory(err);
        *at = seq;
    }
    return 0;
}

static int
evaluate(struct apply *a, struct db_txn *txn, struct standing *s, struct slice carriers, bool *ret_rebuild,
         struct err *err)
{
    int rc = read_statements(a, txn, s, carriers, err);
    if (rc == 0)
        rc = compute_past(txn, s, err);
    if (rc == 0)
        rc = unit_logs(a, txn, s, set_row, err);
    if (rc == 0)
        rc = set_decided(a, s, err);
    if (rc == 0 && s->flipped.count > 0)
        rc = unit_logs(a, txn, s, find_flipped, err);
    if (rc != 0)
        return rc;
    *ret_rebuild = map_get(&s->flipped, s->unit->b) != NULL;
    if (*ret_rebuild && a->has_own && TYPE_EQ(s->unit, &a->own))
        rc = uncounted_all(a, txn, s->unit, err);
    return rc == 0 && *ret_rebuild ? rebuild_want(txn, err) : rc;
}

/* ---- carriers ---- */

static bool
lists(struct slice carriers, uint32_t no)
{
    for (size_t at = 4; at + 4 <= carriers.len; at += 4)
        if (be32_get(carriers.data + at) == no)
            return true;
    return false;
}

/* The row of TABLE_META, with the carriers among the logs that came since it was written. Empty if log `news` was looked at
 * before, or the unit never made a statement; for a statement itself (news = 0) the row is always made. */
static int
find_carriers(struct db_txn *txn, const struct unit_id *unit, uint32_t news, struct buf *out, struct err *err)
{
    uint8_t key[META_KEY], number[4];
    struct slice old = {NULL, 0};
    uint32_t n, done = 0;
    bool gap = false;
    meta_key(key, unit);
    int rc = db_get(txn, TABLE_META, slice_of(key, sizeof(key)), &old, err);
    if (rc != 0 && (rc != ERR_NOTFOUND || news != 0))
        return rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0 && old.len >= 4)
        done = be32_get(old.data);
    if (news != 0 && news <= done)
        return 0;
    rc = evlog_count(txn, &n, err);
    buf_put_u32(out, done);
    if (old.len > 4)
        buf_put(out, old.data + 4, old.len - 4);
    for (uint32_t no = done + 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        struct event_payload p;
        rc = evlog_get(txn, no, &row, err);
        gap |= rc == 0 && row.head_seq == 0; /* its first run comes: looked at again the next time */
        if (rc == 0 && row.head_seq > 0 && TYPE_EQ(&row.unit, unit)) {
            rc = first_event(txn, no, &p, err);
            if (rc == 0 && p.log_opened.has_root_statement && !lists(buf_slice(out), no))
                buf_put_u32(out, no);
        }
        if (!gap)
            done = no;
    }
    if (rc == 0)
        rc = buf_check(out, "list of root statements", err);
    if (rc != 0)
        return rc;
    be32_put(number, done);
    memcpy(out->data, number, sizeof(number));
    return db_put(txn, TABLE_META, slice_of(key, sizeof(key)), buf_slice(out), err);
}

static int
standing_unit(struct apply *a, struct db_txn *txn, const struct unit_id *unit, uint32_t news, bool *ret_rebuild,
              struct err *err)
{
    struct standing s;
    struct buf carriers;
    bool rebuild = false;
    standing_init(&s, unit);
    buf_init(&carriers, 4 * (size_t)UNIT_LOGS_MAX);
    int rc = find_carriers(txn, unit, news, &carriers, err);
    if (rc == 0 && carriers.len > 4)
        rc = evaluate(a, txn, &s, buf_slice(&carriers), &rebuild, err);
    buf_free(&carriers);
    standing_release(&s);
    if (rc == 0)
        *ret_rebuild = rebuild;
    return rc;
}

int
apply_statements(struct apply *a, struct db_txn *txn, const struct unit_id *unit, bool *ret_rebuild, struct err *err)
{
    return standing_unit(a, txn, unit, 0, ret_rebuild, err);
}

int
apply_settle(struct apply *a, struct db_txn *txn, const struct unit_id *unit, bool *ret_rebuild, struct err *err)
{
    *ret_rebuild = false;
    return standing_unit(a, txn, unit, UINT32_MAX, ret_rebuild, err);
}

bool
apply_restood(struct apply *a)
{
    bool is = a->restood;
    a->restood = false;
    return is;
}

int
standing_new_log(struct apply *a, struct log_row *row, struct err *err)
{
    bool rebuild;
    struct log_row now;
    int rc = standing_unit(a, a->txn, &row->unit, row->no, &rebuild, err);
    if (rc == 0)
        rc = evlog_get(a->txn, row->no, &now, err);
    if (rc == 0)
        row->stands_to = now.stands_to;
    return rc;
}

/* ---- all units ---- */

static int
each_unit(struct apply *a, struct db_txn *txn,
          int (*each)(struct apply *a, struct db_txn *txn, const struct unit_id *unit, struct slice carriers,
                      struct err *err),
          struct err *err)
{
    uint8_t from[META_KEY] = {0};
    struct unit_id unit;
    memcpy(from, META, META_NAME);
    for (;;) {
        struct db_cursor *c;
        struct slice key, value;
        int rc = db_cursor_open(txn, TABLE_META, &c, err);
        if (rc != 0)
            return rc;
        rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
        bool one = rc == 0 && key.len == META_KEY && memcmp(key.data, META, META_NAME) == 0;
        if (one) {
            memcpy(unit.b, key.data + META_NAME, sizeof(unit.b));
            meta_key(from, &unit);
        }
        db_cursor_close(&c);
        if (!one)
            return rc == ERR_NOTFOUND ? 0 : rc;
        rc = each(a, txn, &unit, value, err);
        if (rc != 0)
            return rc;
        size_t i = sizeof(from);
        while (i > META_NAME && ++from[--i] == 0)
            ;
        if (i == META_NAME && from[i] == 0)
            return 0;
    }
}

static int
load_unit(struct apply *a, struct db_txn *txn, const struct unit_id *unit, struct slice carriers, struct err *err)
{
    struct standing s;
    standing_init(&s, unit);
    int rc = read_statements(a, txn, &s, carriers, err);
    if (rc == 0)
        rc = set_decided(a, &s, err);
    standing_release(&s);
    return rc;
}

int
standing_load(struct apply *a, struct db_txn *txn, struct err *err)
{
    map_clear(&a->decided);
    return each_unit(a, txn, load_unit, err);
}

static int
all_unit(struct apply *a, struct db_txn *txn, const struct unit_id *unit, struct slice carriers UNUSED, struct err *err)
{
    bool rebuild;
    return standing_unit(a, txn, unit, 0, &rebuild, err);
}

int
standing_all(struct apply *a, struct db_txn *txn, struct err *err)
{
    return each_unit(a, txn, all_unit, err);
}

int
standing_limit(struct apply *a, struct db_txn *txn, const struct unit_id *unit, const struct log_id *log,
               struct log_row *ret_row, bool *ret_held, uint64_t *ret_limit, struct err *err)
{
    uint8_t pair[2 * HASH_BYTES];
    int rc = evlog_find(txn, log, ret_row, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret_held = rc == 0;
    if (*ret_held) {
        *ret_limit = ret_row->stands_to;
        return 0;
    }
    memcpy(pair, unit->b, HASH_BYTES);
    memcpy(pair + HASH_BYTES, log->b, HASH_BYTES);
    const uint64_t *seq = map_get(&a->decided, pair);
    *ret_limit = seq != NULL ? *seq : UINT64_MAX;
    return 0;
}
