/* Bodies, parameters of the path and of the query, and heads as the handler of each route reads them, without a socket: nothing crashes, an error
 * has a code and makes a problem that is JSON, and what is left for the writer is an operation. The environments are empty but for what openings
 * and rounds note. Layout: route, what the head says, what the path says, length of the query, query, body. */
#include <ftw.h>

#include "node/api/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { QUERY_MAX = 128, PATH_MAX_HERE = 256, MAP_BYTES = 256 << 20, OUT_MAX = 1 << 20 };

static struct api api;
static char dir[] = "/tmp/fuzz-api-XXXXXX", main_dir[64], vault_dir[64];

/* What stands in the head and in the query of the request that is tried. */
static struct {
    uint8_t head;
    char query[QUERY_MAX + 1];
} asked;

/* ---- in the place of the library's: there is no connection ---- */

const char *
MHD_lookup_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind, const char *name)
{
    static const char member[] = "\"0101010101010101010101010101010101010101010101010101010101010101:7\"";
    static const char hash[] = "\"0101010101010101010101010101010101010101010101010101010101010101\"";
    (void)c;
    if (kind == MHD_GET_ARGUMENT_KIND)
        return asked.query[0] != '\0' ? asked.query : NULL;
    if (strcasecmp(name, "If-Match") == 0)
        return asked.head & 1 ? hash : asked.head & 2 ? NULL : member;
    if (strcasecmp(name, "Accept") == 0)
        return asked.head & 4 ? "text/csv" : asked.head & 8 ? "image/png" : asked.head & 16 ? "text/html" : NULL;
    return NULL;
}

int
MHD_get_connection_values(struct MHD_Connection *c, enum MHD_ValueKind kind, MHD_KeyValueIterator one, void *arg)
{
    (void)c, (void)kind, (void)one, (void)arg;
    return 0;
}

/* ---- a node without anything in it ---- */

static struct wall_ms
now_wall(void *arg)
{
    (void)arg;
    return (struct wall_ms){INT64_C(1728000000000)};
}

static struct mono_ms
now_mono(void *arg)
{
    (void)arg;
    return (struct mono_ms){1};
}

static struct civil_date
today(void *arg)
{
    (void)arg;
    return (struct civil_date){20000};
}

static void
draw(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    memset(out, 7, len);
}

static enum api_readiness
ready(void *arg)
{
    (void)arg;
    return (enum api_readiness)0;
}

static void
no_status(void *arg, struct api_status *ret)
{
    (void)arg;
    *ret = (struct api_status){0};
}

static size_t
no_peers(void *arg, struct api_peer *ret, size_t max)
{
    (void)arg, (void)ret, (void)max;
    return 0;
}

