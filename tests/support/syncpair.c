/* The hosts of syncpair.h: they carry out the effects of their core and let virtual time pass. */
#include "tests/support/syncpair.h"

#include <stdlib.h>

#include "tests/support/syncpair_private.h"

enum { NODE_BITS = 8, CAPSULE_MISSING_SEQ = 1000000 };

struct pair_append {
    struct pair_append *next;
    int64_t due_ms;
    struct run run;
    bool opens;
    struct log_opened opened; /* slices inside are not used */
    struct event_header first;
    uint8_t *frames;
};

struct pair_answer {
    struct pair_answer *next;
    struct sync_event ev;
    struct buf bytes;
};

/* The number of a connection as a core sees it: made anew each time it comes up. */
static uint32_t
conn_of(const struct pair_node *node, uint32_t peer)
{
    return node->epoch[peer] << NODE_BITS | peer;
}

static struct pair_answer *
answer(struct pair_node *node, enum sync_event_type type)
{
    struct pair_answer *a = calloc(1, sizeof(*a)), **tail = &node->answers;
    MUST(a);
    a->ev.type = type;
    buf_init(&a->bytes, MESSAGE_BYTES_MAX);
    while (*tail)
        tail = &(*tail)->next;
    *tail = a;
    return a;
}

static void
do_read(struct pair_node *node, const struct sync_effect *e)
{
    struct pair_answer *a = answer(node, SYNC_READ_DONE);
    const struct pair_log *l = pair_find(node, &e->read.log);
    a->ev.read_done.conn = e->conn;
    a->ev.read_done.number = e->read.number;
    if (!l || e->read.from - 1 > l->n) {
        a->ev.read_done.result = SYNC_READ_NOT_HELD;
        return;
    }
    struct chain_value chain = pair_chain_at(l, e->read.from - 1);
    if (e->read.compare && !TYPE_EQ(&chain, &e->read.before)) {
        uint64_t at = e->read.from - 1, first = at;
        while (first > 1 && !l->events[first - 2].sealed)
            first--;
        a->ev.read_done.result = SYNC_READ_DIFFERS;
        pair_read_branch(l, first, at, &a->bytes, &a->ev.read_done.ours);
    } else if (e->read.from > l->n) {
        a->ev.read_done.result = SYNC_READ_AT_HEAD;
    } else {
        a->ev.read_done.result = SYNC_READ_RUN;
        pair_read_run(l, e->read.from, &a->bytes, &a->ev.read_done.run);
        a->ev.read_done.run.frames = buf_slice(&a->bytes);
    }
}

