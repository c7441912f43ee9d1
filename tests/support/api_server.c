/* The server under test, its writer and its client. */
#define MSG_BATCH MSG_BATCH_OF_SENDMMSG
#include <sys/socket.h>
#undef MSG_BATCH

#include "tests/support/api_server.h"
#include "tests/support/storage.h"

#include <arpa/inet.h>
#include <poll.h>
#include <unistd.h>

enum { HANG_MS = 60000 }; /* only a failure takes this long */

static int
submit(void *arg, struct api_job *job, struct err *err)
{
    struct api_server *s = arg;

    if (s->refuse != ERR_NONE) {
        return err_set(err, s->refuse, "the writer's queue is full");
    }
    pthread_mutex_lock(&s->lock);
    if (s->jobs < ARRAY_LEN(s->job_ops)) {
        s->job_ops[s->jobs] = job->n;
    }
    s->jobs++;
    s->last = job->ops[job->n - 1];
    if (s->play == NULL) {
        s->waiting = job;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    if (s->play != NULL) {
        s->play(s, job);
        job->done(job);
    }
    return 0;
}

struct api_job *
server_take(struct api_server *s)
{
    pthread_mutex_lock(&s->lock);
    while (s->waiting == NULL) {
        pthread_cond_wait(&s->changed, &s->lock);
    }
    struct api_job *job = s->waiting;
    s->waiting = NULL;
    pthread_mutex_unlock(&s->lock);
    return job;
}

void
server_accept(struct api_server *s, struct api_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        struct api_result *res = &job->ops[i].result;
        res->status = job->ops[i].status_on_success;
        res->has_position = true;
        memset(res->position.log.b, 0xab, HASH_BYTES);
        res->position.seq = s->next_seq++;
        res->has_subject = true;
        be64_put(res->subject.b + 8, res->position.seq);
    }
}

static struct wall_ms
now_wall(void *arg)
{
    return (struct wall_ms){((struct api_server *)arg)->wall_ms};
}

static struct mono_ms
now_mono(void *arg)
{
    struct api_server *s = arg;

    pthread_mutex_lock(&s->lock);
    struct mono_ms now = {s->mono_ms};
    pthread_mutex_unlock(&s->lock);
    return now;
}

static struct civil_date
today(void *arg UNUSED)
{
    return date_from_ymd(2026, 5, 4);
}

static void
random_fill(void *arg UNUSED, uint8_t *out, size_t len)
{
    static uint8_t n = 100;

    memset(out, n++, len);
}

static enum api_readiness
readiness(void *arg)
{
    return ((struct api_server *)arg)->readiness;
}

static void
status(void *arg UNUSED, struct api_status *ret)
{
    snprintf(ret->federation, sizeof(ret->federation), "federation of tests");
    ret->n_warnings = 1;
    snprintf(ret->warnings[0], sizeof(ret->warnings[0]), "no keeper is named");
}

static size_t
peers(void *arg UNUSED, struct api_peer *ret, size_t max UNUSED)
{
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->code, "SE", 3);
    ret->state = PEER_CATCHING_UP;
    ret->lag_events = 42;
    return 1;
}

static bool
unit_known_at(void *arg UNUSED, const struct unit_id *unit UNUSED, struct wall_ms *ret UNUSED)
{
    return false;
}

static void
metrics(void *arg UNUSED, struct buf *out)
{
    buf_put(out, "smartnode_test 1\n", 17);
}

static void
token_put(struct api_server *s, struct db_txn *txn, uint8_t byte, enum role role, int64_t expires_ms,
          char out[TOKEN_TEXT_MAX])
{
    uint8_t random[TOKEN_RANDOM_BYTES], room[TOKEN_ROW_BYTES_MAX];
    struct token_row row = {.role = role, .created.ms = s->wall_ms, .expires.ms = expires_ms, .name.s = "test"};
    struct hash hash;
    struct buf b;

    memset(random, byte, sizeof(random));
    memset(row.actor.b, byte, ID_BYTES);
    token_text(random, out);
    buf_fixed(&b, room, sizeof(room));
    MUST(token_hash(out, TOKEN_TEXT_LEN, &hash, NULL) == 0);
    MUST(token_row_encode(&row, &b, NULL) == 0);
    MUST(db_put(txn, TABLE_TOKENS, slice_of(hash.b, HASH_BYTES), buf_slice(&b), NULL) == 0);
}

