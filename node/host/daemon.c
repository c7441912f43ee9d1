/* smartnode run: one node, until a signal. Puts writer, net loop and HTTP server together and answers what the server asks of the
 * host. docs/ARCHITECTURE.md "Threads". */
#include <argp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "node/command/guest.h"
#include "node/host/cli.h"
#include "node/host/copied.h"
#include "node/host/datadir.h"
#include "node/host/health.h"
#include "node/host/log.h"
#include "node/host/lookup.h"
#include "node/host/netloop.h"
#include "node/host/notify.h"
#include "node/host/overdue.h"
#include "node/host/upkeep.h"
#include "node/host/writer.h"

enum { TURN_MS = 1000, READER_CHECK_MS = 60000, WARNING_KEPT_MS = 3600000, WARNING_REPEAT_MS = 60000 };

struct warning {
    struct wall_ms at;
    struct mono_ms logged;
    char text[API_WARNING_BYTES_MAX + 1];
};

struct daemon {
    struct datadir dir;
    struct engine *engine;
    struct writer *writer;
    struct upkeep *upkeep;
    struct netloop *net;
    struct lookup *lookup;
    pthread_mutex_t api_lock; /* the writer may look at api while it starts and stops */
    struct api *api;
    struct wall_ms started;
    atomic_int readiness;
    atomic_uint rebuild_permille;
    pthread_mutex_t lock; /* warnings, own head */
    size_t next_warning;
    struct warning warnings[API_WARNINGS_MAX];
    bool has_own_log;
    struct position own_head;
};

/* ---- what the other threads tell ---- */

/* The same alarm again is logged once a minute: what is tried again and again must not fill the disk with its complaints. */
static void
on_alarm(void *arg, const struct log_about *about, const char *what)
{
    struct daemon *d = arg;
    struct mono_ms now = mono_now();
    struct warning *w = NULL;
    char text[API_WARNING_BYTES_MAX + 1];
    const char *next = about->next ? about->next : "";
    snprintf(text, sizeof(text), "%s%s%s", what, next[0] ? "; " : "", next);
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < API_WARNINGS_MAX && !w; i++)
        if (strcmp(d->warnings[i].text, text) == 0)
            w = &d->warnings[i];
    bool known = w && now.ms - w->logged.ms < WARNING_REPEAT_MS;
    if (!w) {
        w = &d->warnings[d->next_warning++ % API_WARNINGS_MAX];
        memcpy(w->text, text, sizeof(text));
    }
    w->at = wall_now();
    if (!known)
        w->logged = now;
    pthread_mutex_unlock(&d->lock);
    if (!known)
        log_write(LOG_WARNING, about, "%s", what);
}

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

static void
wake_upkeep(struct daemon *d, bool record)
{
    pthread_mutex_lock(&d->lock);
    if (d->upkeep && record)
        upkeep_record(d->upkeep);
    else if (d->upkeep)
        upkeep_wake(d->upkeep);
    pthread_mutex_unlock(&d->lock);
}

static void
want_work(void *arg, const struct position *at)
{
    struct daemon *d = arg;
    netloop_want_work(d->net, at);
}

static void
on_notice(void *arg, const struct writer_notice *n)
{
    struct daemon *d = arg;
    if (n->type == NOTICE_OWN_LOG) {
        pthread_mutex_lock(&d->lock);
        d->has_own_log = true;
        d->own_head = (struct position){.log = n->log, .seq = n->seq};
        pthread_mutex_unlock(&d->lock);
    }
    if (n->type == NOTICE_LOOKUP)
        lookup_wake(d->lookup);
    else
        netloop_notice(d->net, n);
    if (n->type == NOTICE_CAPSULES || n->type == NOTICE_APPENDED)
        wake_upkeep(d, false);
}

static void
on_admission(void *arg, const struct sync_effect *e)
{
    struct daemon *d = arg;
    lookup_take(d->lookup, e);
}

static void
send_admission(void *arg, const struct sync_event *ev)
{
    struct daemon *d = arg;
    netloop_admission(d->net, ev);
}

static void
on_committed(void *arg)
{
    struct daemon *d = arg;
    pthread_mutex_lock(&d->api_lock);
    if (d->api)
        api_changed(d->api);
    pthread_mutex_unlock(&d->api_lock);
}

