/* See lookups.h; docs/STORAGE.md. Rows of the vault are wrapped, each bound to its key: what was asked about whom is as personal as the
 * search index. */
#include "storage/lookups.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum {
    KEY_QUESTION = 8 + ID_BYTES,
    OUTPUT_PLAIN = HASH_BYTES + 8 + 1 + 1 + OPRF_OUTPUT_BYTES,
    RESULT_PLAIN = 8 + 1 + ID_BYTES,
    RECORD_PLAIN = HASH_BYTES + 1 + 1,
    EXPIRE_MAX = 256,
};

void
vault_oprf_seed(const struct vault *v, uint8_t out[32])
{
    static const char use[] = "smart.oprf-key";
    MUST(crypto_generichash_blake2b(out, 32, (const uint8_t *)use, sizeof(use) - 1, v->secrets->index,
                                    sizeof(v->secrets->index)) == 0);
}

/* ---- questions ---- */

static void
question_key(const struct lookup_question *q, uint8_t out[KEY_QUESTION])
{
    be64_put(out, (uint64_t)q->since.ms);
    memcpy(out + 8, q->subject.b, ID_BYTES);
}

int
lookup_question_put(struct db_txn *txn, const struct lookup_question *q, struct err *err)
{
    uint8_t key[KEY_QUESTION];
    question_key(q, key);
    return db_put(txn, TABLE_LOOKUP_QUESTIONS, slice_of(key, sizeof(key)), slice_of(NULL, 0), err);
}

int
lookup_questions(struct db_txn *txn, const struct lookup_question *after, struct lookup_question *ret, size_t max,
                 size_t *ret_n, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, value;
    uint8_t from[KEY_QUESTION] = {0};
    size_t n = 0;
    int rc = db_cursor_open(txn, TABLE_LOOKUP_QUESTIONS, &c, err);
    if (rc != 0)
        return rc;
    if (after)
        question_key(after, from);
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &k, &value, err);
    if (rc == 0 && after && slice_eq(k, slice_of(from, sizeof(from))))
        rc = db_cursor_next(c, &k, &value, err);
    while (rc == 0 && n < max) {
        if (k.len != KEY_QUESTION) {
            rc = err_set(err, ERR_CORRUPT, "a question about a member has a key of %zu bytes", k.len);
            break;
        }
        ret[n].since.ms = (int64_t)be64_get(k.data);
        memcpy(ret[n++].subject.b, k.data + 8, ID_BYTES);
        rc = db_cursor_next(c, &k, &value, err);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret_n = n;
    return 0;
}

int
lookup_questions_expire(struct db_txn *txn, struct wall_ms before, size_t max, size_t *ret_n, struct err *err)
{
    struct lookup_question q[EXPIRE_MAX];
    uint8_t key[KEY_QUESTION];
    size_t n = 0, done = 0;
    int rc = lookup_questions(txn, NULL, q, max < EXPIRE_MAX ? max : EXPIRE_MAX, &n, err);
    for (; rc == 0 && done < n && q[done].since.ms < before.ms; done++) {
        question_key(&q[done], key);
        rc = db_del(txn, TABLE_LOOKUP_QUESTIONS, slice_of(key, sizeof(key)), err);
    }
    if (rc == 0)
        *ret_n = done;
    return rc;
}

/* ---- wrapped rows ---- */

/* A row's name in its wrapping: its key, or as much of the key's hash. */
static struct slice
which_of(struct slice key, struct hash *room)
{
    if (key.len <= ID_BYTES)
        return key;
    *room = crypto_hash1("vault.row", key);
    return slice_of(room->b, ID_BYTES);
}

static int
put_wrapped(struct vault *v, struct db_txn *txn, enum table t, int use, struct slice key, struct slice plain,
            struct err *err)
{
    struct hash room;
    uint8_t *row;
    int rc = db_put_reserve(txn, t, key, plain.len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, (enum wrap_use)use, which_of(key, &room), plain, row);
    return rc;
}

static int
unwrap_row(struct vault *v, int use, struct slice key, struct slice row, uint8_t *out, size_t len, struct err *err)
{
    struct hash room;
    if (vault_unwrap(v, (enum wrap_use)use, which_of(key, &room), row, out, len) != 0)
        return err_set(err, ERR_CORRUPT, "vault: a row about a question of double admission does not open");
    return 0;
}

/* ---- outputs ---- */