static void
do_reads(struct pair_node *node, const struct sync_effect *e)
{
    struct pair_answer *a;
    const struct pair_log *l;
    if (node->reads_stop)
        return;
    switch (e->type) {
    case SYNC_READ: do_read(node, e); break;
    case SYNC_READ_CHAIN:
        a = answer(node, SYNC_CHAIN_DONE);
        l = pair_find(node, &e->read_chain.log);
        a->ev.chain_done.conn = e->conn;
        a->ev.chain_done.log = e->read_chain.log;
        a->ev.chain_done.seq = e->read_chain.seq;
        a->ev.chain_done.held = l && e->read_chain.seq <= l->n;
        if (a->ev.chain_done.held)
            a->ev.chain_done.chain = pair_chain_at(l, e->read_chain.seq);
        break;
    case SYNC_READ_EVIDENCE:
        a = answer(node, SYNC_EVIDENCE_DONE);
        l = pair_find(node, &e->read_evidence.log);
        a->ev.evidence_done.conn = e->conn;
        a->ev.evidence_done.log = e->read_evidence.log;
        a->ev.evidence_done.held = l && e->read_evidence.first <= l->n;
        if (a->ev.evidence_done.held)
            pair_read_branch(l, e->read_evidence.first, e->read_evidence.at, &a->bytes, &a->ev.evidence_done.ours);
        break;
    case SYNC_READ_EVENT:
        a = answer(node, SYNC_EVENT_DONE);
        a->ev.event_done.conn = e->conn;
        a->ev.event_done.log = e->read_event.log;
        a->ev.event_done.seq = e->read_event.seq;
        a->ev.event_done.gone = GONE_DROPPED;
        break;
    case SYNC_ADMISSION_ASKED: /* the element is sent back as it came, with entries of zeros */
        a = answer(node, SYNC_ADMISSION_DONE);
        a->ev.admission_done.conn = e->conn;
        a->ev.admission_done.number = e->admission_asked.number;
        a->ev.admission_done.status = node->admission_status ? node->admission_status : ADMISSION_ANSWERED;
        if (a->ev.admission_done.status != ADMISSION_ANSWERED)
            break;
        a->ev.admission_done.evaluated = e->admission_asked.blinded;
        for (int i = 0; i < LOOKUP_ENTRIES_STEP * LOOKUP_ENTRY_BYTES; i++)
            buf_put_u8(&a->bytes, 0);
        a->ev.admission_done.entries = buf_slice(&a->bytes);
        break;
    default: /* SYNC_READ_CAPSULE: every event has the capsule "LOG:SEQ:INDEX", but not one of an odd index for others */
        a = answer(node, SYNC_CAPSULE_DONE);
        a->ev.capsule_done.conn = e->conn;
        a->ev.capsule_done.log = e->read_capsule.log;
        a->ev.capsule_done.seq = e->read_capsule.seq;
        a->ev.capsule_done.index = e->read_capsule.index;
        buf_put(&a->bytes, e->read_capsule.log.b, HASH_BYTES);
        buf_put_u64(&a->bytes, e->read_capsule.seq);
        a->ev.capsule_done.bytes = buf_slice(&a->bytes);
        if (e->read_capsule.index % 2 == 1)
            a->ev.capsule_done.gone = GONE_NOT_FOR_YOU;
        break;
    }
}

static void
do_append(struct pair *w, struct pair_node *node, const struct sync_effect *e)
{
    struct pair_append *p = calloc(1, sizeof(*p)), **tail = &node->appends;
    MUST(p);
    p->due_ms = w->now_ms + node->append_delay_ms;
    p->run = e->append.run;
    p->frames = malloc(p->run.frames.len);
    MUST(p->frames);
    memcpy(p->frames, p->run.frames.data, p->run.frames.len);
    p->run.frames.data = p->frames;
    p->opens = e->append.opened != NULL;
    if (p->opens) {
        p->opened = *e->append.opened;
        p->first = *e->append.first_header;
    }
    while (*tail)
        tail = &(*tail)->next;
    *tail = p;
}

static void
keep_proof(struct pair_node *node, const struct log_id *log, struct slice bytes)
{
    MUST(node->n_proofs < PAIR_PROOFS_MAX);
    struct pair_proof *p = &node->proofs[node->n_proofs++];
    p->log = *log;
    buf_init(&p->bytes, MESSAGE_BYTES_MAX);
    buf_put(&p->bytes, bytes.data, bytes.len);
}

/* The log was begun after its proof had come. */
static void
freeze_if_proven(struct pair_node *node, struct pair_log *l)
{
    for (size_t i = 0; i < node->n_proofs; i++) {
        struct pair_proof *p = &node->proofs[i];
        if (!TYPE_EQ(&p->log, &l->id))
            continue;
        l->frozen = true;
        buf_free(&l->proof);
        l->proof = p->bytes;
        *p = node->proofs[--node->n_proofs];
        return;
    }
}

