/* An environment with everything applied. See register.h. */
#include "tests/support/register.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/event_samples.h"

static void
must(int rc, const struct err *err)
{
    if (rc != 0)
        fail_msg("%s: %s", err_name((enum err_code)rc), err->text);
}

static void
open_all(struct test_register *r)
{
    struct err err;
    bool needed;
    r->db = test_db_open_volatile(r->dir, DB_MAIN);
    must(apply_rebuild_needed(r->db, &needed, &err), &err);
    if (needed)
        must(apply_rebuild(r->db, NULL, NULL, &err), &err);
    must(state_new(r->db, &r->state, &err), &err);
    must(apply_new(r->db, r->state, &r->apply, &err), &err);
}

static void
close_all(struct test_register *r)
{
    apply_free(&r->apply);
    state_free(&r->state);
    db_close(&r->db);
}

void
test_register_open(struct test_register *r)
{
    *r = (struct test_register){.fast = false};
    test_dir_make(r->dir);
    test_dir_make(r->scratch);
    open_all(r);
}

void
test_register_close(struct test_register *r)
{
    close_all(r);
    test_dir_remove(r->dir);
    test_dir_remove(r->scratch);
}

void
test_register_restart(struct test_register *r)
{
    close_all(r);
    open_all(r);
}

void
test_register_check(struct test_register *r)
{
    struct err err;
    must(apply_check(r->db, r->scratch, true, &err), &err);
}

struct hash
test_register_fingerprint(struct test_register *r)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct db_txn *txn;
    struct err err;
    size_t n;
    must(db_begin_read(r->db, &txn, &err), &err);
    must(state_fingerprints(txn, rows, &n, &err), &err);
    db_abort(&txn);
    return fingerprint_total(rows, n);
}

bool
test_register_member(struct test_register *r, const struct unit_id *unit, struct subject_id subject,
                     struct member_row *ret)
{
    uint8_t key[KEY_MEMBER];
    struct db_txn *txn;
    struct slice value;
    struct err err;
    key_member(key, &subject, unit);
    must(db_begin_read(r->db, &txn, &err), &err);
    int rc = db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, &err);
    if (rc == 0) {
        member_row_init(ret, unit, &subject);
        must(member_row_decode(value, unit, &subject, ret, &err), &err);
    }
    db_abort(&txn);
    return rc == 0;
}

uint64_t
test_register_rows(struct test_register *r, enum table t)
{
    return test_table_rows(r->db, t);
}

