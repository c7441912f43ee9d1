/* The stores and writers of syncpair.h: logs in memory, first events with true certificates, commits with true seals. */
#include <stdlib.h>

#include "tests/support/syncpair.h"
#include "tests/support/syncpair_private.h"

struct pair_log *
pair_find(struct pair_node *node, const struct log_id *log)
{
    for (size_t i = 0; i < node->n_logs; i++) {
        if (TYPE_EQ(&node->logs[i].id, log))
            return &node->logs[i];
    }
    return NULL;
}

struct pair_log *
pair_log_create(struct pair_node *node, const struct log_id *id, const struct log_opened *o,
                const struct event_header *first)
{
    node->logs = realloc(node->logs, (node->n_logs + 1) * sizeof(*node->logs));
    MUST(node->logs);
    struct pair_log *l = &node->logs[node->n_logs++];
    *l = (struct pair_log){.id = *id, .unit = o->unit, .signing = o->signing_key, .stands_to = UINT64_MAX};
    buf_init(&l->proof, MESSAGE_BYTES_MAX);
    for (uint8_t i = 0; i < first->n_refs; i++) {
        if (first->refs[i].role == REF_PREDECESSOR)
            l->preds[l->n_preds++] = first->refs[i];
    }
    return l;
}

static uint8_t *
copy_of(struct slice s)
{
    uint8_t *p = malloc(s.len ? s.len : 1);
    MUST(p);
    if (s.len > 0)
        memcpy(p, s.data, s.len);
    return p;
}

struct pair_event *
pair_log_push(struct pair_log *l, struct slice header, struct slice payload)
{
    struct chain_value before = pair_chain_at(l, l->n);
    l->events = realloc(l->events, (l->n + 1) * sizeof(*l->events));
    MUST(l->events);
    struct pair_event *e = &l->events[l->n++];
    *e = (struct pair_event){copy_of(header),
                             copy_of(payload),
                             header.len,
                             payload.len,
                             crypto_chain(before, crypto_header_hash(header)),
                             false,
                             {{0}}};
    return e;
}

struct chain_value
pair_chain_at(const struct pair_log *l, size_t seq)
{
    return seq == 0 ? crypto_chain_start(l->id) : l->events[seq - 1].chain;
}

void
pair_logs_free(struct pair_node *node)
{
    for (size_t i = 0; i < node->n_logs; i++) {
        struct pair_log *l = &node->logs[i];
        for (size_t k = 0; k < l->n; k++) {
            free(l->events[k].header);
            free(l->events[k].payload);
        }
        free(l->events);
        buf_free(&l->proof);
    }
    free(node->logs);
    node->logs = NULL;
    node->n_logs = 0;
}

void
pair_seed(const char *what, uint32_t a, uint32_t b, uint8_t out[32])
{
    struct hash h;
    uint8_t n[8];
    be32_put(n, a);
    be32_put(n + 4, b);
    struct slice parts[] = {slice_of(what, strlen(what)), slice_of(n, sizeof(n))};
    h = crypto_hash_parts("test.seed", parts, 2);
    memcpy(out, h.b, 32);
}

/* Tips of the node's own unit, each at its last position. */
static void
name_tips(struct pair_node *node, struct event_header *h)
{
    for (size_t i = 0; i < node->n_logs && h->n_refs < HEADER_REFS_MAX; i++) {
        const struct pair_log *l = &node->logs[i];
        bool tip = TYPE_EQ(&l->unit, &node->unit.id) && l->n > 0;
        for (size_t k = 0; k < node->n_logs && tip; k++) {
            for (uint8_t r = 0; r < node->logs[k].n_preds; r++)
                tip = tip && !(TYPE_EQ(&node->logs[k].preds[r].log, &l->id) && node->logs[k].preds[r].seq >= l->n);
        }
        if (tip)
            h->refs[h->n_refs++] =
                (struct event_ref){.role = REF_PREDECESSOR, .log = l->id, .seq = l->n, .chain = pair_chain_at(l, l->n)};
    }
}

static void
make_opening(struct pair_node *node, struct buf *payload, struct log_opened *ret)
{
    struct err err;
    struct event_payload p = {.kind = KIND_LOG_OPENED};
    struct log_opened *o = &p.log_opened;
    uint8_t seed[32], memory[CERTIFICATE_BODY_BYTES];
    uint32_t id = node->index << 16 | ++node->opened;
    p.common.has_salt = true;
    p.common.effective = DATE_NONE;
    pair_seed("salt", id, 0, seed);
    memcpy(p.common.salt, seed, ID_BYTES);
    o->unit = node->unit.id;
    memcpy(o->unit_code, node->unit.code, sizeof(o->unit_code));
    o->federation = node->unit.federation;
    o->production = node->unit.production;
    pair_seed("nonce", id, 0, o->nonce);
    o->root_key = node->unit.root;
    pair_seed("signing", id, 0, seed);
    crypto_keypair_sign(seed, &o->signing_key, &node->writing_secret);
    struct box_secret secret;
    pair_seed("box", node->index, 0, seed);
    crypto_keypair_box(seed, &o->exchange_key, &secret);
    o->transport_key = o->recovery_key = o->exchange_key;
    o->serial = node->opened;
    (void)snprintf(o->program, sizeof(o->program), "test 1");
    struct buf body;
    buf_fixed(&body, memory, sizeof(memory));
    certificate_body(&o->unit, &o->federation, o->production, o->serial, &o->signing_key, &o->exchange_key,
                     &o->transport_key, &o->recovery_key, &body);
    o->certificate = crypto_sign_purpose(&node->unit.root_secret, PURPOSE_CERTIFICATE, buf_slice(&body));
    MUST(event_payload_encode(&p, payload, &err) == 0);
    *ret = *o;
}

