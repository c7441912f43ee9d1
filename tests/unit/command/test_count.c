/* Counting people by month, and closing years: what the invoices say against what was said, until nothing differs. Invented persons
 * only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/keys.h"
#include "node/command/work.h"
#include "storage/parted.h"
#include "storage/received.h"
#include "storage/vault_erase.h"
#include "tests/support/counter.h"

enum { YEAR = 2024, DRAFTS_MAX = 64 };

static uint16_t
month(int m)
{
    return month_number(date_from_ymd(YEAR, m, 1));
}

/* ---- people at work ---- */

struct worker {
    struct subject_id member, activity;
};

static struct worker
worker(struct counter *k, uint16_t sector)
{
    struct worker w;
    struct draft d;
    struct err err = {0};
    w.member = counter_done(k, counter_someone(k, ACTION_ADMIT, date_from_ymd(YEAR, 1, 1).days), NULL);
    struct activity_request r = {.action = WORK_OPEN_ACTIVITY,
                                 .member = w.member,
                                 .effective = date_from_ymd(YEAR, 1, 1),
                                 .has_sector = true,
                                 .sector = sector};
    if (command_activity(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    w.activity = d.subject;
    counter_record(k, &d);
    return w;
}

static struct subject_id
invoice(struct counter *k, const struct worker *w, int m, const char *currency, struct position *ret_at)
{
    struct invoice_request r = {.has_activity = true,
                                .activity = w->activity,
                                .effective = date_from_ymd(YEAR, m, 3),
                                .has_amount = true,
                                .amount_minor = 1000};
    struct draft d;
    struct err err = {0};
    memcpy(r.currency, currency, CURRENCY_MAX);
    if (command_invoice(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    struct subject_id id = d.subject;
    struct position at = counter_record(k, &d);
    if (ret_at)
        *ret_at = at;
    return id;
}

static void
cancel(struct counter *k, struct subject_id id, struct position at)
{
    struct cancel_request r = {.what = CANCEL_INVOICE, .subject = id, .event = at};
    struct draft d;
    struct err err = {0};
    if (command_cancel(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    counter_record(k, &d);
}

static struct position
correct_sector(struct counter *k, struct subject_id id, struct position at, uint16_t sector)
{
    struct invoice_request r = {.has_invoice = true,
                                .invoice = id,
                                .has_corrects = true,
                                .corrects = at,
                                .effective = DATE_NONE,
                                .has_sector = true,
                                .sector = sector};
    struct draft d;
    struct err err = {0};
    if (command_invoice(&k->ctx, &r, &d, &err) != 0)
        fail_msg("refused: %s", err.text);
    return counter_record(k, &d);
}

static struct subject_id
pseudonym(struct counter *k, const struct worker *w)
{
    struct subject_id p;
    struct err err;
    assert_int_equal(member_pseudonym(k->txn, k->vault, &w->member, YEAR, &p, &err), 0);
    return p;
}

/* ---- counting ---- */

static size_t
drafts_of(struct counter *k, int m, size_t max, const struct subject_id *after, struct draft *ret)
{
    struct err err = {0};
    size_t n = 0;
    if (command_count(&k->ctx, month(m), after, max, ret, &n, &err) != 0)
        fail_msg("refused: %s", err.text);
    assert_in_range(n, 0, max);
    return n;
}

/* Counts and records; how many were told anew. Counting again must have nothing to say. */
static size_t
counted(struct counter *k, int m)
{
    struct draft d[DRAFTS_MAX];
    size_t n = drafts_of(k, m, DRAFTS_MAX, NULL, d);
    for (size_t i = 0; i < n; i++) {
        const struct event_common *c = &d[i].payload.common;
        assert_int_equal(d[i].kind, KIND_PERSON_ACTIVE);
        assert_int_equal(c->effective.days, month_first(month(m)).days);
        assert_int_equal(c->precision, PRECISION_MONTH);
        assert_int_equal(d[i].n_capsules, 0);
        assert_true(i == 0 || memcmp(d[i - 1].subject.b, d[i].subject.b, ID_BYTES) < 0);
        assert_int_equal(draft_check_payload(&d[i], NULL), 0);
    }
    for (size_t i = 0; i < n; i++)
        counter_record(k, &d[i]);
    assert_int_equal(drafts_of(k, m, DRAFTS_MAX, NULL, d), 0);
    return n;
}

/* Cells that were said of the person in the month, by all units. */
static size_t
said(struct counter *k, const struct subject_id *who, int m, struct activity_cell *ret)
{
    uint8_t key[KEY_ACTIVE];
    struct slice value;
    struct active_row row;
    struct err err;
    size_t n = 0;
    key_active(key, YEAR, who);
    if (rows_get(&k->ctx, TABLE_ACTIVE, slice_of(key, sizeof(key)), &value, &err) != 0)
        return 0;
    assert_int_equal(active_row_decode(value, YEAR, who, &row, &err), 0);
    for (size_t i = 0; i < row.n; i++)
        for (size_t c = 0; c < row.entries[i].n && row.entries[i].month == month(m); c++)
            ret[n++] = row.entries[i].cells[c];
    active_row_release(&row);
    return n;
}

static void
each_person_is_told_once_with_the_cells_of_the_month(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1), b = worker(k, 2), idle = worker(k, 3);
    struct activity_cell c[DRAFTS_MAX];
    struct subject_id pa, pb, pi;
    invoice(k, &a, 3, "EUR", NULL);
    invoice(k, &a, 3, "EUR", NULL);
    invoice(k, &a, 3, "SEK", NULL);
    invoice(k, &b, 3, "EUR", NULL);
    invoice(k, &b, 4, "EUR", NULL);
    assert_int_equal(counted(k, 3), 2);
    assert_int_equal(counted(k, 4), 1);
    assert_int_equal(counted(k, 5), 0);
    pa = pseudonym(k, &a);
    pb = pseudonym(k, &b);
    pi = pseudonym(k, &idle);
    assert_int_equal(said(k, &pa, 3, c), 2);
    assert_int_equal(c[0].facets.sector, 1);
    assert_string_equal(c[0].currency, "EUR");
    assert_string_equal(c[1].currency, "SEK");
    assert_int_equal(said(k, &pb, 3, c), 1);
    assert_int_equal(said(k, &pa, 4, c), 0);
    assert_int_equal(said(k, &pi, 3, c), 0);
}

static void
what_comes_late_or_is_changed_is_told_anew_and_nothing_else(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1), b = worker(k, 2);
    struct activity_cell c[DRAFTS_MAX];
    struct position first, second, third;
    struct subject_id one = invoice(k, &a, 3, "EUR", &first);
    struct subject_id two = invoice(k, &b, 3, "EUR", &second);
    assert_int_equal(counted(k, 3), 2);
    struct subject_id pa = pseudonym(k, &a), pb = pseudonym(k, &b);
    /* Late, in a cell that was said: nothing. In another one: told. */
    struct subject_id three = invoice(k, &a, 3, "EUR", &third);
    assert_int_equal(counted(k, 3), 0);
    invoice(k, &b, 3, "HUF", NULL);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &pb, 3, c), 2);
    /* A correction moves the cell. */
    third = correct_sector(k, three, third, 9);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &pa, 3, c), 2);
    assert_int_equal(c[1].facets.sector, 9);
    /* Cancelled: the cell goes, and with the last one the person. */
    cancel(k, three, third);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &pa, 3, c), 1);
    cancel(k, one, first);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &pa, 3, c), 0);
    (void)two;
    (void)second;
    /* Brought back. */
    (void)correct_sector(k, one, first, 1);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &pa, 3, c), 1);
}

