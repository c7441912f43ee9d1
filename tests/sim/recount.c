/* A unit's views at one node, counted again slowly: from the rows that the node has, and from what the model knows was written. See
 * sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "node/view/view.h"
#include "storage/keyslots.h"

enum { PAGE = 16, LINES_PAGE = 64 };

struct recount {
    struct sim_node *at;
    struct db_txn *txn;
    const struct sim_unit *u;
};

static void
wrong(const struct recount *r, const char *what, long long is, long long expected)
{
    world_fail(r->at->w, r->at, "%s: %s is %lld, should be %lld", r->u->identity.unit_code, what, is, expected);
}

/* ---- members ---- */

static bool
state_equal(const struct model_person *model, const struct member_state *b)
{
    const struct member_state *a = &model->s;
    bool same = a->status == b->status && a->left_reason == b->left_reason && a->request_open == b->request_open &&
                a->category == b->category && a->person_type == b->person_type && TYPE_EQ(&a->office, &b->office) &&
                a->joined_on.days == b->joined_on.days && a->shares == b->shares &&
                a->left_on.days == b->left_on.days && model->n_owed == b->n_owed &&
                a->n_representatives == b->n_representatives && a->n_consents == b->n_consents &&
                TYPE_EQ(&a->merged_into, &b->merged_into);
    for (size_t i = 0; i < b->n_owed && same; i++)
        same = memcmp(model->owed[i].currency, b->owed[i].currency, CURRENCY_MAX) == 0 &&
               model->owed[i].shares == b->owed[i].shares && model->owed[i].minor == b->owed[i].amount_minor;
    for (size_t i = 0; i < b->n_representatives && same; i++)
        same = TYPE_EQ(&a->representatives[i], &b->representatives[i]);
    for (size_t i = 0; i < b->n_consents && same; i++)
        same = a->consents[i].purpose == b->consents[i].purpose &&
               a->consents[i].given_on.days == b->consents[i].given_on.days;
    return same;
}

static void
compare_members(const struct recount *r)
{
    struct err err = {0};
    struct subject_id who;
    for (size_t i = 0; model_entity(r->u->model, SORT_MEMBER, i, &who) && !r->at->w->failed; i++) {
        struct member_row row;
        struct member_state is;
        struct model_person expected;
        if (model_is_moved(r->u->model, &who))
            continue;
        (void)model_person(r->u->model, &who, INT32_MAX, NULL, &expected, NULL);
        if (view_member(r->txn, &who, &r->u->identity.unit, &row, &err) != 0) {
            world_fail(r->at->w, r->at, "member %s of %s is not there: %s", short_id(&who), r->u->identity.unit_code,
                       err.text);
            return;
        }
        member_state_at(&row, DATE_MAX, &is);
        if (!state_equal(&expected, &is))
            world_fail(r->at->w, r->at, "member %s of %s is in another state than its events say (%d, should be %d)",
                       short_id(&who), r->u->identity.unit_code, (int)is.status, (int)expected.s.status);
        member_row_release(&row);
    }
}

static void
report_counts(struct sim_node *at, struct db_txn *txn, const struct sim_unit *u, int64_t ret[COUNTS_N])
{
    struct report r = {0};
    struct err err = {0};
    unsigned by = rng_chance(&at->rng, 500) ? BY_NOTHING : BY_CATEGORY | BY_OFFICE;
    memset(ret, 0, COUNTS_N * sizeof(*ret));
    if (report_flows(txn, &u->identity.unit, DATE_MIN, DATE_MAX, by, &r, &err) != 0) {
        world_fail(at->w, at, "report of flows: %s", err.text);
        return;
    }
    for (size_t i = 0; i < r.n; i++)
        for (size_t k = 0; k < COUNTS_N; k++)
            ret[k] += r.rows[i].counts[k];
    report_release(&r);
    if (report_members(txn, &u->identity.unit, DATE_MAX, by, &r, &err) != 0) {
        world_fail(at->w, at, "report of members: %s", err.text);
        return;
    }
    ret[COUNT_MEMBERS] = 0;
    for (size_t i = 0; i < r.n; i++)
        ret[COUNT_MEMBERS] += r.rows[i].counts[COUNT_MEMBERS];
    report_release(&r);
}