/* The server, or none, as the writer sees it from now on. Returns the one before. */
static struct api *
api_swap(struct daemon *d, struct api *api)
{
    pthread_mutex_lock(&d->api_lock);
    struct api *before = d->api;
    d->api = api;
    pthread_mutex_unlock(&d->api_lock);
    return before;
}

static void
on_rebuilding(void *arg, uint64_t done, uint64_t total)
{
    struct daemon *d = arg;
    int from = API_REBUILDING;
    if (total == 0) {
        if (atomic_compare_exchange_strong(&d->readiness, &from, API_READY))
            log_write(LOG_NOTICE, &(struct log_about){.code = "rebuild"}, "the state is rebuilt");
        return;
    }
    atomic_store(&d->rebuild_permille, (unsigned)(done * 1000 / total));
    from = API_READY;
    if (!atomic_compare_exchange_strong(&d->readiness, &from, API_REBUILDING) && from == API_STARTING)
        (void)atomic_compare_exchange_strong(&d->readiness, &from, API_REBUILDING);
}

/* ---- what the HTTP server asks ---- */

static int
deps_submit(void *arg, struct api_job *job, struct err *err)
{
    struct daemon *d = arg;
    if (atomic_load(&d->readiness) == API_REBUILDING)
        return err_set(err, ERR_UNAVAILABLE, "the state is being rebuilt; reads go on, writes wait");
    return writer_submit(d->writer, job, err);
}

static struct wall_ms
deps_now_wall(void *arg)
{
    (void)arg;
    return wall_now();
}

static struct mono_ms
deps_now_mono(void *arg)
{
    (void)arg;
    return mono_now();
}

static struct civil_date
deps_today(void *arg)
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
    for (size_t i = 0; i < API_WARNINGS_MAX && ret->n_warnings < API_WARNINGS_MAX; i++)
        if (d->warnings[i].text[0] != '\0' && now.ms - d->warnings[i].at.ms < WARNING_KEPT_MS)
            memcpy(ret->warnings[ret->n_warnings++], d->warnings[i].text, sizeof(ret->warnings[0]));
    pthread_mutex_unlock(&d->lock);
}

static size_t
deps_peers(void *arg, struct api_peer *ret, size_t max)
{
    struct daemon *d = arg;
    return netloop_peers(d->net, ret, max);
}

static bool
deps_known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    struct daemon *d = arg;
    return netloop_known_at(d->net, unit, ret);
}

static void
deps_record_guests(void *arg)
{
    wake_upkeep(arg, true);
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

/* ---- start and stop ---- */

static int
read_pem(const char *path, char **ret, struct err *err)
{
    enum { PEM_MAX = 65536 };
    FILE *f = path[0] ? fopen(path, "re") : NULL;
    *ret = NULL;
    if (path[0] == '\0')
        return 0;
    if (!f)
        return err_errno(err, "%s", path);
    char *text = calloc(1, PEM_MAX);
    size_t n = text ? fread(text, 1, PEM_MAX - 1, f) : 0;
    fclose(f);
    if (n == 0) {
        free(text);
        return err_set(err, ERR_INVALID, "%s: empty", path);
    }
    *ret = text;
    return 0;
}

static int
start_api(struct daemon *d, struct err *err)
{
    struct api_deps deps = {.db = d->dir.db,
                            .vault = d->dir.vault,
                            .unit = d->dir.identity.unit,
                            .federation = d->dir.identity.federation,
                            .production = d->dir.identity.production,
                            .arg = d,
                            .submit = deps_submit,
                            .now_wall = deps_now_wall,
                            .now_mono = deps_now_mono,
                            .today = deps_today,
                            .random = random_fill,
                            .readiness = deps_readiness,
                            .status = deps_status,
                            .peers = deps_peers,
                            .unit_known_at = deps_known_at,
                            .foreign_days_max = d->dir.config.foreign_days_max,
                            .record_guests = deps_record_guests,
                            .open_taken = deps_open_taken,
                            .metrics = deps_metrics,
                            .log = deps_log};
    struct api_config config = {
        .listen = d->dir.config.http_listen, .port = d->dir.config.http_port, .threads = d->dir.config.http_threads};
    char *key = NULL, *cert = NULL;
    struct api *api = NULL;
    memcpy(deps.unit_code, d->dir.identity.unit_code, sizeof(deps.unit_code));
    _Static_assert((int)CONFIG_RETENTION_N == (int)RETAIN_N, "every period can be set");
    memcpy(deps.retention.v, d->dir.config.retention, sizeof(deps.retention.v));
    int rc = read_pem(d->dir.config.tls_key, &key, err);
    if (rc == 0)
        rc = read_pem(d->dir.config.tls_cert, &cert, err);
    config.tls_key = key;
    config.tls_cert = cert;
    if (rc == 0)
        rc = api_start(&deps, &config, &api, err);
    if (rc == 0)
        (void)api_swap(d, api);
    else
        err_wrap(err, "HTTP on %s port %u", d->dir.config.http_listen, d->dir.config.http_port);
    if (key)
        sodium_memzero(key, strlen(key));
    free(key);
    free(cert);
    return rc;
}

static int
rebuild_at_start(void *arg, uint64_t done, uint64_t total)
{
    static uint64_t said;
    sigset_t pending;
    (void)arg;
    notify_manager("EXTEND_TIMEOUT_USEC=120000000");
    if (sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1))
        return 1;
    uint64_t percent = total > 0 ? done * 100 / total : 100;
    if (percent >= said + 5 || done == total) {
        said = percent;
        log_write(LOG_NOTICE, &(struct log_about){.code = "rebuild"}, "rebuilding the state from the logs: %llu %%",
                  (unsigned long long)percent);
    }
    return 0;
}