static void
whose_key_is_destroyed_stays_as_is(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1), b = worker(k, 2);
    struct activity_cell c[DRAFTS_MAX];
    struct position at;
    struct subject_id id = invoice(k, &a, 3, "EUR", &at);
    invoice(k, &b, 3, "EUR", NULL);
    assert_int_equal(counted(k, 3), 2);
    struct subject_id pa = pseudonym(k, &a);
    counter_forget_keys(k, &a.member);
    assert_int_equal(counted(k, 3), 0);
    (void)correct_sector(k, id, at, 40);
    assert_int_equal(counted(k, 3), 0);
    assert_int_equal(said(k, &pa, 3, c), 1);
    assert_int_equal(c[0].facets.sector, 1);
    /* Also when the link is gone with the key. */
    struct err err;
    assert_int_equal(vault_links_commit(k->vault, &err), 0);
    assert_int_equal(vault_links_del(k->vault, &id, 1, &err), 0);
    assert_int_equal(counted(k, 3), 0);
    assert_int_equal(said(k, &pa, 3, c), 1);
}

static void
an_invoice_cancelled_and_issued_anew_for_another_member_moves_both(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1), b = worker(k, 1);
    struct activity_cell c[DRAFTS_MAX];
    struct position at;
    struct draft d;
    struct err err = {0};
    struct subject_id id = invoice(k, &a, 3, "EUR", &at);
    assert_int_equal(counted(k, 3), 1);
    struct invoice_request r = {.has_invoice = true,
                                .invoice = id,
                                .has_corrects = true,
                                .corrects = at,
                                .effective = DATE_NONE,
                                .has_activity = true,
                                .activity = b.activity};
    assert_int_equal(command_invoice(&k->ctx, &r, &d, &err), ERR_CONFLICT);
    assert_string_equal(err.field, "activity");
    cancel(k, id, at);
    invoice(k, &b, 3, "EUR", NULL);
    assert_int_equal(counted(k, 3), 2);
    struct subject_id pa = pseudonym(k, &a), pb = pseudonym(k, &b);
    assert_int_equal(said(k, &pa, 3, c), 0);
    assert_int_equal(said(k, &pb, 3, c), 1);
}

