/* Sockets, core, writer: one loop. See netloop.h. */
#include "node/host/netloop.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/datadir.h"
#include "node/host/keeper.h"
#include "node/host/netreads.h"
#include "node/host/peers.h"
#include "node/host/quota.h"
#include "node/net/net.h"

enum {
    READS_MAX = SYNC_SESSIONS_MAX * (SYNC_READS_MAX + 4), /* what the core may have asked for and not been answered */
    READS_PER_TURN = 64,
    READS_RETRY_MS = 5,
    OBSERVE_MS = 100,
    IDLE_MS = 1000, /* the longest sleep: status ages by it, nothing else depends on it */
    NOTICES_MAX = 65536,
    MUTED_MAX = 512,
};

struct muted {
    uint32_t conn;
    int64_t until_ms;
};

struct netloop {
    struct netloop_config config;
    struct net *net;
    struct sync *sync;
    struct writer *writer;
    struct peers peers;
    struct netreads reads;
    struct keeper keeper;
    bool keeper_more;
    pthread_t thread;
    bool running;
    /* inbox */
    pthread_mutex_t lock;
    struct writer_notice *notices;
    size_t n_notices, cap_notices;
    bool all_logs, reload_trust, stopping;
    uint32_t capsules_stored, capsules_lost; /* of those the keeper asked for */
    struct netloop_stats stats;
    /* the thread's own */
    struct sync_effect *asked; /* ring of reads: answered between steps, so that effects keep their order */
    size_t asked_first, n_asked;
    bool asked_blocked; /* all that is left is for connections that take no more at the moment */
    struct muted muted[MUTED_MAX];
    int64_t wake_ms, observed_ms;
    bool unobserved; /* something happened since the status was taken */
    bool over;
};

static void step(struct netloop *l, const struct sync_event *ev);

static void
alarm_text(struct netloop *l, const char *text)
{
    l->config.alarm(l->config.arg, text);
}

/* ---- effects ---- */

static void
mute(struct netloop *l, uint32_t conn, uint32_t for_ms)
{
    int64_t now = mono_now().ms;
    for (size_t i = 0; i < MUTED_MAX; i++) {
        if (l->muted[i].until_ms <= now || l->muted[i].conn == conn) {
            l->muted[i] = (struct muted){conn, now + for_ms};
            return;
        }
    }
    net_close(l->net, conn, for_ms);
}

static bool
is_muted(const struct netloop *l, uint32_t conn)
{
    int64_t now = mono_now().ms;
    for (size_t i = 0; i < MUTED_MAX; i++)
        if (l->muted[i].conn == conn && l->muted[i].until_ms > now)
            return true;
    return false;
}

static void
effect_append(struct netloop *l, const struct sync_effect *e)
{
    struct writer_append *a =
        writer_append_new(&e->append.run, &e->append.chain_after, e->append.opened, e->append.first_header);
    if (a) {
        writer_append(l->writer, a);
    } else {
        struct writer_notice failed = {.type = NOTICE_APPEND_FAILED, .log = e->append.run.log};
        netloop_notice(l, &failed);
    }
}

static void
effect_alarm(struct netloop *l, const struct sync_effect *e)
{
    char text[ERR_TEXT_MAX + 256], log[HEX32_MAX];
    const struct peer *peer = peers_find(&l->peers, &e->alarm.unit);
    const char *code = peer                                                 ? peer->trusted.card.unit_code
                       : TYPE_EQ(&e->alarm.unit, &l->config.identity->unit) ? l->config.identity->unit_code
                                                                            : "-";
    hex_encode(e->alarm.log.b, 6, log);
    bool own_fork = e->alarm.code == ALARM_FORK && TYPE_EQ(&e->alarm.unit, &l->config.identity->unit);
    snprintf(text, sizeof(text), "%s: unit %s log %s… seq %llu: %s%s%s%s", sync_alarm_name(e->alarm.code), code, log,
             (unsigned long long)e->alarm.seq, e->alarm.text,
             own_fork                      ? "; stop the node, then: smartnode rekey --resume "
             : e->alarm.code == ALARM_FORK ? "; its own operator resumes it: smartnode rekey --resume "
                                           : "",
             e->alarm.code == ALARM_FORK ? log : "", own_fork ? " (add --revoke if the key may be stolen)" : "");
    alarm_text(l, text);
}

