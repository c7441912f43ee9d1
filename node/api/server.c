/* The server: libmicrohttpd's callbacks, the way of one request, deadlines, start and stop.
 *
 *   REQUEST_NONE ─first call─▶ READING ─body whole─▶ dispatch ─answer─▶ DONE
 *                    │ refused                          │ operations
 *                    ▼                                  ▼
 *                 REFUSED ─second call─▶ DONE       SUBMITTED ─job done, resumed─▶ DONE, or READING (batch)
 *                                                   POLLING ─resumed─▶ dispatch again (poll.c)
 *
 * What must not be read further (smuggling, no token, too large) is answered in the first call, which closes the connection;
 * everything else in a later one, which keeps it: several times as many requests a second. */
#include "node/api/request.h"

#include <arpa/inet.h>
#include <errno.h>

enum {
    CONNECTIONS_DEFAULT = 512,
    IDLE_S_DEFAULT = 10,
    REQUEST_MS_DEFAULT = 10000,
    HEAD_BYTES_MAX = 16384,  /* head and MHD's own per connection */
    BATCH_BYTES_PER_MS = 32, /* what a slow uplink must manage: each byte of a batch buys this much of time */
};

void
conn_deadline(struct conn *c, int64_t ms)
{
    int64_t at = ms < 0 ? INT64_MAX : c->api->deps.now_mono(c->api->deps.arg).ms + ms;

    atomic_store_explicit(&c->deadline_ms, at, memory_order_relaxed);
}

static struct conn *
conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info == NULL ? NULL : info->socket_context;
}

static void
conn_name_client(struct conn *c, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;

    if (address != NULL && address->sa_family == AF_INET) {
        c->client_len = 4;
        memcpy(c->client, &((const struct sockaddr_in *)address)->sin_addr, c->client_len);
    } else if (address != NULL && address->sa_family == AF_INET6) {
        c->client_len = CLIENT_BYTES_MAX;
        memcpy(c->client, &((const struct sockaddr_in6 *)address)->sin6_addr, c->client_len);
    }
}

static void
conn_open(struct api *a, struct MHD_Connection *mhd, void **socket_context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct conn *c = calloc(1, sizeof(*c));

    *socket_context = c;
    if (c == NULL) {
        return; /* the request is refused in its first call */
    }
    c->api = a;
    c->fd = info == NULL ? -1 : info->connect_fd;
    conn_name_client(c, mhd);
    buf_init(&c->in, API_BODY_BYTES_MAX);
    buf_init(&c->out, OUT_BYTES_MAX);
    conn_deadline(c, a->request_ms);
    pthread_mutex_lock(&a->lock);
    c->next = a->conns;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    a->conns = c;
    a->n_conns++;
    pthread_mutex_unlock(&a->lock);
}

/* MHD closes the descriptor after this call, so api_tick never sees one that belongs to somebody else. */
static void
conn_close(struct api *a, struct conn *c)
{
    pthread_mutex_lock(&a->lock);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        a->conns = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    a->n_conns--;
    pthread_mutex_unlock(&a->lock);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

static void
on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_open(cls, mhd, socket_context);
    } else if (*socket_context != NULL) {
        conn_close(cls, *socket_context);
        *socket_context = NULL;
    }
}

static void *
on_target(void *cls UNUSED, const char *target, struct MHD_Connection *mhd)
{
    struct conn *c = conn_of(mhd);

    if (c != NULL) {
        c->target_bad = !guard_target(target);
    }
    return NULL;
}

/* Wiped in place, so that a look-up does not grow a buffer anew each time. */
static void
buf_reuse(struct buf *b, bool wipe)
{
    if (b->cap > OUT_KEPT_BYTES) {
        buf_free(b);
        return;
    }
    if (wipe && b->data != NULL) {
        person_wipe(b->data, b->len);
    }
    buf_clear(b);
}

static void
on_completed(void *cls UNUSED, struct MHD_Connection *mhd UNUSED, void **con_cls,
             enum MHD_RequestTerminationCode code UNUSED)
{
    struct request *r = *con_cls;

