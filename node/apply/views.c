/* View rows, conflicts and the waiting index of an entity: what its row stood for before is taken back, what it stands for now is
 * put in. docs/PROTOCOL.md §13, docs/STORAGE.md "Views". */
#include <stdlib.h>

#include "node/apply/apply_private.h"

bool
grow(void **v, size_t *cap, size_t n, size_t bytes)
{
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 16 : *cap * 2;
    void *p = reallocarray(*v, more, bytes);
    if (p == NULL)
        return false;
    *v = p;
    *cap = more;
    return true;
}

/* ---- what a row adds ---- */

static int
list_add(struct list *list, const void *item, size_t bytes)
{
    if (!grow(&list->v, &list->cap, list->n, bytes))
        return ERR_NOMEM;
    memcpy((uint8_t *)list->v + list->n++ * bytes, item, bytes);
    return 0;
}

static int
add_counts(void *arg, const struct contribution *c)
{
    return list_add(arg, c, sizeof(*c));
}

static int
add_work(void *arg, const struct work_contribution *c)
{
    return list_add(arg, c, sizeof(*c));
}

static int
add_people(void *arg, const struct people_contribution *c)
{
    return list_add(arg, c, sizeof(*c));
}

static int
collected(int rc, struct err *err)
{
    return rc == 0 ? 0 : err_set(err, rc, "views: out of memory");
}

int
views_of_member(const struct member_row *row, struct list *ret, struct err *err)
{
    ret[VIEW_COUNTS].n = ret[VIEW_SHARES].n = 0;
    int rc = row->n > 0 ? member_contributions(row, add_counts, &ret[VIEW_COUNTS]) : 0;
    for (size_t i = 0; rc == 0 && i < row->n; i++)
        if (member_share_operation(row, &row->entries[i]))
            rc = list_add(&ret[VIEW_SHARES], &row->entries[i].at, sizeof(row->entries[i].at));
    return collected(rc, err);
}

int
views_of_last(const struct member_row *row, struct list *ret, struct err *err)
{
    const struct member_entry *last = &row->entries[row->n - 1];
    ret[VIEW_COUNTS].n = ret[VIEW_SHARES].n = 0;
    int rc = member_last_contributions(row, add_counts, &ret[VIEW_COUNTS]);
    if (rc == 0 && member_share_operation(row, last))
        rc = list_add(&ret[VIEW_SHARES], &last->at, sizeof(last->at));
    return collected(rc, err);
}

int
views_of_activity(const struct activity_row *row, struct list *ret, struct err *err)
{
    ret[VIEW_WORK].n = 0;
    return collected(row->n > 0 ? activity_contributions(row, add_work, &ret[VIEW_WORK]) : 0, err);
}

int
views_of_invoice(const struct invoice_row *row, struct list *ret, struct err *err)
{
    ret[VIEW_WORK].n = 0;
    return collected(row->n > 0 ? invoice_contributions(row, add_work, &ret[VIEW_WORK]) : 0, err);
}

int
views_of_active(const struct active_row *row, uint16_t month, struct list *ret, struct err *err)
{
    struct list *list = &ret[VIEW_PEOPLE];
    list->n = 0;
    if (row->n == 0)
        return 0;
    return collected(month != 0 ? active_contributions_of(row, month, add_people, list)
                                : active_contributions(row, add_people, list),
                     err);
}

/* ---- the rows of the views ---- */