/* Members by the report = members by their rows, whatever happened. */
static void
compare_sums(struct sim_node *at, struct db_txn *txn, const struct sim_unit *u, const int64_t counts[COUNTS_N])
{
    struct member_row rows[16];
    struct subject_id after;
    struct err err = {0};
    size_t n = 0;
    int64_t members = 0;
    bool first = true;
    do {
        if (view_members(txn, &u->identity.unit, first ? NULL : &after, ARRAY_LEN(rows), rows, &n, &err) != 0) {
            world_fail(at->w, at, "list of members: %s", err.text);
            return;
        }
        for (size_t i = 0; i < n; i++) {
            struct member_state s;
            member_state_at(&rows[i], DATE_MAX, &s);
            members += s.status == STATUS_MEMBER;
            after = rows[i].subject;
            member_row_release(&rows[i]);
        }
        first = false;
    } while (n == ARRAY_LEN(rows));
    if (members != counts[COUNT_MEMBERS])
        world_fail(at->w, at, "%s: the report has %lld members, the rows have %lld", u->identity.unit_code,
                   (long long)counts[COUNT_MEMBERS], (long long)members);
}

static const struct report_capital *
capital_of(const struct report *p, const char *currency)
{
    for (size_t i = 0; i < p->n_capital; i++)
        if (memcmp(p->capital[i].currency, currency, CURRENCY_MAX) == 0)
            return &p->capital[i];
    return NULL;
}

static const char *
capital_name(size_t k)
{
    static const char *const names[CAPITAL_N] = {"shares in",        "shares out",        "amount in",
                                                 "amount out",       "shares merged in",  "shares merged out",
                                                 "amount merged in", "amount merged out", "shares repaid",
                                                 "amount repaid",    "amount forgone"};
    return names[k];
}

static void
compare_capital(const struct recount *r, const struct model_capital *expected)
{
    struct report p = {0};
    struct err err = {0};
    if (report_members(r->txn, &r->u->identity.unit, DATE_MAX, BY_NOTHING, &p, &err) != 0) {
        world_fail(r->at->w, r->at, "report of members: %s", err.text);
        return;
    }
    for (size_t i = 0; i < expected->n; i++) {
        const struct report_capital *is = capital_of(&p, expected->of[i].currency);
        for (size_t k = 0; k < CAPITAL_N; k++)
            if ((is ? is->v[k] : 0) != expected->of[i].v[k])
                wrong(r, capital_name(k), is ? is->v[k] : 0, expected->of[i].v[k]);
    }
    report_release(&p);
}

static void
compare_register(const struct recount *r, const int64_t counts[COUNTS_N])
{
    static const enum count checked[] = {COUNT_MEMBERS,   COUNT_JOINED,          COUNT_RESIGNED, COUNT_WITHDRAWN,
                                         COUNT_EXCLUDED,  COUNT_DECEASED,        COUNT_APPLIED,  COUNT_REFUSED,
                                         COUNT_REQUESTED, COUNT_REQUEST_REFUSED, COUNT_MERGED};
    struct model_flows expected = {.from = DATE_MIN.days, .to = DATE_MAX.days};
    model_register(r->u->model, &expected);
    for (size_t i = 0; i < ARRAY_LEN(checked); i++)
        if (counts[checked[i]] != expected.counts[checked[i]])
            wrong(r, "a count of the reports", counts[checked[i]], expected.counts[checked[i]]);
    compare_capital(r, &expected.capital);
    compare_members(r);
}

/* Whether somebody has arrived whose shares are in no line yet: the reception is the operation on shares. */
static bool
has_arrivals(const struct recount *r)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err;
    bool found = false;
    if (db_cursor_open(r->txn, TABLE_HANDOVERS, &c, &err) != 0)
        return false;
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0 && !found; rc = db_cursor_next(c, &key, &value, &err))
        found = memcmp(key.data, r->u->identity.unit.b, HASH_BYTES) == 0 && value.data[0] == HANDOVER_ARRIVED;
    db_cursor_close(&c);
    return found;
}

