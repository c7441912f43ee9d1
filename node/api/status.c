/* How the node is: status for people, health and readiness for supervisors, metrics for Prometheus. */
#include "node/api/prometheus.h"
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
    json_put_uint(j, "vault_map_bytes", s->vault_map_bytes);
    json_put_uint(j, "vault_used_bytes", s->vault_map_used_bytes);
    json_put_uint(j, "disk_bytes", s->disk_bytes);
    json_put_uint(j, "disk_free_bytes", s->disk_free_bytes);
    json_close(j, '}');
    if (s->last_commit.ms > 0) {
        json_put_time(j, "last_commit", s->last_commit);
    }
    json_key(j, "waiting");
    json_open(j, '{');
    json_put_uint(j, "n", s->waiting);
    json_put_int(j, "oldest_s", s->waiting_oldest_ms / 1000);
    json_close(j, '}');
    json_key(j, "peers");
    json_open(j, '{');
    json_put_uint(j, "trusted", s->peers_trusted);
    json_put_uint(j, "connected", s->peers_connected);
    json_close(j, '}');
    json_put_uint(j, "conflicts", s->conflicts);
    json_key(j, "lookups");
    json_open(j, '{');
    json_put_uint(j, "open", s->lookups_open);
    json_put_uint(j, "asked", s->lookups_asked);
    json_put_uint(j, "hits", s->lookups_hits);
    json_put_uint(j, "answered", s->lookups_answered);
    json_put_uint(j, "refused", s->lookups_refused);
    json_close(j, '}');
    json_key(j, "arrivals");
    json_open(j, '{');
    json_put_uint(j, "waiting", s->arrivals_waiting);
    json_put_uint(j, "for_desk", s->arrivals_for_desk);
    if (!date_is_none(s->arrivals_since)) {
        json_put_date(j, "since", s->arrivals_since);
    }
    json_close(j, '}');
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
put_rejected(struct buf *b, struct api_counters *c)
{
    prom_family(b, "smartnode_http_rejected_total", "counter",
                "Requests, and lines of batches, that were refused, by reason.");
    for (size_t i = 1; i < API_REASONS_MAX; i++) {
        prom_sample(b, "smartnode_http_rejected_total", "reason", err_name((enum err_code)(-(int)i)),
                    atomic_load(&c->rejected[i]));
    }
}

static void
put_http(struct buf *b, struct api *a)
{
    struct api_counters *c = &a->counters;

    prom_family(b, "smartnode_http_requests_total", "counter", "Answers by class of status.");
    for (size_t i = 2; i < ARRAY_LEN(c->requests); i++) {
        char class[4] = {(char)('0' + i), 'x', 'x', '\0'};
        prom_sample(b, "smartnode_http_requests_total", "status", class, atomic_load(&c->requests[i]));
    }
    put_rejected(b, c);
    pthread_mutex_lock(&a->lock);
    size_t conns = a->n_conns, jobs = a->jobs;
    pthread_mutex_unlock(&a->lock);
    prom_one(b, "smartnode_http_connections", "gauge", "Open connections.", conns);
    prom_one(b, "smartnode_http_jobs", "gauge", "Requests that wait for the writer.", jobs);
    prom_one(b, "smartnode_http_unauthorized_total", "counter", "Requests without a good token.",
             atomic_load(&c->unauthorized));
    prom_one(b, "smartnode_http_limited_total", "counter", "Requests refused because too many before them failed.",
             atomic_load(&c->limited));
    prom_one(b, "smartnode_http_guarded_total", "counter", "Requests refused for their head.",
             atomic_load(&c->guarded));
    prom_one(b, "smartnode_http_over_deadline_total", "counter", "Connections closed for slowness.",
             atomic_load(&c->over_deadline));
    prom_one(b, "smartnode_http_replayed_total", "counter", "Requests answered from an idempotency key.",
             atomic_load(&c->replayed));
    prom_family(b, "smartnode_passes_refused_total", "counter", "Passes that were shown and refused, by the reason.");
    for (size_t i = PASS_GOOD + 1; i < ARRAY_LEN(c->passes_refused); i++) {
        prom_sample(b, "smartnode_passes_refused_total", "reason", pass_refusal_word((enum pass_refusal)i),
                    atomic_load(&c->passes_refused[i]));
    }
    prom_one(b, "smartnode_http_batch_lines_total", "counter", "Lines of batches.", atomic_load(&c->batch_lines));
}

int
get_metrics(struct request *r, struct err *err UNUSED)
{
    struct api *a = r->api;

    buf_clear(r->out);
    put_http(r->out, a);
    a->deps.metrics(a->deps.arg, r->out);
    r->status = MHD_HTTP_OK;
    r->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return 0;
}