static void
merged_records_are_one_person(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1), b = worker(k, 2);
    struct activity_cell c[DRAFTS_MAX];
    struct draft drafts[MERGE_DRAFTS];
    struct err err = {0};
    invoice(k, &a, 3, "EUR", NULL);
    invoice(k, &b, 3, "EUR", NULL);
    assert_int_equal(counted(k, 3), 2);
    struct merge_request merge = {.from = b.member, .into = a.member, .effective = date_from_ymd(YEAR, 5, 2)};
    if (command_merge(&k->ctx, &merge, drafts, &err) != 0)
        fail_msg("refused: %s", err.text);
    counter_record(k, &drafts[0]);
    counter_record(k, &drafts[1]);
    struct subject_id pa = pseudonym(k, &a), pb = pseudonym(k, &b);
    assert_int_equal(counted(k, 3), 2);
    assert_int_equal(said(k, &pa, 3, c), 2);
    assert_int_equal(said(k, &pb, 3, c), 0);
}

static void
what_another_unit_says_of_a_person_is_left_alone(void **state)
{
    struct counter *k = *state;
    struct worker a = worker(k, 1);
    struct activity_cell c[DRAFTS_MAX], theirs = {.facets = {.sector = 5}, .currency = "SEK"};
    struct subject_id who = pseudonym(k, &a);
    struct unit_id other = {{0x5E}};
    struct position at = {k->log, 1};
    struct active_row row;
    struct buf out;
    uint8_t key[KEY_ACTIVE];
    struct err err;
    active_row_init(&row, YEAR, &who);
    buf_init(&out, 4096);
    assert_int_equal(active_row_add(&row, &other, &at, month(3), &theirs, 1, k->dag, &err), 0);
    assert_int_equal(active_row_encode(&row, &out, &err), 0);
    key_active(key, YEAR, &who);
    counter_store(k, TABLE_ACTIVE, slice_of(key, sizeof(key)), &out);
    active_row_release(&row);
    buf_free(&out);
    assert_int_equal(counted(k, 3), 0);
    struct position issued;
    struct subject_id id = invoice(k, &a, 3, "EUR", &issued);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &who, 3, c), 2);
    cancel(k, id, issued);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &who, 3, c), 1);
    assert_int_equal(c[0].facets.sector, 5);
}

static void
pages_are_the_whole(void **state)
{
    struct counter *k = *state;
    struct draft whole[DRAFTS_MAX], page[3];
    for (uint16_t i = 0; i < 10; i++) {
        struct worker w = worker(k, (uint16_t)(1 + i));
        invoice(k, &w, 3, "EUR", NULL);
    }
    size_t n = drafts_of(k, 3, DRAFTS_MAX, NULL, whole), seen = 0, got = 0;
    assert_int_equal(n, 10);
    do {
        got = drafts_of(k, 3, 3, seen > 0 ? &whole[seen - 1].subject : NULL, page);
        for (size_t i = 0; i < got; i++, seen++) {
            assert_memory_equal(&page[i].subject, &whole[seen].subject, sizeof(page[i].subject));
            assert_int_equal(page[i].payload.active.n, 1);
            assert_int_equal(activity_cell_compare(page[i].payload.active.cells, whole[seen].payload.active.cells), 0);
            draft_release(&page[i]);
        }
    } while (got == 3);
    assert_int_equal(seen, n);
    /* Half of them said: the others go on. */
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0)
            counter_record(k, &whole[i]);
        else
            draft_release(&whole[i]);
    }
    assert_int_equal(counted(k, 3), 5);
}