static int
prepare(struct daemon *d, const char *path, struct err *err)
{
    bool rebuild = false, copied = false;
    int rc = datadir_open(path, DATADIR_WRITER, &d->dir, err);
    if (rc != 0)
        return rc;
    log_open(d->dir.config.log_format, d->dir.identity.unit_code);
    datadir_announce(&d->dir);
    (void)datadir_today(&d->dir); /* sets the zone while there is one thread */
    rc = copied_check(d->dir.db, d->dir.path, &copied, err);
    if (rc != 0)
        return rc;
    if (copied)
        log_write(LOG_WARNING,
                  &(struct log_about){.code = "copied", .next = "let it catch up with its peers before a desk uses it"},
                  "the data directory is a copy; members of other units stay closed until their units are heard");
    struct netloop_config nc = {.identity = &d->dir.identity,
                                .db = d->dir.db,
                                .vault = d->dir.vault,
                                .listen =
                                    strcmp(d->dir.config.sync_listen, "none") == 0 ? NULL : d->dir.config.sync_listen,
                                .settings = &d->dir.config,
                                .today = deps_today,
                                .alarm = on_alarm,
                                .admission = on_admission,
                                .arg = d};
    snprintf(nc.program, sizeof(nc.program), "smartnode %s", SMARTNODE_VERSION);
    rc = netloop_new(&nc, &d->net, err);
    if (rc == 0)
        rc = apply_rebuild_needed(d->dir.db, &rebuild, err);
    if (rc == 0 && rebuild)
        rc = apply_rebuild(d->dir.db, rebuild_at_start, d, err);
    if (rc == 0)
        rc = datadir_engine(&d->dir, &d->engine, err);
    return rc;
}

