/* The fold of a whole row from nothing: pasts by position and by reference, then each event judged after all it rests on. See fold.h;
 * docs/PROTOCOL.md §10 "Past in an entity". */
#include <stdlib.h>

#include "node/rules/fold_parts.h"

enum { PAST_WORD_BITS = 64 };

/* Bit sets over items, a row of `words` for each. */
struct pasts {
    size_t words;
    uint64_t *bits;  /* the past of each */
    uint8_t *beyond; /* whether it holds more than the position alone gives */
    uint8_t *colour; /* 0 new, 1 being visited, 2 done */
    uint32_t *stack, *next;
};

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

/* The k-th event that i rests on directly: first those before it by position, then the targets of its references. FOLD_NONE if
 * that one is none; chain values that do not fit name another event, so they lead nowhere. */
static int
depends(const struct fold *f, const struct pasts *p, uint32_t i, uint32_t k, uint32_t *ret)
{
    *ret = FOLD_NONE;
    const struct fold_item *item = &f->items[i];
    if (k < f->n) {
        *ret = has_bit(p->bits + i * p->words, k) ? k : FOLD_NONE;
        return 0;
    }
    k -= (uint32_t)f->n;
    if (item->target[k] == FOLD_NONE || !f->rules->known(item->kind, item->kind_version) ||
        !fold_refs_ok(f->rules, item->kind, item->refs, item->n_refs)) {
        return 0;
    }
    bool same = false;
    int rc = fold_target_held(f, &item->refs[k], &same);
    if (rc == 0 && same) {
        *ret = item->target[k];
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* All that i rests on is done: completes its past and judges it. */
static int
finish(struct fold *f, struct pasts *p, uint32_t i)
{
    uint64_t *row = p->bits + i * p->words;
    bool beyond = false;
    for (uint32_t k = (uint32_t)f->n + f->items[i].n_refs; k-- > 0;) {
        uint32_t on;
        int rc = depends(f, p, i, k, &on);
        if (rc != 0) {
            return rc;
        }
        if (on == FOLD_NONE || p->colour[on] != 2 || (on == k && !p->beyond[on])) {
            continue;
        }
        beyond = true;
        put_bit(row, on);
        for (size_t w = 0; w < p->words; w++) {
            row[w] |= p->bits[on * p->words + w];
        }
    }
    p->beyond[i] = beyond;
    size_t count = 0;
    bool unknown = false, waiting = false;
    for (uint32_t k = 0; k < f->n; k++) {
        bool past = k != i && has_bit(row, k);
        f->in[k] = past && fold_valid(&f->items[k]);
        count += past;
        unknown = unknown || (past && f->items[k].outcome == OUTCOME_UNKNOWN);
        waiting = waiting || (past && f->items[k].outcome == OUTCOME_WAITING);
    }
    p->colour[i] = 2;
    return fold_judge(f, i, count, unknown, waiting, false);
}

/* Visits `start` and all it rests on, what is rested on first. Recursion by hand: its depth is a stranger's choice. */
static int
visit(struct fold *f, struct pasts *p, uint32_t start)
{
    size_t depth = 0;
    p->stack[depth++] = start;
    p->next[start] = 0;
    p->colour[start] = 1;
    while (depth > 0) {
        uint32_t i = p->stack[depth - 1];
        uint32_t k = p->next[i];
        if (k == f->n + f->items[i].n_refs) {
            int rc = finish(f, p, i);
            if (rc != 0) {
                return rc;
            }
            depth--;
            continue;
        }
        p->next[i] = k + 1;
        uint32_t on;
        int rc = depends(f, p, i, k, &on);
        if (rc != 0) {
            return rc;
        }
        /* One being visited would be a circle of hashes: not in the past, then. */
        if (on != FOLD_NONE && p->colour[on] == 0) {
            p->stack[depth++] = on;
            p->next[on] = 0;
            p->colour[on] = 1;
        }
    }
    return 0;
}

int
fold_all(struct fold *f, struct err *err)
{
    if (f->n == 0) {
        return 0;
    }
    struct pasts p = {.words = (f->n + PAST_WORD_BITS - 1) / PAST_WORD_BITS};
    uint64_t small[FOLD_SMALL * 3];
    size_t size = f->n * (p.words * sizeof(uint64_t) + 2 * sizeof(uint32_t) + 2);
    void *memory = size <= sizeof(small) ? (void *)small : malloc(size);
    if (memory == NULL) {
        return err_set(err, ERR_NOMEM, "fold: out of memory");
    }
    memset(memory, 0, size);
    p.bits = memory;
    p.stack = (uint32_t *)(void *)(p.bits + f->n * p.words);
    p.next = p.stack + f->n;
    p.beyond = (uint8_t *)(void *)(p.next + f->n);
    p.colour = p.beyond + f->n;

    f->missing.has = false;
    for (uint32_t i = 0; i < f->n; i++) {
        fold_set(&f->items[i], OUTCOME_VOID, VOID_NONE);
    }
    fold_link(f);
    pasts_by_position(f, &p);
    int rc = 0;
    for (uint32_t i = 0; i < f->n && rc == 0; i++) {
        rc = p.colour[i] == 0 ? visit(f, &p, i) : 0;
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
