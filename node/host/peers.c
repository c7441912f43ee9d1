/* Trusted units as the net thread sees them. See peers.h. */
#include "node/host/peers.h"

#include "node/host/guests.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/evlog.h"

enum { SESSIONS_SHOWN = SYNC_SESSIONS_MAX };

int
peers_init(struct peers *p, struct err *err)
{
    *p = (struct peers){0};
    if (pthread_mutex_init(&p->lock, NULL) != 0)
        return err_set(err, ERR_NOMEM, "peers: no lock");
    return 0;
}

void
peers_release(struct peers *p)
{
    free(p->list);
    p->list = NULL;
    p->n = 0;
    pthread_mutex_destroy(&p->lock);
}

struct peer *
peers_find(struct peers *p, const struct unit_id *unit)
{
    for (size_t i = 0; i < p->n; i++)
        if (TYPE_EQ(&p->list[i].trusted.card.unit, unit))
            return &p->list[i];
    return NULL;
}

struct peer *
peers_find_key(struct peers *p, const struct box_public *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (TYPE_EQ(&p->list[i].transport_key, key) ||
            (p->list[i].has_older_key && TYPE_EQ(&p->list[i].older_key, key)))
            return &p->list[i];
    return NULL;
}

/* The transport key of the unit's log with the highest serial, if it is above the card's (docs/PROTOCOL.md §12.1). */
static int
newest_key(struct db_txn *txn, uint32_t n_logs, struct peer *peer, struct err *err)
{
    uint64_t serial = peer->trusted.card.serial;
    uint32_t newest = 0;
    struct log_row row;
    int rc = 0;
    for (uint32_t no = 1; no <= n_logs && rc == 0; no++) {
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0 && row.serial > serial && TYPE_EQ(&row.unit, &peer->trusted.card.unit)) {
            serial = row.serial;
            newest = no;
        }
    }
    if (rc != 0 || newest == 0)
        return rc;
    struct stored_event ev;
    struct event_payload payload;
    rc = evlog_event(txn, newest, 1, &ev, err);
    if (rc == 0)
        rc = event_payload_decode(KIND_LOG_OPENED, 1, ev.payload, &payload, err);
    if (rc == 0) {
        peer->serial = serial;
        peer->older_key = peer->transport_key;
        peer->has_older_key = true;
        peer->transport_key = payload.log_opened.transport_key;
    }
    return rc;
}

int
peers_load(struct peers *p, struct db *db, struct mono_ms now, struct err *err)
{
    struct db_txn *txn = NULL;
    struct trusted *trusted = NULL;
    struct peer *list = NULL;
    size_t n = 0;
    uint32_t n_logs = 0;
    int rc = db_begin_read(db, &txn, err);
    if (rc == 0)
        rc = trust_list(txn, &trusted, &n, err);
    if (rc == 0)
        rc = evlog_count(txn, &n_logs, err);
    if (rc == 0) {
        list = calloc(n > 0 ? n : 1, sizeof(*list));
        rc = list ? 0 : err_set(err, ERR_NOMEM, "peers: out of memory");
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct peer *old = peers_find(p, &trusted[i].card.unit);
        if (old)
            list[i] = *old;
        else {
            list[i].complete = now;
            list[i].known = guests_known_at(txn, &trusted[i].card.unit, &list[i].known_at);
        }
        list[i].trusted = trusted[i];
        list[i].transport_key = trusted[i].card.transport_key;
        list[i].serial = trusted[i].card.serial;
        list[i].has_older_key = false;
        rc = newest_key(txn, n_logs, &list[i], err);
    }
    db_abort(&txn);
    free(trusted);
    if (rc != 0) {
        free(list);
        return rc;
    }
    pthread_mutex_lock(&p->lock);
    free(p->list);
    p->list = list;
    p->n = n;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* Two units often have two sessions: what either of them knows of the peer counts. */
static void
observe_session(struct peer *peer, const struct sync_session_info *s, const struct sync_session_lag *lag,
                struct mono_ms mono, struct wall_ms wall)
{
    peer->open = true;
    peer->heard = true;
    peer->refused_us = false;
    peer->reason[0] = '\0';
    int64_t ago = mono.ms - s->heard.ms;
    int64_t at = wall.ms - (ago > 0 ? ago : 0);
    peer->last_heard.ms = at > peer->last_heard.ms ? at : peer->last_heard.ms;
    if (!lag->heads_heard)
        return;
    if (lag->behind_logs > peer->behind_logs)
        peer->behind_logs = lag->behind_logs;
    if (lag->behind_events > peer->behind_events)
        peer->behind_events = lag->behind_events;
    if (!peer->told || lag->unannounced_events < peer->unannounced_events)
        peer->unannounced_events = lag->unannounced_events;
    peer->told = true;
}

static bool
is_current(const struct peer *p)
{
    return p->told && p->behind_logs == 0;
}

void
peers_observe(struct peers *p, const struct sync *sync, bool owes, struct mono_ms mono, struct wall_ms wall)
{
    static struct sync_session_info sessions[SESSIONS_SHOWN]; /* one net thread */
    static struct sync_session_lag lags[SESSIONS_SHOWN];
    size_t n = sync_sessions(sync, sessions, SESSIONS_SHOWN);
    (void)sync_session_lags(sync, lags, SESSIONS_SHOWN);
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->n; i++) {
        struct peer *peer = &p->list[i];
        peer->connected = peer->open = peer->told = false;
        peer->behind_logs = 0;
        peer->behind_events = peer->unannounced_events = 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = peers_find(p, &sessions[i].unit);
        if (!peer)
            continue;
        peer->connected = true;
        if (sessions[i].open)
            observe_session(peer, &sessions[i], &lags[i], mono, wall);
    }
    for (size_t i = 0; i < p->n; i++) {
        struct peer *peer = &p->list[i];
        if (!is_current(peer))
            continue;
        peer->complete = mono;
        if (owes)
            continue;
        peer->known = true;
        peer->known_at = peer->last_heard;
    }
    pthread_mutex_unlock(&p->lock);
}

