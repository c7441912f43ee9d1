/* See fold.h. Two ways to the same result: fold_all computes everything from the set; fold_append uses that an event written after
 * all others leaves their validity alone. The test fold_random holds both against a transcription of §10. */
#include <stdlib.h>

#include "node/rules/fold_parts.h"

/* ---- small parts ---- */

int
fold_compare(const struct dag *dag, const struct position *a, const struct position *b)
{
    int by_id = memcmp(a->log.b, b->log.b, sizeof(a->log.b));
    if (by_id == 0) {
        return a->seq < b->seq ? -1 : a->seq > b->seq;
    }
    uint32_t depth_a = dag_depth(dag, &a->log), depth_b = dag_depth(dag, &b->log);
    return depth_a == depth_b ? by_id : depth_a < depth_b ? -1 : 1;
}

bool
fold_ref_of_slot(const struct event_ref *ref)
{
    return ref->role == REF_CORRECTS || ref->role == REF_CANCELS;
}

/* The roles that a kind takes beside 2. */
static size_t
roles_of(const struct fold_rules *rules, uint16_t kind, struct fold_role ret[FOLD_ROLES_MAX])
{
    if (rules->cancels != 0 && kind == rules->cancels) {
        ret[0] = (struct fold_role){.role = REF_CANCELS, .required = true};
        return 1;
    }
    size_t n = rules->roles != NULL ? rules->roles(kind, ret) : 0;
    if (n == 0) {
        ret[0] = (struct fold_role){.role = 0};
        ret[0].role = rules->role(kind, &ret[0].required, &ret[0].target);
        n = ret[0].role != 0;
    }
    return n;
}

static bool
fixed(const struct fold_rules *rules, uint16_t kind)
{
    return rules->fixed != NULL && rules->fixed(kind);
}