    if (r == NULL) {
        return;
    }
    db_abort(&r->txn);
    batch_free(r);
    request_ops_free(r);
    person_wipe(r->new_token, sizeof(r->new_token));
    pass_wipe(r->new_pass, sizeof(r->new_pass));
    pass_seen_free(r);
    buf_reuse(r->in, true);
    buf_reuse(r->out, r->personal);
    r->state = REQUEST_NONE;
    r->conn->served = true;
    conn_deadline(r->conn, r->api->idle_ms + r->api->request_ms);
    *con_cls = NULL;
}

static enum MHD_Result
on_header(void *cls, enum MHD_ValueKind kind UNUSED, const char *name, size_t name_len, const char *value,
          size_t value_len)
{
    guard_header(cls, name, name_len, value == NULL ? "" : value, value_len);
    return MHD_YES;
}

/* Whether the request may go on to its handler: readiness, token, query, headers that the route needs. */
static int
request_admit(struct request *r, unsigned *ret_status, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    int rc = 0;

    if (!(r->route->flags & ROUTE_LIVE) && d->readiness(d->arg) == API_STARTING) {
        rc = err_set(err, ERR_UNAVAILABLE, "the node is starting");
    }
    if (rc == 0 && (r->route->flags & ROUTE_READS)) {
        rc = db_begin_read(d->db, &r->txn, err);
    }
    if (rc == 0 && r->route->roles != 0) {
        rc = auth_check(r, ret_status, err);
    }
    if (rc == 0) {
        rc = query_check(r, err);
    }
    if (rc == 0 && (r->route->flags & ROUTE_WRITES)) {
        rc = idempotency_check(r, err);
    }
    if (rc == 0 && (r->route->flags & ROUTE_IF_MATCH) &&
        MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "If-Match") == NULL) {
        *ret_status = MHD_HTTP_PRECONDITION_REQUIRED;
        rc = err_field(err, ERR_INVALID, "if-match", "send the ETag of what you saw in the header If-Match");
    }
    return rc;
}

static void
request_refuse(struct request *r, unsigned status, const struct err *err)
{
    db_abort(&r->txn);
    if (status == 0) {
        status = r->retry_after_s != 0 ? MHD_HTTP_TOO_MANY_REQUESTS : http_status(err);
    }
    reply_problem(r, status, err);
    r->state = REQUEST_REFUSED;
}

static int
body_size_check(const struct request *r, const struct guard *g, struct err *err)
{
    uint64_t max = r->route->flags & ROUTE_BATCH ? API_BATCH_BYTES_MAX : API_BODY_BYTES_MAX;

    if (!(r->route->flags & ROUTE_WRITES)) {
        return err_set(err, ERR_INVALID, "this request takes no body");
    }
    if (g->content_length > max) {
        return err_set(err, ERR_LIMIT, "the body may have %llu bytes", (unsigned long long)max);
    }
    return 0;
}

/* After the guard: finds the route and, where a body follows, asks everything that can be asked before reading it. */
static void
request_route(struct request *r, const char *method, const struct guard *g)
{
    struct err err = {0};
    unsigned status = 0;
    int rc = 0;

    r->route = router_find(method, r->path, r->params, r->allow, sizeof(r->allow));
    if (r->route == NULL && r->allow[0] != '\0') {
        status = MHD_HTTP_METHOD_NOT_ALLOWED;
        rc = err_set(&err, ERR_INVALID, "not a method of this resource");
    } else if (r->route == NULL) {
        rc = err_set(&err, ERR_NOTFOUND, "no such resource");
    } else if (r->has_body) {
        rc = body_size_check(r, g, &err);
        if (rc == 0) {
            rc = request_admit(r, &status, &err);
            db_abort(&r->txn);
        }
        if (rc == 0 && (r->route->flags & ROUTE_BATCH)) {
            rc = batch_new(r, &err);
        }
    }
    if (rc != 0) {
        request_refuse(r, status, &err);
    }
}