static int
start(struct daemon *d, struct err *err)
{
    struct writer_config wc = {.engine = d->engine,
                               .db = d->dir.db,
                               .notice = on_notice,
                               .committed = on_committed,
                               .rebuilding = on_rebuilding,
                               .alarm = on_alarm,
                               .arg = d};
    struct lookup_config lc = {.db = d->dir.db,
                               .vault = d->dir.vault,
                               .unit = d->dir.identity.unit,
                               .per_hour = d->dir.config.lookups_per_hour,
                               .today = deps_today,
                               .now_wall = deps_now_wall,
                               .now_mono = deps_now_mono,
                               .random = random_fill,
                               .peers = deps_peers,
                               .send = send_admission,
                               .alarm = on_alarm,
                               .arg = d};
    int rc = lookup_new(&lc, &d->lookup, err);
    if (rc == 0)
        rc = writer_start(&wc, &d->writer, err);
    if (rc == 0)
        rc = start_api(d, err);
    if (rc == 0)
        rc = lookup_start(d->lookup, err);
    if (rc == 0)
        rc = netloop_start(d->net, d->writer, err);
    struct upkeep_config uc = {.dir = &d->dir,
                               .writer = d->writer,
                               .alarm = on_alarm,
                               .want_work = want_work,
                               .known_at = deps_known_at,
                               .arg = d};
    struct upkeep *upkeep = NULL;
    if (rc == 0)
        rc = upkeep_start(&uc, &upkeep, err);
    pthread_mutex_lock(&d->lock);
    d->upkeep = upkeep;
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* Requests first, then the peers, then the writer with what is left, then the directory. */
static void
stop(struct daemon *d)
{
    atomic_store(&d->readiness, API_STOPPING);
    notify_manager("STOPPING=1");
    writer_hurry(d->writer);
    struct api *api = api_swap(d, NULL);
    api_stop(&api);
    netloop_stop(d->net);
    lookup_stop(d->lookup);
    pthread_mutex_lock(&d->lock);
    struct upkeep *upkeep = d->upkeep;
    d->upkeep = NULL;
    pthread_mutex_unlock(&d->lock);
    upkeep_stop(&upkeep);
    writer_stop(&d->writer);
    netloop_free(&d->net);
    lookup_free(&d->lookup);
    engine_free(&d->engine);
    datadir_close(&d->dir);
}

/* Signals, once a second what the server's deadlines need, once a minute dead readers. */
static void
turn(struct daemon *d, int signals)
{
    int64_t checked = mono_now().ms;
    for (;;) {
        struct pollfd p = {.fd = signals, .events = POLLIN};
        struct signalfd_siginfo info;
        unsigned cleared;
        struct err err;
        if (poll(&p, 1, TURN_MS) > 0 && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            if (info.ssi_signo != SIGHUP)
                return;
            log_write(LOG_NOTICE, &(struct log_about){.code = "reload"}, "reading the pinned peers again");
            netloop_reload_trust(d->net);
        }
        struct mono_ms now = mono_now();
        api_tick(d->api, now);
        notify_manager("WATCHDOG=1");
        if (now.ms - checked >= READER_CHECK_MS) {
            checked = now.ms;
            if (db_reader_check(d->dir.db, &cleared, &err) != 0 ||
                db_reader_check(vault_db(d->dir.vault), &cleared, &err) != 0) {
                struct log_about about = log_about_err(&err);
                on_alarm(d, &about, err.text);
            }
        }
    }
}

static int
run(const char *path, struct err *err)
{
    static struct daemon d; /* large, and one for each process */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: they inherit it */
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return err_errno(err, "signals");
    d.started = wall_now();
    atomic_init(&d.readiness, API_STARTING);
    pthread_mutex_init(&d.lock, NULL);
    pthread_mutex_init(&d.api_lock, NULL);
    d.dir.lock_fd = -1;
    int rc = prepare(&d, path, err);
    if (rc == 0)
        rc = start(&d, err);
    if (rc == 0) {
        int from = API_STARTING; /* or the writer is at a rebuild already */
        (void)atomic_compare_exchange_strong(&d.readiness, &from, API_READY);
        log_write(LOG_NOTICE, &(struct log_about){.code = "start"},
                  "smartnode " SMARTNODE_VERSION ", unit %s (%s), federation %s, %s: http on %s port %u, peers on %s",
                  d.dir.identity.unit_code, d.dir.identity.unit_name.s, d.dir.identity.federation_name.s,
                  d.dir.identity.production ? "production" : "test", d.dir.config.http_listen, api_port(d.api),
                  netloop_endpoint(d.net)[0] ? netloop_endpoint(d.net) : "none (dials only)");
        notify_manager("READY=1");
        turn(&d, signals);
        log_write(LOG_NOTICE, &(struct log_about){.code = "stop"}, "stopping");
    }
    stop(&d);
    close(signals);
    return rc;
}

struct run_args {
    const char *data;
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct run_args *a = state->input;
    if (key == 'd')
        a->data = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument: %s", arg);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int
cmd_run(int argc, char **argv)
{
    static const struct argp_option options[] = {{"data", 'd', "DIR", 0, "The node's data directory", 0}, {0}};
    static const struct argp argp = {
        options,
        on_option,
        NULL,
        "Runs the node until it gets SIGTERM or SIGINT. SIGHUP reads the pinned peers again.\v"
        "Addresses, ports and limits are in DIR/smartnode.conf; smartnode config check tells what is wrong with it.",
        NULL,
        NULL,
        NULL};
    struct run_args args = {0};
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
        return EXIT_USAGE;
    if (datadir_find(args.data, path, &err) != 0 || run(path, &err) != 0)
        return cli_fail(&err);
    return EXIT_OK;
}
