/* The asked side: rate limit, whoever of the bucket is a member or applicant today, the list of entries, the record. Outputs are computed at
 * the first question that needs them and kept in the vault, so that an import costs nothing and a bucket is worked out once. */
#include <sodium.h>
#include <stdlib.h>

#include "node/host/lookup_private.h"

enum { PAGE = 256, TOKEN = 1000, HOUR_MS = 3600000 };

struct collecting {
    struct lookup *l;
    struct db_txn *txn;
    uint8_t bucket;
    struct oprf_element blinded;
    struct buf entries;
    struct buf input; /* of one person, in clear */
    size_t n_fresh, n_gone;
    struct lookup_output fresh[PAGE];
    struct subject_id gone[PAGE]; /* no members any more */
};

/* False: over the limit. */
static bool
take_token(struct lookup *l, struct lookup_unit *u)
{
    int64_t now = l->config.now_mono(l->config.arg).ms, full = (int64_t)l->config.per_hour * TOKEN;
    if (!u->filled) {
        u->filled = true;
        u->tokens = full;
    } else if (now - u->filled_ms >= HOUR_MS) {
        u->tokens = full;
    } else {
        u->tokens += (now - u->filled_ms) * full / HOUR_MS;
        u->tokens = u->tokens > full ? full : u->tokens;
    }
    u->filled_ms = now;
    if (u->tokens < TOKEN)
        return false;
    u->tokens -= TOKEN;
    return true;
}

/* ---- entries ---- */

static int
flush(struct collecting *c, struct err *err)
{
    int rc = lookup_outputs_put(c->l->config.vault, c->fresh, c->n_fresh, err);
    if (rc == 0)
        rc = lookup_forget(c->l->config.vault, c->gone, c->n_gone, err);
    sodium_memzero(c->fresh, c->n_fresh * sizeof(c->fresh[0]));
    c->n_fresh = c->n_gone = 0;
    return rc;
}

/* ERR_NOTFOUND: nothing to be found by. */
static int
compute(struct collecting *c, const struct subject_id *subject, const struct lookup_person *p,
        struct lookup_output *ret, struct err *err)
{
    *ret = (struct lookup_output){.subject = *subject, .at = p->at, .person_type = p->person_type};
    buf_clear(&c->input);
    int rc = lookup_person_input(c->l, c->txn, subject, &c->input, err);
    if (rc == 0) {
        ret->bucket = lookup_bucket(buf_slice(&c->input));
        rc = oprf_evaluate(c->l->key, buf_slice(&c->input), &ret->output, err);
    }
    if (rc == 0)
        c->fresh[c->n_fresh++] = *ret;
    return rc;
}

static int
add_entry(struct collecting *c, const struct lookup_output *o, struct err *err)
{
    uint8_t entry[LOOKUP_ENTRY_BYTES];
    if (c->entries.len >= LOOKUP_ENTRIES_MAX * LOOKUP_ENTRY_BYTES)
        return err_set(err, ERR_LIMIT, "more than %d members in one bucket", LOOKUP_ENTRIES_MAX);
    lookup_entry(&o->output, &c->blinded, &o->subject, entry);
    buf_put(&c->entries, entry, sizeof(entry));
    return buf_check(&c->entries, "entries", err);
}

static int
collect_one(struct collecting *c, const struct subject_id *subject, struct err *err)
{
    struct lookup_person p;
    struct lookup_output o;
    struct err none;
    int kept = lookup_output_get(c->l->config.vault, subject, &o, &none);
    if (kept != 0 && kept != ERR_NOTFOUND && kept != ERR_CORRUPT) {
        *err = none;
        return kept;
    }
    int rc = lookup_person(c->l, c->txn, subject, &p, err);
    if (rc == ERR_NOTFOUND) {
        if (kept == 0 && !p.member)
            c->gone[c->n_gone++] = *subject;
        return 0;
    }
    bool same = kept == 0 && o.at.seq == p.at.seq && TYPE_EQ(&o.at.log, &p.at.log) && o.person_type == p.person_type;
    if (rc == 0 && !same)
        rc = compute(c, subject, &p, &o, err);
    if (rc == 0 && o.bucket == c->bucket)
        rc = add_entry(c, &o, err);
    sodium_memzero(&o, sizeof(o));
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, LOOKUP_ENTRY_BYTES);
}

/* Random ones up to the next step; then in the order of their bytes, which says nothing of who is whose. */
static int
pad(struct collecting *c, struct err *err)
{
    const size_t step = LOOKUP_ENTRIES_STEP * LOOKUP_ENTRY_BYTES;
    size_t len = c->entries.len == 0 ? step : (c->entries.len + step - 1) / step * step, more = len - c->entries.len;
    uint8_t *room = more > 0 ? buf_reserve(&c->entries, more) : NULL;
    if (room) {
        c->l->config.random(c->l->config.arg, room, more);
        buf_added(&c->entries, more);
    }
    int rc = buf_check(&c->entries, "entries", err);
    if (rc == 0)
        qsort(c->entries.data, c->entries.len / LOOKUP_ENTRY_BYTES, LOOKUP_ENTRY_BYTES, compare_entries);
    return rc;
}