/* ---- closing ---- */

static void
closing_refused(struct counter *k, uint16_t year, int code, const char *words)
{
    struct period_figure figure = {.number = FIGURE_MEMBERS, .value = 3};
    struct draft d;
    struct err err = {0};
    assert_int_equal(command_close_period(&k->ctx, &(struct close_request){.year = year}, &figure, 1, &d, &err), code);
    assert_string_equal(err.field, "year");
    if (strstr(err.text, words) == NULL)
        fail_msg("said: %s", err.text);
}

static int64_t
closed_turnover(struct counter *k, uint16_t year)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct period_row row;
    struct slice value;
    struct err err = {0};
    key_period_row(key, &k->ctx.unit, year);
    int rc = k->ctx.state != NULL ? state_get(k->ctx.state, TABLE_PERIODS, slice_of(key, sizeof(key)), &value, &err)
                                  : db_get(k->txn, TABLE_PERIODS, slice_of(key, sizeof(key)), &value, &err);
    assert_int_equal(rc, 0);
    assert_int_equal(period_row_decode(value, &k->ctx.unit, year, &row, &err), 0);
    int64_t turnover = row.figures[row.n - 1].value;
    period_row_release(&row);
    return turnover;
}

static void
a_year_is_closed_once_it_is_over_and_counted(void **state)
{
    struct counter *k = *state;
    struct period_figure figures[2] = {{.number = FIGURE_MEMBERS, .value = 3},
                                       {.number = FIGURE_TURNOVER, .currency = "EUR", .value = 100}};
    struct close_request req = {.year = 2024};
    struct draft d;
    struct err err = {0};
    uint8_t key[KEY_UNCOUNTED];
    closing_refused(k, 1899, ERR_INVALID, "1900");
    closing_refused(k, 2024, ERR_CONFLICT, "not over");
    k->ctx.today = date_from_ymd(2024, 12, 31);
    closing_refused(k, 2024, ERR_CONFLICT, "not over");
    k->ctx.today = date_from_ymd(2025, 1, 1);
    be16_put(key, month(12));
    assert_int_equal(db_put(k->txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), slice_of(NULL, 0), &err), 0);
    closing_refused(k, 2024, ERR_CONFLICT, "2024-12 are not counted yet");
    assert_int_equal(db_del(k->txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), &err), 0);
    be16_put(key, (uint16_t)(month(12) + 1));
    assert_int_equal(db_put(k->txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), slice_of(NULL, 0), &err), 0);
    assert_int_equal(command_close_period(&k->ctx, &req, figures, 2, &d, &err), 0);
    assert_int_equal(d.payload.closed.year, 2024);
    assert_int_equal(d.payload.closed.n, 2);
    assert_false(d.payload.common.has_subject);
    assert_int_equal(d.payload.closed.figures[1].value, 100);
    figures[1].value = 7; /* the draft has its own */
    assert_int_equal(d.payload.closed.figures[1].value, 100);
    counter_record(k, &d);
    closing_refused(k, 2024, ERR_CONFLICT, "closed; what changes afterwards");
    req.again = true;
    assert_int_equal(command_close_period(&k->ctx, &req, figures, 2, &d, &err), 0);
    counter_record(k, &d);
    assert_int_equal(closed_turnover(k, 2024), 7);
    be16_put(key, month(12));
    assert_int_equal(db_put(k->txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), slice_of(NULL, 0), &err), 0);
    assert_int_equal(command_close_period(&k->ctx, &req, figures, 2, &d, &err), ERR_CONFLICT);
}

/* A year key that another unit gave, by an event of that kind. */
static struct subject_id
year_key_comes(struct counter *k, const struct worker *w, uint16_t kind, uint8_t fill)
{
    struct received_key key = {.subject = w->member,
                               .unit = {{fill}},
                               .class = CLASS_COUNTING,
                               .generation = YEAR,
                               .from = {.seq = fill},
                               .kind = kind,
                               .until = DATE_NONE};
    struct err err = {0};
    memset(key.key.b, fill, sizeof(key.key.b));
    assert_int_equal(received_put(k->vault, &key, 1, &err), 0);
    return counting_pseudonym(&key.key);
}

