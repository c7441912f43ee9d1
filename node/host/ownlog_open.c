/* The first event of a log: which logs it names, what it says, with a root statement or without. docs/PROTOCOL.md §7. See ownlog.h. */
#include <stdlib.h>

#include "node/host/ownlog_private.h"
#include "proto/base/map.h"

/* Where the own unit's logs are applied, and how far applied successors name them. */
struct applied_end {
    uint32_t no;
    uint64_t seq, named;
};

static int
note_applied(struct db_txn *txn, const struct unit_id *unit, uint32_t count, bool names, struct map *ends,
             struct err *err)
{
    for (uint32_t no = 1; no <= count; no++) {
        struct log_row row;
        int rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            return rc;
        uint64_t seq = row.applied_seq < row.stands_to ? row.applied_seq : row.stands_to;
        if (row.depth == 0 || seq == 0 || !TYPE_EQ(&row.unit, unit))
            continue;
        struct applied_end *end = names ? NULL : map_put(ends, &row.id, NULL);
        if (!names && !end)
            return err_set(err, ERR_NOMEM, "own log: out of memory");
        if (end)
            *end = (struct applied_end){.no = no, .seq = seq};
        for (uint8_t i = 0; names && i < row.n_predecessors; i++) {
            end = map_get(ends, &row.predecessors[i].log);
            if (end && end->no != no && row.predecessors[i].seq > end->named)
                end->named = row.predecessors[i].seq;
        }
    }
    return 0;
}

/* Tips among the logs that are applied, each up to where it is. One that waits for a predecessor, or cannot go on, must not be
 * named: the own log would wait with it, and a unit can always write. */
int
ownlog_tips(struct db_txn *txn, const struct unit_id *unit, struct head **ret, size_t *ret_n, struct err *err)
{
    enum { LOGS_MAX = 1 << 24 };
    uint32_t count = 0;
    size_t n = 0, cursor = 0;
    const void *key;
    void *value;
    struct map ends;
    struct head *tips = NULL;
    map_init(&ends, sizeof(struct log_id), sizeof(struct applied_end), LOGS_MAX, NULL);
    int rc = evlog_count(txn, &count, err);
    if (rc == 0)
        rc = note_applied(txn, unit, count, false, &ends, err);
    if (rc == 0)
        rc = note_applied(txn, unit, count, true, &ends, err);
    if (rc == 0 && !(tips = calloc(ends.count + 1, sizeof(*tips))))
        rc = err_set(err, ERR_NOMEM, "own log: out of memory");
    while (rc == 0 && map_next(&ends, &cursor, &key, &value)) {
        const struct applied_end *end = value;
        struct log_row row;
        if (end->named >= end->seq)
            continue;
        rc = evlog_get(txn, end->no, &row, err);
        if (rc == 0)
            rc = evlog_chain_at(txn, &row, end->seq, &tips[n].chain, err);
        tips[n].log = row.id;
        tips[n].unit = *unit;
        tips[n++].seq = end->seq;
    }
    map_free(&ends);
    if (rc != 0) {
        free(tips);
        return rc;
    }
    *ret = tips;
    *ret_n = n;
    return 0;
}

static void
opening_payload(const struct ownlog *o, struct event_payload *p)
{
    const struct identity *id = o->config->identity;
    struct log_opened *l = &p->log_opened;
    *p = (struct event_payload){.kind = KIND_LOG_OPENED};
    p->common.effective = DATE_NONE;
    p->common.has_salt = true;
    o->config->random(o->config->arg, p->common.salt, sizeof(p->common.salt));
    l->unit = id->unit;
    memcpy(l->unit_code, id->unit_code, sizeof(l->unit_code));
    l->federation = id->federation;
    l->production = id->production;
    o->config->random(o->config->arg, l->nonce, sizeof(l->nonce));
    l->root_key = id->root_key;
    l->signing_key = id->signing_key;
    l->exchange_key = id->exchange_key;
    l->transport_key = id->transport_key;
    l->recovery_key = id->recovery_key;
    l->serial = id->serial;
    l->certificate = id->certificate;
    memcpy(l->program, o->config->program, sizeof(l->program));
}

static int
add_statement(const struct root_statement *st, const struct sign_secret *root, struct log_opened *l, struct buf *bytes,
              struct err *err)
{
    struct root_statement full = *st;
    full.unit = l->unit;
    full.federation = l->federation;
    full.production = l->production;
    full.signing_key = l->signing_key;
    memcpy(full.log_nonce, l->nonce, sizeof(full.log_nonce));
    int rc = root_statement_encode(&full, bytes, err);
    if (rc != 0)
        return rc;
    struct hash hash = crypto_hash1("smart.rootst", buf_slice(bytes));
    l->has_root_statement = true;
    l->root_statement = buf_slice(bytes);
    l->root_signature = crypto_sign_purpose(root, PURPOSE_ROOT_STATEMENT, slice_of(hash.b, sizeof(hash.b)));
    return 0;
}

