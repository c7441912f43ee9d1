/* Counting people by month (kind 112) and closing a year (kind 256) → drafts. See command.h; docs/PROTOCOL.md §6 "Counting", §9.
 *
 * What the invoices of a month say of each person is worked out from the rows, whole; what was said before is in TABLE_ACTIVE. Both are
 * walked side by side in the order of the pseudonyms, and a draft is made where they differ. */
#include <stdlib.h>

#include "node/command/keys.h"
#include "node/command/rows.h"
#include "node/command/work.h"

#include "proto/base/map.h"
#include "storage/parted.h"
#include "storage/received.h"

enum { PEOPLE_MAX = 1 << 22, INVOICES_MAX = 1 << 24, HOMES_MAX = 8 };

/* A person, and a cell that an invoice of hers is in; has_cell false: one who is known, whatever she did. */
struct counted {
    struct subject_id pseudonym;
    bool has_cell;
    struct activity_cell cell;
};

/* Whom an invoice is linked to; two units may use one id. home: of visitors, zeros where the link does not say; of own members the own unit. */
struct whose {
    struct subject_id member;
    struct unit_id home;
};
_Static_assert(sizeof(struct whose) == ID_BYTES + HASH_BYTES, "compared byte by byte");

struct person {
    bool known; /* there is a counting key */
    struct subject_id pseudonym;
};

struct tally {
    const struct command_ctx *ctx;
    uint16_t month, year;
    struct map people; /* struct whose → struct person */
    struct counted *v;
    size_t n, cap;
    bool has_keyed;
    struct map keyed; /* pseudonyms of everybody who has a counting key here; filled when somebody is not in v */
};

/* ---- what the invoices say ---- */

static int
push(struct tally *t, const struct subject_id *pseudonym, const struct activity_cell *cell, struct err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 1024 : 2 * t->cap;
        struct counted *more = cap <= INVOICES_MAX ? realloc(t->v, cap * sizeof(*more)) : NULL;
        if (more == NULL)
            return err_set(err, ERR_NOMEM, "counting: out of memory");
        t->v = more;
        t->cap = cap;
    }
    struct counted *c = &t->v[t->n++];
    memset(c, 0, sizeof(*c));
    c->pseudonym = *pseudonym;
    c->has_cell = cell != NULL;
    if (cell != NULL)
        c->cell = *cell;
    return 0;
}

/* Pseudonym of a member who has a key: *ret_known. She is in v from now on, be it without a cell. */
static int
pseudonym_of(struct tally *t, const struct subject_id *member, bool *ret_known, struct subject_id *ret, struct err *err)
{
    int rc = member_pseudonym(t->ctx->txn, t->ctx->vault, member, t->year, ret, err);
    *ret_known = rc == 0;
    if (rc == ERR_NOTFOUND ||
        rc == ERR_CORRUPT) /* a slot of the vault that is damaged is no reason not to count the others */
        return 0;
    return rc == 0 ? push(t, ret, NULL, err) : rc;
}

/* Records that were merged are one person, counted as the one that was kept. */
static int
person_of(struct tally *t, const struct subject_id *member, struct person **ret, struct err *err)
{
    struct subject_id kept, ignored;
    bool is_new = false, known;
    const struct whose key = {*member, t->ctx->unit};
    struct person *p = map_put(&t->people, &key, &is_new);
    *ret = p;
    if (p == NULL)
        return err_set(err, ERR_NOMEM, "counting: out of memory");
    if (!is_new)
        return 0;
    int rc = work_kept(t->ctx, member, &kept, err);
    if (rc == 0 && !TYPE_EQ(&kept, member))
        rc = pseudonym_of(t, member, &known, &ignored, err);
    return rc == 0 ? pseudonym_of(t, &kept, &p->known, &p->pseudonym, err) : rc;
}