static int
collect(struct collecting *c, struct err *err)
{
    uint8_t token[VAULT_TOKEN_BYTES];
    struct subject_id *found = NULL;
    size_t n = 0;
    index_bucket(c->l->config.vault, c->bucket, token);
    int rc = vault_index_all(c->l->config.vault, token, &found, &n, err);
    if (rc == 0)
        rc = db_begin_read(c->l->config.db, &c->txn, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = collect_one(c, &found[i], err);
        if (rc == 0 && (i + 1 == n || (i + 1) % PAGE == 0))
            rc = flush(c, err);
    }
    free(found);
    db_abort(&c->txn);
    return rc == 0 ? pad(c, err) : rc;
}

/* ---- the answer ---- */

static int
answer(struct collecting *c, const struct sync_effect *e, struct sync_event *ret, struct err *err)
{
    c->bucket = e->admission_asked.bucket;
    c->blinded = e->admission_asked.blinded;
    int rc = oprf_blind_evaluate(c->l->key, &c->blinded, &ret->admission_done.evaluated, err);
    if (rc == 0)
        rc = collect(c, err);
    if (rc == 0) {
        ret->admission_done.status = ADMISSION_ANSWERED;
        ret->admission_done.entries = buf_slice(&c->entries);
    }
    return rc;
}

static struct collecting *
collecting_new(struct lookup *l)
{
    struct collecting *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->l = l;
    buf_init(&c->entries, LOOKUP_ENTRIES_MAX * LOOKUP_ENTRY_BYTES);
    buf_init(&c->input, LOOKUP_INPUT_MAX);
    return c;
}

static void
collecting_free(struct collecting *c)
{
    if (!c)
        return;
    buf_free(&c->entries);
    buf_free(&c->input);
    sodium_memzero(c, sizeof(*c));
    free(c);
}

/* Without a record there is no answer. */
static bool
put_on_record(struct lookup *l, const struct lookup_unit *u, enum lookup_outcome outcome)
{
    struct lookup_record r = {
        .at = l->config.now_wall(l->config.arg), .unit = u->unit, .direction = LOOKUP_THEIRS, .outcome = outcome};
    struct err err;
    int rc = lookup_store(l->config.vault, NULL, &r, &err);
    if (rc != 0)
        lookup_alarm(l, &err, "a question of another unit cannot be put on record, and gets no answer");
    return rc == 0;
}

/* One that is refused is put on record once in a while: who asks too much must not fill the vault. */
static void
refuse(struct lookup *l, struct lookup_unit *u, enum lookup_outcome outcome)
{
    int64_t now = l->config.now_mono(l->config.arg).ms;
    lookup_count(l, outcome == LOOKUP_LIMIT ? &l->stats.limited : &l->stats.unavailable);
    if (u->recorded_ms != INT64_MIN && now - u->recorded_ms < LOOKUP_LIMIT_RECORD_MS)
        return;
    u->recorded_ms = now;
    (void)put_on_record(l, u, outcome);
    struct log_about about = {.code = "lookup",
                              .peer = u->code,
                              .next = outcome == LOOKUP_LIMIT
                                          ? "if it admits that many, raise lookups_per_hour; else ask its operator why"
                                          : NULL};
    log_write(LOG_NOTICE, &about, "a question whether a person is a member here got no answer: %s",
              lookup_outcome_word(outcome));
}

void
lookup_answer(struct lookup *l, const struct sync_effect *e)
{
    struct sync_event ev = {
        .type = SYNC_ADMISSION_DONE,
        .admission_done = {.conn = e->conn, .number = e->admission_asked.number, .status = ADMISSION_NOT_AVAILABLE}};
    struct lookup_unit *u = lookup_unit(l, &e->admission_asked.unit);
    struct collecting *c = NULL;
    struct err err = {0};
    if (u && l->config.per_hour > 0 && lookup_state_whole(l)) {
        if (!take_token(l, u)) {
            ev.admission_done.status = ADMISSION_RATE_LIMIT;
        } else if ((c = collecting_new(l)) == NULL) {
            (void)err_set(&err, ERR_NOMEM, "out of memory");
        } else if (answer(c, e, &ev, &err) == 0 && !put_on_record(l, u, LOOKUP_ANSWERED)) {
            ev.admission_done.status = ADMISSION_NOT_AVAILABLE;
        }
        if (err.code != ERR_NONE)
            lookup_alarm(l, &err, "a question of another unit gets no answer");
    }
    if (ev.admission_done.status == ADMISSION_ANSWERED) {
        lookup_count(l, &l->stats.answered);
    } else {
        ev.admission_done.entries = slice_of(NULL, 0);
        if (u)
            refuse(l, u, ev.admission_done.status == ADMISSION_RATE_LIMIT ? LOOKUP_LIMIT : LOOKUP_UNAVAILABLE);
    }
    l->config.send(l->config.arg, &ev);
    collecting_free(c);
}