static void
who_moved_here_is_counted_with_the_key_of_the_former_home(void **state)
{
    struct counter *k = *state;
    struct worker w = worker(k, 1);
    struct activity_cell c[DRAFTS_MAX];
    struct subject_id own = pseudonym(k, &w), later;
    struct err err = {0};
    invoice(k, &w, 3, "EUR", NULL);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &own, 3, c), 1);
    /* A grant or an offer says nothing about somebody who is at home here. */
    year_key_comes(k, &w, KIND_ACCESS_GRANTED, 7);
    year_key_comes(k, &w, KIND_HANDOVER_OFFERED, 8);
    struct subject_id p = pseudonym(k, &w);
    assert_memory_equal(p.b, own.b, sizeof(p.b));
    /* The completion brings the key: what was said under the own one is taken back and said under the former home's. */
    struct subject_id theirs = year_key_comes(k, &w, KIND_HANDOVER_COMPLETED, 9);
    p = pseudonym(k, &w);
    assert_memory_equal(p.b, theirs.b, sizeof(p.b));
    assert_int_equal(counted(k, 3), 2);
    assert_int_equal(said(k, &own, 3, c), 0);
    assert_int_equal(said(k, &theirs, 3, c), 1);
    /* The next year is counted with the own key. */
    assert_int_equal(member_pseudonym(k->txn, k->vault, &w.member, YEAR + 1, &later, &err), 0);
    assert_int_equal(member_own_pseudonym(k->txn, k->vault, &w.member, YEAR + 1, &own, &err), 0);
    assert_memory_equal(later.b, own.b, sizeof(later.b));
}

static const struct unit_id HOME = {{7}};

/* An invoice of somebody who is at home elsewhere, with the year key that her home gave by an event. */
static struct subject_id
visitor_works(struct counter *k, const struct subject_id *visitor, struct position *ret_from)
{
    struct worker w = worker(k, 1);
    struct received_key key = {.subject = *visitor,
                               .unit = HOME,
                               .class = CLASS_COUNTING,
                               .generation = YEAR,
                               .from = {.seq = 77},
                               .kind = KIND_ACCESS_GRANTED,
                               .until = DATE_NONE};
    struct vault_link link = {.member = *visitor, .flags = LINK_INVOICE | LINK_OTHER_UNIT, .unit = HOME};
    struct err err = {0};
    memset(key.key.b, 0x5a, sizeof(key.key.b));
    assert_int_equal(received_put(k->vault, &key, 1, &err), 0);
    link.entity = invoice(k, &w, 3, "EUR", NULL);
    assert_int_equal(vault_links_stage(k->vault, &link, NULL, 0, &err), 0);
    *ret_from = key.from;
    return counting_pseudonym(&key.key);
}

/* Any unit can give keys under the id of another one's member. */
static void
a_visitor_is_counted_with_the_year_key_of_her_home_and_no_other_units(void **state)
{
    struct counter *k = *state;
    const struct subject_id visitor = {{0x77, 2}};
    struct subject_id noted;
    struct position from;
    struct activity_cell c[DRAFTS_MAX];
    struct err err = {0};
    size_t n = 0;
    struct received_key other = {.subject = visitor,
                                 .unit = {{3}}, /* before the home in the order of keys */
                                 .class = CLASS_COUNTING,
                                 .generation = YEAR,
                                 .from = {.seq = 78},
                                 .kind = KIND_ACCESS_GRANTED,
                                 .until = DATE_NONE};
    memset(other.key.b, 0x33, sizeof(other.key.b));
    assert_int_equal(received_put(k->vault, &other, 1, &err), 0);
    struct subject_id p = visitor_works(k, &visitor, &from), not_hers = counting_pseudonym(&other.key);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &p, 3, c), 1);
    assert_int_equal(said(k, &not_hers, 3, c), 0);
    /* So when both are over, whichever was last. */
    assert_int_equal(parted_note(k->vault, &from, 1, month(3), &err), 0);
    assert_int_equal(parted_note(k->vault, &other.from, 1, month(3), &err), 0);
    assert_int_equal(received_del_event(k->vault, &from, &n, &err), 0);
    assert_int_equal(received_del_event(k->vault, &other.from, &n, &err), 0);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR, &noted, &err), 0);
    assert_memory_equal(&noted, &p, sizeof(p));
    assert_int_equal(parted_get(k->vault, &visitor, &other.unit, YEAR, &noted, &err), 0);
    assert_memory_equal(&noted, &not_hers, sizeof(p));
    assert_int_equal(parted_get(k->vault, &visitor, &(struct unit_id){{9}}, YEAR, &noted, &err), ERR_NOTFOUND);
    assert_int_equal(parted_get(k->vault, &visitor, NULL, YEAR, &noted, &err), 0); /* a link that does not say whose */
}