/* The share register's lines sum to the capital, whatever happened. */
static void
compare_lines(const struct recount *r)
{
    static struct share_operation ops[LINES_PAGE];
    uint8_t key[KEY_SHARE_OP];
    uint64_t after = 0;
    size_t n = LINES_PAGE;
    struct report p = {0};
    struct err err = {0};
    if (report_members(r->txn, &r->u->identity.unit, DATE_MAX, BY_NOTHING, &p, &err) != 0)
        return;
    while (n == LINES_PAGE) {
        if (view_share_operations(r->txn, &r->u->identity.unit, after, after > 0 ? key : NULL, LINES_PAGE, ops, &n,
                                  &err) != 0) {
            world_fail(r->at->w, r->at, "share register: %s", err.text);
            break;
        }
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < ops[i].n_lines; k++) {
                const struct share_line *l = &ops[i].lines[k];
                struct report_capital *c = (struct report_capital *)(uintptr_t)capital_of(&p, l->currency);
                if (!c && (l->shares != 0 || l->minor != 0))
                    wrong(r, "a line of a currency without capital", l->shares, 0);
                if (!c)
                    continue;
                c->v[CAPITAL_SHARES_IN] -= l->shares; /* what is left in the end was in no line */
                c->v[CAPITAL_MINOR_IN] -= l->minor;
                c->v[CAPITAL_SHARES_REPAID] -= l->repaid_shares;
                c->v[CAPITAL_MINOR_REPAID] -= l->repaid_minor;
            }
        if (n > 0) {
            after = ops[n - 1].number;
            memcpy(key, ops[n - 1].key, sizeof(key));
        }
    }
    for (size_t i = 0; i < p.n_capital; i++) {
        const int64_t *v = p.capital[i].v;
        if (capital_shares(v) != 0 || capital_minor(v) != 0)
            wrong(r, "capital beyond the lines of the share register", capital_shares(v), 0);
        if (v[CAPITAL_SHARES_REPAID] != 0 || v[CAPITAL_MINOR_REPAID] != 0)
            wrong(r, "repayment beyond the lines of the share register", v[CAPITAL_SHARES_REPAID], 0);
    }
    report_release(&p);
}

/* ---- work ---- */

static const int work_checked[] = {WORK_INVOICES,     WORK_TURNOVER, WORK_CONTRIBUTION,
                                   WORK_CREDIT_NOTES, WORK_CREDITED, WORK_CONTRIBUTION_BACK};

static bool
activity(const struct recount *r, enum report_span span, unsigned by, struct activity_report *ret)
{
    struct err err = {0};
    if (report_activity(r->txn, &r->u->identity.unit, date_from_ymd(2023, 1, 1), date_from_ymd(2032, 12, 31), span, by,
                        ret, &err) == 0)
        return true;
    world_fail(r->at->w, r->at, "report of activity: %s", err.text);
    return false;
}

/* Sums by the rows, in whatever currency. */
static void
sum_rows(const struct recount *r, int64_t sum[WORK_N])
{
    struct invoice_row rows[PAGE];
    struct subject_id after;
    size_t n = PAGE;
    struct err err = {0};
    memset(sum, 0, WORK_N * sizeof(*sum));
    for (bool first = true; n == PAGE; first = false) {
        if (view_invoices(r->txn, &r->u->identity.unit, 0, first ? NULL : &after, PAGE, rows, &n, &err) != 0) {
            world_fail(r->at->w, r->at, "list of invoices: %s", err.text);
            return;
        }
        for (size_t i = 0; i < n; i++) {
            struct invoice_state s;
            invoice_state_at(&rows[i], DATE_MAX, &s);
            after = rows[i].invoice;
            invoice_row_release(&rows[i]);
            if (!s.exists || s.cancelled)
                continue;
            sum[WORK_INVOICES]++;
            sum[WORK_TURNOVER] += s.facts.amount_minor;
            sum[WORK_CONTRIBUTION] += s.facts.contribution_minor;
            sum[WORK_CREDIT_NOTES] += s.credit_notes;
            sum[WORK_CREDITED] += s.credited.amount_minor;
            sum[WORK_CONTRIBUTION_BACK] += s.credited.contribution_minor;
        }
    }
}

static void
compare_work_rows(const struct recount *r)
{
    struct activity_report p = {0};
    int64_t sum[WORK_N], is[WORK_N] = {0};
    unsigned by = rng_chance(&r->at->rng, 500) ? 0 : PEOPLE_BY_SECTOR | PEOPLE_BY_OFFICE;
    if (!activity(r, SPAN_WHOLE, by, &p))
        return;
    sum_rows(r, sum);
    for (size_t i = 0; i < p.n; i++)
        for (size_t k = 0; k < WORK_N; k++)
            is[k] += p.rows[i].v[k];
    for (size_t k = 0; k < ARRAY_LEN(work_checked); k++)
        if (is[work_checked[k]] != sum[work_checked[k]])
            wrong(r, "a sum of work, by its rows,", is[work_checked[k]], sum[work_checked[k]]);
    activity_report_release(&p);
}

