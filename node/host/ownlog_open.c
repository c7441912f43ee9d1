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

/* Tips in the order in which they are named: greatest depth first, then least log id; at most 8. */
static int
name_predecessors(struct db_txn *txn, struct head *tips, size_t n, struct event_header *h, struct err *err)
{
    bool used[HEADER_REFS_MAX * 64] = {false};
    size_t seen = n < ARRAY_LEN(used) ? n : ARRAY_LEN(used);
    for (h->n_refs = 0; h->n_refs < HEADER_REFS_MAX && h->n_refs < seen; h->n_refs++) {
        size_t best = SIZE_MAX;
        uint32_t best_depth = 0;
        for (size_t i = 0; i < seen; i++) {
            struct log_row row;
            if (used[i])
                continue;
            int rc = evlog_find(txn, &tips[i].log, &row, err);
            if (rc != 0)
                return rc;
            if (best == SIZE_MAX || row.depth > best_depth ||
                (row.depth == best_depth && memcmp(&tips[i].log, &tips[best].log, sizeof(tips[i].log)) < 0)) {
                best = i;
                best_depth = row.depth;
            }
        }
        used[best] = true;
        h->refs[h->n_refs] = (struct event_ref){
            .role = REF_PREDECESSOR, .log = tips[best].log, .seq = tips[best].seq, .chain = tips[best].chain};
    }
    return 0;
}

int
ownlog_open(struct ownlog *o, struct db_txn *txn, const struct root_statement *st_or_null,
            const struct sign_secret *root, struct err *err)
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
    if (rc == 0)
        o->open = true;
    free(tips);
    buf_free(&payload);
    buf_free(&header);
    buf_free(&statement);
    return rc;
}