bool
fold_refs_ok(const struct fold_rules *rules, uint16_t kind, const struct event_ref *refs, size_t n)
{
    struct fold_role roles[FOLD_ROLES_MAX];
    size_t n_roles = roles_of(rules, kind, roles);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (refs[k].role == refs[i].role) {
                return false;
            }
        }
    }
    for (size_t r = 0; r < n_roles; r++) {
        bool found = !roles[r].required;
        for (size_t i = 0; i < n; i++) {
            found = found || refs[i].role == roles[r].role;
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

uint8_t
fold_refs_take(const struct fold_rules *rules, const struct event_header *h, struct event_ref *ret, size_t max)
{
    struct fold_role roles[FOLD_ROLES_MAX];
    size_t n_roles = roles_of(rules, h->kind, roles);
    bool corrects = (rules->cancels == 0 || h->kind != rules->cancels) && !fixed(rules, h->kind);
    uint8_t n = 0;
    for (size_t i = 0; i < h->n_refs && n < max; i++) {
        bool taken = corrects && h->refs[i].role == REF_CORRECTS;
        for (size_t r = 0; r < n_roles; r++) {
            taken = taken || h->refs[i].role == roles[r].role;
        }
        if (taken) {
            ret[n++] = h->refs[i];
        }
    }
    /* Room is one more than the roles: if it is full, one of them is there twice. */
    return n;
}

/* A key from the top: day (30 bits, §2), its part (2), slot's first event (16), filler (16). */
enum { KEY_DAY_SHIFT = 34, KEY_PART_SHIFT = 32, KEY_DAY_ZERO = 1 << 29 };
static const uint64_t KEY_PARTS = (uint64_t)3 << KEY_PART_SHIFT;
static const uint64_t KEY_LATE = (uint64_t)2 << KEY_PART_SHIFT;

uint64_t
fold_key_early(int32_t day, uint32_t root, uint32_t filler)
{
    return (uint64_t)((int64_t)day + KEY_DAY_ZERO) << KEY_DAY_SHIFT | (uint64_t)root << 16 | filler;
}

uint64_t
fold_key(int32_t day, uint32_t root, uint32_t filler)
{
    return fold_key_early(day, root, filler) | (uint64_t)1 << KEY_PART_SHIFT;
}

static int
compare_keys(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

void
fold_sort(uint64_t *keys, size_t n)
{
    size_t in_order = 1;
    while (in_order < n && keys[in_order - 1] <= keys[in_order]) {
        in_order++;
    }
    if (in_order >= n) {
        return;
    }
    if (n > 64) {
        qsort(keys, n, sizeof(*keys), compare_keys);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        size_t k = i;
        for (; k > 0 && keys[k - 1] > key; k--) {
            keys[k] = keys[k - 1];
        }
        keys[k] = key;
    }
}

static bool
less(const struct position *a, const struct position *b)
{
    int by_id = memcmp(a->log.b, b->log.b, sizeof(a->log.b));
    return by_id != 0 ? by_id < 0 : a->seq < b->seq;
}

void
fold_sort_trips(uint64_t *keys, size_t n, const void *ctx, struct fold_trip (*trip)(const void *ctx, uint32_t filler))
{
    bool moved = false;
    for (size_t from = 0, to = 0; from < n; from = to) {
        const struct position *least = NULL;
        for (; to < n && keys[to] >> KEY_DAY_SHIFT == keys[from] >> KEY_DAY_SHIFT; to++) {
            struct fold_trip t = trip(ctx, (uint32_t)(keys[to] & 0xffff));
            least = t.departure && (least == NULL || less(t.at, least)) ? t.at : least;
        }
        for (size_t i = from; i < to && least != NULL && (keys[i] & KEY_PARTS) == 0; i++) {
            if (less(least, trip(ctx, (uint32_t)(keys[i] & 0xffff)).at)) {
                keys[i] |= KEY_LATE;
                moved = true;
            }
        }
    }
    if (moved) {
        fold_sort(keys, n);
    }
}

bool
fold_valid(const struct fold_item *item)
{
    return item->outcome == OUTCOME_APPLIED || item->outcome == OUTCOME_REPLACED || item->outcome == OUTCOME_CONFLICT;
}

/* ---- set up ---- */

int
fold_init(struct fold *f, const struct fold_rules *rules, const struct member_world *w, const void *ctx, void *state,
          size_t n, struct err *err)
{
    f->rules = rules;
    f->world = w;
    f->ctx = ctx;
    f->state = state;
    f->n = n;
    f->memory = NULL;
    f->missing = (struct missing){.has = false};
    f->items = f->small_items;
    f->keys = f->small_keys;
    f->filler = f->small_filler;
    uint8_t *bytes = f->small_bytes;
    size_t each = FOLD_SMALL;
    if (n > FOLD_SMALL) {
        each = n;
        uint8_t *m = malloc(n * (sizeof(*f->items) + sizeof(*f->keys) + sizeof(*f->filler) + 3));
        if (m == NULL) {
            return err_set(err, ERR_NOMEM, "fold: out of memory");
        }
        f->memory = m;
        f->items = (struct fold_item *)(void *)m;
        f->keys = (uint64_t *)(void *)(m + n * sizeof(*f->items));
        f->filler = (uint32_t *)(void *)(m + n * (sizeof(*f->items) + sizeof(*f->keys)));
        bytes = m + n * (sizeof(*f->items) + sizeof(*f->keys) + sizeof(*f->filler));
    }
    f->in = bytes;
    f->before = bytes + each;
    f->after = bytes + 2 * each;
    return 0;
}

void
fold_release(struct fold *f)
{
    free(f->memory);
    f->memory = NULL;
}

/* The first items of the logs of a row in the order of log ids: in a row the items of a log stand together, in their order. The list lies in
 * f->filler, which is free between two folds. */
static int
by_log(const void *x, const void *y, void *arg)
{
    const struct fold *f = arg;
    const struct log_id *a = &f->items[*(const uint32_t *)x].at->log, *b = &f->items[*(const uint32_t *)y].at->log;
    return memcmp(a->b, b->b, sizeof(a->b));
}

static size_t
list_logs(struct fold *f)
{
    size_t logs = 0;
    bool sorted = true;
    for (uint32_t i = 0; i < f->n; i++) {
        if (i > 0 && TYPE_EQ(&f->items[i].at->log, &f->items[i - 1].at->log)) {
            continue;
        }
        sorted = sorted && (logs == 0 || by_log(&f->filler[logs - 1], &i, f) < 0);
        f->filler[logs++] = i;
    }
    if (!sorted) {
        qsort_r(f->filler, logs, sizeof(*f->filler), by_log, f);
    }
    return logs;
}

static uint32_t
find_position(const struct fold *f, size_t logs, const struct event_ref *ref)
{
    size_t from = 0, to = logs;
    while (from < to) {
        size_t mid = (from + to) / 2;
        int order = memcmp(f->items[f->filler[mid]].at->log.b, ref->log.b, sizeof(ref->log.b));
        if (order == 0) {
            from = f->filler[mid];
            break;
        }
        *(order < 0 ? &from : &to) = order < 0 ? mid + 1 : mid;
    }
    if (from == f->n || !TYPE_EQ(&f->items[from].at->log, &ref->log)) {
        return FOLD_NONE;
    }
    for (to = f->n; from < to;) {
        size_t mid = (from + to) / 2;
        const struct position *at = f->items[mid].at;
        bool same_log = TYPE_EQ(&at->log, &ref->log);
        if (same_log && at->seq == ref->seq) {
            return (uint32_t)mid;
        }
        *(same_log && at->seq < ref->seq ? &from : &to) = same_log && at->seq < ref->seq ? mid + 1 : mid;
    }
    return FOLD_NONE;
}

/* What the event corrects or cancels. */
static uint32_t
slot_target(const struct fold_item *item)
{
    for (uint8_t k = 0; k < item->n_refs; k++) {
        if (fold_ref_of_slot(&item->refs[k])) {
            return item->target[k];
        }
    }
    return FOLD_NONE;
}

void
fold_link(struct fold *f)
{
    size_t logs = list_logs(f);
    for (size_t i = 0; i < f->n; i++) {
        struct fold_item *item = &f->items[i];
        item->root = (uint32_t)i;
        for (uint8_t k = 0; k < item->n_refs; k++) {
            item->target[k] = find_position(f, logs, &item->refs[k]);
        }
    }
    for (size_t i = 0; i < f->n; i++) {
        uint32_t at = (uint32_t)i;
        /* The targets of a valid correction or cancellation are valid and lead to the slot's first event; the bound is for rows damaged on disk. */
        for (size_t step = 0; step < f->n && fold_valid(&f->items[i]); step++) {
            uint32_t next = slot_target(&f->items[at]);
            if (next == FOLD_NONE) {
                break;
            }
            at = next;
        }
        f->items[i].root = at;
    }
}

/* ---- the fold of a set ---- */

static bool
cancels(const struct fold *f, const struct fold_item *item)
{
    return f->rules->cancels != 0 && item->kind == f->rules->cancels;
}

static struct fold_trip
trip_of(const void *ctx, uint32_t filler)
{
    const struct fold *f = ctx;
    return (struct fold_trip){.at = f->items[filler].at, .departure = f->items[filler].departure};
}

void
fold_run(struct fold *f, bool final, uint8_t *ret)
{
    size_t slots = 0;
    bool arrivals = false;
    memset(f->filler, 0xff, f->n * sizeof(*f->filler));
    memset(ret, SKIPPED_NOT_FILLER, f->n);
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->in[i]) {
            f->filler[f->items[i].root] = i;
        }
    }
    for (uint32_t root = 0; root < f->n; root++) {
        if (f->filler[root] != FOLD_NONE) {
            const struct fold_item *filler = &f->items[f->filler[root]];
            arrivals = arrivals || filler->arrival;
            f->keys[slots++] = filler->arrival ? fold_key_early(filler->day, root, f->filler[root])
                                               : fold_key(filler->day, root, f->filler[root]);
        }
    }
    fold_sort(f->keys, slots);
    if (arrivals) {
        fold_sort_trips(f->keys, slots, f, trip_of);
    }
    f->rules->start(f->state);
    for (size_t s = 0; s < slots; s++) {
        uint32_t i = (uint32_t)(f->keys[s] & 0xffff);
        const struct fold_item *item = &f->items[i];
        ret[i] = 0;
        if (cancels(f, item)) {
            continue;
        }
        if (final && item->arrival && item->arrival_reason != VOID_NONE) {
            ret[i] = (uint8_t)item->arrival_reason;
            continue;
        }
        uint32_t other = FOLD_NONE;
        for (uint8_t k = 0; k < item->n_refs; k++) {
            if (!fold_ref_of_slot(&item->refs[k]) && item->target[k] != FOLD_NONE) {
                other = f->items[item->target[k]].root;
            }
        }
        ret[i] = (uint8_t)f->rules->step(f->state, item, other);
    }
}

void
fold_take_outcomes(struct fold *f, const uint8_t *result)
{
    for (size_t i = 0; i < f->n; i++) {
        struct fold_item *item = &f->items[i];
        if (!f->in[i]) {
            continue;
        }
        item->reason = VOID_NONE;
        item->outcome = OUTCOME_REPLACED;
        if (result[i] == 0) {
            item->outcome = OUTCOME_APPLIED;
        } else if (result[i] != SKIPPED_NOT_FILLER) {
            item->outcome = OUTCOME_CONFLICT;
            item->reason = (enum void_reason)result[i];
        }
    }
}

/* ---- judging one event ---- */

void
fold_set(struct fold_item *item, enum outcome outcome, enum void_reason reason)
{
    item->outcome = outcome;
    item->reason = reason;
}

int
fold_target_held(const struct fold *f, const struct event_ref *ref, bool *ret_same)
{
    struct position at = {.log = ref->log, .seq = ref->seq};
    struct chain_value chain;
    int rc = f->world->chain_at(f->world->arg, &at, &chain);
    if (rc == 0) {
        *ret_same = TYPE_EQ(&chain, &ref->chain);
    }
    return rc;
}

/* The target of a role that is in the row, or in another one (*ret_waits: not known yet what it makes of the event). */
static int
judge_target(struct fold *f, const struct fold_item *item, uint8_t k, bool *ret_bad, bool *ret_waits)
{
    const struct event_ref *ref = &item->refs[k];
    struct fold_role roles[FOLD_ROLES_MAX], role = {.target = item->kind};
    size_t n = roles_of(f->rules, item->kind, roles);
    for (size_t r = 0; r < n; r++) {
        role = roles[r].role == ref->role ? roles[r] : role;
    }
    if (role.kin) {
        enum outcome outcome = OUTCOME_WAITING;
        int rc = f->rules->kin(f->ctx, item, ref, f->world, &outcome);
        *ret_waits = *ret_waits || outcome == OUTCOME_WAITING;
        *ret_bad = *ret_bad || outcome == OUTCOME_VOID;
        return rc;
    }
    uint32_t t = item->target[k];
    if (t == FOLD_NONE || &f->items[t] == item || !f->in[t]) {
        *ret_bad = true;
        return 0;
    }
    uint16_t kind = f->items[t].kind;
    bool fits = ref->role == REF_CANCELS ? !cancels(f, &f->items[t]) && !fixed(f->rules, kind) : kind == role.target;
    *ret_bad = *ret_bad || !fits;
    return 0;
}

/* The references of an event, whose past is known: outcome set to WAITING or VOID if they do not let it stand. */
static int
judge_refs(struct fold *f, uint32_t i)
{
    struct fold_item *item = &f->items[i];
    bool bad = false, waits = false;
    for (uint8_t k = 0; k < item->n_refs; k++) {
        const struct event_ref *ref = &item->refs[k];
        bool same = false;
        int rc = fold_target_held(f, ref, &same);
        if (rc == ERR_NOTFOUND) {
            fold_set(item, OUTCOME_WAITING, VOID_NONE);
            if (!f->missing.has) {
                f->missing = (struct missing){.has = true, .at = {.log = ref->log, .seq = ref->seq}};
            }
            return 0;
        }
        bad = bad || !same;
        if (rc == 0 && same) {
            rc = judge_target(f, item, k, &bad, &waits);
        }
        if (rc != 0) {
            return rc;
        }
    }
    if (bad) {
        fold_set(item, OUTCOME_VOID, VOID_REFERENCE);
    } else if (waits) {
        fold_set(item, OUTCOME_WAITING, VOID_NONE);
    }
    return 0;
}

int
fold_judge(struct fold *f, uint32_t i, size_t count, bool unknown, bool waiting, bool has_before)
{
    struct fold_item *item = &f->items[i];
    f->in[i] = 0;
    f->before_of_in = f->after_of_in = false;
    item->root = i;
    if (item->surplus) {
        fold_set(item, OUTCOME_VOID, VOID_TOO_MANY);
        return 0;
    }
    if (unknown || !f->rules->known(item->kind, item->kind_version)) {
        fold_set(item, OUTCOME_UNKNOWN, VOID_NONE);
        return 0;
    }
    if (waiting) {
        fold_set(item, OUTCOME_WAITING, VOID_NONE);
        return 0;
    }
    fold_set(item, OUTCOME_APPLIED, VOID_NONE);
    if (item->arrival) {
        f->in[i] = 1;
        fold_run(f, false, f->after);
        f->after_of_in = true;
        return 0;
    }
    if (!fold_refs_ok(f->rules, item->kind, item->refs, item->n_refs)) {
        fold_set(item, OUTCOME_VOID, VOID_REFERENCE);
        return 0;
    }
    int rc = judge_refs(f, i);
    if (rc != 0 || item->outcome != OUTCOME_APPLIED) {
        return rc;
    }
    if (count >= MEMBER_PAST_MAX) {
        fold_set(item, OUTCOME_VOID, VOID_TOO_MANY);
        return 0;
    }
    enum void_reason outside = cancels(f, item) ? VOID_NONE : f->rules->outside(f->ctx, item, f->world);
    if (outside != VOID_NONE) {
        fold_set(item, OUTCOME_VOID, outside);
        return 0;
    }
    if (!has_before) {
        fold_run(f, false, f->before);
    }
    f->before_of_in = true;
    outside = f->rules->past != NULL ? f->rules->past(f, i) : VOID_NONE;
    if (outside != VOID_NONE) {
        fold_set(item, OUTCOME_VOID, outside);
        return 0;
    }
    uint32_t target = slot_target(item);
    item->root = target == FOLD_NONE ? i : f->items[target].root;
    uint32_t replaced = FOLD_NONE;
    for (uint32_t k = 0; k < f->n; k++) {
        if (f->in[k] && f->items[k].root == item->root) {
            replaced = k;
        }
    }
    f->in[i] = 1;
    fold_run(f, false, f->after);
    if (f->after[i] != 0) {
        fold_set(item, OUTCOME_VOID,
                 f->after[i] == SKIPPED_NOT_FILLER ? VOID_REFERENCE : (enum void_reason)f->after[i]);
    }
    for (uint32_t k = 0; k < f->n && item->outcome == OUTCOME_APPLIED; k++) {
        if (k != i && k != replaced && f->in[k] && f->before[k] == 0 && f->after[k] != 0) {
            fold_set(item, OUTCOME_VOID, VOID_MAKES_IMPOSSIBLE);
            f->impossible = k;
        }
    }
    if (item->outcome == OUTCOME_VOID) {
        f->in[i] = 0;
    }
    f->after_of_in = item->outcome == OUTCOME_APPLIED;
    return 0;
}

/* ---- after all others ---- */

/* Whether all other items lie before item `last` by position alone. */
static bool
dominates(const struct fold *f, uint32_t last)
{
    const struct position *at = f->items[last].at;
    for (uint32_t i = 0; i < f->n; i++) {
        if (i == last) {
            continue;
        }
        /* Of each log its last event decides; they stand together. */
        bool end = i + 1 == f->n || i + 1 == last || !TYPE_EQ(&f->items[i].at->log, &f->items[i + 1].at->log);
        if (end && !dag_before(f->world->dag, f->items[i].at, at)) {
            return false;
        }
    }
    return true;
}

int
fold_unreadable(int rc, struct err *err)
{
    return err_set(err, (enum err_code)rc, "fold: the target of a reference cannot be read");
}

int
fold_append(struct fold *f, uint32_t last, bool *ret_done, struct err *err)
{
    bool as_stored = true; /* whether the outcomes of the row are those that validity is judged by */
    *ret_done = false;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct fold_item *item = &f->items[i];
        if (i != last && (item->outcome == OUTCOME_WAITING || item->outcome == OUTCOME_UNKNOWN)) {
            return 0;
        }
        f->in[i] = i != last && fold_valid(item);
        f->before[i] = item->outcome == OUTCOME_APPLIED ? 0 : SKIPPED_NOT_FILLER;
        as_stored = as_stored && item->arrival_reason == VOID_NONE;
    }
    int rc = fold_judge(f, last, f->n - 1, false, false, as_stored);
    if (rc != 0) {
        return fold_unreadable(rc, err);
    }
    if (f->items[last].outcome == OUTCOME_APPLIED) {
        if (!as_stored) {
            fold_run(f, true, f->after);
        }
        fold_take_outcomes(f, f->after);
    }
    *ret_done = true;
    return 0;
}

int
fold_update(struct fold *f, uint32_t newest, struct err *err)
{
    bool done = false;
    int rc = 0;
    if (newest != FOLD_NONE && newest + 1 == f->n && dominates(f, newest)) {
        fold_link(f);
        rc = fold_append(f, newest, &done, err);
    }
    return rc != 0 || done ? rc : fold_all(f, err);
}