static void
compare_work(const struct recount *r)
{
    static const char *const currencies[] = {"", "EUR", "SEK", "HUF"};
    struct activity_report p = {0};
    int32_t from = date_from_ymd(2023, 1, 1).days, to = date_from_ymd(2032, 12, 1).days;
    if (!activity(r, SPAN_WHOLE, 0, &p))
        return;
    for (size_t c = 0; c < ARRAY_LEN(currencies); c++) {
        int64_t expected[WORK_N], is[WORK_N] = {0};
        model_work(r->u->model, currencies[c], from, to, expected);
        for (size_t i = 0; i < p.n; i++)
            for (size_t k = 0; k < WORK_N; k++)
                if (c == 0 || strcmp(p.rows[i].cell.currency, currencies[c]) == 0)
                    is[k] += p.rows[i].v[k];
        for (size_t k = 0; k < WORK_RECORD_KEYS; k++)
            if (is[k] != expected[k])
                wrong(r, "a sum of work", is[k], expected[k]);
    }
    activity_report_release(&p);
}

/* ---- postings ---- */

static void
compare_postings(const struct recount *r)
{
    struct posting_report p;
    struct err err = {0};
    int64_t months = 0, begun = 0, ended = 0;
    if (report_postings(r->txn, &r->u->identity.unit, DATE_MIN, DATE_MAX, SPAN_WHOLE, &p, &err) != 0) {
        world_fail(r->at->w, r->at, "report of postings: %s", err.text);
        return;
    }
    for (size_t i = 0; i < p.n; i++) {
        months += p.rows[i].v[POSTING_MONTHS];
        begun += p.rows[i].v[POSTING_BEGUN];
        ended += p.rows[i].v[POSTING_ENDED];
    }
    posting_report_release(&p);
    if (months != model_months_abroad(r->u->model))
        wrong(r, "months abroad", months, model_months_abroad(r->u->model));
    if (begun != ended)
        wrong(r, "postings that ended", ended, begun);
}

/* ---- people ---- */

/* Months and years that were over by the clock of the unit's node when it counted them all; nothing can be said of the others. */
static bool
is_over(const struct recount *r, const struct activity_report_row *row, bool year)
{
    int32_t last = row->period.days + (year ? 366 : 31);
    return last < r->u->counted_at / 86400000;
}

static void
compare_people(const struct recount *r, bool years, uint16_t sector)
{
    struct activity_report p = {0};
    if (!activity(r, years ? SPAN_YEARS : SPAN_MONTHS, sector != 0 ? PEOPLE_BY_SECTOR : 0, &p))
        return;
    for (size_t i = 0; i < p.n; i++) {
        const struct activity_report_row *row = &p.rows[i];
        int32_t to = years ? row->period.days + 360 : row->period.days;
        if (!row->has_people || row->cell.currency[0] != '\0' || row->cell.facets.sector != sector ||
            !is_over(r, row, years))
            continue;
        int64_t expected = model_people(r->u->model, row->period.days, to, sector);
        if (row->people != expected)
            wrong(r, years ? "people of a year" : "people of a month", row->people, expected);
    }
    activity_report_release(&p);
}

/* The record kept, by the rows of this node. */
static struct subject_id
kept_by_rows(const struct recount *r, struct subject_id who)
{
    struct err err;
    for (int i = 0; i < 16; i++) {
        struct member_row row;
        struct member_state s;
        if (view_member(r->txn, &who, &r->u->identity.unit, &row, &err) != 0)
            break;
        member_state_at(&row, DATE_MAX, &s);
        member_row_release(&row);
        if (s.status != STATUS_MERGED)
            break;
        who = s.merged_into;
    }
    return who;
}

/* People of a month by the invoices that this node can link to somebody. */
static int64_t
people_by_links(const struct recount *r, uint16_t month)
{
    struct subject_id people[4 * PAGE], after;
    struct invoice_row rows[PAGE];
    struct vault_link link;
    struct err err;
    size_t n = PAGE;
    uint32_t generation;
    uint64_t slot;
    int64_t found = 0;
    for (bool first = true; n == PAGE; first = false) {
        if (view_invoices(r->txn, &r->u->identity.unit, month, first ? NULL : &after, PAGE, rows, &n, &err) != 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            struct invoice_state s;
            invoice_state_at(&rows[i], DATE_MAX, &s);
            after = rows[i].invoice;
            invoice_row_release(&rows[i]);
            if (!s.exists || s.cancelled || vault_link_get(r->at->vault, &after, &link, &err) != 0)
                continue;
            struct subject_id who = kept_by_rows(r, link.member);
            if (r->u->concurrent && keyslot_find(r->txn, &who, &generation, &slot, &err) == ERR_NOTFOUND)
                continue; /* another instance merged the record into one whose keys only it has */
            int64_t k = 0;
            while (k < found && !TYPE_EQ(&people[k], &who))
                k++;
            if (k == (int64_t)ARRAY_LEN(people))
                return -1;
            people[k] = who;
            found += k == found;
        }
    }
    return found;
}