static void
answer(struct netloop *l, const struct sync_effect *e)
{
    struct sync_event ev;
    struct err err;
    if (netreads_answer(&l->reads, e, &ev, &err) == 0)
        step(l, &ev);
    else
        alarm_text(l, err.text);
}

static void
effect_capsule(struct netloop *l, const struct sync_effect *e, bool freeze)
{
    struct writer_capsule *c = freeze ? writer_capsule_new(&e->freeze.log, 0, 0, true, e->freeze.proof)
                                      : writer_capsule_new(&e->capsule_got.log, e->capsule_got.seq,
                                                           (uint8_t)e->capsule_got.index, false, e->capsule_got.bytes);
    if (c)
        writer_capsule(l->writer, c);
    else if (!freeze)
        keeper_missing(&l->keeper, 1, mono_now().ms);
}

static void
ask(struct netloop *l, const struct sync_effect *e)
{
    if (l->n_asked == READS_MAX) {
        alarm_text(l, "more reads for peers than the exchange allows; one is left out");
        return;
    }
    l->asked[(l->asked_first + l->n_asked++) % READS_MAX] = *e;
}

static void
carry_out(struct netloop *l, const struct sync_effect *e)
{
    switch (e->type) {
    case SYNC_SEND:
        if (!is_muted(l, e->conn))
            (void)net_send(l->net, e->conn, e->send.bytes);
        break;
    case SYNC_CLOSE: mute(l, e->conn, e->close.for_ms); break;
    case SYNC_APPEND: effect_append(l, e); break;
    case SYNC_READ:
    case SYNC_READ_EVENT:
    case SYNC_READ_CAPSULE:
    case SYNC_READ_CHAIN:
    case SYNC_READ_EVIDENCE:
    case SYNC_FINGERPRINTS_NEEDED: ask(l, e); break;
    case SYNC_CAPSULE_GOT: effect_capsule(l, e, false); break; /* the writer says when it is stored */
    case SYNC_CAPSULE_MISSING: keeper_missing(&l->keeper, 1, mono_now().ms); break;
    case SYNC_FREEZE: effect_capsule(l, e, true); break;
    case SYNC_ALARM: effect_alarm(l, e); break;
    case SYNC_WAKE_AT: l->wake_ms = e->wake.at.ms; break;
    }
}

static void
step(struct netloop *l, const struct sync_event *ev)
{
    struct sync_effects effects;
    struct err err;
    l->unobserved = true;
    sync_effects_init(&effects);
    if (sync_step(l->sync, mono_now(), ev, &effects, &err) != 0)
        alarm_text(l, err.text);
    for (size_t i = 0; i < effects.n; i++)
        carry_out(l, &effects.items[i]);
    sync_effects_release(&effects);
}

/* ---- logs and trust for the core ---- */

static void
give_log(struct netloop *l, struct db_txn *txn, const struct log_row *row)
{
    struct sync_event ev = {.type = SYNC_LOG_HELD};
    struct buf proof;
    struct err err;
    buf_init(&proof, MESSAGE_BYTES_MAX);
    if (netreads_log(txn, row, &ev.log_held, &proof, &err) == 0)
        step(l, &ev);
    else
        alarm_text(l, err.text);
    buf_free(&proof);
}

static void
give_proof(void *arg, const struct log_id *log, struct slice proof)
{
    struct sync_event ev = {.type = SYNC_PROOF_KEPT, .proof_kept = {.log = *log, .proof = proof}};
    step(arg, &ev);
}

/* Rows are read first and the transaction ended: a step may answer reads of its own. */
static int
give_all_logs(struct netloop *l, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t n = 0;
    int rc = db_begin_read(l->config.db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; no <= n && rc == 0; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0)
            give_log(l, txn, &row);
    }
    if (rc == 0)
        rc = netreads_proofs(txn, give_proof, l, err);
    db_abort(&txn);
    return rc;
}

static void
give_unit(struct netloop *l, const struct unit_id *unit, const char *code, const struct sign_public *root,
          bool admitted, bool full)
{
    struct sync_event ev = {
        .type = SYNC_UNIT_TRUST,
        .unit_trust = {.unit = *unit, .admitted = admitted, .full = full, .n_root_keys = 1, .root_keys = {*root}}};
    snprintf(ev.unit_trust.code, sizeof(ev.unit_trust.code), "%s", code);
    step(l, &ev);
}