void
test_register_break_row(struct test_register *r, enum table t, size_t at_end, const char *expected)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice key, value;
    struct err err;
    uint8_t k[KEY_MAX];
    assert_int_equal(db_begin_write(r->db, &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, t, &c, &err), 0);
    assert_int_equal(db_cursor_last(c, &key, &value, &err), 0);
    size_t key_len = key.len, len = value.len;
    uint8_t *old = malloc(len), *new = malloc(len);
    assert_true(old && new);
    memcpy(k, key.data, key_len);
    memcpy(old, value.data, len);
    memcpy(new, value.data, len);
    new[len - at_end] ^= 1;
    db_cursor_close(&c);
    assert_int_equal(db_put(txn, t, slice_of(k, key_len), slice_of(new, len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_int_equal(apply_check(r->db, r->scratch, true, &err), ERR_CORRUPT);
    if (strstr(err.text, expected) == NULL)
        fail_msg("expected \"%s\", got: %s", expected, err.text);
    assert_int_equal(db_begin_write(r->db, &txn, &err), 0);
    assert_int_equal(db_put(txn, t, slice_of(k, key_len), slice_of(old, len), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    test_register_check(r);
    free(old);
    free(new);
}

/* ---- runs ---- */

void
test_runs_take(struct test_runs *runs, struct test_log *log)
{
    if (runs->n == runs->cap) {
        runs->cap = runs->cap == 0 ? 16 : runs->cap * 2;
        runs->v = reallocarray(runs->v, runs->cap, sizeof(*runs->v));
        assert_non_null(runs->v);
    }
    struct test_run *kept = &runs->v[runs->n++];
    test_log_seal(log, &kept->run, NULL);
    buf_init(&kept->frames, RUN_BYTES_MAX);
    buf_put(&kept->frames, kept->run.frames.data, kept->run.frames.len);
    kept->run.frames = buf_slice(&kept->frames);
}

void
test_runs_release(struct test_runs *runs)
{
    for (size_t i = 0; i < runs->n; i++)
        buf_free(&runs->v[i].frames);
    free(runs->v);
    *runs = (struct test_runs){.n = 0};
}

static int
store(struct test_register *r, struct db_txn *txn, const struct test_run *t, struct log_row *row, bool *statement,
      struct err *err)
{
    struct chain_value after;
    *statement = false;
    int rc = evlog_find(txn, &t->run.log, row, err);
    if (rc == ERR_NOTFOUND && t->run.first == 1) {
        struct reader frames = reader_of(t->run.frames);
        struct slice header, payload;
        struct event_header h;
        struct log_opened opened;
        assert_true(event_frame_next(&frames, &header, &payload));
        must(verify_first_event(&t->run.log, header, payload, &h, &opened, err), err);
        *statement = opened.has_root_statement;
        rc = evlog_create(txn, &t->run.log, &opened, &h, row, err);
    }
    if (rc == 0 && t->run.first != row->head_seq + 1)
        rc = err_set(err, ERR_NOTFOUND, "does not continue");
    if (rc == 0)
        rc = verify_run(&t->run, &row->head_chain, &row->signing_key, &after, err);
    if (rc == 0)
        rc = evlog_append(txn, row, &t->run, &after, err);
    (void)r;
    return rc;
}

int
test_register_try(struct test_register *r, const struct test_run *t, struct err *err)
{
    struct db_txn *txn;
    struct log_row row;
    bool statement, rebuild = false, more = true;
    struct err ignored;
    int rc = db_begin_write(r->db, &txn, err);
    if (rc != 0)
        return rc;
    state_begin(r->state, txn);
    rc = store(r, txn, t, &row, &statement, err);
    if (rc == 0 && statement)
        rc = apply_statements(r->apply, txn, &row.unit, &rebuild, err);
    for (uint32_t no = row.no; rc == 0 && more; no = 0) {
        rc = apply_log(r->apply, txn, no, r->max_events, &more, err);
        if (rc == 0)
            rc = state_flush(r->state, err);
    }
    state_discard(r->state);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc != 0) {
        must(apply_reset(r->apply, &ignored), &ignored);
        return rc;
    }
    must(apply_rebuild_needed(r->db, &rebuild, &ignored), &ignored);
    if (rebuild)
        test_register_restart(r);
    return 0;
}

void
test_register_deliver(struct test_register *r, const struct test_run *t)
{
    struct err err;
    must(test_register_try(r, t, &err), &err);
    if (!r->fast)
        test_register_check(r);
}

void
test_register_deliver_all(struct test_register *r, const struct test_runs *runs, uint64_t seed)
{
    bool *done = calloc(runs->n + 1, sizeof(*done));
    assert_non_null(done);
    for (size_t left = runs->n; left > 0; left--) {
        /* The earliest run not delivered of a log drawn at random. */
        size_t pick = seed == 0 ? 0 : test_random(&seed) % runs->n;
        while (done[pick])
            pick = (pick + 1) % runs->n;
        for (size_t i = 0; i < pick; i++) {
            if (!done[i] && TYPE_EQ(&runs->v[i].run.log, &runs->v[pick].run.log))
                pick = i;
        }
        done[pick] = true;
        test_register_deliver(r, &runs->v[pick]);
    }
    free(done);
}

/* ---- events ---- */

uint64_t
test_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    return mix64(*state);
}

struct subject_id
test_subject(uint32_t n)
{
    struct subject_id s = {{0x5B}};
    be32_put(s.b + 4, n);
    return s;
}

static struct event_payload
payload_of(uint16_t kind, struct subject_id subject, struct civil_date day)
{
    struct event_payload p = sample_payload(kind);
    p.common.subject = subject;
    if (p.common.has_effective)
        p.common.effective = day;
    p.common.precision = PRECISION_DAY;
    return p;
}

struct position
test_event(struct test_log *log, uint16_t kind, struct subject_id subject, struct civil_date day,
           const struct event_ref *refs, size_t n_refs)
{
    struct event_payload p = payload_of(kind, subject, day);
    return test_log_event(log, &p, refs, n_refs);
}

struct position
test_admission(struct test_log *log, struct subject_id subject, struct civil_date day, struct subject_id office,
               uint8_t category, uint64_t shares)
{
    struct event_payload p = payload_of(KIND_MEMBER_ADMITTED, subject, day);
    memcpy(p.admission.office.b, office.b, sizeof(office.b));
    p.admission.category = category;
    p.admission.person_type = PERSON_NATURAL;
    p.admission.shares = shares;
    return test_log_event(log, &p, NULL, 0);
}

struct position
test_category(struct test_log *log, struct subject_id subject, struct civil_date day, uint8_t category)
{
    struct event_payload p = payload_of(KIND_CATEGORY_CHANGED, subject, day);
    p.category = category;
    return test_log_event(log, &p, NULL, 0);
}

struct position
test_move(struct test_log *log, struct subject_id subject, struct civil_date day, struct subject_id office)
{
    struct event_payload p = payload_of(KIND_DATA_CHANGED, subject, day);
    p.data.has_office = true;
    memcpy(p.data.office.b, office.b, sizeof(office.b));
    return test_log_event(log, &p, NULL, 0);
}

struct event_payload
test_payload(uint16_t kind, struct subject_id subject, struct civil_date day)
{
    bool month = (kind >= KIND_ACTIVITY_OPENED && kind <= KIND_PERSON_ACTIVE) ||
                 (kind >= KIND_POSTING_ISSUED && kind <= KIND_POSTING_CANCELLED);
    struct event_payload p = {.kind = kind};
    p.common.has_subject = kind != KIND_PERIOD_CLOSED;
    p.common.subject = subject;
    p.common.has_effective = true;
    p.common.effective = month ? date_month_start(day) : day;
    p.common.precision = month ? PRECISION_MONTH : PRECISION_DAY;
    return p;
}

struct subject_id
test_invoice_id(struct civil_date month, uint32_t n)
{
    struct subject_id id = {{0}};
    be16_put(id.b, month_number(month));
    id.b[2] = 0x1F;
    be32_put(id.b + 4, n);
    return id;
}

struct activity_facets
test_facets(struct subject_id office, uint16_t sector, bool culture)
{
    struct activity_facets f = {.sector = sector, .culture = culture};
    memcpy(f.office.b, office.b, sizeof(f.office.b));
    return f;
}

struct position
test_activity(struct test_log *log, uint16_t kind, struct subject_id activity, struct civil_date month,
              struct activity_facets facets, const struct event_ref *refs, size_t n_refs)
{
    struct event_payload p = test_payload(kind, activity, month);
    p.activity = facets;
    return test_log_event(log, &p, refs, n_refs);
}

struct position
test_invoice(struct test_log *log, struct subject_id invoice, struct activity_facets facets, int64_t amount_minor,
             const char *currency, const struct event_ref *refs, size_t n_refs)
{
    struct event_payload p = test_payload(KIND_INVOICE_ISSUED, invoice, month_first(invoice_id_month(&invoice)));
    p.invoice = (struct invoice_facts){
        .facets = facets, .amount_minor = amount_minor, .rate_bp = 500, .contribution_minor = amount_minor / 20};
    memcpy(p.invoice.currency, currency, CURRENCY_MAX - 1);
    return test_log_event(log, &p, refs, n_refs);
}

struct position
test_credit(struct test_log *log, struct subject_id invoice, struct civil_date month, int64_t amount_minor,
            int64_t contribution_minor, const struct event_ref *refs, size_t n_refs)
{
    struct event_payload p = test_payload(KIND_INVOICE_CREDITED, invoice, month);
    p.credit = (struct credit_facts){.amount_minor = amount_minor, .contribution_minor = contribution_minor};
    return test_log_event(log, &p, refs, n_refs);
}

static int
by_cell(const void *x, const void *y)
{
    return activity_cell_compare(x, y);
}

struct position
test_active(struct test_log *log, struct subject_id pseudonym, struct civil_date month,
            const struct activity_cell *cells, size_t n)
{
    struct event_payload p = test_payload(KIND_PERSON_ACTIVE, pseudonym, month);
    struct activity_cell sorted[ACTIVITY_CELLS_MAX];
    size_t kept = 0;
    assert_true(n <= ACTIVITY_CELLS_MAX);
    if (n > 0) {
        memcpy(sorted, cells, n * sizeof(*cells));
        qsort(sorted, n, sizeof(*sorted), by_cell);
    }
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || activity_cell_compare(&sorted[kept - 1], &sorted[i]) != 0)
            sorted[kept++] = sorted[i];
    p.active.n = kept;
    p.active.cells = sorted;
    return test_log_event(log, &p, NULL, 0);
}

struct position
test_period_closed(struct test_log *log, uint16_t year, struct civil_date on, const struct period_figure *figures,
                   size_t n)
{
    struct event_payload p = test_payload(KIND_PERIOD_CLOSED, (struct subject_id){{0}}, on);
    p.closed.year = year;
    p.closed.n = n;
    p.closed.figures = figures;
    return test_log_event(log, &p, NULL, 0);
}

struct position
test_cancel(struct test_log *log, uint16_t kind, struct subject_id subject, struct civil_date day,
            struct event_ref what)
{
    struct event_payload p = test_payload(kind, subject, day);
    what.role = REF_CANCELS;
    return test_log_event(log, &p, &what, 1);
}

struct event_ref
test_ref(const struct test_log *log, uint8_t role)
{
    return (struct event_ref){.role = role, .log = log->id, .seq = log->seq, .chain = log->chain};
}