static enum MHD_Result
request_begin(struct api *a, struct conn *c, struct MHD_Connection *mhd, const char *path, const char *method,
              void **con_cls)
{
    struct request *r = &c->request;
    struct guard g = {0};
    struct err err;

    memset(r, 0, offsetof(struct request, job));
    r->job = (struct api_job){0};
    r->ops = NULL;
    r->n_ops = 0;
    atomic_store_explicit(&r->job_done, false, memory_order_relaxed);
    r->batch = NULL;
    r->pass_seen = NULL;
    r->api = a;
    r->conn = c;
    r->mhd = mhd;
    r->in = &c->in;
    r->out = &c->out;
    r->path = path;
    r->state = REQUEST_READING;
    *con_cls = r;
    if (c->served) {
        conn_deadline(c, a->request_ms);
    }

    MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_header, &g);
    const char *wrong = c->target_bad ? "the request target" : guard_end(&g);
    r->has_body = g.chunked || g.content_length > 0;
    if (wrong != NULL) {
        atomic_fetch_add(&a->counters.guarded, 1);
        err_set(&err, ERR_INVALID, "%s", wrong);
        request_refuse(r, MHD_HTTP_BAD_REQUEST, &err);
        r->close = true;
        return reply_send(r);
    }
    request_route(r, method, &g);
    if (r->state == REQUEST_REFUSED && r->has_body) {
        r->close = true;
        return reply_send(r);
    }
    return MHD_YES;
}

static enum MHD_Result
request_body_batch(struct request *r, const char *data, size_t *len)
{
    size_t taken = 0;
    bool full = false;
    struct err err = {0};

    batch_collect(r);
    if (batch_feed(r, data, *len, &taken, &full, &err) != 0) {
        request_refuse(r, 0, &err);
        taken = *len;
    }
    r->body_bytes += taken;
    *len -= taken;
    if (full) {
        request_submit(r);
    } else if (taken > 0) {
        atomic_fetch_add_explicit(&r->conn->deadline_ms, (int64_t)(taken / BATCH_BYTES_PER_MS), memory_order_relaxed);
    }
    return MHD_YES;
}

static enum MHD_Result
request_body(struct request *r, const char *data, size_t *len)
{
    uint64_t max = r->route != NULL && r->route->flags & ROUTE_BATCH ? API_BATCH_BYTES_MAX : API_BODY_BYTES_MAX;

    if (r->body_bytes > 2 * max) {
        return MHD_NO; /* chunked without end: nothing more is owed */
    }
    if (r->state == REQUEST_REFUSED || r->body_bytes + *len > max) {
        if (r->state != REQUEST_REFUSED) {
            struct err err;
            err_set(&err, ERR_LIMIT, "the body may have %llu bytes", (unsigned long long)max);
            request_refuse(r, 0, &err);
            r->close = true;
        }
        r->body_bytes += *len;
        *len = 0;
        return MHD_YES;
    }
    if (r->batch != NULL) {
        return request_body_batch(r, data, len);
    }
    r->body_bytes += *len;
    buf_put(r->in, data, *len);
    *len = 0;
    return MHD_YES;
}

/* The request is whole. True if it waits now, for the writer or for changes. */
static bool
request_dispatch(struct request *r)
{
    struct err err = {0};
    unsigned status = 0;
    int rc = 0;

    r->poll.told = atomic_load(&r->api->told); /* before the rows are looked at */
    if (!r->has_body) {
        rc = request_admit(r, &status, &err);
    } else if (r->route->flags & ROUTE_READS) {
        rc = db_begin_read(r->api->deps.db, &r->txn, &err);
    }
    if (rc == 0) {
        rc = buf_check(r->in, "body", &err);
    }
    if (rc == 0 && r->route->handle == NULL) {
        rc = err_set(&err, ERR_INVALID, "lines of NDJSON are expected");
    }
    if (rc == 0) {
        rc = r->route->handle(r, &err);
    }
    db_abort(&r->txn);
    if (rc == 0) {
        rc = buf_check(r->out, "answer", &err);
    }
    if (rc != 0) {
        request_refuse(r, status, &err);
    } else if (r->n_ops > 0) {
        for (size_t i = 0; i < r->n_ops; i++) {
            op_identify(r, &r->ops[i], i, buf_slice(r->in));
        }
        request_submit(r);
        return true;
    } else if (r->poll.wanted) {
        poll_park(r);
        return true;
    }
    return false;
}