static bool
unknown(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    (void)arg, (void)unit, (void)ret;
    return false;
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
no_metrics(void *arg, struct buf *out)
{
    (void)arg, (void)out;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void
leave(void)
{
    vault_close(&api.deps.vault);
    db_close(&api.deps.db);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t wrap[32] = {7}, seed[LIMITER_SEED_BYTES] = {3};
    const struct limiter_rate rate = {.burst = UINT16_MAX, .each_ms = 1, .clients_max = 64};
    struct err err;
    (void)argc, (void)argv;
    MUST(crypto_init(&err) == 0 && mkdtemp(dir) != NULL);
    snprintf(main_dir, sizeof(main_dir), "%s/main", dir);
    snprintf(vault_dir, sizeof(vault_dir), "%s/vault", dir);
    MUST(mkdir(main_dir, 0700) == 0 && mkdir(vault_dir, 0700) == 0);
    const struct db_opts db = {
        .path = main_dir, .map_bytes = MAP_BYTES, .kind = DB_MAIN, .create = true, .volatile_for_simulation = true};
    const struct vault_opts vault = {
        .path = vault_dir, .map_bytes = MAP_BYTES, .wrap_key = wrap, .create = true, .volatile_for_simulation = true};
    MUST(db_open(&db, &api.deps.db, &err) == 0 && vault_open(&vault, &api.deps.vault, &err) == 0);
    MUST(limiter_new(rate, seed, &api.tokens_failed, &err) == 0 &&
         limiter_new(rate, seed, &api.guesses_failed, &err) == 0 &&
         limiter_new(rate, seed, &api.own_passes, &err) == 0);
    MUST(pthread_mutex_init(&api.lock, NULL) == 0 && pthread_mutex_init(&api.looks.lock, NULL) == 0);
    memset(&api.deps.unit, 1, sizeof(api.deps.unit));
    memcpy(api.deps.unit_code, "BE", 3);
    api.deps.now_wall = now_wall;
    api.deps.now_mono = now_mono;
    api.deps.today = today;
    api.deps.random = draw;
    api.deps.readiness = ready;
    api.deps.status = no_status;
    api.deps.peers = no_peers;
    api.deps.unit_known_at = unknown;
    api.deps.record_guests = api.deps.open_taken = nothing;
    api.deps.metrics = no_metrics;
    atexit(leave);
    return 0;
}

/* The route's own path; a parameter is the code of the unit, or an id, or what the input says. */
static void
path_of(const struct route *route, uint8_t how, struct slice said, char out[PATH_MAX_HERE])
{
    static const char id[] = "01010101010101010101010101010101";
    size_t n = 0, which = 0;
    for (const char *p = route->pattern; *p != '\0'; p++) {
        if (*p != '{') {
            out[n++] = *p;
            continue;
        }
        struct slice word = how >> which & 1              ? slice_of(said.data, said.len < 64 ? said.len : 64)
                            : strncmp(p, "{code", 5) == 0 ? slice_of("BE", 2)
                                                          : slice_of(id, sizeof(id) - 1);
        memcpy(out + n, word.data, word.len);
        n += word.len;
        which++;
        p = strchr(p, '}');
    }
    out[n] = '\0';
}

static void
check_answer(struct request *r, int rc, struct err *err)
{
    struct json_in in;
    if (rc != 0) {
        MUST(err->code == rc);
        reply_problem(r, http_status(err), err);
        MUST(r->status >= 400 && r->etag[0] == '\0');
        MUST(json_in_open(&in, buf_slice(r->out), NULL) == 0);
        (void)!json_in_done(&in);
    } else {
        MUST(r->status != 0 || r->n_ops > 0 || r->pass_seen != NULL || r->poll.wanted);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct conn conn;
    char path[PATH_MAX_HERE], allowed[64];
    size_t n_routes;
    struct err err = {0};
    struct request *r = &conn.request;
    const struct route *table = router_table(&n_routes);
    if (size < 4)
        return 0;
    const struct route *route = &table[data[0] % n_routes];
    size_t n_query = data[3] % QUERY_MAX < size - 4 ? data[3] % QUERY_MAX : size - 4;
    if (route->handle == NULL || (data[2] & 3 && n_query == 0))
        return 0;
    asked.head = data[1];
    memcpy(asked.query, data + 4, n_query);
    asked.query[n_query] = '\0';
    path_of(route, data[2], slice_of(data + 4, n_query), path);
    conn = (struct conn){.api = &api, .client_len = 4};
    *r = (struct request){.api = &api, .conn = &conn, .in = &conn.in, .out = &conn.out, .path = path, .has_body = true};
    buf_init(&conn.in, OUT_MAX);
    buf_init(&conn.out, OUT_MAX);
    buf_put(&conn.in, data + 4 + n_query, size - 4 - n_query);
    r->route = guard_target(path) ? router_find(route->method, path, r->params, allowed, sizeof(allowed)) : NULL;
    if (r->route != NULL && r->route->handle != NULL) {
        MUST(db_begin_read(api.deps.db, &r->txn, &err) == 0);
        int rc = r->route->handle(r, &err);
        db_abort(&r->txn);
        check_answer(r, rc, &err);
    }
    request_ops_free(r);
    pass_seen_free(r);
    buf_free(&conn.in);
    buf_free(&conn.out);
    return 0;
}