static void
carry_out(struct pair *w, struct pair_node *node, const struct sync_effect *e)
{
    uint32_t peer = e->conn & ((1u << NODE_BITS) - 1);
    struct pair_log *l;
    pair_trace_effect(w, node, e);
    switch (e->type) {
    case SYNC_SEND:
        if (node->epoch[peer] != 0 && conn_of(node, peer) == e->conn) {
            pair_trace_message(w, node->index, peer, e->send.bytes);
            vnet_send(&w->net, w->now_ms, node->index, peer, node->epoch[peer], e->send.bytes);
        }
        break;
    case SYNC_APPEND: do_append(w, node, e); break;
    case SYNC_FREEZE:
        node->frozen++;
        l = pair_find(node, &e->freeze.log);
        if (l) {
            l->frozen = true;
            buf_clear(&l->proof);
            buf_put(&l->proof, e->freeze.proof.data, e->freeze.proof.len);
        } else {
            keep_proof(node, &e->freeze.log, e->freeze.proof);
        }
        break;
    case SYNC_FINGERPRINTS_NEEDED: {
        struct pair_answer *a = answer(node, SYNC_FINGERPRINTS);
        a->ev.fingerprints.rules_version = 1;
        a->ev.fingerprints.heads_hash = e->fingerprints_needed.heads_hash;
        a->ev.fingerprints.n = 1;
        a->ev.fingerprints.tables[0] = (struct table_fingerprint){1, node->table};
        break;
    }
    case SYNC_ALARM: node->alarms[e->alarm.code]++; break;
    case SYNC_WAKE_AT: node->wake_ms = e->wake.at.ms; break;
    case SYNC_CAPSULE_GOT: node->capsules_got++; break;
    case SYNC_CAPSULE_MISSING: node->capsules_missing++; break;
    case SYNC_ADMISSION_ANSWERED: node->admissions_answered++; break;
    case SYNC_ADMISSION_UNANSWERED: node->admissions_unanswered++; break;
    case SYNC_CLOSE: break;
    default: do_reads(node, e); break;
    }
}

static void
one_step(struct pair *w, struct pair_node *node, const struct sync_event *ev)
{
    struct sync_effects out;
    struct err err;
    sync_effects_init(&out);
    err_clear(&err);
    node->steps++;
    int rc = sync_step(node->core, (struct mono_ms){w->now_ms}, ev, &out, &err);
    MUST(rc == 0 || rc == ERR_NOMEM);
    for (size_t i = 0; i < out.n; i++)
        carry_out(w, node, &out.items[i]);
    sync_effects_release(&out);
}

void
pair_step(struct pair *w, uint32_t i, const struct sync_event *ev)
{
    struct pair_node *node = &w->nodes[i];
    if (!node->core)
        return;
    one_step(w, node, ev);
    for (struct pair_answer *a; (a = node->answers) != NULL;) {
        node->answers = a->next;
        one_step(w, node, &a->ev);
        buf_free(&a->bytes);
        free(a);
    }
}

static void
tell_log(struct pair *w, uint32_t i, const struct pair_log *l)
{
    struct sync_event ev = {.type = SYNC_LOG_HELD};
    ev.log_held.log = l->id;
    ev.log_held.unit = l->unit;
    ev.log_held.signing_key = l->signing;
    ev.log_held.head_seq = l->n;
    ev.log_held.head_chain = pair_chain_at(l, l->n);
    ev.log_held.stands_to = l->stands_to;
    if (l->stands_to <= l->n)
        ev.log_held.stands_chain = pair_chain_at(l, l->stands_to);
    ev.log_held.frozen = l->frozen;
    ev.log_held.proof = buf_slice(&l->proof);
    ev.log_held.n_predecessors = l->n_preds;
    memcpy(ev.log_held.predecessors, l->preds, sizeof(l->preds));
    pair_step(w, i, &ev);
}

