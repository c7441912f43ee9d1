/* Sockets, core, writer: one loop. See netloop.h. */
#include "node/host/netloop.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/datadir.h"
#include "node/host/hearing.h"
#include "node/host/netloop_private.h"
#include "node/host/recover.h"

void
netloop_alarm(struct netloop *l, const struct err *err)
{
    struct log_about about = log_about_err(err);
    l->config.alarm(l->config.arg, &about, err->text);
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
    if (newer && netloop_load_trust(l, &err) != 0)
        netloop_alarm(l, &err);
}

/* Events of our own unit came back: their capsules are where they came from, or at a keeper. */
static void
look_for_own(struct netloop *l, const struct log_id *log)
{
    const struct unit_id *own = &l->config.identity->unit;
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err;
    if (!l->keeper.own && db_begin_read(l->config.db, &txn, &err) == 0 && evlog_find(txn, log, &row, &err) == 0 &&
        TYPE_EQ(&row.unit, own))
        keeper_own(&l->keeper, own);
    db_abort(&txn);
}

static void
take_notice(struct netloop *l, const struct writer_notice *n)
{
    struct sync_event ev = {0};
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err;
    l->wanted_more = true;
    switch (n->type) {
    case NOTICE_APPENDED:
        ev.type = SYNC_APPENDED;
        ev.appended.log = n->log;
        ev.appended.seq = n->seq;
        ev.appended.chain = n->chain;
        look_for_own(l, &n->log);
        if (n->new_log && brings_key(l, &n->log))
            netloop_reload_trust(l);
        break;
    case NOTICE_APPEND_FAILED:
        ev.type = SYNC_APPEND_FAILED;
        ev.append_failed.log = n->log;
        break;
    case NOTICE_OWN_LOG:
        if (db_begin_read(l->config.db, &txn, &err) == 0 && evlog_find(txn, &n->log, &row, &err) == 0)
            netloop_give_log(l, txn, &row);
        db_abort(&txn);
        if (!n->new_log)
            return;
        ev.type = SYNC_LOCAL_WRITER;
        ev.local_writer.log = n->log;
        break;
    default: return;
    }
    netloop_step(l, &ev);
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
    for (size_t i = 0; i < l->n_work; i++)
        wanted_work(&l->wanted, &l->work[i]);
    l->wanted_more |= l->n_work > 0 || all_logs || l->wanted_lost;
    l->n_work = 0;
    bool again = all_logs || l->wanted_lost;
    l->capsules_stored = l->capsules_lost = 0;
    l->wanted_lost = false;
    l->notices = NULL;
    l->n_notices = l->cap_notices = 0;
    l->all_logs = l->reload_trust = false;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < n; i++)
        take_notice(l, &list[i]);
    free(list);
    netloop_take_given(l);
    keeper_got(&l->keeper, stored);
    if (lost > 0)
        keeper_lost(&l->keeper, lost, mono_now().ms);
    if (again)
        wanted_again(&l->wanted);
    if (all_logs) /* a log that was cut back is not held as far as it was looked at */
        keeper_again(&l->keeper);
    if (all_logs && netloop_give_all_logs(l, &err) != 0)
        netloop_alarm(l, &err);
    if (trust && netloop_load_trust(l, &err) != 0)
        netloop_alarm(l, &err);
    if (stopping && !l->over) {
        struct sync_event ev = {.type = SYNC_SHUTDOWN};
        netloop_step(l, &ev);
        l->over = true;
    }
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
        wanted_retry(&l->wanted);
        break;
    case NET_DOWN:
        ev.type = SYNC_CONN_DOWN;
        ev.conn_down.conn = e->conn;
        break;
    case NET_MESSAGE:
        if (netloop_is_muted(l, e->conn))
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
    netloop_step(l, &ev);
}

/* A recovered node: once enough peers were heard, it may write. It looks again at every observation until then. */
static void
hear(struct netloop *l)
{
    uint32_t heard = 0;
    bool over = false;
    struct err err;
    for (size_t i = 0; i < l->peers.n; i++)
        heard += l->peers.list[i].open && l->peers.list[i].told && l->peers.list[i].behind_logs == 0;
    l->unobserved = true;
    if (hearing_heard(l->config.db, &l->config.identity->unit, heard, &over, &err) != 0) {
        netloop_alarm(l, &err);
        return;
    }
    if (!over)
        return;
    log_write(LOG_NOTICE, &(struct log_about){.code = "recover"}, "the peers were heard: this node writes from now on");
    pthread_mutex_lock(&l->lock);
    l->hearing = 0;
    pthread_mutex_unlock(&l->lock);
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
    netloop_check_quotas(l);
    struct writer_stats writer;
    writer_stats(l->writer, &writer);
    peers_observe(&l->peers, l->sync, writer.owes, now, wall_now());
    static struct sync_session_info sessions[SYNC_SESSIONS_MAX]; /* one net thread */
    size_t n = sync_sessions(l->sync, sessions, SYNC_SESSIONS_MAX);
    for (size_t i = 0; i < n; i++)
        s.sessions += sessions[i].open;
    s.totals = sync_totals(l->sync);
    for (size_t i = 0; i < l->peers.n; i++)
        s.peers_open += l->peers.list[i].open;
    if (l->hearing > 0)
        hear(l);
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
    netloop_step(l, &ev);
}