/* With the year key that one home gave, or what is left of it; home_or_null: whoever did. */
static int
guest_pseudonym(const struct tally *t, const struct subject_id *member, const struct unit_id *home_or_null,
                struct subject_id *ret, struct err *err)
{
    struct received_filter years = RECEIVED_ANY;
    struct received_key year;
    years.class = CLASS_COUNTING;
    years.unit = home_or_null;
    int rc = received_get(t->ctx->vault, member, &years, t->year, &year, err);
    if (rc == ERR_NOTFOUND) /* her access is over, in this month or after it */
        return parted_get(t->ctx->vault, member, home_or_null, t->year, ret, err);
    if (rc == 0)
        *ret = counting_pseudonym(&year.key);
    person_wipe(&year, sizeof(year));
    return rc;
}

/* Where she moved from there. */
static int
next_home(const struct tally *t, const struct subject_id *member, struct unit_id *home, struct err *err)
{
    struct member_row row;
    struct member_state s;
    int rc = rows_member_of(t->ctx, home, member, &row, err);
    if (rc != 0)
        return rc;
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    *home = s.moved_to;
    return s.status == STATUS_LEFT && s.left_reason == LEFT_MOVED ? 0 : ERR_NOTFOUND;
}

/* A visitor is counted with the year key that her home gave, so that nobody counts her twice; without it she is left to the home. A new home
 * gives the key of the one before for that year. */
static int
guest_of(struct tally *t, const struct vault_link *link, struct person **ret, struct err *err)
{
    static const struct unit_id unsaid;
    const struct whose key = {link->member, link->unit};
    struct unit_id home = link->unit;
    bool is_new = false, says = !TYPE_EQ(&home, &unsaid);
    struct person *p = map_put(&t->people, &key, &is_new);
    *ret = p;
    if (p == NULL)
        return err_set(err, ERR_NOMEM, "counting: out of memory");
    if (!is_new)
        return 0;
    p->known = false;
    int rc = guest_pseudonym(t, &link->member, says ? &home : NULL, &p->pseudonym, err);
    for (int hop = 0; rc == ERR_NOTFOUND && says && hop < HOMES_MAX; hop++) {
        rc = next_home(t, &link->member, &home, err);
        if (rc != 0)
            break;
        rc = guest_pseudonym(t, &link->member, &home, &p->pseudonym, err);
    }
    if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
        return 0;
    if (rc != 0)
        return rc;
    p->known = true;
    return push(t, &p->pseudonym, NULL, err);
}