static void
finish_header(struct event_header *h, uint64_t seq, struct slice payload, struct buf *out)
{
    struct err err;
    h->suite = SUITE_1;
    h->seq = seq;
    h->clock.v = 1 + seq;
    h->kind_version = 1;
    h->payload_hash = crypto_hash1("smart.payload", payload);
    h->payload_bytes = (uint32_t)payload.len;
    MUST(event_header_encode(h, out, &err) == 0);
}

static void
seal_last(struct pair_node *node, struct pair_log *l)
{
    struct pair_event *e = &l->events[l->n - 1];
    e->sealed = true;
    e->seal = crypto_seal(&node->writing_secret, &l->id, l->n, &e->chain);
}

struct pair_log *
pair_write_opening(struct pair_node *node)
{
    struct event_header h = {.kind = KIND_LOG_OPENED, .must_understand = true};
    struct log_opened o;
    struct buf header, payload;
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    make_opening(node, &payload, &o);
    name_tips(node, &h);
    finish_header(&h, 1, buf_slice(&payload), &header);
    struct log_id id = crypto_log_id(buf_slice(&header));
    struct pair_log *l = pair_log_create(node, &id, &o, &h);
    (void)pair_log_push(l, buf_slice(&header), buf_slice(&payload));
    seal_last(node, l);
    node->writing = id;
    node->writes = true;
    buf_free(&header);
    buf_free(&payload);
    return l;
}

/* Events of a kind that nobody knows; runs of at most 256 events. The bytes differ by node, so that clones write different ones. */
void
pair_write_events(struct pair_node *node, struct pair_log *l, uint32_t events, size_t payload_bytes)
{
    struct buf header, payload;
    uint32_t every = payload_bytes > 2000 ? (uint32_t)(200000 / payload_bytes) : 64;
    buf_init(&header, HEADER_BYTES_MAX);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    for (uint32_t i = 0; i < events; i++) {
        struct event_header h = {.kind = 40000};
        buf_clear(&header);
        buf_clear(&payload);
        buf_put_u32(&payload, node->index);
        while (payload.len < payload_bytes)
            buf_put_u64(&payload, l->n);
        finish_header(&h, l->n + 1, buf_slice(&payload), &header);
        (void)pair_log_push(l, buf_slice(&header), buf_slice(&payload));
        if (i % every == every - 1 || i + 1 == events)
            seal_last(node, l);
    }
    buf_free(&header);
    buf_free(&payload);
}

bool
pair_store_run(struct pair_log *l, const struct run *run)
{
    struct reader r = reader_of(run->frames);
    struct slice header, payload;
    if (run->first != l->n + 1)
        return false;
    while (event_frame_next(&r, &header, &payload))
        (void)pair_log_push(l, header, payload);
    l->events[l->n - 1].sealed = true;
    l->events[l->n - 1].seal = run->seal;
    return true;
}

/* From exactly `from` to the last seal within the bounds. */
void
pair_read_run(const struct pair_log *l, uint64_t from, struct buf *out, struct run *ret)
{
    size_t kept = 0;
    *ret = (struct run){.log = l->id, .first = from};
    for (uint64_t seq = from; seq <= l->n && seq < from + RUN_EVENTS_MAX; seq++) {
        const struct pair_event *e = &l->events[seq - 1];
        event_frame_put(out, slice_of(e->header, e->header_len), slice_of(e->payload, e->payload_len));
        if (out->len > RUN_BYTES_MAX)
            break;
        if (e->sealed) {
            kept = out->len;
            ret->count = (uint32_t)(seq - from + 1);
            ret->seal = e->seal;
        }
    }
    MUST(ret->count > 0);
    out->len = kept;
}

/* Header hashes from first to the first seal at or beyond `at`. */
void
pair_read_branch(const struct pair_log *l, uint64_t first, uint64_t at, struct buf *out, struct sync_branch *ret)
{
    ret->first = first;
    ret->before = pair_chain_at(l, first - 1);
    for (uint64_t seq = first; seq <= l->n; seq++) {
        const struct pair_event *e = &l->events[seq - 1];
        struct hash h = crypto_header_hash(slice_of(e->header, e->header_len));
        buf_put(out, h.b, sizeof(h.b));
        if (e->sealed && (seq >= at || seq == l->n)) {
            ret->seal = e->seal;
            break;
        }
    }
    ret->header_hashes = buf_slice(out);
}
