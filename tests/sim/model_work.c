/* Activities, invoices, the people who invoice, and postings, as the events of a model make them. See model.h. */
#include "tests/sim/model.h"

#include <stdlib.h>

bool
model_activity(const struct model *m, const struct subject_id *id, int32_t as_of, const struct model_event *extra,
               struct model_activity *ret)
{
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_ACTIVITY, id, extra, &n);
    bool possible = true;
    *ret = (struct model_activity){.closed = INT32_MAX};
    for (size_t i = 0; i < n && possible && slots[i]->date <= as_of; i++) {
        const struct model_event *e = slots[i];
        bool opens = e->kind == KIND_ACTIVITY_OPENED;
        if (e->empties)
            continue;
        possible = opens ? !ret->exists : ret->open;
        ret->owner = opens ? e->other : ret->owner;
        ret->exists = true;
        ret->open = e->kind != KIND_ACTIVITY_CLOSED;
        if (ret->open)
            ret->facets = e->facets;
        else
            ret->closed = e->date;
    }
    free(slots);
    return possible;
}

bool
model_invoice(const struct model *m, const struct subject_id *id, int32_t as_of, const struct model_event *extra,
              struct model_invoice *ret)
{
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_INVOICE, id, extra, &n);
    bool possible = true;
    *ret = (struct model_invoice){0};
    for (size_t i = 0; i < n && possible && slots[i]->date <= as_of; i++) {
        const struct model_event *e = slots[i];
        if (e->empties)
            continue;
        if (e->kind == KIND_INVOICE_ISSUED) {
            possible = !ret->exists;
            ret->exists = true;
            ret->month = e->date;
            ret->issue = e;
            ret->owner = e->other;
            continue;
        }
        ret->credited += e->minor;
        ret->back += e->contribution;
        ret->notes++;
        possible = ret->exists && ret->credited <= ret->issue->minor && ret->back <= ret->issue->contribution;
    }
    free(slots);
    return possible;
}

/* Months as numbers: January 1900 is 0. */
static int32_t
number_of(int32_t day)
{
    int year, month, d;
    date_to_ymd((struct civil_date){day}, &year, &month, &d);
    return (year - 1900) * 12 + month - 1;
}

bool
model_posting(const struct model *m, const struct subject_id *id, const struct model_event *extra,
              struct model_posting *ret)
{
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_POSTING, id, extra, &n);
    bool possible = true;
    *ret = (struct model_posting){0};
    for (size_t i = 0; i < n && possible; i++) {
        const struct model_event *e = slots[i];
        bool issue = e->kind == KIND_POSTING_ISSUED;
        if (e->empties)
            continue;
        possible = issue ? !ret->exists
                         : ret->exists && number_of(e->date) <= ret->last + 1 && number_of(e->to) <= ret->first + 24;
        if (issue) {
            ret->first = number_of(e->date);
            ret->from = e->from;
            ret->owner = e->other;
        }
        ret->exists = true;
        ret->last = number_of(e->to);
        ret->to = e->to;
        ret->said = e->date;
        memcpy(ret->country, e->country, sizeof(ret->country));
    }
    free(slots);
    return possible;
}

bool
model_is_posted(const struct model *m, const struct subject_id *who, int32_t from, int32_t to,
                const struct subject_id *except)
{
    struct subject_id id, kept = model_kept(m, who);
    bool found = false;
    for (size_t i = 0; !found && model_entity(m, SORT_POSTING, i, &id); i++) {
        struct model_posting p;
        (void)model_posting(m, &id, NULL, &p);
        struct subject_id owner = model_kept(m, &p.owner);
        found = p.exists && !TYPE_EQ(&id, except) && TYPE_EQ(&owner, &kept) && p.from <= to && p.to >= from;
    }
    return found;
}

int64_t
model_months_abroad(const struct model *m)
{
    struct subject_id id;
    int64_t sum = 0;
    for (size_t i = 0; model_entity(m, SORT_POSTING, i, &id); i++) {
        struct model_posting p;
        (void)model_posting(m, &id, NULL, &p);
        sum += p.exists ? p.last - p.first + 1 : 0;
    }
    return sum;
}

static bool
within(int32_t month, int32_t from, int32_t to)
{
    return month >= from && month <= to;
}

static void
add_invoice(const struct model *m, const struct subject_id *id, const char *currency, int32_t from, int32_t to,
            int64_t ret[WORK_N])
{
    struct model_invoice v;
    size_t n;
    (void)model_invoice(m, id, INT32_MAX, NULL, &v);
    if (!v.exists || (currency[0] != '\0' && memcmp(v.issue->currency, currency, CURRENCY_MAX) != 0))
        return;
    if (within(v.month, from, to)) {
        ret[WORK_INVOICES]++;
        ret[WORK_TURNOVER] += v.issue->minor;
        ret[WORK_CONTRIBUTION] += v.issue->contribution;
    }
    const struct model_event **slots = model_slots(m, SORT_INVOICE, id, NULL, &n);
    for (size_t i = 0; i < n; i++) {
        if (slots[i]->empties || slots[i]->kind != KIND_INVOICE_CREDITED || !within(slots[i]->date, from, to))
            continue;
        ret[WORK_CREDIT_NOTES]++;
        ret[WORK_CREDITED] += slots[i]->minor;
        ret[WORK_CONTRIBUTION_BACK] += slots[i]->contribution;
    }
    free(slots);
}

static void
add_activity(const struct model *m, const struct subject_id *id, int32_t from, int32_t to, int64_t ret[WORK_N])
{
    struct model_activity a;
    size_t n;
    const struct model_event **slots = model_slots(m, SORT_ACTIVITY, id, NULL, &n);
    for (size_t i = 0; i < n; i++) {
        if (slots[i]->empties || !within(slots[i]->date, from, to))
            continue;
        ret[WORK_OPENED] += slots[i]->kind == KIND_ACTIVITY_OPENED;
        ret[WORK_CLOSED] += slots[i]->kind == KIND_ACTIVITY_CLOSED;
    }
    free(slots);
    (void)model_activity(m, id, to, NULL, &a);
    ret[WORK_OPEN] += a.open;
}

void
model_work(const struct model *m, const char *currency, int32_t from, int32_t to, int64_t ret[WORK_N])
{
    struct subject_id id;
    memset(ret, 0, WORK_N * sizeof(*ret));
    for (size_t i = 0; model_entity(m, SORT_INVOICE, i, &id); i++)
        add_invoice(m, &id, currency, from, to, ret);
    for (size_t i = 0; currency[0] == '\0' && model_entity(m, SORT_ACTIVITY, i, &id); i++)
        add_activity(m, &id, from, to, ret);
}

int64_t
model_people(const struct model *m, int32_t from, int32_t to, uint16_t sector)
{
    struct subject_id id, *people = calloc(m->n + 1, sizeof(*people));
    int64_t n = 0;
    MUST(people);
    for (size_t i = 0; model_entity(m, SORT_INVOICE, i, &id); i++) {
        struct model_invoice v;
        (void)model_invoice(m, &id, INT32_MAX, NULL, &v);
        if (!v.exists || !within(v.month, from, to) || (sector != 0 && v.issue->facets.sector != sector))
            continue;
        struct subject_id who = model_kept(m, &v.owner);
        bool known = false;
        for (int64_t k = 0; k < n; k++)
            known |= TYPE_EQ(&people[k], &who);
        if (!known)
            people[n++] = who;
    }
    free(people);
    return n;
}