static void
keep(struct netloop *l)
{
    struct err err;
    if (keeper_turn(&l->keeper, &l->peers, mono_now().ms, need_capsule, l, &l->keeper_more, &err) != 0)
        netloop_alarm(l, &err);
}

static bool
is_kept(void *arg, const struct unit_id *unit)
{
    struct netloop *l = arg;
    return keeper_keeps(&l->keeper, &l->peers, unit);
}

static void
want(struct netloop *l)
{
    int64_t now = mono_now().ms;
    struct err err;
    if (!l->wanted_more && now < l->wanted_ms)
        return;
    struct wanted_turn t = {.db = l->config.db,
                            .today = l->config.today(l->config.arg),
                            .now_ms = now,
                            .skip = is_kept,
                            .need = need_capsule,
                            .arg = l};
    l->wanted_ms = now + IDLE_MS;
    if (wanted_turn(&l->wanted, &t, &l->wanted_more, &err) != 0) {
        l->wanted_more = false;
        netloop_alarm(l, &err);
    }
}

static int
wait_ms(const struct netloop *l)
{
    int64_t now = mono_now().ms;
    int64_t wait = l->wake_ms > 0 ? l->wake_ms - now : IDLE_MS;
    wait = wait < 0 ? 0 : wait > IDLE_MS ? IDLE_MS : wait;
    if (l->unobserved && wait > OBSERVE_MS)
        wait = OBSERVE_MS;
    if (l->keeper_more || l->wanted_more || (l->n_asked > 0 && !l->asked_blocked))
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
        netloop_answer_reads(l);
        if (l->wake_ms > 0 && mono_now().ms >= l->wake_ms) {
            struct sync_event tick = {.type = SYNC_TICK};
            l->wake_ms = 0;
            netloop_step(l, &tick);
        }
        keep(l);
        want(l);
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
        .public_key = config->identity->transport_key, .listen = config->listen, .admit = netloop_admit, .arg = l};
    if (!l)
        return err_set(err, ERR_NOMEM, "peers: out of memory");
    l->config = *config;
    l->given_end = &l->given;
    pthread_mutex_init(&l->lock, NULL);
    memcpy(sc.program, config->program, sizeof(sc.program));
    random_fill(NULL, sc.seed, sizeof(sc.seed));
    memcpy(nc.secret_key, config->identity->transport_secret.b, KEY_BYTES);
    l->asked = calloc(READS_MAX, sizeof(*l->asked));
    int rc = l->asked ? peers_init(&l->peers, err) : err_set(err, ERR_NOMEM, "peers: out of memory");
    netreads_init(&l->reads, &l->config, &l->peers);
    keeper_init(&l->keeper, config->db, config->vault, config->settings);
    if (rc == 0)
        rc = wanted_init(&l->wanted, config->vault, &config->identity->unit, err);
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

/* What a recovery left to be done. */
static int
read_recovery(struct netloop *l, struct err *err)
{
    struct db_txn *txn = NULL;
    bool fetch = false;
    int rc = db_begin_read(l->config.db, &txn, err);
    if (rc == 0)
        rc = hearing_get(txn, &l->hearing, err);
    if (rc == 0)
        rc = recover_fetch_get(txn, &fetch, err);
    db_abort(&txn);
    if (rc == 0 && fetch)
        keeper_own(&l->keeper, &l->config.identity->unit);
    l->unobserved |= l->hearing > 0;
    return rc;
}

int
netloop_start(struct netloop *l, struct writer *w, struct err *err)
{
    l->writer = w;
    netloop_give_unit(l, &l->config.identity->unit, l->config.identity->unit_code, &l->config.identity->root_key, true,
                      false);
    int rc = read_recovery(l, err);
    if (rc == 0)
        rc = netloop_load_trust(l, err);
    if (rc == 0)
        rc = netloop_give_all_logs(l, err);
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
    wanted_release(&l->wanted);
    peers_release(&l->peers);
    while (l->given) {
        struct netloop_given *g = l->given;
        l->given = g->next;
        free(g);
    }
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
        l->wanted_lost |= n->wanted_lost;
    } else
        keep_notice(l, n);
    pthread_mutex_unlock(&l->lock);
    net_wake(l->net);
}

void
netloop_want_work(struct netloop *l, const struct position *at)
{
    pthread_mutex_lock(&l->lock);
    if (l->n_work < WORK_TOLD_MAX)
        l->work[l->n_work++] = *at;
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
    return peers_list(&l->peers, mono_now(), ret, max);
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

uint32_t
netloop_hearing(struct netloop *l)
{
    pthread_mutex_lock(&l->lock);
    uint32_t peers = l->hearing;
    pthread_mutex_unlock(&l->lock);
    return peers;
}

void
netloop_stats(struct netloop *l, struct netloop_stats *ret)
{
    pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    pthread_mutex_unlock(&l->lock);
}