/* True if what is dialled for a peer is what its card or the operator says now. */
static bool
same_dials(const struct peer *a, const struct peer *b)
{
    const char *of_a[CARD_ENDPOINTS_MAX], *of_b[CARD_ENDPOINTS_MAX];
    uint8_t n = peer_endpoints(a, of_a);
    if (peer_endpoints(b, of_b) != n || !TYPE_EQ(&a->transport_key, &b->transport_key))
        return false;
    for (uint8_t i = 0; i < n; i++)
        if (strcmp(of_a[i], of_b[i]) != 0)
            return false;
    return true;
}

static void
dial(struct netloop *l, const struct peer *p)
{
    const char *endpoints[CARD_ENDPOINTS_MAX];
    uint8_t n = peer_endpoints(p, endpoints);
    struct err err;
    for (uint8_t i = 0; i < n; i++)
        if (net_dial(l->net, &p->trusted.card.unit, &p->transport_key, endpoints[i], &err) != 0)
            alarm_text(l, err.text);
}

static int
load_trust(struct netloop *l, struct err *err)
{
    size_t n_before = l->peers.n;
    struct peer *before = calloc(n_before + 1, sizeof(*before));
    if (!before)
        return err_set(err, ERR_NOMEM, "peers: out of memory");
    if (n_before > 0)
        memcpy(before, l->peers.list, n_before * sizeof(*before));
    int rc = peers_load(&l->peers, l->config.db, l->config.identity, err);
    for (size_t i = 0; i < n_before && rc == 0; i++) {
        const struct unit_id *unit = &before[i].trusted.card.unit;
        const struct peer *now = peers_find(&l->peers, unit);
        if (!now || !same_dials(&before[i], now))
            net_undial(l->net, unit);
        if (!now) {
            struct sign_public none = {{0}};
            give_unit(l, unit, "", &none, false, false);
        }
    }
    for (size_t i = 0; i < l->peers.n && rc == 0; i++) {
        const struct unit_card *card = &l->peers.list[i].trusted.card;
        give_unit(l, &card->unit, card->unit_code, &card->root_key, true, l->peers.list[i].full);
        dial(l, &l->peers.list[i]);
    }
    free(before);
    keeper_again(&l->keeper);
    return rc;
}

static bool
admit(void *arg, const struct box_public *key, struct unit_id *ret)
{
    struct netloop *l = arg;
    struct peer *p = peers_find_key(&l->peers, key);
    if (p)
        *ret = p->trusted.card.unit;
    return p != NULL;
}

/* ---- the loop ---- */

/* A log that its root certified anew brings the transport key that its unit connects with from now on (docs/PROTOCOL.md §12.1). */
static bool
brings_key(struct netloop *l, const struct log_id *log)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    bool brings = false;
    if (db_begin_read(l->config.db, &txn, NULL) == 0 && evlog_find(txn, log, &row, NULL) == 0) {
        const struct peer *p = peers_find(&l->peers, &row.unit);
        brings = p && row.serial > p->serial;
    }
    db_abort(&txn);
    return brings;
}

/* A log under a later certificate may name another transport key. */
static void
look_for_new_key(struct netloop *l, const struct log_id *log)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err;
    bool newer = false;
    if (db_begin_read(l->config.db, &txn, &err) == 0 && evlog_find(txn, log, &row, &err) == 0) {
        const struct peer *peer = peers_find(&l->peers, &row.unit);
        newer = peer && row.serial > peer->serial;
    }
    db_abort(&txn);
    if (newer && load_trust(l, &err) != 0)
        alarm_text(l, err.text);
}

static void
take_notice(struct netloop *l, const struct writer_notice *n)
{
    struct sync_event ev = {0};
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err;
    switch (n->type) {
    case NOTICE_APPENDED:
        ev.type = SYNC_APPENDED;
        ev.appended.log = n->log;
        ev.appended.seq = n->seq;
        ev.appended.chain = n->chain;
        if (n->new_log && brings_key(l, &n->log))
            netloop_reload_trust(l);
        break;
    case NOTICE_APPEND_FAILED:
        ev.type = SYNC_APPEND_FAILED;
        ev.append_failed.log = n->log;
        break;
    case NOTICE_OWN_LOG:
        if (db_begin_read(l->config.db, &txn, &err) == 0 && evlog_find(txn, &n->log, &row, &err) == 0)
            give_log(l, txn, &row);
        db_abort(&txn);
        if (!n->new_log)
            return;
        ev.type = SYNC_LOCAL_WRITER;
        ev.local_writer.log = n->log;
        break;
    default: return;
    }
    step(l, &ev);
    if (n->type == NOTICE_APPENDED && n->new_log)
        look_for_new_key(l, &n->log);
}