static bool
batch_finish(struct request *r)
{
    struct err err = {0};
    bool full = false;

    batch_collect(r);
    if (batch_end(r, &full, &err) != 0) {
        request_refuse(r, 0, &err);
    }
    if (full) {
        request_submit(r);
    }
    return full;
}

static enum MHD_Result
request_finish(struct request *r)
{
    if (r->state == REQUEST_SUBMITTED && !atomic_load(&r->job_done)) {
        return MHD_YES; /* still suspended */
    }
    if (r->state == REQUEST_POLLING) {
        if (atomic_load(&r->poll.parked)) {
            return MHD_YES;
        }
        r->state = REQUEST_READING;
    }
    if (r->state != REQUEST_REFUSED && r->batch != NULL) {
        if (batch_finish(r)) {
            return MHD_YES;
        }
    } else if (r->state == REQUEST_SUBMITTED) {
        reply_op(r);
    } else if (r->state == REQUEST_READING && request_dispatch(r)) {
        return MHD_YES;
    }
    r->state = REQUEST_DONE;
    return reply_send(r);
}

static enum MHD_Result
on_request(void *cls, struct MHD_Connection *mhd, const char *path, const char *method, const char *version UNUSED,
           const char *data, size_t *len, void **con_cls)
{
    struct conn *c = conn_of(mhd);

    if (c == NULL) {
        return MHD_NO;
    }
    if (*con_cls == NULL) {
        return request_begin(cls, c, mhd, path, method, con_cls);
    }
    return *len > 0 ? request_body(*con_cls, data, len) : request_finish(*con_cls);
}

static int
listen_address(const struct api_config *config, struct sockaddr_storage *ret, struct err *err)
{
    const char *text = config->listen != NULL ? config->listen : "127.0.0.1";
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(config->port);
        return 0;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(config->port);
        return 0;
    }
    return err_field(err, ERR_INVALID, "listen", "not an IPv4 or IPv6 address: %s", text);
}

static int
daemon_start(struct api *a, const struct api_config *config, struct err *err)
{
    struct sockaddr_storage address;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    struct MHD_OptionItem options[3] = {{MHD_OPTION_END, 0, NULL}};
    size_t n = 0;

    int rc = listen_address(config, &address, err);
    if (rc != 0) {
        return rc;
    }
    if (address.ss_family == AF_INET6) {
        flags |= MHD_USE_IPv6;
    }
    if ((config->tls_key == NULL) != (config->tls_cert == NULL)) {
        return err_field(err, ERR_INVALID, "tls_cert", "key and certificate go together");
    }
    if (config->tls_key != NULL) {
        /* MHD's interface is not const; it does not write. */
        flags |= MHD_USE_TLS;
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->tls_key};
        options[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)config->tls_cert};
    }
    options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    unsigned connections = config->connections_max != 0 ? config->connections_max : CONNECTIONS_DEFAULT;
    errno = 0;
    a->daemon = MHD_start_daemon(
        flags, config->port, NULL, NULL, on_request, a, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, a, MHD_OPTION_NOTIFY_COMPLETED, on_completed, a,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, a, MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_per_ip, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)(a->idle_ms / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(2 * HEAD_BYTES_MAX),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_THREAD_POOL_SIZE, config->threads > 1 ? config->threads : 0,
        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (a->daemon == NULL && errno == EADDRINUSE) {
        return err_set(err, ERR_BUSY, "the port is in use by another program");
    }
    if (a->daemon == NULL) {
        return err_set(err, ERR_IO, "cannot listen on %s port %u",
                       config->listen != NULL ? config->listen : "127.0.0.1", (unsigned)config->port);
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_BIND_PORT);
    a->port = info != NULL ? info->port : config->port;
    return 0;
}