static void
a_visitor_whose_access_ends_in_a_month_is_counted_in_it(void **state)
{
    struct counter *k = *state;
    const struct subject_id visitor = {{0x77, 1}};
    struct subject_id noted;
    struct position from;
    struct activity_cell c[DRAFTS_MAX];
    struct subject_id p = visitor_works(k, &visitor, &from);
    size_t n = 0;
    struct err err = {0};
    assert_int_equal(parted_note(k->vault, &from, 1, month(3), &err), 0);
    assert_int_equal(received_del_event(k->vault, &from, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR + 1, &noted, &err), ERR_NOTFOUND);
    assert_int_equal(counted(k, 3), 1);
    assert_int_equal(said(k, &p, 3, c), 1);
    assert_int_equal(parted_expire(k->vault, month(3), &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(parted_expire(k->vault, month(4), &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR, &noted, &err), ERR_NOTFOUND);
    assert_int_equal(counted(k, 3), 0); /* what was said stays */
    assert_int_equal(said(k, &p, 3, c), 1);
}

static void
an_order_of_the_home_takes_the_note_of_a_visitor_too(void **state)
{
    struct counter *k = *state;
    const struct subject_id visitor = {{0x77, 1}};
    struct vault_erase_received order = {.unit = {{8}}, .subject = visitor, .classes = VAULT_ALL_CLASSES};
    struct vault_erase what = {.received = &order, .n_received = 1};
    struct vault_erased done;
    struct subject_id noted;
    struct position from;
    struct err err = {0};
    (void)visitor_works(k, &visitor, &from);
    assert_int_equal(parted_note(k->vault, &from, 1, month(3), &err), 0);
    assert_int_equal(parted_note(k->vault, &from, 1, month(3), &err), 0);
    assert_int_equal(received_del_event(k->vault, &from, NULL, &err), 0);
    assert_int_equal(parted_note(k->vault, &from, 1, month(3), &err),
                     0); /* after a crash between: there are no keys any more */
    assert_int_equal(vault_erase(k->vault, &what, &done, &err), 0);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR, &noted, &err),
                     0); /* another unit's order is none about her */
    order.unit = HOME;
    order.classes = VAULT_ALL_CLASSES & ~(1U << vault_class_index(CLASS_COUNTING));
    assert_int_equal(vault_erase(k->vault, &what, &done, &err), 0);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR, &noted, &err),
                     0); /* nor is one that leaves her activities */
    order.classes = VAULT_ALL_CLASSES;
    assert_int_equal(vault_erase(k->vault, &what, &done, &err), 0);
    assert_int_equal(done.received, 1);
    assert_int_equal(parted_get(k->vault, &visitor, &HOME, YEAR, &noted, &err), ERR_NOTFOUND);
    assert_int_equal(counted(k, 3), 0);
}

#define TEST(f)                                                                      \
    cmocka_unit_test_setup_teardown(f, counter_setup_vault, counter_teardown),       \
    {                                                                                \
#f " (row cache)", f, counter_setup_vault_with_state, counter_teardown, NULL \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_person_is_told_once_with_the_cells_of_the_month),
        TEST(what_comes_late_or_is_changed_is_told_anew_and_nothing_else),
        TEST(whose_key_is_destroyed_stays_as_is),
        TEST(an_invoice_cancelled_and_issued_anew_for_another_member_moves_both),
        TEST(merged_records_are_one_person),
        TEST(what_another_unit_says_of_a_person_is_left_alone),
        TEST(who_moved_here_is_counted_with_the_key_of_the_former_home),
        TEST(a_visitor_is_counted_with_the_year_key_of_her_home_and_no_other_units),
        TEST(a_visitor_whose_access_ends_in_a_month_is_counted_in_it),
        TEST(an_order_of_the_home_takes_the_note_of_a_visitor_too),
        TEST(pages_are_the_whole),
        TEST(a_year_is_closed_once_it_is_over_and_counted),
    };
    return cmocka_run_group_tests_name("count", tests, NULL, NULL);
}