static void
read_inbox(struct netloop *l)
{
    struct err err;
    pthread_mutex_lock(&l->lock);
    struct writer_notice *list = l->notices;
    size_t n = l->n_notices;
    bool all_logs = l->all_logs, trust = l->reload_trust, stopping = l->stopping;
    uint32_t stored = l->capsules_stored, lost = l->capsules_lost;
    l->capsules_stored = l->capsules_lost = 0;
    l->notices = NULL;
    l->n_notices = l->cap_notices = 0;
    l->all_logs = l->reload_trust = false;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < n; i++)
        take_notice(l, &list[i]);
    free(list);
    keeper_got(&l->keeper, stored);
    if (lost > 0)
        keeper_missing(&l->keeper, lost, mono_now().ms);
    if (all_logs && give_all_logs(l, &err) != 0)
        alarm_text(l, err.text);
    if (trust && load_trust(l, &err) != 0)
        alarm_text(l, err.text);
    if (stopping && !l->over) {
        struct sync_event ev = {.type = SYNC_SHUTDOWN};
        step(l, &ev);
        l->over = true;
    }
}

/* Whoever reads slowly waits for its own queue to empty and holds up nobody else. */
static void
answer_reads(struct netloop *l)
{
    size_t blocked = 0;
    for (int done = 0; done < READS_PER_TURN && blocked < l->n_asked;) {
        struct sync_effect e = l->asked[l->asked_first];
        l->asked_first = (l->asked_first + 1) % READS_MAX;
        l->n_asked--;
        if (e.type != SYNC_FINGERPRINTS_NEEDED && net_congested(l->net, e.conn)) {
            ask(l, &e);
            blocked++;
        } else {
            answer(l, &e);
            done++;
        }
    }
    l->asked_blocked = blocked >= l->n_asked;
}

static void
take_event(struct netloop *l, const struct net_event *e)
{
    struct sync_event ev = {0};
    struct peer *peer = peers_find(&l->peers, &e->unit);
    switch (e->type) {
    case NET_UP:
        ev.type = SYNC_CONN_UP;
        ev.conn_up.conn = e->conn;
        ev.conn_up.unit = e->unit;
        ev.conn_up.dialled = e->dialled;
        break;
    case NET_DOWN:
        ev.type = SYNC_CONN_DOWN;
        ev.conn_down.conn = e->conn;
        break;
    case NET_MESSAGE:
        if (is_muted(l, e->conn))
            return;
        ev.type = SYNC_MESSAGE;
        ev.message.conn = e->conn;
        ev.message.bytes = e->bytes;
        break;
    case NET_REFUSED:
        if (peer) {
            pthread_mutex_lock(&l->peers.lock);
            peer->refused_us = true;
            snprintf(peer->reason, sizeof(peer->reason),
                     "refuses our key: it has not pinned our card, or the card we pinned is old");
            pthread_mutex_unlock(&l->peers.lock);
        }
        return;
    case NET_NONE: return;
    }
    step(l, &ev);
}

/* A unit over the operator's bound is asked for nothing more; the core says so once (docs/PROTOCOL.md §14). */
static void
check_quotas(struct netloop *l)
{
    struct db_txn *txn = NULL;
    struct err err;
    uint64_t max = l->config.settings->unit_gib_max << 30;
    if (max == 0)
        return;
    for (size_t i = 0; i < l->peers.n; i++) {
        struct peer *p = &l->peers.list[i];
        const struct unit_card *card = &p->trusted.card;
        uint64_t bytes = 0;
        int rc = db_begin_read(l->config.db, &txn, &err);
        if (rc == 0)
            rc = quota_bytes(txn, &card->unit, &bytes, &err);
        db_abort(&txn);
        if (rc != 0)
            alarm_text(l, err.text);
        if (rc != 0 || p->full == (bytes >= max))
            continue;
        p->full = bytes >= max;
        give_unit(l, &card->unit, card->unit_code, &card->root_key, true, p->full);
    }
}

