/* What the HTTP server asks of the running node: submission of writes, clocks, status, metrics. Called on the server's threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/host/daemon_private.h"
#include "node/host/health.h"
#include "node/host/log.h"
#include "node/host/overdue.h"

/* It starts last and stops before the writer. */
static void
arrivals_found(struct daemon *d, struct arrivals_found *ret)
{
    *ret = (struct arrivals_found){.since = DATE_NONE};
    pthread_mutex_lock(&d->lock);
    if (d->upkeep)
        upkeep_arrivals(d->upkeep, ret);
    pthread_mutex_unlock(&d->lock);
}

static int
deps_submit(void *arg, struct api_job *job, struct err *err)
{
    struct daemon *d = arg;
    if (atomic_load(&d->readiness) == API_REBUILDING)
        return err_set(err, ERR_UNAVAILABLE, "the state is being rebuilt; reads go on, writes wait");
    return writer_submit(d->writer, job, err);
}

struct wall_ms
daemon_now_wall(void *arg)
{
    (void)arg;
    return wall_now();
}

struct mono_ms
daemon_now_mono(void *arg)
{
    (void)arg;
    return mono_now();
}

struct civil_date
daemon_today(void *arg)
{
    struct daemon *d = arg;
    return datadir_today(&d->dir);
}

static enum api_readiness
deps_readiness(void *arg)
{
    struct daemon *d = arg;
    struct writer_stats s;
    int r = atomic_load(&d->readiness);
    if (r != API_READY)
        return (enum api_readiness)r;
    writer_stats(d->writer, &s);
    return s.is_full ? API_FULL : API_READY;
}

/* A unit that does not confirm an erasure is a matter for the telephone. */
static void
warn_overdue(struct daemon *d, struct api_status *ret)
{
    struct overdue overdue;
    struct api_peer *peers = malloc(API_PEERS_MAX * sizeof(*peers));
    if (peers) {
        size_t n = netloop_peers(d->net, peers, API_PEERS_MAX);
        overdue_read(d->dir.db, &d->dir.identity.unit, peers, n, datadir_today(&d->dir), d->dir.config.silent_days,
                     &overdue);
        if (overdue.late > 0)
            snprintf(
                ret->warnings[ret->n_warnings++], sizeof(ret->warnings[0]),
                "%llu erasures are not confirmed by every unit for more than %u days, %s among them: smartnode erasures --open",
                (unsigned long long)overdue.late, d->dir.config.silent_days,
                overdue.unit[0] == '?' ? "this one" : overdue.unit);
    }
    free(peers);
}

static void
deps_status(void *arg, struct api_status *ret)
{
    struct daemon *d = arg;
    struct writer_stats w;
    struct netloop_stats n;
    struct lookup_stats l;
    struct health h;
    struct wall_ms now = wall_now();
    writer_stats(d->writer, &w);
    netloop_stats(d->net, &n);
    lookup_stats(d->lookup, &l);
    health_read(d->dir.db, d->dir.vault, d->dir.path, now, &h);
    struct arrivals_found arrivals;
    arrivals_found(d, &arrivals);
    *ret = (struct api_status){.production = d->dir.identity.production,
                               .started = d->started,
                               .rebuild_permille = atomic_load(&d->rebuild_permille),
                               .queue_used = w.queue,
                               .queue_max = WRITER_JOBS_MAX,
                               .map_bytes = h.main.map_bytes,
                               .map_used_bytes = h.main.used_bytes,
                               .vault_map_bytes = h.vault.map_bytes,
                               .vault_map_used_bytes = h.vault.used_bytes,
                               .disk_bytes = h.disk_bytes,
                               .disk_free_bytes = h.disk_free_bytes,
                               .last_commit = w.last_commit,
                               .waiting = h.waiting,
                               .waiting_oldest_ms = h.waiting_oldest_ms,
                               .conflicts = (uint32_t)h.conflicts,
                               .lookups_asked = l.asked,
                               .lookups_hits = l.hits,
                               .lookups_answered = l.answered,
                               .lookups_refused = l.limited + l.unavailable,
                               .lookups_open = l.open,
                               .arrivals_waiting = arrivals.waiting,
                               .arrivals_for_desk = arrivals.by_hand,
                               .arrivals_since = arrivals.since,
                               .peers_connected = n.peers_open,
                               .peers_trusted = n.peers};
    snprintf(ret->federation, sizeof(ret->federation), "%s", d->dir.identity.federation_name.s);
    if (!netloop_has_keeper(d->net))
        snprintf(
            ret->warnings[ret->n_warnings++], sizeof(ret->warnings[0]),
            "no peer is the keeper of this unit's capsules: losing this disk loses the members' names (peer trust --keeper)");
    warn_overdue(d, ret);
    uint32_t hearing = netloop_hearing(d->net);
    if (hearing > 0)
        snprintf(ret->warnings[ret->n_warnings++], sizeof(ret->warnings[0]),
                 "recovered: nothing is written before %u peer%s heard completely (they must have pinned the new card; "
                 "smartnode recover --write-now does not wait)",
                 hearing, hearing > 1 ? "s are" : " is");
    pthread_mutex_lock(&d->lock);
    ret->has_own_log = d->has_own_log;
    ret->own_head = d->own_head;
    ret->n_warnings +=
        warnings_list(&d->warnings, now, ret->warnings + ret->n_warnings, API_WARNINGS_MAX - ret->n_warnings);
    pthread_mutex_unlock(&d->lock);
}