static int
put_output(struct vault *v, struct db_txn *txn, const struct lookup_output *o, struct err *err)
{
    uint8_t plain[OUTPUT_PLAIN], *p = plain;
    memcpy(p, o->at.log.b, HASH_BYTES);
    be64_put(p + HASH_BYTES, o->at.seq);
    p += HASH_BYTES + 8;
    *p++ = o->person_type;
    *p++ = o->bucket;
    memcpy(p, o->output.b, OPRF_OUTPUT_BYTES);
    int rc = put_wrapped(v, txn, TABLE_LOOKUP_OUTPUTS, WRAP_LOOKUP_OUTPUT, slice_of(o->subject.b, ID_BYTES),
                         slice_of(plain, sizeof(plain)), err);
    sodium_memzero(plain, sizeof(plain));
    return rc;
}

int
lookup_outputs_put(struct vault *v, const struct lookup_output *outputs, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = put_output(v, txn, &outputs[i], err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
lookup_output_get(struct vault *v, const struct subject_id *subject, struct lookup_output *ret, struct err *err)
{
    struct db_txn *txn;
    struct slice key = slice_of(subject->b, ID_BYTES), row;
    uint8_t plain[OUTPUT_PLAIN], *p = plain;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_LOOKUP_OUTPUTS, key, &row, err);
    if (rc == 0)
        rc = unwrap_row(v, WRAP_LOOKUP_OUTPUT, key, row, plain, sizeof(plain), err);
    db_abort(&txn);
    if (rc != 0)
        return rc;
    ret->subject = *subject;
    memcpy(ret->at.log.b, p, HASH_BYTES);
    ret->at.seq = be64_get(p + HASH_BYTES);
    p += HASH_BYTES + 8;
    ret->person_type = *p++;
    ret->bucket = *p++;
    memcpy(ret->output.b, p, OPRF_OUTPUT_BYTES);
    sodium_memzero(plain, sizeof(plain));
    return 0;
}

/* ---- results and records ---- */

const char *
lookup_outcome_word(enum lookup_outcome o)
{
    switch (o) {
    case LOOKUP_NONE: return "none";
    case LOOKUP_HIT: return "hit";
    case LOOKUP_ANSWERED: return "answered";
    case LOOKUP_LIMIT: return "rate limit";
    case LOOKUP_UNAVAILABLE: return "not available";
    }
    return "unknown";
}

static void
result_key(const struct subject_id *subject, const struct unit_id *unit, uint8_t out[LOOKUP_RESULT_KEY_BYTES])
{
    memcpy(out, subject->b, ID_BYTES);
    memcpy(out + ID_BYTES, unit->b, HASH_BYTES);
}

void
lookup_record_key(const struct lookup_record *r, uint8_t out[LOOKUP_RECORD_KEY_BYTES])
{
    be64_put(out, (uint64_t)r->at.ms);
    be32_put(out + 8, r->n);
}

static int
put_result(struct vault *v, struct db_txn *txn, const struct lookup_result *r, struct err *err)
{
    uint8_t key[LOOKUP_RESULT_KEY_BYTES], plain[RESULT_PLAIN];
    result_key(&r->subject, &r->unit, key);
    be64_put(plain, (uint64_t)r->at.ms);
    plain[8] = (uint8_t)r->outcome;
    memcpy(plain + 9, r->other.b, ID_BYTES);
    return put_wrapped(v, txn, TABLE_LOOKUP_RESULTS, WRAP_LOOKUP_RESULT, slice_of(key, sizeof(key)),
                       slice_of(plain, sizeof(plain)), err);
}

static int
put_record(struct vault *v, struct db_txn *txn, const struct lookup_record *r, struct err *err)
{
    struct lookup_record numbered = *r;
    uint8_t key[LOOKUP_RECORD_KEY_BYTES], plain[RECORD_PLAIN];
    struct slice there;
    int rc = 0;
    for (numbered.n = 0; rc == 0; numbered.n++) {
        lookup_record_key(&numbered, key);
        rc = db_get(txn, TABLE_LOOKUP_RECORDS, slice_of(key, sizeof(key)), &there, err);
    }
    if (rc != ERR_NOTFOUND)
        return rc;
    memcpy(plain, r->unit.b, HASH_BYTES);
    plain[HASH_BYTES] = (uint8_t)r->direction;
    plain[HASH_BYTES + 1] = (uint8_t)r->outcome;
    return put_wrapped(v, txn, TABLE_LOOKUP_RECORDS, WRAP_LOOKUP_RECORD, slice_of(key, sizeof(key)),
                       slice_of(plain, sizeof(plain)), err);
}

int
lookup_store(struct vault *v, const struct lookup_result *result, const struct lookup_record *record, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    if (result)
        rc = put_result(v, txn, result, err);
    if (rc == 0 && record)
        rc = put_record(v, txn, record, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

static int
read_result(struct vault *v, struct slice key, struct slice row, struct lookup_result *ret, struct err *err)
{
    uint8_t plain[RESULT_PLAIN];
    if (key.len != LOOKUP_RESULT_KEY_BYTES)
        return err_set(err, ERR_CORRUPT, "vault: an answer has a key of %zu bytes", key.len);
    int rc = unwrap_row(v, WRAP_LOOKUP_RESULT, key, row, plain, sizeof(plain), err);
    if (rc != 0)
        return rc;
    memcpy(ret->subject.b, key.data, ID_BYTES);
    memcpy(ret->unit.b, key.data + ID_BYTES, HASH_BYTES);
    ret->at.ms = (int64_t)be64_get(plain);
    ret->outcome = (enum lookup_outcome)plain[8];
    memcpy(ret->other.b, plain + 9, ID_BYTES);
    return 0;
}

int
lookup_result_get(struct vault *v, const struct subject_id *subject, const struct unit_id *unit,
                  struct lookup_result *ret, struct err *err)
{
    struct db_txn *txn;
    struct slice row;
    uint8_t key[LOOKUP_RESULT_KEY_BYTES];
    result_key(subject, unit, key);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_LOOKUP_RESULTS, slice_of(key, sizeof(key)), &row, err);
    if (rc == 0)
        rc = read_result(v, slice_of(key, sizeof(key)), row, ret, err);
    db_abort(&txn);
    return rc;
}

/* Walks a table from behind a key on; `each` says whether to go on (0), or ends it (1 or an error). */
static int
walk(struct db_txn *txn, enum table t, struct slice after,
     int (*each)(void *arg, struct slice key, struct slice row, struct err *err), void *arg, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, row;
    int rc = db_cursor_open(txn, t, &c, err);
    if (rc != 0)
        return rc;
    rc = after.len > 0 ? db_cursor_seek(c, after, &k, &row, err) : db_cursor_first(c, &k, &row, err);
    if (rc == 0 && after.len > 0 && slice_eq(k, after))
        rc = db_cursor_next(c, &k, &row, err);
    while (rc == 0) {
        rc = each(arg, k, row, err);
        if (rc == 0)
            rc = db_cursor_next(c, &k, &row, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND || rc == 1 ? 0 : rc;
}

struct listing {
    struct vault *v;
    struct lookup_result *results;
    struct lookup_record *records;
    size_t n, max;
};

static int
list_hit(void *arg, struct slice key, struct slice row, struct err *err)
{
    struct listing *l = arg;
    if (l->n == l->max)
        return 1;
    int rc = read_result(l->v, key, row, &l->results[l->n], err);
    l->n += rc == 0 && l->results[l->n].outcome == LOOKUP_HIT;
    return rc;
}

static int
list_record(void *arg, struct slice key, struct slice row, struct err *err)
{
    struct listing *l = arg;
    uint8_t plain[RECORD_PLAIN];
    if (l->n == l->max)
        return 1;
    if (key.len != LOOKUP_RECORD_KEY_BYTES)
        return err_set(err, ERR_CORRUPT, "vault: the record of a question has a key of %zu bytes", key.len);
    int rc = unwrap_row(l->v, WRAP_LOOKUP_RECORD, key, row, plain, sizeof(plain), err);
    if (rc != 0)
        return rc;
    struct lookup_record *r = &l->records[l->n++];
    r->at.ms = (int64_t)be64_get(key.data);
    r->n = be32_get(key.data + 8);
    memcpy(r->unit.b, plain, HASH_BYTES);
    r->direction = (enum lookup_direction)plain[HASH_BYTES];
    r->outcome = (enum lookup_outcome)plain[HASH_BYTES + 1];
    return 0;
}

static int
list(struct listing *l, enum table t, const uint8_t *after, size_t after_len,
     int (*each)(void *arg, struct slice key, struct slice row, struct err *err), size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(l->v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = walk(txn, t, slice_of(after, after ? after_len : 0), each, l, err);
    db_abort(&txn);
    if (rc == 0)
        *ret_n = l->n;
    return rc;
}

int
lookup_hits(struct vault *v, const uint8_t after[LOOKUP_RESULT_KEY_BYTES], struct lookup_result *ret, size_t max,
            size_t *ret_n, struct err *err)
{
    struct listing l = {.v = v, .results = ret, .max = max};
    return list(&l, TABLE_LOOKUP_RESULTS, after, LOOKUP_RESULT_KEY_BYTES, list_hit, ret_n, err);
}

int
lookup_records(struct vault *v, const uint8_t after[LOOKUP_RECORD_KEY_BYTES], struct lookup_record *ret, size_t max,
               size_t *ret_n, struct err *err)
{
    struct listing l = {.v = v, .records = ret, .max = max};
    return list(&l, TABLE_LOOKUP_RECORDS, after, LOOKUP_RECORD_KEY_BYTES, list_record, ret_n, err);
}

/* ---- removal: keys first, then their deletion, for a cursor does not outlive a change of its table ---- */

struct doomed {
    struct vault *v;
    struct wall_ms before;
    size_t n, max;
    uint8_t keys[EXPIRE_MAX][LOOKUP_RESULT_KEY_BYTES];
};

static int
doom_record(void *arg, struct slice key, struct slice row UNUSED, struct err *err UNUSED)
{
    struct doomed *d = arg;
    if (d->n == d->max || key.len != LOOKUP_RECORD_KEY_BYTES || (int64_t)be64_get(key.data) >= d->before.ms)
        return 1;
    memcpy(d->keys[d->n++], key.data, key.len);
    return 0;
}

static int
doom_result(void *arg, struct slice key, struct slice row, struct err *err)
{
    struct doomed *d = arg;
    struct lookup_result r;
    if (d->n == d->max)
        return 1;
    int rc = read_result(d->v, key, row, &r, err);
    if (rc == 0 && r.outcome != LOOKUP_HIT && r.at.ms < d->before.ms)
        memcpy(d->keys[d->n++], key.data, key.len);
    return rc;
}

static int
del_doomed(struct db_txn *txn, enum table t, const struct doomed *d, size_t key_len, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < d->n && rc == 0; i++)
        rc = db_del(txn, t, slice_of(d->keys[i], key_len), err);
    return rc;
}

int
lookup_expire(struct vault *v, struct wall_ms records, struct wall_ms results, size_t max, size_t *ret_n,
              struct err *err)
{
    struct db_txn *txn;
    size_t most = max < EXPIRE_MAX ? max : EXPIRE_MAX;
    struct doomed *d = calloc(2, sizeof(*d));
    if (!d)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    d[0] = (struct doomed){.v = v, .before = records, .max = most};
    d[1] = (struct doomed){.v = v, .before = results, .max = most};
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        goto done;
    rc = walk(txn, TABLE_LOOKUP_RECORDS, slice_of(NULL, 0), doom_record, &d[0], err);
    if (rc == 0)
        rc = walk(txn, TABLE_LOOKUP_RESULTS, slice_of(NULL, 0), doom_result, &d[1], err);
    if (rc == 0)
        rc = del_doomed(txn, TABLE_LOOKUP_RECORDS, &d[0], LOOKUP_RECORD_KEY_BYTES, err);
    if (rc == 0)
        rc = del_doomed(txn, TABLE_LOOKUP_RESULTS, &d[1], LOOKUP_RESULT_KEY_BYTES, err);
    if (rc == 0 && d[0].n + d[1].n > 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc == 0)
        *ret_n = d[0].n + d[1].n;
done:
    free(d);
    return rc;
}

struct of_subject {
    const struct subject_id *subject;
    struct doomed *doomed;
};

static int
doom_subject(void *arg, struct slice key, struct slice row UNUSED, struct err *err UNUSED)
{
    struct of_subject *o = arg;
    struct doomed *d = o->doomed;
    if (d->n == d->max || key.len != LOOKUP_RESULT_KEY_BYTES || memcmp(key.data, o->subject->b, ID_BYTES) != 0)
        return 1;
    memcpy(d->keys[d->n++], key.data, key.len);
    return 0;
}

static int
erase_one(struct db_txn *txn, const struct subject_id *subject, struct doomed *d, uint64_t *n, struct err *err)
{
    struct of_subject of = {subject, d};
    struct slice key = slice_of(subject->b, ID_BYTES), row;
    int rc = db_get(txn, TABLE_LOOKUP_OUTPUTS, key, &row, err);
    *n += rc == 0;
    if (rc == 0)
        rc = db_del(txn, TABLE_LOOKUP_OUTPUTS, key, err);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    do { /* all units that were asked, a handful at a time */
        d->n = 0;
        d->max = EXPIRE_MAX;
        if (rc == 0)
            rc = walk(txn, TABLE_LOOKUP_RESULTS, key, doom_subject, &of, err);
        if (rc == 0)
            rc = del_doomed(txn, TABLE_LOOKUP_RESULTS, d, LOOKUP_RESULT_KEY_BYTES, err);
        *n += rc == 0 ? d->n : 0;
    } while (rc == 0 && d->n == d->max);
    return rc;
}

int
lookup_erase(struct db_txn *txn, const struct subject_id *subjects, size_t n, uint64_t *ret_n, struct err *err)
{
    uint64_t rows = 0;
    int rc = 0;
    struct doomed *d = calloc(1, sizeof(*d));
    if (!d)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = erase_one(txn, &subjects[i], d, &rows, err);
    free(d);
    if (rc == 0)
        *ret_n = rows;
    return rc;
}

int
lookup_forget(struct vault *v, const struct subject_id *subjects, size_t n, struct err *err)
{
    struct db_txn *txn;
    uint64_t rows = 0;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = lookup_erase(txn, subjects, n, &rows, err);
    if (rc == 0 && rows > 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}