/* Also where the history has branches: what is counted is what the invoices say. */
static void
compare_people_links(const struct recount *r)
{
    struct activity_report p = {0};
    if (!activity(r, SPAN_MONTHS, 0, &p))
        return;
    for (size_t i = 0; i < p.n; i++) {
        const struct activity_report_row *row = &p.rows[i];
        if (!row->has_people || row->cell.currency[0] != '\0' || !is_over(r, row, false))
            continue;
        int64_t expected = people_by_links(r, month_number(row->period));
        /* of people whose keys a disk set back does not have, what was said stays */
        if (expected >= 0 && (row->people < expected || (row->people > expected && !r->u->concurrent)))
            wrong(r, "people of a month, by links,", row->people, expected);
    }
    activity_report_release(&p);
}

/* ---- closed years: what was so when they were closed ---- */

static int64_t
figure(const struct period_row *row, uint16_t number)
{
    int64_t sum = 0;
    for (size_t i = 0; i < row->n; i++)
        if (row->figures[i].number == number && row->figures[i].category == 0)
            sum += row->figures[i].value;
    return sum;
}

static void
compare_period(const struct recount *r, const struct model_event *closed)
{
    static const struct {
        uint16_t number;
        enum count count;
    } counts[] = {{FIGURE_MEMBERS, COUNT_MEMBERS}, {FIGURE_JOINED, COUNT_JOINED}, {FIGURE_RESIGNED, COUNT_RESIGNED}};
    static const struct {
        uint16_t number;
        int work;
    } sums[] = {{64, WORK_INVOICES},     {65, WORK_TURNOVER}, {66, WORK_CONTRIBUTION},
                {67, WORK_CREDIT_NOTES}, {68, WORK_CREDITED}, {69, WORK_CONTRIBUTION_BACK}};
    struct model then = *r->u->model;
    struct model_flows flows = {.from = date_from_ymd(closed->year, 1, 1).days,
                                .to = date_from_ymd(closed->year, 12, 31).days};
    int64_t work[WORK_N];
    struct period_row row;
    struct err err = {0};
    then.n = (size_t)(closed->order - 1);
    if (view_period(r->txn, &r->u->identity.unit, closed->year, &row, &err) != 0) {
        world_fail(r->at->w, r->at, "closed year %u is not there: %s", closed->year, err.text);
        return;
    }
    model_register(&then, &flows);
    model_work(&then, "", flows.from, flows.to, work);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (figure(&row, counts[i].number) != flows.counts[counts[i].count])
            wrong(r, "a figure of a closed year", figure(&row, counts[i].number), flows.counts[counts[i].count]);
    for (size_t i = 0; i < ARRAY_LEN(sums); i++)
        if (figure(&row, sums[i].number) != work[sums[i].work])
            wrong(r, "a sum of a closed year", figure(&row, sums[i].number), work[sums[i].work]);
    period_row_release(&row);
}

void
recount_unit(struct sim_node *at, struct db_txn *txn, const struct sim_unit *u)
{
    struct recount r = {.at = at, .txn = txn, .u = u};
    int64_t counts[COUNTS_N];
    report_counts(at, txn, u, counts);
    compare_sums(at, txn, u, counts);
    if (!has_arrivals(&r))
        compare_lines(&r);
    compare_work_rows(&r);
    if (u->counted && at->index == u->index && !model_moves(u->model)) /* an erasure takes links, and no count */
        compare_people_links(&r);
    if (u->concurrent || at->w->failed)
        return;
    if (model_moves(u->model)) {
        compare_members(&r);
        return;
    }
    compare_register(&r, counts);
    compare_work(&r);
    compare_postings(&r);
    for (uint16_t sector = 0; u->counted && sector < 3; sector++) {
        compare_people(&r, false, sector);
        compare_people(&r, true, sector);
    }
    for (size_t i = 0; i < u->model->n; i++) {
        const struct model_event *e = &u->model->events[i];
        bool last = e->sort == SORT_PERIOD;
        for (size_t k = i + 1; k < u->model->n; k++)
            last &= u->model->events[k].sort != SORT_PERIOD || u->model->events[k].year != e->year;
        if (last)
            compare_period(&r, e);
    }
}
