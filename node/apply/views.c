/* View rows, conflicts and the waiting index of an entity: what its row stood for before is taken back, what it stands for now is
 * put in. docs/PROTOCOL.md §13, docs/STORAGE.md "Views". */
#include <stdlib.h>

#include "node/apply/apply_private.h"

static const enum period_kind PERIODS[] = {PERIOD_DAY, PERIOD_MONTH, PERIOD_YEAR};

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

/* ---- contributions ---- */

static int
collect(void *arg, const struct contribution *c)
{
    struct contributions *list = arg;
    void *v = list->v;
    if (!grow(&v, &list->cap, list->n, sizeof(*list->v)))
        return ERR_NOMEM;
    list->v = v;
    list->v[list->n++] = *c;
    return 0;
}

int
views_collect(const struct member_row *row, struct contributions *ret, struct err *err)
{
    ret->n = 0;
    if (row->n == 0)
        return 0;
    int rc = member_contributions(row, collect, ret);
    return rc == 0 ? 0 : err_set(err, rc, "views: out of memory");
}

static bool
same(const struct contribution *a, const struct contribution *b)
{
    if (a->day.days != b->day.days || a->is_capital != b->is_capital)
        return false;
    if (a->is_capital)
        return memcmp(a->currency, b->currency, 3) == 0 && memcmp(a->v, b->v, CAPITAL_N * sizeof(a->v[0])) == 0;
    return TYPE_EQ(&a->office, &b->office) && a->category == b->category && a->person_type == b->person_type &&
           memcmp(a->v, b->v, sizeof(a->v)) == 0;
}

static int
contribute(struct apply *a, const struct unit_id *unit, const struct contribution *c, bool take, struct err *err)
{
    int64_t v[COUNTS_N];
    size_t n = c->is_capital ? (size_t)CAPITAL_N : (size_t)COUNTS_N;
    /* Sums wrap (docs/PROTOCOL.md §10), so the change of sign does too. */
    for (size_t i = 0; i < n; i++)
        v[i] = take ? (int64_t)(0 - (uint64_t)c->v[i]) : c->v[i];
    for (size_t i = 0; i < ARRAY_LEN(PERIODS); i++) {
        uint8_t key[KEY_COUNTS];
        int rc;
        if (c->is_capital) {
            key_capital(key, unit, PERIODS[i], c->day, c->currency);
            rc = state_add(a->state, TABLE_CAPITAL, slice_of(key, KEY_CAPITAL), v, n, err);
        } else {
            key_counts(key, unit, PERIODS[i], c->day, &c->office, c->category, c->person_type);
            rc = state_add(a->state, TABLE_COUNTS, slice_of(key, KEY_COUNTS), v, n, err);
        }
        if (rc != 0)
            return rc;
    }
    return 0;
}

int
views_apply(struct apply *a, const struct unit_id *unit, struct err *err)
{
    const struct contribution *old = a->before.v, *now = a->after.v;
    size_t n_old = a->before.n, n_now = a->after.n, same_n = 0;
    int rc = 0;
    while (same_n < n_old && same_n < n_now && same(&old[same_n], &now[same_n]))
        same_n++;
    while (n_old > same_n && n_now > same_n && same(&old[n_old - 1], &now[n_now - 1])) {
        n_old--;
        n_now--;
    }
    for (size_t i = same_n; rc == 0 && i < n_old; i++)
        rc = contribute(a, unit, &old[i], true, err);
    for (size_t i = same_n; rc == 0 && i < n_now; i++)
        rc = contribute(a, unit, &now[i], false, err);
    return rc;
}

/* ---- conflicts and waiting ---- */

static int
mark_push(struct marks *m, const struct mark *mark, struct err *err)
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

int
marks_add(struct apply *a, struct marks *m, const struct entity *e, const struct position *at, enum outcome outcome,
          enum void_reason reason, const struct event_ref *refs, size_t n_refs, struct err *err)
{
    struct mark mark = {.reason = (uint8_t)reason};
    uint32_t no = 0;
    if (outcome == OUTCOME_CONFLICT) {
        mark.table = TABLE_CONFLICTS;
        mark.len = KEY_CONFLICT;
        entity_key(e, mark.key);
        key_position(mark.key + ENTITY_KEY, &at->log, at->seq);
        return mark_push(m, &mark, err);
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
        rc = mark_push(m, &mark, err);
    }
    return rc;
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
    if (!is_new)
        return 0;
    value[0] = (uint8_t)e->type;
    entity_key(e, value + 1);
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
