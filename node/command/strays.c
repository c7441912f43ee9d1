/* See strays.h. */
#include "node/command/strays.h"

enum { LOGS_MAX = 1 << 17 };

/* The chain value says whether it is still the same log up to there: one that was cut back to a fork is walked anew. */
struct clean {
    uint64_t seq;
    struct chain_value chain;
};

struct walk {
    const struct command_ctx *ctx;
    int (*one)(void *arg, const struct stray *s, struct err *err);
    void *arg;
};

void
strays_init(struct strays *s)
{
    *s = (struct strays){0};
    map_init(&s->logs, sizeof(struct log_id), sizeof(struct clean), LOGS_MAX, NULL);
}

void
strays_release(struct strays *s)
{
    map_free(&s->logs);
}

static int
show(const struct walk *w, const struct log_row *log, const struct event_header *h, struct slice payload,
     struct err *err)
{
    const struct stray s = {.at = {.log = log->id, .seq = h->seq}, .log_no = log->no, .header = h, .payload = payload};
    return h->n_capsules > 0 ? w->one(w->arg, &s, err) : 0;
}

static int
walk_from(const struct strays *s, struct db_txn *txn, const struct log_row *log, uint64_t *ret, struct err *err)
{
    struct chain_value chain;
    const struct clean *c = s ? map_get(&s->logs, &log->id) : NULL;
    *ret = 0;
    if (!c || c->seq > log->head_seq)
        return 0;
    int rc = evlog_chain_at(txn, log, c->seq, &chain, err);
    if (rc == 0 && TYPE_EQ(&chain, &c->chain))
        *ret = c->seq;
    return rc;
}

static int
note_clean(struct strays *s, struct db_txn *txn, const struct log_row *log, uint64_t seq, struct err *err)
{
    struct chain_value chain;
    int rc = evlog_chain_at(txn, log, seq, &chain, err);
    struct clean *c = rc == 0 ? map_put(&s->logs, &log->id, NULL) : NULL;
    if (c) /* without room it is walked again the next time */
        *c = (struct clean){seq, chain};
    return rc;
}

/* Kinds that this program does not know. */
static int
walk_log(const struct walk *w, struct strays *s, const struct log_row *log, struct err *err)
{
    struct evlog_iter it;
    struct stored_event ev;
    uint64_t from = 0, clean;
    bool met = false;
    int rc = walk_from(s, w->ctx->txn, log, &from, err);
    if (rc != 0 || from >= log->head_seq)
        return rc;
    clean = from;
    rc = evlog_iter_init(&it, w->ctx->txn, log->no, from + 1, err);
    while (rc == 0 && (rc = evlog_iter_next(&it, &ev, err)) == 0) {
        struct event_header h;
        rc = event_header_decode(ev.header, &h, err);
        if (rc != 0)
            break;
        if (s)
            s->walked++;
        if (!event_kind_known(h.kind, h.kind_version)) {
            met = true;
            rc = show(w, log, &h, ev.payload, err);
        }
        if (!met)
            clean = h.seq;
    }
    evlog_iter_release(&it);
    if (rc == ERR_NOTFOUND)
        rc = 0;
    return rc == 0 && s ? note_clean(s, w->ctx->txn, log, clean, err) : rc;
}

/* What is void in no entity's row. */
static int
walk_voids(const struct walk *w, const struct log_row *log, struct err *err)
{
    uint8_t key[KEY_POSITION];
    struct db_cursor *c = NULL;
    struct slice k, value;
    key_position(key, &log->id, 0);
    int rc = db_cursor_open(w->ctx->txn, TABLE_VOIDS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(key, sizeof(key)), &k, &value, err);
         rc == 0 && k.len == KEY_POSITION && memcmp(k.data, log->id.b, HASH_BYTES) == 0;
         rc = db_cursor_next(c, &k, &value, err)) {
        struct stored_event ev;
        struct event_header h;
        rc = evlog_event(w->ctx->txn, log->no, be64_get(k.data + HASH_BYTES), &ev, err);
        if (rc == ERR_NOTFOUND) /* of the open group */
            continue;
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0)
            rc = show(w, log, &h, ev.payload, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
strays_each(const struct command_ctx *ctx, int (*one)(void *arg, const struct stray *s, struct err *err), void *arg,
            struct err *err)
{
    const struct walk w = {ctx, one, arg};
    uint32_t count = 0;
    int rc = evlog_count(ctx->txn, &count, err);
    for (uint32_t no = 1; rc == 0 && no <= count; no++) {
        struct log_row log;
        rc = evlog_get(ctx->txn, no, &log, err);
        if (rc != 0 || !TYPE_EQ(&log.unit, &ctx->unit) || log.head_seq == 0)
            continue;
        rc = walk_log(&w, ctx->strays, &log, err);
        if (rc == 0)
            rc = walk_voids(&w, &log, err);
    }
    return rc;
}
