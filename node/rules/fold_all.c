/* The fold of a whole row from nothing: pasts by position and by reference, then each event judged after all it rests on. See fold.h;
 * docs/PROTOCOL.md §10 "Past in an entity". */
#include <stdlib.h>

#include "node/rules/fold_parts.h"

enum { PAST_WORD_BITS = 64 };

/* Bit sets over items. */
struct pasts {
    size_t words;     /* of one set */
    uint64_t *bits;   /* the past of each item */
    uint64_t *beyond; /* those whose past holds more than the position alone gives */
    uint64_t *met;    /* being visited or done */
    uint64_t *done;
    uint64_t *valid, *unknown, *waiting; /* of those done */
    uint64_t *before, *after;            /* whose folds are in f->before and f->after, if they are there */
    bool has_before, has_after;
    uint32_t *stack, *next;
};
enum { PAST_SETS = 8 };

static bool
has_bit(const uint64_t *row, size_t i)
{
    return (row[i / PAST_WORD_BITS] >> (i % PAST_WORD_BITS) & 1) != 0;
}

static void
put_bit(uint64_t *row, size_t i)
{
    row[i / PAST_WORD_BITS] |= (uint64_t)1 << (i % PAST_WORD_BITS);
}

/* The part of each past that position alone gives. */
static void
pasts_by_position(const struct fold *f, struct pasts *p)
{
    for (size_t from = 0; from < f->n;) {
        uint64_t *first = p->bits + from * p->words;
        const struct log_id *log = &f->items[from].at->log;
        for (size_t k = 0; k < f->n;) {
            const struct log_id *of = &f->items[k].at->log;
            uint64_t reach = k == from ? 0 : dag_past_of(f->world->dag, log, of);
            for (; k < f->n && TYPE_EQ(&f->items[k].at->log, of); k++) {
                if (f->items[k].at->seq <= reach) {
                    put_bit(first, k);
                }
            }
        }
        size_t i = from + 1;
        for (; i < f->n && TYPE_EQ(&f->items[i].at->log, log); i++) {
            uint64_t *row = p->bits + i * p->words;
            memcpy(row, row - p->words, p->words * sizeof(*row));
            put_bit(row, i - 1);
        }
        from = i;
    }
}