static void
append_due(struct pair *w, struct pair_node *node, struct pair_append *p)
{
    struct pair_log *l = pair_find(node, &p->run.log);
    struct sync_event ev = {.type = SYNC_APPENDED};
    if (!node->appends_fail && !l && p->opens)
        l = pair_log_create(node, &p->run.log, &p->opened, &p->first);
    if (!node->appends_fail && l && !l->frozen && pair_store_run(l, &p->run)) {
        if (p->opens)
            freeze_if_proven(node, l);
        ev.appended.log = l->id;
        ev.appended.seq = l->n;
        ev.appended.chain = pair_chain_at(l, l->n);
        MUST(l->n == p->run.first + p->run.count - 1);
    } else {
        ev.type = SYNC_APPEND_FAILED;
        ev.append_failed.log = p->run.log;
        for (struct pair_append **q = &node->appends; *q;) {
            struct pair_append *gone = *q;
            if (!TYPE_EQ(&gone->run.log, &p->run.log)) {
                q = &gone->next;
                continue;
            }
            *q = gone->next;
            free(gone->frames);
            free(gone);
        }
    }
    pair_step(w, node->index, &ev);
}

void
pair_trust(struct pair *w, uint32_t node, uint32_t of, bool admitted, const char *code)
{
    struct sync_event ev = {.type = SYNC_UNIT_TRUST};
    const struct pair_unit *u = &w->nodes[of].unit;
    ev.unit_trust.unit = u->id;
    ev.unit_trust.admitted = admitted;
    (void)snprintf(ev.unit_trust.code, sizeof(ev.unit_trust.code), "%s", code ? code : u->code);
    ev.unit_trust.n_root_keys = 1;
    ev.unit_trust.root_keys[0] = u->root;
    pair_step(w, node, &ev);
}

/* The order of sync.h: trust, logs; connections come from pair_link. */
static void
start(struct pair *w, uint32_t i)
{
    struct pair_node *node = &w->nodes[i];
    struct sync_config config = {
        .unit = node->unit.id, .federation = node->unit.federation, .production = node->unit.production};
    struct err err;
    uint8_t seed[32];
    (void)snprintf(config.program, sizeof(config.program), "test 1");
    pair_seed("core", i, (uint32_t)vnet_random(&w->net, UINT32_MAX), seed);
    memcpy(config.seed, seed, ID_BYTES);
    MUST(sync_new(&config, &node->core, &err) == 0);
    node->wake_ms = w->now_ms;
    for (uint32_t k = 0; k < w->n; k++)
        pair_trust(w, i, k, true, NULL);
    for (size_t k = 0; k < node->n_logs; k++)
        tell_log(w, i, &node->logs[k]);
    for (size_t k = 0; k < node->n_proofs; k++) {
        struct sync_event ev = {.type = SYNC_PROOF_KEPT};
        ev.proof_kept.log = node->proofs[k].log;
        ev.proof_kept.proof = buf_slice(&node->proofs[k].bytes);
        pair_step(w, i, &ev);
    }
}

static void
stop(struct pair_node *node)
{
    sync_free(&node->core);
    for (struct pair_append *p; (p = node->appends) != NULL;) {
        node->appends = p->next;
        free(p->frames);
        free(p);
    }
    node->writes = false;
}

void
pair_init(struct pair *w, uint32_t n, uint64_t seed, struct vnet_faults faults)
{
    struct err err;
    uint8_t bytes[32];
    MUST(n <= PAIR_NODES_MAX && crypto_init(&err) == 0);
    memset(w, 0, sizeof(*w));
    vnet_init(&w->net, seed, faults);
    buf_init(&w->trace, 1 << 22);
    w->n = n;
    w->now_ms = 1000;
    for (uint32_t i = 0; i < n; i++) {
        struct pair_node *node = &w->nodes[i];
        node->index = i;
        node->name = (char)('A' + (int)i);
        pair_seed("root", i, 0, bytes);
        crypto_keypair_sign(bytes, &node->unit.root, &node->unit.root_secret);
        node->unit.id = crypto_unit_id(node->unit.root);
        (void)snprintf(node->unit.code, sizeof(node->unit.code), "U%c", node->name);
        node->unit.federation = crypto_federation("Test");
    }
    for (uint32_t i = 0; i < n; i++)
        start(w, i);
}