static enum api_peer_state
state_of(const struct peer *p)
{
    if (p->open)
        return is_current(p) ? PEER_CURRENT : PEER_CATCHING_UP;
    if (p->refused_us)
        return PEER_REFUSED;
    return p->connected ? PEER_CONNECTING : PEER_DOWN;
}

size_t
peers_list(struct peers *p, struct mono_ms now, struct api_peer *ret, size_t max)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->n < max ? p->n : max;
    for (size_t i = 0; i < n; i++) {
        const struct peer *from = &p->list[i];
        const struct unit_card *card = &from->trusted.card;
        struct api_peer *to = &ret[i];
        *to = (struct api_peer){
            .unit = card->unit, .name = card->unit_name, .heard = from->heard, .last_heard = from->last_heard};
        if (!from->heard && from->known) { /* before the last start: at the latest when all of it was known */
            to->heard = true;
            to->last_heard = from->known_at;
        }
        memcpy(to->code, card->unit_code, sizeof(to->code));
        memcpy(to->reason, from->reason, sizeof(to->reason));
        card_fingerprint(card, to->fingerprint);
        const char *endpoints[CARD_ENDPOINTS_MAX];
        to->n_endpoints = peer_endpoints(from, endpoints);
        for (uint8_t k = 0; k < to->n_endpoints; k++)
            memcpy(to->endpoints[k], endpoints[k], sizeof(to->endpoints[k]));
        to->state = state_of(from);
        to->keeper = from->trusted.keeper;
        to->lag_events = from->behind_events;
        to->unannounced_events = from->unannounced_events;
        to->lag_ms = is_current(from) || now.ms < from->complete.ms ? 0 : now.ms - from->complete.ms;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

uint8_t
peer_endpoints(const struct peer *p, const char *ret[CARD_ENDPOINTS_MAX])
{
    _Static_assert((int)TRUST_ENDPOINTS_MAX <= (int)CARD_ENDPOINTS_MAX, "room for either");
    const struct trusted *t = &p->trusted;
    uint8_t n = t->n_endpoints > 0 ? t->n_endpoints : t->card.n_endpoints;
    for (uint8_t i = 0; i < n; i++)
        ret[i] = t->n_endpoints > 0 ? t->endpoints[i] : t->card.endpoints[i];
    return n;
}

bool
peers_known_at(struct peers *p, const struct unit_id *unit, struct wall_ms *ret)
{
    pthread_mutex_lock(&p->lock);
    const struct peer *peer = peers_find(p, unit);
    bool known = peer && peer->known;
    if (known)
        *ret = peer->known_at;
    pthread_mutex_unlock(&p->lock);
    return known;
}