static bool
same_counts(const void *x, const void *y)
{
    const struct contribution *a = x, *b = y;
    if (a->day.days != b->day.days || a->is_capital != b->is_capital)
        return false;
    if (a->is_capital)
        return memcmp(a->currency, b->currency, 3) == 0 && memcmp(a->v, b->v, CAPITAL_N * sizeof(a->v[0])) == 0;
    return TYPE_EQ(&a->office, &b->office) && a->category == b->category && a->person_type == b->person_type &&
           memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

static bool
same_share(const void *x, const void *y)
{
    const struct position *a = x, *b = y;
    return a->seq == b->seq && TYPE_EQ(&a->log, &b->log);
}

static bool
same_facets(const struct activity_facets *a, const struct activity_facets *b)
{
    return a->sector == b->sector && a->culture == b->culture && TYPE_EQ(&a->office, &b->office);
}

static bool
same_work(const void *x, const void *y)
{
    const struct work_contribution *a = x, *b = y;
    return a->month.days == b->month.days && same_facets(&a->facets, &b->facets) &&
           memcmp(a->currency, b->currency, 3) == 0 && memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

static bool
same_people(const void *x, const void *y)
{
    const struct people_contribution *a = x, *b = y;
    return a->month == b->month && a->by == b->by && a->is_year == b->is_year && a->overlap == b->overlap &&
           TYPE_EQ(&a->unit, &b->unit) && same_facets(&a->cell.facets, &b->cell.facets) &&
           memcmp(a->cell.currency, b->cell.currency, 3) == 0 && memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

/* Sums wrap (docs/PROTOCOL.md §10), so the change of sign does too. */
static void
deltas(int64_t *ret, const int64_t *v, size_t n, bool take)
{
    for (size_t i = 0; i < n; i++)
        ret[i] = take ? (int64_t)(0 - (uint64_t)v[i]) : v[i];
}

static int
put_counts(struct apply *a, const struct entity *e, const void *item, bool take, struct err *err)
{
    static const enum period_kind periods[] = {PERIOD_DAY, PERIOD_MONTH, PERIOD_YEAR};
    const struct contribution *c = item;
    int64_t v[COUNTS_N];
    size_t n = c->is_capital ? (size_t)CAPITAL_N : (size_t)COUNTS_N;
    int rc = 0;
    deltas(v, c->v, n, take);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(periods); i++) {
        uint8_t key[KEY_COUNTS];
        if (c->is_capital) {
            key_capital(key, &e->unit, periods[i], c->day, c->currency);
            rc = state_add(a->state, TABLE_CAPITAL, slice_of(key, KEY_CAPITAL), v, n, err);
        } else {
            key_counts(key, &e->unit, periods[i], c->day, &c->office, c->category, c->person_type);
            rc = state_add(a->state, TABLE_COUNTS, slice_of(key, KEY_COUNTS), v, n, err);
        }
    }
    return rc;
}

static int
put_share(struct apply *a, const struct entity *e, const void *item, bool take, struct err *err)
{
    const struct position *at = item;
    uint8_t raw[KEY_SHARE_OP];
    struct slice key = slice_of(raw, sizeof(raw));
    key_share_op(raw, &e->unit, dag_depth(a->dag, &at->log), &at->log, at->seq);
    return take ? state_del(a->state, TABLE_SHARE_OPS, key, err)
                : state_put(a->state, TABLE_SHARE_OPS, key, slice_of(e->subject.b, sizeof(e->subject.b)), err);
}

static int
put_work(struct apply *a, const struct entity *e, const void *item, bool take, struct err *err)
{
    static const enum period_kind periods[] = {PERIOD_MONTH, PERIOD_YEAR};
    const struct work_contribution *c = item;
    int64_t v[WORK_N];
    int rc = 0;
    deltas(v, c->v, WORK_N, take);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(periods); i++) {
        uint8_t key[KEY_WORK];
        key_work(key, &e->unit, periods[i], c->month, &c->facets.office, c->facets.sector, c->facets.culture,
                 c->currency);
        rc = state_add(a->state, TABLE_WORK, slice_of(key, sizeof(key)), v, WORK_N, err);
    }
    return rc;
}

static int
put_people(struct apply *a, const struct entity *e UNUSED, const void *item, bool take, struct err *err)
{
    const struct people_contribution *c = item;
    const struct activity_facets *f = &c->cell.facets;
    uint8_t key[KEY_PEOPLE];
    int64_t v[PEOPLE_N];
    deltas(v, c->v, PEOPLE_N, take);
    key_people(key, &c->unit, c->is_year ? PERIOD_YEAR : PERIOD_MONTH, month_first(c->month), c->by, &f->office,
               f->sector, f->culture, c->cell.currency);
    return state_add(a->state, TABLE_PEOPLE, slice_of(key, sizeof(key)), v, PEOPLE_N, err);
}

static const struct {
    size_t item_bytes;
    bool (*same)(const void *x, const void *y);
    int (*put)(struct apply *a, const struct entity *e, const void *item, bool take, struct err *err);
} VIEWS[VIEWS_N] = {
    [VIEW_COUNTS] = {sizeof(struct contribution), same_counts, put_counts},
    [VIEW_SHARES] = {sizeof(struct position), same_share, put_share},
    [VIEW_WORK] = {sizeof(struct work_contribution), same_work, put_work},
    [VIEW_PEOPLE] = {sizeof(struct people_contribution), same_people, put_people},
};

static const void *
item_at(const struct list *list, enum view view, size_t i)
{
    return (const uint8_t *)list->v + i * VIEWS[view].item_bytes;
}

int
views_apply(struct apply *a, enum view view, const struct entity *e, struct err *err)
{
    const struct list *old = &a->before[view], *now = &a->after[view];
    size_t n_old = old->n, n_now = now->n, same = 0;
    int rc = 0;
    while (same < n_old && same < n_now && VIEWS[view].same(item_at(old, view, same), item_at(now, view, same)))
        same++;
    while (n_old > same && n_now > same &&
           VIEWS[view].same(item_at(old, view, n_old - 1), item_at(now, view, n_now - 1))) {
        n_old--;
        n_now--;
    }
    for (size_t i = same; rc == 0 && i < n_old; i++)
        rc = VIEWS[view].put(a, e, item_at(old, view, i), true, err);
    for (size_t i = same; rc == 0 && i < n_now; i++)
        rc = VIEWS[view].put(a, e, item_at(now, view, i), false, err);
    return rc;
}

/* ---- conflicts and waiting ---- */

int
marks_push(struct marks *m, const struct mark *mark, struct err *err)
{
    void *v = m->v;
    if (!grow(&v, &m->cap, m->n, sizeof(*m->v)))
        return err_set(err, ERR_NOMEM, "conflicts: out of memory");
    m->v = v;
    m->v[m->n++] = *mark;
    return 0;
}

static int
log_no_of(struct apply *a, const struct log_id *log, uint32_t *ret, struct err *err)
{
    struct log_row row;
    if (a->current != NULL && TYPE_EQ(log, &a->current->id)) {
        *ret = a->current->no;
        return 0;
    }
    int rc = evlog_find(a->txn, log, &row, err);
    if (rc == 0)
        *ret = row.no;
    return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "an event of a log that is not held stands in a row") : rc;
}