/* A tip, and how deep its log is. */
struct ranked {
    struct head tip;
    uint32_t depth;
};

static int
deepest_first(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;
    if (a->depth != b->depth)
        return a->depth > b->depth ? -1 : 1;
    return memcmp(&a->tip.log, &b->tip.log, sizeof(a->tip.log));
}

/* Tips in the order in which they are named: greatest depth first, then least log id; at most 8. */
static int
name_predecessors(struct db_txn *txn, const struct head *tips, size_t n, struct event_header *h, struct err *err)
{
    struct ranked *ranked = calloc(n + 1, sizeof(*ranked));
    int rc = ranked ? 0 : err_set(err, ERR_NOMEM, "own log: out of memory");
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct log_row row;
        rc = evlog_find(txn, &tips[i].log, &row, err);
        ranked[i] = (struct ranked){.tip = tips[i], .depth = row.depth};
    }
    if (rc == 0) {
        qsort(ranked, n, sizeof(*ranked), deepest_first);
        for (h->n_refs = 0; h->n_refs < HEADER_REFS_MAX && h->n_refs < n; h->n_refs++) {
            const struct head *tip = &ranked[h->n_refs].tip;
            h->refs[h->n_refs] =
                (struct event_ref){.role = REF_PREDECESSOR, .log = tip->log, .seq = tip->seq, .chain = tip->chain};
        }
    }
    free(ranked);
    return rc;
}

static int
open_one(struct ownlog *o, struct db_txn *txn, const struct root_statement *st_or_null, const struct sign_secret *root,
         struct err *err)
{
    struct head *tips = NULL;
    size_t n = 0;
    struct event_header h = {.kind = KIND_LOG_OPENED, .kind_version = 1, .must_understand = true};
    struct event_payload p;
    struct buf payload, header, statement;
    struct slice header_bytes;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&statement, PAYLOAD_BYTES_MAX);
    MUST(!o->open);
    o->seq = 0;
    opening_payload(o, &p);
    int rc = ownlog_clock(o, txn, err);
    if (rc == 0 && st_or_null)
        rc = add_statement(st_or_null, root, &p.log_opened, &statement, err);
    if (rc == 0)
        rc = ownlog_tips(txn, &o->config->identity->unit, &tips, &n, err);
    if (rc == 0)
        rc = name_predecessors(txn, tips, n, &h, err);
    if (rc == 0)
        rc = event_payload_encode(&p, &payload, err);
    if (rc == 0)
        rc = ownlog_emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0) {
        struct log_id id = crypto_log_id(header_bytes);
        o->chain = crypto_chain_start(id);
        rc = evlog_create(txn, &id, &p.log_opened, &h, &o->row, err);
    }
    if (rc == 0)
        rc = ownlog_apply(o, txn, header_bytes, buf_slice(&payload), err);
    if (rc == 0) {
        o->open = true;
        o->partial = n > h.n_refs;
    }
    free(tips);
    buf_free(&payload);
    buf_free(&header);
    buf_free(&statement);
    return rc;
}

/* What was opened stays as it is: sealed and applied, a tip for the one that follows. */
static int
leave(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    bool more; /* what is due goes on with the next apply_log: that of the group's commit */
    int rc = ownlog_seal(o, txn, err);
    if (rc == 0)
        rc = apply_log(o->apply, txn, o->row.no, APPLY_EVENTS_PER_STEP, &more, err);
    if (rc == 0) {
        ownlog_close(o);
        o->bridged = true;
    }
    return rc;
}

/* What commands rely on are rows, with the events of all applied logs in them: all of these have to be in the past of what is written. A
 * first event names 8. Where there are more tips, as many logs of one event as it takes lie between: each names the one before and 7 more. */
int
ownlog_open(struct ownlog *o, struct db_txn *txn, const struct root_statement *st_or_null,
            const struct sign_secret *root, struct err *err)
{
    int rc = open_one(o, txn, st_or_null, root, err);
    /* One with a statement is closed with its group (engine.c): others follow once the statement is in force. */
    for (unsigned i = 0; rc == 0 && o->partial && !st_or_null && i < OWNLOG_BRIDGES_MAX; i++) {
        rc = leave(o, txn, err);
        if (rc == 0)
            rc = open_one(o, txn, NULL, NULL, err);
    }
    return rc;
}