size_t
daemon_peers(void *arg, struct api_peer *ret, size_t max)
{
    struct daemon *d = arg;
    return netloop_peers(d->net, ret, max);
}

bool
daemon_known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    struct daemon *d = arg;
    return netloop_known_at(d->net, unit, ret);
}

static void
deps_record_guests(void *arg)
{
    daemon_wake_upkeep(arg, true);
}

static void
deps_open_taken(void *arg)
{
    struct daemon *d = arg;
    pthread_mutex_lock(&d->lock);
    if (d->upkeep)
        upkeep_open_taken(d->upkeep);
    pthread_mutex_unlock(&d->lock);
}

static void
deps_metrics(void *arg, struct buf *out)
{
    struct daemon *d = arg;
    struct writer_stats w;
    struct netloop_stats n;
    struct health h;
    struct wall_ms now = wall_now();
    struct lookup_stats l;
    struct api_peer *peers = malloc(API_PEERS_MAX * sizeof(*peers));
    writer_stats(d->writer, &w);
    netloop_stats(d->net, &n);
    lookup_stats(d->lookup, &l);
    health_read(d->dir.db, d->dir.vault, d->dir.path, now, &h);
    struct arrivals_found arrivals;
    arrivals_found(d, &arrivals);
    struct metrics m = {.health = &h,
                        .arrivals = &arrivals,
                        .today = datadir_today(&d->dir),
                        .writer = &w,
                        .net = &n,
                        .lookup = &l,
                        .readiness = deps_readiness(d),
                        .started = d->started,
                        .n_peers = peers ? netloop_peers(d->net, peers, API_PEERS_MAX) : 0,
                        .peers = peers};
    struct overdue overdue;
    overdue_read(d->dir.db, &d->dir.identity.unit, peers, m.n_peers, datadir_today(&d->dir), d->dir.config.silent_days,
                 &overdue);
    m.overdue = &overdue;
    metrics_write(out, &m);
    free(peers);
}

static void
deps_log(void *arg, const char *line)
{
    static const struct log_about about = {.code = "http", .next = "see what else was logged at that moment"};
    (void)arg;
    log_write(LOG_ERROR, &about, "%s", line);
}

void
daemon_deps(struct daemon *d, struct api_deps *ret)
{
    *ret = (struct api_deps){.db = d->dir.db,
                             .vault = d->dir.vault,
                             .unit = d->dir.identity.unit,
                             .federation = d->dir.identity.federation,
                             .production = d->dir.identity.production,
                             .arg = d,
                             .submit = deps_submit,
                             .now_wall = daemon_now_wall,
                             .now_mono = daemon_now_mono,
                             .today = daemon_today,
                             .random = random_fill,
                             .readiness = deps_readiness,
                             .status = deps_status,
                             .peers = daemon_peers,
                             .unit_known_at = daemon_known_at,
                             .foreign_days_max = d->dir.config.foreign_days_max,
                             .passes_stay = d->dir.config.residency == RESIDENCY_GRANTED,
                             .record_guests = deps_record_guests,
                             .open_taken = deps_open_taken,
                             .metrics = deps_metrics,
                             .log = deps_log};
    memcpy(ret->unit_code, d->dir.identity.unit_code, sizeof(ret->unit_code));
    _Static_assert((int)CONFIG_RETENTION_N == (int)RETAIN_N, "every period can be set");
    memcpy(ret->retention.v, d->dir.config.retention, sizeof(ret->retention.v));
}