static void
observe(struct netloop *l)
{
    struct netloop_stats s = {.peers = (uint32_t)l->peers.n};
    struct mono_ms now = mono_now();
    if (now.ms - l->observed_ms < OBSERVE_MS)
        return;
    l->observed_ms = now.ms;
    l->unobserved = false;
    check_quotas(l);
    peers_observe(&l->peers, l->sync, now, wall_now());
    static struct sync_session_info sessions[SYNC_SESSIONS_MAX]; /* one net thread */
    size_t n = sync_sessions(l->sync, sessions, SYNC_SESSIONS_MAX);
    for (size_t i = 0; i < n; i++) {
        s.sessions += sessions[i].open;
        s.runs_received += sessions[i].runs_received;
        s.runs_sent += sessions[i].runs_sent;
        s.dropped += sessions[i].dropped;
    }
    for (size_t i = 0; i < l->peers.n; i++)
        s.peers_open += l->peers.list[i].open;
    sync_lag(l->sync, &s.lag_logs, &s.lag_events);
    pthread_mutex_lock(&l->lock);
    l->stats = s;
    pthread_mutex_unlock(&l->lock);
}

static void
need_capsule(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index, const struct hash *hash)
{
    struct netloop *l = arg;
    struct sync_event ev = {
        .type = SYNC_CAPSULE_NEEDED,
        .capsule_needed = {.unit = *unit, .log = at->log, .seq = at->seq, .index = index, .hash = *hash}};
    step(l, &ev);
}

static void
keep(struct netloop *l)
{
    struct err err;
    if (keeper_turn(&l->keeper, &l->peers, mono_now().ms, need_capsule, l, &l->keeper_more, &err) != 0)
        alarm_text(l, err.text);
}

static int
wait_ms(const struct netloop *l)
{
    int64_t now = mono_now().ms;
    int64_t wait = l->wake_ms > 0 ? l->wake_ms - now : IDLE_MS;
    wait = wait < 0 ? 0 : wait > IDLE_MS ? IDLE_MS : wait;
    if (l->unobserved && wait > OBSERVE_MS)
        wait = OBSERVE_MS;
    if (l->keeper_more || (l->n_asked > 0 && !l->asked_blocked))
        wait = 0;
    return (int)(l->n_asked > 0 && wait > READS_RETRY_MS ? READS_RETRY_MS : wait);
}

static void *
netloop_main(void *arg)
{
    struct netloop *l = arg;
    struct err err;
    while (!l->over) {
        struct net_event e;
        read_inbox(l);
        answer_reads(l);
        if (l->wake_ms > 0 && mono_now().ms >= l->wake_ms) {
            struct sync_event tick = {.type = SYNC_TICK};
            l->wake_ms = 0;
            step(l, &tick);
        }
        keep(l);
        observe(l);
        if (l->over || net_poll(l->net, wait_ms(l), &e, &err) != 0)
            continue;
        take_event(l, &e);
    }
    return NULL;
}

int
netloop_new(const struct netloop_config *config, struct netloop **ret, struct err *err)
{
    struct netloop *l = calloc(1, sizeof(*l));
    struct sync_config sc = {.unit = config->identity->unit,
                             .federation = config->identity->federation,
                             .production = config->identity->production};
    struct net_config nc = {
        .public_key = config->identity->transport_key, .listen = config->listen, .admit = admit, .arg = l};
    if (!l)
        return err_set(err, ERR_NOMEM, "peers: out of memory");
    l->config = *config;
    pthread_mutex_init(&l->lock, NULL);
    memcpy(sc.program, config->program, sizeof(sc.program));
    random_fill(NULL, sc.seed, sizeof(sc.seed));
    memcpy(nc.secret_key, config->identity->transport_secret.b, KEY_BYTES);
    l->asked = calloc(READS_MAX, sizeof(*l->asked));
    int rc = l->asked ? peers_init(&l->peers, err) : err_set(err, ERR_NOMEM, "peers: out of memory");
    netreads_init(&l->reads, &l->config, &l->peers);
    keeper_init(&l->keeper, config->db, config->vault, config->settings);
    if (rc == 0)
        rc = sync_new(&sc, &l->sync, err);
    if (rc == 0)
        rc = net_new(&nc, &l->net, err);
    sodium_memzero(nc.secret_key, sizeof(nc.secret_key));
    if (rc != 0)
        netloop_free(&l);
    else
        *ret = l;
    return rc;
}