static void
api_free(struct api *a)
{
    limiter_free(&a->tokens_failed);
    limiter_free(&a->guesses_failed);
    limiter_free(&a->own_passes);
    pthread_cond_destroy(&a->no_jobs);
    pthread_mutex_destroy(&a->lock);
    pthread_mutex_destroy(&a->looks.lock);
    free(a);
}

static int
limiters_new(struct api *a, struct err *err)
{
    /* The burst lets a token be revoked under as many as may wait with it (poll.c). */
    static const struct limiter_rate tokens = {.burst = 128, .each_ms = 1000, .clients_max = 4096};
    static const struct limiter_rate guesses = {.burst = 10, .each_ms = 6000, .clients_max = 4096};
    /* Each pass that is ended begins new keys at the home and a confirmation at every other unit, for ever. */
    static const struct limiter_rate passes = {.burst = 16, .each_ms = 24 * 3600 * 1000 / 16, .clients_max = 4096};
    uint8_t seed[LIMITER_SEED_BYTES];

    a->deps.random(a->deps.arg, seed, sizeof(seed));
    int rc = limiter_new(tokens, seed, &a->tokens_failed, err);
    if (rc == 0) {
        rc = limiter_new(guesses, seed, &a->guesses_failed, err);
    }
    return rc != 0 ? rc : limiter_new(passes, seed, &a->own_passes, err);
}

int
api_start(const struct api_deps *deps, const struct api_config *config, struct api **ret, struct err *err)
{
    struct api *a = calloc(1, sizeof(*a));

    if (a == NULL) {
        return err_set(err, ERR_NOMEM, "http server");
    }
    a->deps = *deps;
    a->idle_ms = 1000 * (int64_t)(config->idle_s != 0 ? config->idle_s : IDLE_S_DEFAULT);
    a->request_ms = config->request_ms != 0 ? config->request_ms : REQUEST_MS_DEFAULT;
    pthread_mutex_init(&a->lock, NULL);
    pthread_mutex_init(&a->looks.lock, NULL);
    pthread_cond_init(&a->no_jobs, NULL);
    int rc = limiters_new(a, err);
    if (rc == 0) {
        rc = daemon_start(a, config, err);
    }
    if (rc != 0) {
        api_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

uint16_t
api_port(const struct api *a)
{
    return a->port;
}

static void
keep_looks(struct api *a)
{
    struct err err = {0};

    if (looks_flush(a, &err) != 0 && a->deps.log != NULL) {
        a->deps.log(a->deps.arg, err.text);
    }
}

void
api_tick(struct api *a, struct mono_ms now)
{
    keep_looks(a);
    pthread_mutex_lock(&a->lock);
    for (struct conn *c = a->conns; c != NULL; c = c->next) {
        if (atomic_load_explicit(&c->deadline_ms, memory_order_relaxed) <= now.ms) {
            atomic_store_explicit(&c->deadline_ms, INT64_MAX, memory_order_relaxed);
            atomic_fetch_add(&a->counters.over_deadline, 1);
            shutdown(c->fd, SHUT_RDWR); /* MHD sees the end and closes */
        }
    }
    pthread_mutex_unlock(&a->lock);
    poll_tick(a, now);
}

void
api_stop(struct api **api)
{
    struct api *a = *api;

    if (a == NULL) {
        return;
    }
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_mutex_unlock(&a->lock);
    poll_stop(a);
    pthread_mutex_lock(&a->lock);
    while (a->jobs > 0) {
        pthread_cond_wait(&a->no_jobs, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    MHD_stop_daemon(a->daemon);
    keep_looks(a);
    api_free(a);
    *api = NULL;
}