static int
take_invoice(struct tally *t, const struct subject_id *id, struct slice value, struct err *err)
{
    struct invoice_row row;
    struct invoice_state s;
    struct vault_link link;
    struct person *p;
    int rc = invoice_row_decode(value, &t->ctx->unit, id, &row, err);
    if (rc != 0)
        return rc;
    invoice_state_at(&row, DATE_MAX, &s);
    invoice_row_release(&row);
    if (!s.exists)
        return 0;
    rc = vault_link_get(t->ctx->vault, id, &link, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    if (rc != 0)
        return rc;
    rc = link.flags & LINK_OTHER_UNIT ? guest_of(t, &link, &p, err) : person_of(t, &link.member, &p, err);
    if (rc != 0 || !p->known || s.cancelled)
        return rc == ERR_NOTFOUND ? 0 : rc;
    struct activity_cell cell = {.facets = s.facts.facets};
    memcpy(cell.currency, s.facts.currency, sizeof(cell.currency));
    return push(t, &p->pseudonym, &cell, err);
}

static int
take_month(struct tally *t, struct err *err)
{
    uint8_t prefix[HASH_BYTES + 2];
    struct db_cursor *c;
    struct slice key, value;
    struct subject_id id;
    memcpy(prefix, t->ctx->unit.b, HASH_BYTES);
    be16_put(prefix + HASH_BYTES, t->month);
    int rc = db_cursor_open(t->ctx->txn, TABLE_INVOICES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(prefix, sizeof(prefix)), &key, &value, err);
    while (rc == 0 && key.len == KEY_INVOICE && memcmp(key.data, prefix, sizeof(prefix)) == 0) {
        memcpy(id.b, key.data + HASH_BYTES, sizeof(id.b));
        rc = take_invoice(t, &id, value, err);
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
compare_counted(const void *a, const void *b)
{
    const struct counted *x = a;
    const struct counted *y = b;
    int by_person = memcmp(x->pseudonym.b, y->pseudonym.b, ID_BYTES);
    if (by_person != 0)
        return by_person;
    return x->has_cell != y->has_cell ? (int)x->has_cell - (int)y->has_cell : activity_cell_compare(&x->cell, &y->cell);
}

/* ---- who can be spoken of ---- */

static int
load_keyed(struct tally *t, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    struct subject_id last = {{0}}, subject, pseudonym;
    bool any = false;
    int rc = db_cursor_open(t->ctx->txn, TABLE_KEYSLOTS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len < ID_BYTES)
            continue;
        memcpy(subject.b, key.data, ID_BYTES);
        if (any && TYPE_EQ(&subject, &last))
            continue;
        any = true;
        last = subject;
        rc = member_pseudonym(t->ctx->txn, t->ctx->vault, &subject, t->year, &pseudonym, err);
        if (rc == 0 && map_put(&t->keyed, &pseudonym, NULL) == NULL)
            rc = err_set(err, ERR_NOMEM, "counting: out of memory");
        if (rc == 0)
            rc = member_own_pseudonym(t->ctx->txn, t->ctx->vault, &subject, t->year, &pseudonym, err);
        if (rc == 0 && map_put(&t->keyed, &pseudonym, NULL) == NULL)
            rc = err_set(err, ERR_NOMEM, "counting: out of memory");
        if (rc != 0 && rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
            break;
    }
    db_cursor_close(&c);
    t->has_keyed = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Somebody without an invoice in the month: she was not active after all, unless her key is destroyed and what was said of her stays. */
static int
is_keyed(struct tally *t, const struct subject_id *pseudonym, bool *ret, struct err *err)
{
    int rc = t->has_keyed ? 0 : load_keyed(t, err);
    if (rc == 0)
        *ret = map_get(&t->keyed, pseudonym) != NULL;
    return rc;
}

/* ---- what was said, and what is to be said ---- */

struct cells {
    size_t n;
    struct activity_cell v[ACTIVITY_CELLS_MAX];
};

static int
said_before(const struct tally *t, const struct subject_id *pseudonym, struct slice value, struct cells *ret,
            struct err *err)
{
    struct active_row row;
    ret->n = 0;
    active_row_init(&row, t->year, pseudonym);
    int rc = active_row_decode(value, t->year, pseudonym, &row, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < row.n; i++) {
        const struct active_entry *e = &row.entries[i];
        if (e->n > 0 && e->month == t->month && TYPE_EQ(&e->unit, &t->ctx->unit)) {
            memcpy(ret->v, e->cells, e->n * sizeof(*e->cells));
            ret->n = e->n;
        }
    }
    active_row_release(&row);
    return 0;
}

/* The distinct cells of the person at *i, the first ACTIVITY_CELLS_MAX of them: no event holds more. Moves *i beyond her. */
static void
cells_of(const struct tally *t, size_t *i, struct cells *ret)
{
    const struct subject_id who = t->v[*i].pseudonym;
    ret->n = 0;
    for (; *i < t->n && TYPE_EQ(&t->v[*i].pseudonym, &who); (*i)++) {
        const struct counted *c = &t->v[*i];
        if (c->has_cell && ret->n < ACTIVITY_CELLS_MAX &&
            (ret->n == 0 || activity_cell_compare(&ret->v[ret->n - 1], &c->cell) != 0))
            ret->v[ret->n++] = c->cell;
    }
}

static bool
cells_equal(const struct cells *a, const struct cells *b)
{
    for (size_t i = 0; i < a->n && a->n == b->n; i++)
        if (activity_cell_compare(&a->v[i], &b->v[i]) != 0)
            return false;
    return a->n == b->n;
}

static int
make_draft(const struct tally *t, const struct subject_id *pseudonym, const struct cells *cells, struct draft *ret,
           struct err *err)
{
    struct draft d;
    work_draft(&d, t->ctx, KIND_PERSON_ACTIVE, pseudonym, month_first(t->month));
    d.cells = malloc(cells->n * sizeof(*d.cells) + 1);
    if (d.cells == NULL)
        return err_set(err, ERR_NOMEM, "counting: out of memory");
    memcpy(d.cells, cells->v, cells->n * sizeof(*d.cells));
    d.payload.active.n = cells->n;
    d.payload.active.cells = d.cells;
    *ret = d;
    return 0;
}

/* The walk side by side: rows of the year that were said, and t->v from index i on. */
struct walk {
    struct tally *t;
    struct db_cursor *c;
    struct slice key, value;
    bool has_row;
    size_t i, max, n;
    struct draft *ret;
};

static int
move(struct walk *w, int rc)
{
    uint8_t year[2];
    be16_put(year, w->t->year);
    w->has_row = rc == 0 && w->key.len == KEY_ACTIVE && memcmp(w->key.data, year, sizeof(year)) == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The next person of either side. */
static int
step(struct walk *w, struct err *err)
{
    struct tally *t = w->t;
    struct cells before = {.n = 0}, now = {.n = 0};
    struct subject_id row_id = {{0}}, who;
    bool has_person = w->i < t->n, there = true;
    if (w->has_row)
        memcpy(row_id.b, w->key.data + 2, sizeof(row_id.b));
    int order = !w->has_row ? -1 : !has_person ? 1 : memcmp(t->v[w->i].pseudonym.b, row_id.b, sizeof(row_id.b));
    who = order <= 0 ? t->v[w->i].pseudonym : row_id;
    int rc = order >= 0 ? said_before(t, &who, w->value, &before, err) : 0;
    if (rc == 0 && order >= 0)
        rc = move(w, db_cursor_next(w->c, &w->key, &w->value, err));
    if (order <= 0)
        cells_of(t, &w->i, &now);
    else if (rc == 0 && before.n > 0)
        rc = is_keyed(t, &who, &there, err);
    if (rc != 0 || !there || cells_equal(&before, &now))
        return rc;
    rc = make_draft(t, &who, &now, &w->ret[w->n], err);
    w->n += rc == 0;
    return rc;
}

static int
differences(struct tally *t, const struct subject_id *after, struct walk *w, struct err *err)
{
    static const struct subject_id first;
    uint8_t from[KEY_ACTIVE];
    w->t = t;
    key_active(from, t->year, after != NULL ? after : &first);
    int rc = db_cursor_open(t->ctx->txn, TABLE_ACTIVE, &w->c, err);
    if (rc != 0)
        return rc;
    rc = move(w, db_cursor_seek(w->c, slice_of(from, sizeof(from)), &w->key, &w->value, err));
    if (rc == 0 && after != NULL && w->has_row && memcmp(w->key.data, from, sizeof(from)) == 0)
        rc = move(w, db_cursor_next(w->c, &w->key, &w->value, err));
    while (after != NULL && w->i < t->n && memcmp(t->v[w->i].pseudonym.b, after->b, ID_BYTES) <= 0)
        w->i++;
    while (rc == 0 && w->n < w->max && (w->has_row || w->i < t->n))
        rc = step(w, err);
    db_cursor_close(&w->c);
    return rc;
}

int
command_count(const struct command_ctx *ctx, uint16_t month, const struct subject_id *after, size_t max,
              struct draft *ret, size_t *ret_n, struct err *err)
{
    struct tally t = {.ctx = ctx, .month = month, .year = (uint16_t)(1900 + month / 12)};
    struct walk w = {.max = max, .ret = ret};
    /* What this transaction changed must be in the tables, which are walked by cursor. */
    int rc = ctx->state != NULL ? state_flush(ctx->state, err) : 0;
    map_init(&t.people, sizeof(struct whose), sizeof(struct person), PEOPLE_MAX, NULL);
    map_init(&t.keyed, ID_BYTES, 1, PEOPLE_MAX, NULL);
    if (rc == 0)
        rc = take_month(&t, err);
    if (rc == 0) {
        if (t.n > 0)
            qsort(t.v, t.n, sizeof(*t.v), compare_counted);
        rc = differences(&t, after, &w, err);
    }
    for (size_t i = 0; rc != 0 && i < w.n; i++)
        draft_release(&ret[i]);
    if (rc == 0) {
        *ret_n = w.n;
        err_clear(err);
    }
    map_free(&t.people);
    map_free(&t.keyed);
    free(t.v);
    return rc;
}

/* ---- closing a year ---- */

static int
check_counted(const struct command_ctx *ctx, uint16_t year, struct err *err)
{
    uint16_t january = month_number(date_from_ymd(year, 1, 1));
    uint8_t from[KEY_UNCOUNTED];
    char day[DATE_TEXT_MAX];
    struct db_cursor *c;
    struct slice key, value;
    be16_put(from, january);
    int rc = db_cursor_open(ctx->txn, TABLE_UNCOUNTED, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    uint16_t month = rc == 0 && key.len == KEY_UNCOUNTED ? be16_get(key.data) : UINT16_MAX;
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    if (month >= january + 12)
        return 0;
    return err_field(err, ERR_CONFLICT, "year", "year: people of %.7s are not counted yet; try again in a while",
                     date_format(month_first(month), day));
}

int
command_close_period(const struct command_ctx *ctx, const struct close_request *req,
                     const struct period_figure *figures, size_t n, struct draft *ret, struct err *err)
{
    const uint16_t year = req->year;
    uint8_t key[KEY_PERIOD_ROW];
    struct slice value;
    struct draft d;
    if (year < 1900 || year > 2199)
        return err_field(err, ERR_INVALID, "year", "year: 1900 to 2199");
    struct civil_date closed_on = req->published ? req->closed_on : ctx->today;
    if (ctx->today.days <= date_from_ymd(year, 12, 31).days)
        return err_field(err, ERR_CONFLICT, "year", "year: it is not over");
    if (closed_on.days <= date_from_ymd(year, 12, 31).days || closed_on.days > ctx->today.days)
        return err_field(err, ERR_CONFLICT, "closed_on", "closed_on: not between the end of the year and today");
    key_period_row(key, &ctx->unit, year);
    int rc = rows_get(ctx, TABLE_PERIODS, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && !req->again)
        return err_field(err, ERR_CONFLICT, "year",
                         "year: it is closed; what changes afterwards is shown as an adjustment, unless it is closed "
                         "again (\"again\": true)");
    if (rc == 0 || rc == ERR_NOTFOUND)
        rc = req->published ? 0 : check_counted(ctx, year, err);
    if (rc != 0)
        return rc;
    draft_init(&d, ctx, KIND_PERIOD_CLOSED, NULL, closed_on);
    d.figures = malloc(n * sizeof(*d.figures) + 1);
    if (d.figures == NULL)
        return err_set(err, ERR_NOMEM, "closing a year: out of memory");
    memcpy(d.figures, figures, n * sizeof(*d.figures));
    d.payload.closed.year = year;
    d.payload.closed.n = n;
    d.payload.closed.figures = d.figures;
    rc = draft_check_payload(&d, err);
    if (rc == 0)
        *ret = d;
    else
        draft_release(&d);
    if (rc == 0)
        err_clear(err);
    return rc;
}