int
netloop_start(struct netloop *l, struct writer *w, struct err *err)
{
    l->writer = w;
    give_unit(l, &l->config.identity->unit, l->config.identity->unit_code, &l->config.identity->root_key, true, false);
    int rc = load_trust(l, err);
    if (rc == 0)
        rc = give_all_logs(l, err);
    if (rc == 0 && pthread_create(&l->thread, NULL, netloop_main, l) != 0)
        rc = err_set(err, ERR_UNAVAILABLE, "the net thread cannot start");
    l->running = rc == 0;
    return rc;
}

void
netloop_stop(struct netloop *l)
{
    if (!l || !l->running)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_mutex_unlock(&l->lock);
    net_wake(l->net);
    pthread_join(l->thread, NULL);
    l->running = false;
}

void
netloop_free(struct netloop **loop)
{
    struct netloop *l = *loop;
    if (!l)
        return;
    netloop_stop(l);
    net_free(&l->net);
    sync_free(&l->sync);
    netreads_release(&l->reads);
    keeper_release(&l->keeper);
    peers_release(&l->peers);
    pthread_mutex_destroy(&l->lock);
    free(l->asked);
    free(l->notices);
    free(l);
    *loop = NULL;
}

/* Many appends of one log between two turns of the loop become one notice; a list over its bound becomes "look at all logs". */
static void
keep_notice(struct netloop *l, const struct writer_notice *n)
{
    for (size_t i = l->n_notices; i > 0 && i + 8 > l->n_notices; i--) {
        struct writer_notice *old = &l->notices[i - 1];
        if (old->type == n->type && n->type != NOTICE_APPEND_FAILED && TYPE_EQ(&old->log, &n->log)) {
            bool new_log = old->new_log || n->new_log;
            *old = *n;
            old->new_log = new_log;
            return;
        }
        if (TYPE_EQ(&old->log, &n->log))
            break;
    }
    if (l->n_notices == l->cap_notices) {
        size_t cap = l->cap_notices ? l->cap_notices * 2 : 64;
        struct writer_notice *more = cap <= NOTICES_MAX ? realloc(l->notices, cap * sizeof(*more)) : NULL;
        if (!more) {
            l->all_logs = true;
            return;
        }
        l->notices = more;
        l->cap_notices = cap;
    }
    l->notices[l->n_notices++] = *n;
}

void
netloop_notice(struct netloop *l, const struct writer_notice *n)
{
    pthread_mutex_lock(&l->lock);
    if (n->type == NOTICE_TRUST)
        l->reload_trust = true;
    else if (n->type == NOTICE_ALL_LOGS)
        l->all_logs = true;
    else if (n->type == NOTICE_CAPSULES) {
        l->capsules_stored += n->stored;
        l->capsules_lost += n->lost;
    } else
        keep_notice(l, n);
    pthread_mutex_unlock(&l->lock);
    net_wake(l->net);
}

void
netloop_reload_trust(struct netloop *l)
{
    struct writer_notice n = {.type = NOTICE_TRUST};
    netloop_notice(l, &n);
}

const char *
netloop_endpoint(const struct netloop *l)
{
    return net_listen_endpoint(l->net);
}

size_t
netloop_peers(struct netloop *l, struct api_peer *ret, size_t max)
{
    struct netloop_stats s;
    netloop_stats(l, &s);
    return peers_list(&l->peers, mono_now(), s.lag_events, ret, max);
}

bool
netloop_known_at(struct netloop *l, const struct unit_id *unit, struct wall_ms *ret)
{
    return peers_known_at(&l->peers, unit, ret);
}

bool
netloop_has_keeper(struct netloop *l)
{
    bool found = false;
    pthread_mutex_lock(&l->peers.lock);
    for (size_t i = 0; i < l->peers.n && !found; i++)
        found = l->peers.list[i].trusted.keeper;
    pthread_mutex_unlock(&l->peers.lock);
    return found;
}

void
netloop_stats(struct netloop *l, struct netloop_stats *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    pthread_mutex_unlock(&l->lock);
}
