/* Equivocation (§12.6): a log with two sealed histories is frozen where it stands, on every node that sees the proof.
 *
 * One-sided evidence is a peer's branch. Ours from the same first position is read and laid beside it. If both start from the same
 * chain value and then differ, that is the proof. If they start from different ones, the fork lies before: the log is frozen at
 * once, and the peer is asked again from there, run by run, until the branches meet. */
#include <stdlib.h>

#include "node/sync/state.h"

void
pending_evidence_clear(struct session *p)
{
    free(p->evidence.hashes);
    p->evidence = (struct pending_evidence){0};
}

/* A Want from seq + 1 with our chain value at seq: answered by Evidence if the peer's is another. */
void
fork_query(struct sync *s, struct session *p, struct log *l, uint64_t seq, const struct chain_value *chain)
{
    if (p->state != SESSION_OPEN || seq < 1 || seq >= INT64_MAX)
        return;
    if (l->want.at == p)
        want_close(s, l, false); /* replaced at the peer */
    log_timer(s, s->now + SYNC_CHECK_MS);
    if (want_send(s, p, l, seq + 1, chain))
        p->query = p->number;
}

/* Empty: there is none any more. Over the limit the log is frozen all the same, but others hear of it from others. */
void
fork_keep_proof(struct sync *s, struct log *l, struct slice proof)
{
    if (l->proof) {
        free(l->proof);
        l->proof = NULL;
        l->proof_len = 0;
        s->n_proofs--;
    }
    if (proof.len == 0 || s->n_proofs >= SYNC_PROOFS_MAX)
        return;
    l->proof = malloc(proof.len);
    if (!l->proof) {
        s->oom = true;
        return;
    }
    memcpy(l->proof, proof.data, proof.len);
    l->proof_len = proof.len;
    s->n_proofs++;
}

void
fork_pass_on(struct sync *s, struct session *p, struct log *l, struct claim *c)
{
    if (c->proof_sent || !l->proof || p->state != SESSION_OPEN)
        return;
    struct slice copy = emit_copy(s, slice_of(l->proof, l->proof_len));
    struct sync_effect *e = copy.len > 0 ? emit(s, SYNC_SEND, p) : NULL;
    if (!e)
        return;
    e->send.bytes = copy;
    p->sent = s->now;
    c->proof_sent = true;
}

/* The peer's claim of the log, or the mark that it knows the unit: a log that a successor names stands in no Heads, and its
 * history is forked all the same. NULL: nothing of the unit is known there. */
static struct claim *
claim_or_mark(struct sync *s, struct session *p, const struct log *l)
{
    struct claim *c = map_get(&p->claims, &l->id);
    size_t cursor = 0;
    const void *key;
    void *value;
    bool knows = false;
    if (c || p->claims.count >= SYNC_CLAIMS_MAX)
        return c;
    while (!knows && map_next(&p->claims, &cursor, &key, &value)) {
        const struct log *other = log_find(s, key);
        knows = other && TYPE_EQ(&other->unit, &l->unit);
    }
    return knows ? map_put(&p->claims, &l->id, NULL) : NULL;
}

void
fork_offer(struct sync *s, struct session *p)
{
    if (s->n_proofs == 0)
        return;
    for (struct log *l = s->oldest; l; l = l->next) {
        struct claim *c = l->proof ? claim_or_mark(s, p, l) : NULL;
        if (c)
            fork_pass_on(s, p, l, c);
    }
}

/* To a peer that asks for a frozen log: what it was told before it may not have been able to check yet. */
void
fork_repeat(struct sync *s, struct session *p, struct log *l)
{
    struct claim *c = NULL;
    if (l->frozen && l->proof && p->claims.count < SYNC_CLAIMS_MAX)
        c = map_put(&p->claims, &l->id, NULL);
    if (!c)
        return;
    c->proof_sent = false;
    fork_pass_on(s, p, l, c);
}