/* What a reference of i leads to, FOLD_NONE if to nothing: chain values that do not fit name another event. */
static int
referred(const struct fold *f, uint32_t i, uint32_t ref, uint32_t *ret)
{
    *ret = FOLD_NONE;
    const struct fold_item *item = &f->items[i];
    if (item->target[ref] == FOLD_NONE || !f->rules->known(item->kind, item->kind_version) ||
        !fold_refs_ok(f->rules, item->kind, item->refs, item->n_refs)) {
        return 0;
    }
    bool same = false;
    int rc = fold_target_held(f, &item->refs[ref], &same);
    if (rc == 0 && same) {
        *ret = item->target[ref];
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* An event that i rests on directly and that was not met yet: first of those before it by position, then of the targets of its references.
 * FOLD_NONE if there is none. One being visited would be a circle of hashes: not in the past, then. */
static int
not_met(const struct fold *f, struct pasts *p, uint32_t i, uint32_t *ret)
{
    const uint64_t *row = p->bits + i * p->words;
    uint32_t w = p->next[i];
    *ret = FOLD_NONE;
    for (; w < p->words; w++) {
        uint64_t left = row[w] & ~p->met[w];
        if (left != 0) {
            *ret = w * PAST_WORD_BITS + (uint32_t)__builtin_ctzll(left);
            break;
        }
    }
    p->next[i] = w;
    for (; *ret == FOLD_NONE && w < p->words + f->items[i].n_refs; w++) {
        uint32_t on;
        int rc = referred(f, i, w - (uint32_t)p->words, &on);
        if (rc != 0) {
            return rc;
        }
        if (on != FOLD_NONE && !has_bit(p->met, on)) {
            *ret = on;
        }
    }
    return 0;
}

static void
join(struct pasts *p, uint64_t *row, uint32_t on)
{
    put_bit(row, on);
    for (size_t w = 0; w < p->words; w++) {
        row[w] |= p->bits[on * p->words + w];
    }
}

/* The past of i, all of which is done, whole. */
static int
complete(const struct fold *f, struct pasts *p, uint32_t i)
{
    uint64_t *row = p->bits + i * p->words;
    bool beyond = false;
    for (uint8_t k = f->items[i].n_refs; k-- > 0;) {
        uint32_t on;
        int rc = referred(f, i, k, &on);
        if (rc != 0) {
            return rc;
        }
        if (on != FOLD_NONE && has_bit(p->done, on)) {
            beyond = true;
            join(p, row, on);
        }
    }
    for (size_t w = p->words; w-- > 0;) {
        for (uint64_t more = row[w] & p->beyond[w] & p->done[w]; more != 0; more &= more - 1) {
            beyond = true;
            join(p, row, (uint32_t)(w * PAST_WORD_BITS) + (uint32_t)__builtin_ctzll(more));
        }
    }
    if (beyond) {
        put_bit(p->beyond, i);
    }
    put_bit(p->done, i);
    return 0;
}

/* The valid events of the past of i into f->in. *ret: whether their fold is there, the one before mostly with the event before. */
static void
take_past(struct fold *f, struct pasts *p, uint32_t i, bool *ret)
{
    const uint64_t *row = p->bits + i * p->words;
    bool before = p->has_before, after = p->has_after;
    for (size_t w = 0; w < p->words; w++) {
        uint64_t in = row[w] & p->valid[w];
        before = before && p->before[w] == in;
        after = after && p->after[w] == in;
        p->before[w] = in;
    }
    if (!before && after) {
        uint8_t *folded = f->after;
        f->after = f->before;
        f->before = folded;
    }
    for (uint32_t k = 0; k < f->n; k++) {
        f->in[k] = has_bit(p->before, k);
    }
    *ret = before || after;
}

static void
keep_folds(const struct fold *f, struct pasts *p, uint32_t i)
{
    p->has_before = f->before_of_in;
    p->has_after = f->after_of_in;
    memcpy(p->after, p->before, p->words * sizeof(*p->after));
    put_bit(p->after, i);
}

/* All that i rests on is done: completes its past and judges it. */
static int
finish(struct fold *f, struct pasts *p, uint32_t i)
{
    struct fold_item *item = &f->items[i];
    uint64_t *row = p->bits + i * p->words;
    int rc = complete(f, p, i);
    if (rc != 0) {
        return rc;
    }
    size_t count = 0;
    uint64_t unknown = 0, waiting = 0;
    for (size_t w = 0; w < p->words; w++) {
        count += (size_t)__builtin_popcountll(row[w]);
        unknown |= row[w] & p->unknown[w];
        waiting |= row[w] & p->waiting[w];
    }
    count -= has_bit(row, i);
    bool folded = false, judged = !item->surplus && unknown == 0 && waiting == 0;
    if (judged) {
        take_past(f, p, i, &folded);
    }
    rc = fold_judge(f, i, count, unknown != 0, waiting != 0, folded);
    if (judged) {
        keep_folds(f, p, i);
    }
    if (fold_valid(item)) {
        put_bit(p->valid, i);
    } else if (item->outcome == OUTCOME_UNKNOWN || item->outcome == OUTCOME_WAITING) {
        put_bit(item->outcome == OUTCOME_UNKNOWN ? p->unknown : p->waiting, i);
    }
    return rc;
}

/* Visits `start` and all it rests on, what is rested on first. Recursion by hand: its depth is a stranger's choice. */
static int
visit(struct fold *f, struct pasts *p, uint32_t start)
{
    size_t depth = 0;
    p->stack[depth++] = start;
    put_bit(p->met, start);
    while (depth > 0) {
        uint32_t i = p->stack[depth - 1], on;
        int rc = not_met(f, p, i, &on);
        if (rc == 0 && on == FOLD_NONE) {
            rc = finish(f, p, i);
            depth--;
        } else if (rc == 0) {
            p->stack[depth++] = on;
            put_bit(p->met, on);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static void
lay_out(struct pasts *p, size_t n, void *memory)
{
    uint64_t *sets = memory;
    p->bits = sets;
    sets += n * p->words;
    uint64_t **each[PAST_SETS] = {&p->beyond,  &p->met,     &p->done,   &p->valid,
                                  &p->unknown, &p->waiting, &p->before, &p->after};
    for (size_t i = 0; i < PAST_SETS; i++) {
        *each[i] = sets;
        sets += p->words;
    }
    p->stack = (uint32_t *)(void *)sets;
    p->next = p->stack + n;
}

int
fold_all(struct fold *f, struct err *err)
{
    if (f->n == 0) {
        return 0;
    }
    struct pasts p = {.words = (f->n + PAST_WORD_BITS - 1) / PAST_WORD_BITS};
    uint64_t small[FOLD_SMALL * 2 + PAST_SETS];
    size_t size = (f->n * p.words + PAST_SETS * p.words) * sizeof(uint64_t) + f->n * 2 * sizeof(uint32_t);
    void *memory = size <= sizeof(small) ? (void *)small : malloc(size);
    if (memory == NULL) {
        return err_set(err, ERR_NOMEM, "fold: out of memory");
    }
    memset(memory, 0, size);
    lay_out(&p, f->n, memory);

    f->missing.has = false;
    for (uint32_t i = 0; i < f->n; i++) {
        fold_set(&f->items[i], OUTCOME_VOID, VOID_NONE);
    }
    fold_link(f);
    pasts_by_position(f, &p);
    int rc = 0;
    for (uint32_t i = 0; i < f->n && rc == 0; i++) {
        rc = !has_bit(p.met, i) ? visit(f, &p, i) : 0;
    }
    if (rc == 0) {
        for (size_t i = 0; i < f->n; i++) {
            f->in[i] = fold_valid(&f->items[i]);
        }
        fold_run(f, true, f->after);
        fold_take_outcomes(f, f->after);
    } else {
        rc = fold_unreadable(rc, err);
    }
    if (memory != (void *)small) {
        free(memory);
    }
    return rc;
}