void
pair_release(struct pair *w)
{
    for (uint32_t i = 0; i < w->n; i++) {
        stop(&w->nodes[i]);
        pair_logs_free(&w->nodes[i]);
        for (size_t k = 0; k < w->nodes[i].n_proofs; k++)
            buf_free(&w->nodes[i].proofs[k].bytes);
    }
    vnet_release(&w->net);
    buf_free(&w->trace);
}

void
pair_open_log(struct pair *w, uint32_t i)
{
    struct pair_node *node = &w->nodes[i];
    struct pair_log *l = pair_write_opening(node);
    struct sync_event ev = {.type = SYNC_LOCAL_WRITER};
    if (w->n_named < ARRAY_LEN(w->named))
        w->named[w->n_named++] = l->id;
    tell_log(w, i, l);
    ev.local_writer.log = node->writing;
    pair_step(w, i, &ev);
}

void
pair_commit_bytes(struct pair *w, uint32_t i, uint32_t events, size_t payload_bytes)
{
    struct pair_node *node = &w->nodes[i];
    if (!node->writes)
        pair_open_log(w, i);
    struct pair_log *l = pair_find(node, &node->writing);
    pair_write_events(node, l, events, payload_bytes);
    struct sync_event ev = {.type = SYNC_APPENDED};
    ev.appended.log = l->id;
    ev.appended.seq = l->n;
    ev.appended.chain = pair_chain_at(l, l->n);
    pair_step(w, i, &ev);
}

void
pair_commit(struct pair *w, uint32_t i, uint32_t events)
{
    pair_commit_bytes(w, i, events, 40);
}

static void
conn_event(struct pair *w, uint32_t i, uint32_t peer, bool up, bool dialled)
{
    struct pair_node *node = &w->nodes[i];
    struct sync_event ev = {.type = up ? SYNC_CONN_UP : SYNC_CONN_DOWN};
    if (up) {
        ev.conn_up.conn = conn_of(node, peer);
        ev.conn_up.unit = w->nodes[peer].unit.id;
        ev.conn_up.dialled = dialled;
    } else {
        ev.conn_down.conn = conn_of(node, peer);
        node->epoch[peer] = 0;
    }
    pair_step(w, i, &ev);
}

void
pair_link(struct pair *w, uint32_t dialler, uint32_t listener)
{
    uint32_t epoch = ++w->epoch;
    w->nodes[dialler].epoch[listener] = w->nodes[listener].epoch[dialler] = epoch;
    conn_event(w, listener, dialler, true, false);
    conn_event(w, dialler, listener, true, true);
}

void
pair_unlink(struct pair *w, uint32_t a, uint32_t b)
{
    if (w->nodes[a].epoch[b] == 0)
        return;
    conn_event(w, a, b, false, false);
    conn_event(w, b, a, false, false);
}

void
pair_restart(struct pair *w, uint32_t i, bool silently)
{
    struct pair_node *node = &w->nodes[i];
    stop(node);
    start(w, i);
    for (uint32_t k = 0; k < w->n; k++) {
        if (node->epoch[k] == 0)
            continue;
        if (silently) {
            conn_event(w, i, k, true, i < k);
        } else {
            conn_event(w, k, i, false, false);
            pair_link(w, i < k ? i : k, i < k ? k : i);
        }
    }
}

struct pair_log *
pair_copy_log(struct pair *w, uint32_t from, uint32_t to, const struct log_id *log)
{
    const struct pair_log *l = pair_find(&w->nodes[from], log);
    MUST(l && from != to);
    struct log_opened o = {.unit = l->unit, .signing_key = l->signing};
    struct event_header h = {.n_refs = l->n_preds};
    memcpy(h.refs, l->preds, sizeof(h.refs));
    struct pair_log *copy = pair_log_create(&w->nodes[to], &l->id, &o, &h);
    for (size_t k = 0; k < l->n; k++) {
        const struct pair_event *e = &l->events[k];
        struct pair_event *c =
            pair_log_push(copy, slice_of(e->header, e->header_len), slice_of(e->payload, e->payload_len));
        c->sealed = e->sealed;
        c->seal = e->seal;
    }
    return copy;
}