/* at: the last position that both branches share, as far as known. proof may be empty. */
static void
freeze(struct sync *s, struct session *p, struct log *l, uint64_t at, struct slice proof)
{
    if (l->frozen && (l->proof || proof.len == 0))
        return;
    bool first = !l->frozen;
    l->frozen = true;
    want_close(s, l, true);
    fork_keep_proof(s, l, proof);
    struct sync_effect *e = emit(s, SYNC_FREEZE, p);
    if (e) {
        e->freeze.log = l->id;
        e->freeze.unit = l->unit;
        e->freeze.at = at;
        e->freeze.held = l->held;
        e->freeze.proof = emit_copy(s, proof);
    }
    if (first) {
        emit_alarm(s, ALARM_FORK, p, NULL, l, "two sealed histories of one log, %s event %llu: frozen",
                   proof.len > 0 ? "after" : "before", (unsigned long long)(proof.len > 0 ? at : l->walk_seq));
        if (l->local)
            emit_alarm(s, ALARM_CLONE, p, NULL, l,
                       "the log that this node writes has a second history: a clone or a stolen key");
    }
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *q = s->sessions[i];
        struct claim *c = q != p && l->proof ? claim_or_mark(s, q, l) : NULL;
        if (c)
            fork_pass_on(s, q, l, c);
    }
    want_schedule(s, l);
}

/* From an earlier run of this process, in which nothing of the log became durable. Whoever asks for it is told; what its unit is,
 * lists and successors say. */
void
on_proof_kept(struct sync *s, const struct sync_event *ev)
{
    static const struct unit_id unknown;
    struct log *l = log_add(s, &ev->proof_kept.log, &unknown);
    if (!l || l->held || l->opening || l->decided || (l->frozen && l->proof))
        return;
    l->frozen = true;
    fork_keep_proof(s, l, ev->proof_kept.proof);
}

/* How many leading hashes are the same. */
static uint64_t
common(struct slice a, struct slice b)
{
    uint64_t n = (a.len < b.len ? a.len : b.len) / HASH_BYTES, i = 0;
    while (i < n && memcmp(a.data + i * HASH_BYTES, b.data + i * HASH_BYTES, HASH_BYTES) == 0)
        i++;
    return i;
}

static bool
differ(struct slice a, struct slice b)
{
    return common(a, b) < (a.len < b.len ? a.len : b.len) / HASH_BYTES;
}

/* The log that evidence speaks of; made known by event 1 inside it if it is not held. NULL: nothing that concerns us. */
static struct log *
evidence_log(struct sync *s, const struct message *m, struct sign_public *ret_key)
{
    struct log *l = log_find(s, &m->evidence.log);
    if (l && (l->held || l->opening)) {
        *ret_key = l->signing_key;
        return l;
    }
    struct event_header h;
    struct log_opened o;
    struct err err;
    if (!m->evidence.has_other || m->evidence.opening_header.len == 0 ||
        verify_first_event(&m->evidence.log, m->evidence.opening_header, m->evidence.opening_payload, &h, &o, &err) <
            0 ||
        opened_admitted(s, &o, &h, &err) < 0)
        return NULL;
    l = log_add(s, &m->evidence.log, &o.unit);
    if (l) {
        log_set_unit(s, l, &o.unit);
        *ret_key = o.signing_key;
    }
    return l;
}

static int
verify_branch(const struct message *m, struct slice hashes, const struct seal *seal, const struct sign_public *key,
              struct err *err)
{
    struct chain_value at;
    return verify_evidence(&m->evidence.log, m->evidence.first, &m->evidence.before, hashes, seal, key,
                           m->evidence.first, &at, err);
}

static void
two_sided(struct sync *s, struct session *p, struct log *l, const struct message *m, const struct sign_public *key)
{
    struct err err;
    uint64_t shared = m->evidence.first - 1 + common(m->evidence.header_hashes, m->evidence.other_hashes);
    if (verify_branch(m, m->evidence.header_hashes, &m->evidence.seal, key, &err) < 0 ||
        verify_branch(m, m->evidence.other_hashes, &m->evidence.other_seal, key, &err) < 0) {
        session_fault(s, p, BYE_MALFORMED, l, &err);
        return;
    }
    if (!differ(m->evidence.header_hashes, m->evidence.other_hashes) || shared >= l->stands_to)
        return;
    struct buf b;
    buf_init(&b, MESSAGE_BYTES_MAX);
    if (message_encode(m, &b, &err) < 0)
        s->oom = true;
    else
        freeze(s, p, l, shared, buf_slice(&b));
    struct claim *c = map_get(&p->claims, &l->id);
    if (c)
        c->proof_sent = true; /* it came from there */
    buf_free(&b);
}

