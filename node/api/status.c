/* How the node is: status for people, health and readiness for supervisors, metrics for Prometheus. */
#include "node/api/request.h"

static void
put_status(struct json_out *j, const struct api_status *s)
{
    json_put_text(j, "federation", s->federation);
    json_put_bool(j, "production", s->production);
    json_put_time(j, "started", s->started);
    if (s->has_own_log) {
        json_key(j, "own_head");
        json_open(j, '{');
        put_position(j, &s->own_head);
        json_close(j, '}');
    }
    json_key(j, "queue");
    json_open(j, '{');
    json_put_uint(j, "used", s->queue_used);
    json_put_uint(j, "max", s->queue_max);
    json_close(j, '}');
    json_key(j, "storage");
    json_open(j, '{');
    json_put_uint(j, "map_bytes", s->map_bytes);
    json_put_uint(j, "used_bytes", s->map_used_bytes);
    json_close(j, '}');
    json_key(j, "peers");
    json_open(j, '{');
    json_put_uint(j, "trusted", s->peers_trusted);
    json_put_uint(j, "connected", s->peers_connected);
    json_close(j, '}');
    json_put_uint(j, "conflicts", s->conflicts);
    json_key(j, "warnings");
    json_open(j, '[');
    for (size_t i = 0; i < s->n_warnings && i < API_WARNINGS_MAX; i++) {
        json_text(j, s->warnings[i], strlen(s->warnings[i]));
    }
    json_close(j, ']');
}

int
get_status(struct request *r, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    enum api_readiness ready = d->readiness(d->arg);
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    size_t n = 0;

    struct api_status *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(err, ERR_NOMEM, "status");
    }
    d->status(d->arg, s);
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_put_text(&j, "unit", d->unit_code);
    json_put_hex(&j, "unit_id", d->unit.b, HASH_BYTES);
    json_put_text(&j, "program", "smartnode " SMARTNODE_VERSION);
    json_put_text(&j, "state", readiness_word(ready));
    if (ready == API_REBUILDING) {
        json_put_uint(&j, "rebuild_permille", s->rebuild_permille);
    }
    json_put_date(&j, "today", d->today(d->arg));
    put_status(&j, s);
    free(s);
    int rc = ready == API_STARTING ? 0 : state_fingerprints(r->txn, rows, &n, err);
    if (rc == 0 && n > 0) {
        struct hash total = fingerprint_total(rows, n);
        json_put_hex(&j, "fingerprint", total.b, HASH_BYTES);
    }
    json_close(&j, '}');
    return rc;
}

int
get_healthz(struct request *r, struct err *err UNUSED)
{
    buf_clear(r->out);
    text_put(r->out, "ok\n");
    r->status = MHD_HTTP_OK;
    r->content_type = "text/plain; charset=utf-8";
    return 0;
}

int
get_readyz(struct request *r, struct err *err UNUSED)
{
    enum api_readiness ready = r->api->deps.readiness(r->api->deps.arg);

    buf_clear(r->out);
    text_put(r->out, readiness_word(ready));
    buf_put_u8(r->out, '\n');
    r->status = ready == API_READY ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    r->content_type = "text/plain; charset=utf-8";
    return 0;
}

static void
metric(struct buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    text_put(b, "# HELP ");
    text_put(b, name);
    buf_put_u8(b, ' ');
    text_put(b, help);
    text_put(b, "\n# TYPE ");
    text_put(b, name);
    buf_put_u8(b, ' ');
    text_put(b, type);
    buf_put_u8(b, '\n');
    text_put(b, name);
    buf_put_u8(b, ' ');
    text_put_uint(b, value);
    buf_put_u8(b, '\n');
}

int
get_metrics(struct request *r, struct err *err UNUSED)
{
    struct api *a = r->api;
    struct api_counters *c = &a->counters;

    buf_clear(r->out);
    text_put(
        r->out,
        "# HELP smartnode_http_requests_total Answers by class of status.\n# TYPE smartnode_http_requests_total counter\n");
    for (size_t i = 2; i < ARRAY_LEN(c->requests); i++) {
        text_put(r->out, "smartnode_http_requests_total{status=\"");
        text_put_uint(r->out, i);
        text_put(r->out, "xx\"} ");
        text_put_uint(r->out, atomic_load(&c->requests[i]));
        buf_put_u8(r->out, '\n');
    }
    pthread_mutex_lock(&a->lock);
    size_t conns = a->n_conns, jobs = a->jobs;
    pthread_mutex_unlock(&a->lock);
    metric(r->out, "smartnode_http_connections", "gauge", "Open connections.", conns);
    metric(r->out, "smartnode_http_jobs", "gauge", "Requests that wait for the writer.", jobs);
    metric(r->out, "smartnode_http_unauthorized_total", "counter", "Requests without a good token.",
           atomic_load(&c->unauthorized));
    metric(r->out, "smartnode_http_guarded_total", "counter", "Requests refused for their head.",
           atomic_load(&c->guarded));
    metric(r->out, "smartnode_http_over_deadline_total", "counter", "Connections closed for slowness.",
           atomic_load(&c->over_deadline));
    metric(r->out, "smartnode_http_replayed_total", "counter", "Requests answered from an idempotency key.",
           atomic_load(&c->replayed));
    metric(r->out, "smartnode_http_batch_lines_total", "counter", "Lines of batches.", atomic_load(&c->batch_lines));
    a->deps.metrics(a->deps.arg, r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return 0;
}