static int
marks_add(struct apply *a, struct marks *m, const struct entity *e, const struct position *at, enum outcome outcome,
          enum void_reason reason, const struct event_ref *refs, size_t n_refs, struct err *err)
{
    struct mark mark = {.reason = (uint8_t)reason};
    uint32_t no = 0;
    if (outcome == OUTCOME_CONFLICT) {
        mark.table = TABLE_CONFLICTS;
        mark.len = KEY_CONFLICT;
        key_conflict(mark.key, e->type, &e->subject, &e->unit, &at->log, at->seq);
        return marks_push(m, &mark, err);
    }
    /* Every target of an event that waits, held or not: so these rows follow from the entity's row alone. */
    int rc = n_refs > 0 ? log_no_of(a, &at->log, &no, err) : 0;
    for (size_t i = 0; rc == 0 && i < n_refs; i++) {
        mark.table = TABLE_WAITING;
        mark.reason = 0;
        mark.len = KEY_WAITING;
        key_position(mark.key, &refs[i].log, refs[i].seq);
        be32_put(mark.key + KEY_POSITION, no);
        be64_put(mark.key + KEY_POSITION + 4, at->seq);
        rc = marks_push(m, &mark, err);
    }
    return rc;
}

static const struct row_entry *
entry_at(struct row_entries entries, size_t i)
{
    return (const struct row_entry *)(const void *)((const uint8_t *)entries.v + i * entries.size);
}

