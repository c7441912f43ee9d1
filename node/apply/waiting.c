/* Who waits for what: entities for the target of a reference, logs for a predecessor or for a newer program. docs/PROTOCOL.md §8, §9.
 * TABLE_WAITING is the stored form; what apply asks at every event is kept in memory beside it. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

static int
no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "waiting: out of memory");
}

int
queue_push(struct apply *a, uint32_t log_no, struct err *err)
{
    void *v = a->queue.v;
    if (!grow(&v, &a->queue.cap, a->queue.n, sizeof(*a->queue.v)))
        return no_memory(err);
    a->queue.v = v;
    a->queue.v[a->queue.n++] = log_no;
    return 0;
}

/* ---- entities ---- */

int
waiting_count(struct apply *a, const uint8_t key[KEY_WAITING], int by, struct err *err)
{
    if (by > 0) {
        uint64_t *n = map_put(&a->missing, key, NULL);
        if (n == NULL)
            return no_memory(err);
        ++*n;
        a->stats.waiting++;
        return 0;
    }
    uint64_t *n = map_get(&a->missing, key);
    if (n != NULL && --*n == 0)
        (void)map_remove(&a->missing, key);
    a->stats.waiting--;
    return 0;
}

struct found {
    uint8_t (*v)[WAITING_VALUE_MAX];
    size_t n, cap;
};

static int
find_waiting(struct apply *a, const struct position *at, struct found *ret, struct err *err)
{
    uint8_t prefix[KEY_POSITION];
    struct db_cursor *c;
    struct slice key, value;
    key_position(prefix, &at->log, at->seq);
    int rc = db_cursor_open(a->txn, TABLE_WAITING, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(prefix, sizeof(prefix)), &key, &value, err); rc == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len != KEY_WAITING || memcmp(key.data, prefix, sizeof(prefix)) != 0)
            break;
        if (value.len != WAITING_VALUE_MAX)
            continue; /* a log */
        if (ret->n > 0 && memcmp(ret->v[ret->n - 1], value.data, value.len) == 0)
            continue;
        void *v = ret->v;
        if (!grow(&v, &ret->cap, ret->n, sizeof(*ret->v))) {
            rc = no_memory(err);
            break;
        }
        ret->v = v;
        memcpy(ret->v[ret->n++], value.data, value.len);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
waiting_arrived(struct apply *a, const struct position *at, struct err *err)
{
    struct found found = {.v = NULL};
    if (a->missing.count == 0 || map_get(&a->missing, at->log.b) == NULL)
        return 0;
    int rc = find_waiting(a, at, &found, err);
    for (size_t i = 0; rc == 0 && i < found.n; i++) {
        struct entity e = {.type = (enum entity_type)found.v[i][0]};
        memcpy(e.subject.b, found.v[i] + 1, sizeof(e.subject.b));
        memcpy(e.unit.b, found.v[i] + 1 + sizeof(e.subject.b), sizeof(e.unit.b));
        rc = entity_refold(a, &e, err);
    }
    free(found.v);
    return rc;
}

/* ---- logs ---- */

static void
log_key(uint8_t key[KEY_WAITING], const struct position *on, uint32_t log_no, uint64_t seq)
{
    key_position(key, &on->log, on->seq);
    be32_put(key + KEY_POSITION, log_no);
    be64_put(key + KEY_POSITION + 4, seq);
}

/* What is remembered of a waiting log: the key of its row, for the day it goes on. */
static int
remember_log(struct apply *a, const uint8_t key[KEY_WAITING], struct err *err)
{
    uint32_t no = be32_get(key + KEY_POSITION);
    uint8_t *kept = map_put(&a->wait_of, &no, NULL);
    if (kept == NULL)
        return no_memory(err);
    memcpy(kept, key, KEY_WAITING);
    uint32_t index = a->free_waiter;
    if (index == 0) {
        void *v = a->waiters;
        if (a->n_waiters >= UINT32_MAX - 1 || !grow(&v, &a->cap_waiters, a->n_waiters, sizeof(*a->waiters)))
            return no_memory(err);
        a->waiters = v;
        index = (uint32_t)++a->n_waiters;
    } else {
        a->free_waiter = a->waiters[index - 1].next;
    }
    uint32_t *head = map_put(&a->wait_heads, key, NULL);
    if (head == NULL)
        return no_memory(err);
    a->waiters[index - 1] = (struct waiter){.log_no = no, .next = *head};
    *head = index;
    a->stats.waiting++;
    return 0;
}

/* Takes log_no out of the list of those that wait for the log at the start of key. */
static void
unlink_waiter(struct apply *a, const uint8_t key[KEY_WAITING], uint32_t log_no)
{
    uint32_t *link = map_get(&a->wait_heads, key);
    while (link != NULL && *link != 0) {
        struct waiter *w = &a->waiters[*link - 1];
        if (w->log_no == log_no) {
            uint32_t index = *link;
            *link = w->next;
            w->next = a->free_waiter;
            a->free_waiter = index;
            break;
        }
        link = &w->next;
    }
    link = map_get(&a->wait_heads, key);
    if (link != NULL && *link == 0)
        (void)map_remove(&a->wait_heads, key);
}

int
waiting_log_over(struct apply *a, uint32_t log_no, struct err *err)
{
    uint8_t key[KEY_WAITING];
    const uint8_t *kept = map_get(&a->wait_of, &log_no);
    if (kept == NULL)
        return 0;
    memcpy(key, kept, sizeof(key));
    (void)map_remove(&a->wait_of, &log_no);
    unlink_waiter(a, key, log_no);
    a->stats.waiting--;
    return db_del(a->txn, TABLE_WAITING, slice_of(key, sizeof(key)), err);
}

int
waiting_log(struct apply *a, uint32_t log_no, const struct position *on, uint64_t seq, struct err *err)
{
    uint8_t key[KEY_WAITING];
    uint8_t value = ENTITY_LOG;
    log_key(key, on, log_no, seq);
    const uint8_t *kept = map_get(&a->wait_of, &log_no);
    if (kept != NULL && memcmp(kept, key, sizeof(key)) == 0)
        return 0;
    int rc = waiting_log_over(a, log_no, err);
    if (rc == 0)
        rc = db_put(a->txn, TABLE_WAITING, slice_of(key, sizeof(key)), slice_of(&value, 1), err);
    return rc == 0 ? remember_log(a, key, err) : rc;
}

int
waiting_wake(struct apply *a, const struct log_row *log, struct err *err)
{
    const uint32_t *head = map_get(&a->wait_heads, log->id.b);
    for (uint32_t i = head != NULL ? *head : 0; i != 0; i = a->waiters[i - 1].next) {
        if (a->waiters[i - 1].log_no == log->no)
            continue; /* for a newer program, which its own progress does not bring */
        int rc = queue_push(a, a->waiters[i - 1].log_no, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int
waiting_load(struct apply *a, struct db_txn *txn, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    map_clear(&a->missing);
    map_clear(&a->wait_heads);
    map_clear(&a->wait_of);
    a->n_waiters = 0;
    a->free_waiter = 0;
    a->stats.waiting = 0;
    int rc = db_cursor_open(txn, TABLE_WAITING, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len != KEY_WAITING || (value.len != WAITING_VALUE_MAX && value.len != 1))
            rc = err_set(err, ERR_CORRUPT, "the waiting index makes no sense");
        else
            rc = value.len == 1 ? remember_log(a, key.data, err) : waiting_count(a, key.data, 1, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