void
on_evidence(struct sync *s, struct session *p, const struct message *m)
{
    struct sign_public key;
    struct err err;
    struct log *l = evidence_log(s, m, &key);
    if (!l || log_decided(l) || (l->frozen && l->proof)) {
        p->dropped++;
        return;
    }
    if (m->evidence.has_other) {
        two_sided(s, p, l, m, &key);
        return;
    }
    if (!l->held || m->evidence.first > l->head_seq || p->evidence.log) {
        p->dropped++;
        return;
    }
    if (verify_branch(m, m->evidence.header_hashes, &m->evidence.seal, &key, &err) < 0) {
        session_fault(s, p, BYE_MALFORMED, l, &err);
        return;
    }
    uint8_t *hashes = malloc(m->evidence.header_hashes.len);
    struct sync_effect *e = hashes ? emit(s, SYNC_READ_EVIDENCE, p) : NULL;
    if (!e) {
        free(hashes);
        s->oom = true;
        return;
    }
    memcpy(hashes, m->evidence.header_hashes.data, m->evidence.header_hashes.len);
    p->evidence = (struct pending_evidence){.log = l,
                                            .first = m->evidence.first,
                                            .before = m->evidence.before,
                                            .seal = m->evidence.seal,
                                            .hashes = hashes,
                                            .hashes_len = m->evidence.header_hashes.len};
    e->read_evidence.log = l->id;
    e->read_evidence.first = m->evidence.first;
    e->read_evidence.at = m->evidence.first + m->evidence.header_hashes.len / HASH_BYTES - 1;
}

/* The branches meet before these runs: both seals together are a proof for us, not yet one for others. */
static void
walk_back(struct sync *s, struct session *p, struct log *l, const struct sync_branch *ours)
{
    if (ours->first < 2 || ours->first - 1 > l->stands_to)
        return;
    l->walk_seq = ours->first - 1;
    l->walk_chain = ours->before;
    freeze(s, p, l, 0, (struct slice){0});
    fork_query(s, p, l, l->walk_seq, &l->walk_chain);
}

void
on_evidence_done(struct sync *s, struct session *p, const struct sync_event *ev)
{
    const struct sync_branch *ours = &ev->evidence_done.ours;
    struct pending_evidence theirs = p->evidence;
    struct log *l = theirs.log;
    if (!l || !TYPE_EQ(&l->id, &ev->evidence_done.log))
        return;
    p->evidence = (struct pending_evidence){0};
    struct slice hashes = slice_of(theirs.hashes, theirs.hashes_len);
    if (!ev->evidence_done.held || ours->first != theirs.first || log_decided(l) || (l->frozen && l->proof)) {
        free(theirs.hashes);
        return;
    }
    if (!TYPE_EQ(&ours->before, &theirs.before)) {
        walk_back(s, p, l, ours);
    } else if (differ(ours->header_hashes, hashes)) {
        uint64_t shared = theirs.first - 1 + common(ours->header_hashes, hashes);
        struct message m = {.type = MSG_EVIDENCE};
        m.evidence.log = l->id;
        m.evidence.first = theirs.first;
        m.evidence.before = theirs.before;
        m.evidence.header_hashes = ours->header_hashes;
        m.evidence.seal = ours->seal;
        m.evidence.has_other = true;
        m.evidence.other_hashes = hashes;
        m.evidence.other_seal = theirs.seal;
        struct buf b;
        struct err err;
        buf_init(&b, MESSAGE_BYTES_MAX);
        int rc = shared < l->stands_to ? message_encode(&m, &b, &err) : ERR_NOTFOUND;
        s->oom = s->oom || rc == ERR_NOMEM;
        if (rc == 0) {
            struct claim *c = map_get(&p->claims, &l->id);
            freeze(s, p, l, shared, buf_slice(&b));
            if (c)
                fork_pass_on(s, p, l, c);
        }
        buf_free(&b);
    }
    free(theirs.hashes);
}