int
marks_of(struct apply *a, struct marks *m, const struct entity *e, struct row_entries entries, struct err *err)
{
    m->n = 0;
    for (size_t i = 0; i < entries.n; i++) {
        const struct row_entry *x = entry_at(entries, i);
        if (x->outcome != OUTCOME_CONFLICT && x->outcome != OUTCOME_WAITING)
            continue;
        int rc = marks_add(a, m, e, &x->at, x->outcome, x->reason, x->refs, x->n_refs, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

void
outcome_of(struct row_entries entries, const struct position *at, enum outcome *ret, enum void_reason *ret_reason)
{
    /* Most events are their row's last. */
    for (size_t i = entries.n; i-- > 0;) {
        const struct row_entry *x = entry_at(entries, i);
        if (x->at.seq == at->seq && TYPE_EQ(&x->at.log, &at->log)) {
            *ret = x->outcome;
            *ret_reason = x->reason;
            return;
        }
    }
}

static int
mark_cmp(const void *x, const void *y)
{
    const struct mark *a = x, *b = y;
    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    return memcmp(a->key, b->key, a->len);
}

static void
marks_sort(struct marks *m)
{
    size_t kept = 0;
    if (m->n > 1)
        qsort(m->v, m->n, sizeof(*m->v), mark_cmp);
    for (size_t i = 0; i < m->n; i++)
        if (kept == 0 || mark_cmp(&m->v[kept - 1], &m->v[i]) != 0)
            m->v[kept++] = m->v[i];
    m->n = kept;
}

static int
mark_put(struct apply *a, const struct entity *e, const struct mark *m, bool is_new, struct err *err)
{
    uint8_t value[WAITING_VALUE_MAX];
    struct slice key = slice_of(m->key, m->len);
    if (m->table == TABLE_CONFLICTS) {
        a->stats.conflicts += is_new;
        return state_put(a->state, TABLE_CONFLICTS, key, slice_of(&m->reason, 1), err);
    }
    if (m->table == TABLE_DOUBLES || m->table == TABLE_HANDOVERS)
        return state_put(a->state, (enum table)m->table, key, slice_of(&m->reason, 1), err);
    if (!is_new)
        return 0;
    value[0] = (uint8_t)e->type;
    key_entity(value + 1, &e->subject, &e->unit);
    int rc = db_put(a->txn, TABLE_WAITING, key, slice_of(value, sizeof(value)), err);
    return rc == 0 ? waiting_count(a, m->key, 1, err) : rc;
}

static int
mark_del(struct apply *a, const struct mark *m, struct err *err)
{
    struct slice key = slice_of(m->key, m->len);
    if (m->table == TABLE_CONFLICTS) {
        a->stats.conflicts--;
        return state_del(a->state, TABLE_CONFLICTS, key, err);
    }
    if (m->table == TABLE_DOUBLES || m->table == TABLE_HANDOVERS)
        return state_del(a->state, (enum table)m->table, key, err);
    int rc = db_del(a->txn, TABLE_WAITING, key, err);
    return rc == 0 ? waiting_count(a, m->key, -1, err) : rc;
}

int
marks_apply(struct apply *a, const struct entity *e, struct err *err)
{
    struct marks *old = &a->marks_before, *now = &a->marks_after;
    size_t i = 0, j = 0;
    int rc = 0;
    if (old->n == 0 && now->n == 0)
        return 0;
    marks_sort(old);
    marks_sort(now);
    while (rc == 0 && (i < old->n || j < now->n)) {
        int c = i == old->n ? 1 : j == now->n ? -1 : mark_cmp(&old->v[i], &now->v[j]);
        if (c < 0) {
            rc = mark_del(a, &old->v[i++], err);
        } else if (c > 0) {
            rc = mark_put(a, e, &now->v[j++], true, err);
        } else {
            if (old->v[i].reason != now->v[j].reason)
                rc = mark_put(a, e, &now->v[j], false, err);
            i++;
            j++;
        }
    }
    return rc;
}
