/* One node, until a signal (daemon.h). Puts writer, net loop and HTTP server together;
 * what the server asks of the host is in daemon_api.c. docs/ARCHITECTURE.md "Threads". */
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "node/command/guest.h"
#include "node/host/copied.h"
#include "node/host/daemon.h"
#include "node/host/daemon_private.h"
#include "node/host/log.h"
#include "node/host/notify.h"

enum { TURN_MS = 1000, READER_CHECK_MS = 60000 };

/* ---- what the other threads tell ---- */

static void
raise_warning(struct daemon *d, enum warning_source source, const struct log_about *about, const char *what)
{
    char text[API_WARNING_BYTES_MAX + 1];
    const char *next = about->next ? about->next : "";
    snprintf(text, sizeof(text), "%s%s%s", what, next[0] ? "; " : "", next);
    pthread_mutex_lock(&d->lock);
    bool news = warnings_raise(&d->warnings, source, text, wall_now(), mono_now());
    pthread_mutex_unlock(&d->lock);
    if (news)
        log_write(LOG_WARNING, about, "%s", what);
}

static void
on_alarm(void *arg, const struct log_about *about, const char *what)
{
    raise_warning(arg, WARNING_ANY, about, what);
}

static void
on_upkeep_failed(void *arg, const struct log_about *about, const char *what)
{
    raise_warning(arg, WARNING_UPKEEP, about, what);
}

static void
on_upkeep_well(void *arg)
{
    struct daemon *d = arg;
    pthread_mutex_lock(&d->lock);
    warnings_settle(&d->warnings, WARNING_UPKEEP);
    pthread_mutex_unlock(&d->lock);
}

void
daemon_wake_upkeep(struct daemon *d, bool record)
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
        daemon_wake_upkeep(d, false);
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
    struct api_deps deps;
    struct api_config config = {
        .listen = d->dir.config.http_listen, .port = d->dir.config.http_port, .threads = d->dir.config.http_threads};
    char *key = NULL, *cert = NULL;
    struct api *api = NULL;
    daemon_deps(d, &deps);
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
                                .today = daemon_today,
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
                               .today = daemon_today,
                               .now_wall = daemon_now_wall,
                               .now_mono = daemon_now_mono,
                               .random = random_fill,
                               .peers = daemon_peers,
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
                               .failed = on_upkeep_failed,
                               .well = on_upkeep_well,
                               .alarm = on_alarm,
                               .want_work = want_work,
                               .known_at = daemon_known_at,
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

int
daemon_run(const char *path, struct err *err)
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