static void
deps_fill(struct api_server *s)
{
    s->deps = (struct api_deps){
        .db = s->db,
        .unit_code = "BE",
        .arg = s,
        .submit = submit,
        .now_wall = now_wall,
        .now_mono = now_mono,
        .today = today,
        .random = random_fill,
        .readiness = readiness,
        .status = status,
        .peers = peers,
        .unit_known_at = unit_known_at,
        .metrics = metrics,
    };
    memset(s->deps.unit.b, 0xbe, HASH_BYTES);
}

void
server_start(struct api_server *s)
{
    struct api_config config = {0};
    struct db_txn *txn;
    struct err err = {0};

    void (*prepare)(struct api_server *) = s->prepare;

    memset(s, 0, sizeof(*s));
    s->prepare = prepare;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->play = server_accept;
    s->next_seq = 1;
    s->wall_ms = 1777852800000;
    s->mono_ms = 1000;
    s->readiness = API_READY;
    MUST(crypto_init(&err) == 0);
    test_dir_make(s->dir);
    struct db_opts opts = {
        .path = s->dir, .map_bytes = 64 << 20, .kind = DB_MAIN, .create = true, .volatile_for_simulation = true};
    MUST(db_open(&opts, &s->db, &err) == 0);
    MUST(db_begin_write(s->db, &txn, &err) == 0);
    token_put(s, txn, 1, ROLE_DESK, 0, s->desk);
    token_put(s, txn, 2, ROLE_REPORTS, 0, s->reports);
    token_put(s, txn, 3, ROLE_OPERATOR, 0, s->operator_token);
    token_put(s, txn, 4, ROLE_DESK, s->wall_ms - 1, s->expired);
    token_put(s, txn, 5, ROLE_INTEGRATION, 0, s->integration);
    MUST(db_commit(&txn, &err) == 0);
    deps_fill(s);
    if (prepare != NULL) {
        prepare(s);
    }
    MUST(api_start(&s->deps, &config, &s->api, &err) == 0);
}

void
server_stop(struct api_server *s)
{
    api_stop(&s->api);
    vault_close(&s->vault);
    db_close(&s->db);
    test_dir_remove(s->dir);
}

int
client_open(const struct api_server *s)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(api_port(s->api)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    MUST(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

void
client_send(int fd, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, bytes + at, len - at, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* closed by the server: the answer says why */
        }
        at += (size_t)n;
    }
}

void
client_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

/* False at the end. */
static bool
read_more(int fd, char *out, size_t cap, size_t *len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    MUST(poll(&p, 1, HANG_MS) == 1);
    MUST(*len + 1 < cap);
    ssize_t n = recv(fd, out + *len, cap - 1 - *len, 0);
    *len += n > 0 ? (size_t)n : 0;
    out[*len] = '\0';
    return n > 0;
}

bool
client_answer(int fd, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (;;) {
        const char *end = strstr(out, "\r\n\r\n"), *at = strcasestr(out, "\r\ncontent-length:");
        if (end != NULL && at != NULL && at < end && len >= (size_t)(end + 4 - out) + strtoul(at + 17, NULL, 10)) {
            return true;
        }
        if (!read_more(fd, out, cap, &len)) {
            return len > 0;
        }
    }
}

bool
client_closed(int fd, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    while (read_more(fd, out, cap, &len)) {
    }
    close(fd);
    return true;
}

int
answer_status(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

int
client_request(const struct api_server *s, const char *method, const char *target, const char *token,
               const char *headers, const char *body, char *out, size_t cap)
{
    char head[2048];
    int fd = client_open(s);

    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s", method, target,
             token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "", token != NULL ? "\r\n" : "",
             headers);
    client_text(fd, head);
    if (body != NULL) {
        snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", strlen(body));
        client_text(fd, head);
        client_text(fd, body);
    } else {
        client_text(fd, "\r\n");
    }
    bool any = client_answer(fd, out, cap);
    close(fd);
    return any ? answer_status(out) : 0;
}