void
pair_clone(struct pair *w, uint32_t from, uint32_t to)
{
    struct pair_node *a = &w->nodes[from], *b = &w->nodes[to];
    stop(b);
    pair_logs_free(b);
    b->unit = a->unit;
    for (size_t i = 0; i < a->n_logs; i++)
        (void)pair_copy_log(w, from, to, &a->logs[i].id);
    start(w, to);
    b->writing = a->writing;
    b->writing_secret = a->writing_secret;
    b->writes = true;
    struct sync_event ev = {.type = SYNC_LOCAL_WRITER};
    ev.local_writer.log = b->writing;
    pair_step(w, to, &ev);
}

static bool
deliver(struct pair *w)
{
    struct vnet_packet p;
    if (!vnet_take(&w->net, w->now_ms, &p))
        return false;
    struct pair_node *node = &w->nodes[p.to];
    if (node->epoch[p.from] == p.tag) {
        struct sync_event ev = {.type = SYNC_MESSAGE};
        ev.message.conn = conn_of(node, p.from);
        ev.message.bytes = slice_of(p.data, p.len);
        pair_step(w, p.to, &ev);
    }
    free(p.data);
    return true;
}

static int64_t
next_ms(const struct pair *w)
{
    int64_t at = vnet_next_ms(&w->net);
    for (uint32_t i = 0; i < w->n; i++) {
        const struct pair_node *node = &w->nodes[i];
        if (node->core && node->wake_ms < at)
            at = node->wake_ms;
        if (node->appends && node->appends->due_ms < at)
            at = node->appends->due_ms;
    }
    return at;
}

static void
act(struct pair *w)
{
    struct sync_event tick = {.type = SYNC_TICK};
    while (deliver(w))
        ;
    for (uint32_t i = 0; i < w->n; i++) {
        struct pair_node *node = &w->nodes[i];
        while (node->appends && node->appends->due_ms <= w->now_ms) {
            struct pair_append *p = node->appends;
            node->appends = p->next;
            append_due(w, node, p);
            free(p->frames);
            free(p);
        }
        if (node->core && node->wake_ms <= w->now_ms) {
            node->wake_ms = INT64_MAX;
            pair_step(w, i, &tick);
        }
    }
}

void
pair_run(struct pair *w, int64_t ms)
{
    int64_t end = w->now_ms + ms;
    for (int64_t at; (at = next_ms(w)) <= end;) {
        w->now_ms = at > w->now_ms ? at : w->now_ms;
        act(w);
    }
    w->now_ms = end;
}

void
pair_inject(struct pair *w, uint32_t from, uint32_t to, const struct message *m)
{
    struct buf b;
    struct err err;
    buf_init(&b, MESSAGE_BYTES_MAX);
    MUST(message_encode(m, &b, &err) == 0);
    pair_trace_message(w, from, to, buf_slice(&b));
    vnet_send(&w->net, w->now_ms, from, to, w->nodes[from].epoch[to], buf_slice(&b));
    buf_free(&b);
}

bool
pair_equal(const struct pair *w)
{
    struct hash first = {{0}};
    bool any = false;
    for (uint32_t i = 0; i < w->n; i++) {
        struct head heads[256];
        uint32_t logs;
        uint64_t events;
        if (!w->nodes[i].core)
            continue;
        size_t n = sync_heads(w->nodes[i].core, heads, ARRAY_LEN(heads));
        MUST(n <= ARRAY_LEN(heads));
        struct hash h = sync_heads_hash(heads, n);
        sync_lag(w->nodes[i].core, &logs, &events);
        if (logs > 0 || (any && !TYPE_EQ(&h, &first)))
            return false;
        first = h;
        any = true;
    }
    return true;
}
