/* Load over HTTP from one thread: connections kept open, each with one request at a time, the next when the answer is there.
 *   bench_http admit PORT TOKEN CONNECTIONS MS SEED     admissions, each with an idempotency key of its own
 *   bench_http look PORT TOKEN CONNECTIONS MS IDS       GET of a random member of the file IDS, one id a line
 *   bench_http get PORT TOKEN CONNECTIONS MS PATH
 *   bench_http lag PORT TOKEN PORT_B TOKEN_B MS RATE    admissions at A, each asked for at B until it is readable there
 * The result is one line of JSON. An answer other than 2xx ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { CONNECTIONS_MAX = 1024, REQUEST_MAX = 4096, ANSWER_MAX = 1 << 17, ID_HEX = 32, LOG_HEX = 64, POLL_US = 100 };

struct load {
    char kind; /* a, l, g */
    const char *token, *path;
    uint64_t random, number, seed;
    char (*ids)[ID_HEX + 1];
    size_t n_ids;
};

struct connection {
    int fd;
    size_t len;
    uint64_t sent_ns;
    char answer[ANSWER_MAX];
};

static int
connect_to(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0)
        bench_die("connect to port %u: %m", port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int
admission(const struct load *l, uint64_t n, char *out, size_t cap)
{
    char body[1024], iban[BENCH_IBAN_BYTES];
    bench_iban(l->seed * 1000003 + n, iban);
    int len = snprintf(
        body, sizeof(body),
        "{\"status\":\"admitted\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"O%02u\","
        "\"shares\":1,\"effective_on\":\"2024-%02u-%02u\",\"person\":{\"identity\":{\"member_no\":\"H%llu-%llu\","
        "\"given_name\":\"Given%u\",\"family_name\":\"Family%u\",\"language\":\"fr\",\"birth_date\":"
        "\"1980-01-01\"},\"contact\":{\"email\":\"m%llu@example.org\",\"phone\":\"+32470%06u\",\"street\":"
        "\"Rue Longue %u\",\"postcode\":\"1000\",\"city\":\"Brussel\",\"country\":\"BE\"},\"bank\":"
        "{\"iban\":\"%s\"}}}",
        (unsigned)(n % 12 + 1), (unsigned)(n % 12 + 1), (unsigned)(n % 28 + 1), (unsigned long long)l->seed,
        (unsigned long long)n, (unsigned)(n % 997), (unsigned)(n % 1013), (unsigned long long)n,
        (unsigned)(n % 1000000), (unsigned)(n % 300), iban);
    return snprintf(
        out, cap,
        "POST /v1/members HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\nIdempotency-Key: bench-%llu-%llu\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        l->token, (unsigned long long)l->seed, (unsigned long long)n, len, body);
}

static int
next_request(struct load *l, char *out, size_t cap)
{
    char path[256];
    if (l->kind == 'a')
        return admission(l, l->number++, out, cap);
    if (l->kind == 'l')
        snprintf(path, sizeof(path), "/v1/members/%s", l->ids[bench_random(&l->random) % l->n_ids]);
    else
        snprintf(path, sizeof(path), "%s", l->path);
    return snprintf(out, cap, "GET %s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", path, l->token);
}

static void
send_all(int fd, const char *bytes, int len, size_t cap)
{
    if (len < 0 || (size_t)len >= cap || send(fd, bytes, (size_t)len, MSG_NOSIGNAL) != len)
        bench_die("send: %m");
}

static void
ask(struct connection *c, struct load *l)
{
    char request[REQUEST_MAX];
    int len = next_request(l, request, sizeof(request));
    c->len = 0;
    c->sent_ns = bench_ns();
    send_all(c->fd, request, len, sizeof(request));
}

/* Bytes of a whole answer, or 0. */
static size_t
answer_end(struct connection *c)
{
    c->answer[c->len] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    char *length = end ? strcasestr(c->answer, "\r\nContent-Length:") : NULL;
    if (!length || length > end)
        return 0;
    size_t total = (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
    return c->len >= total ? total : 0;
}

/* True once an answer is whole. */
static bool
receive(struct connection *c, int flags)
{
    ssize_t n = recv(c->fd, c->answer + c->len, sizeof(c->answer) - 1 - c->len, flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0)
        bench_die("the server closed a connection: %m");
    c->len += (size_t)n;
    return answer_end(c) > 0;
}

static int
status_of(const struct connection *c)
{
    return c->len > 12 ? (int)strtol(c->answer + 9, NULL, 10) : 0;
}

static void
must_succeed(const struct connection *c)
{
    if (status_of(c) / 100 != 2)
        bench_die("answered: %.600s", c->answer);
}

static void
run_load(struct load *l, unsigned port, unsigned connections, uint64_t ms)
{
    struct connection *all = calloc(connections, sizeof(*all));
    struct bench_times times = {0};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    size_t answer_bytes = 0;
    if (!all || ep < 0)
        bench_die("out of memory");
    for (unsigned i = 0; i < connections; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
        all[i].fd = connect_to(port);
        if (epoll_ctl(ep, EPOLL_CTL_ADD, all[i].fd, &e) != 0)
            bench_die("epoll: %m");
    }
    uint64_t begun = bench_ns(), now = begun;
    for (unsigned i = 0; i < connections; i++)
        ask(&all[i], l);
    for (unsigned open = connections; open > 0;) {
        struct epoll_event ready[64];
        int n = epoll_wait(ep, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = &all[ready[i].data.u32];
            if (!receive(c, MSG_DONTWAIT))
                continue;
            must_succeed(c);
            answer_bytes = c->len;
            now = bench_ns();
            bench_times_add(&times, now - c->sent_ns);
            if (now - begun < ms * 1000000u) {
                ask(c, l);
            } else {
                close(c->fd);
                open--;
            }
        }
    }
    double seconds = (double)(now - begun) / 1e9;
    printf(
        "{\"done\": %zu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"answer_bytes\": %zu}\n",
        times.n, seconds, (double)times.n / seconds, (double)bench_times_percentile(&times, 50) / 1e3,
        (double)bench_times_percentile(&times, 99) / 1e3, answer_bytes);
    bench_times_release(&times);
    free(all);
    close(ep);
}

static void
read_ids(struct load *l, const char *path)
{
    FILE *f = fopen(path, "re");
    size_t cap = 0;
    char line[ID_HEX + 2];
    if (!f)
        bench_die("%s: cannot be read", path);
    while (fgets(line, sizeof(line), f)) {
        if (l->n_ids == cap) {
            cap = cap ? cap * 2 : 4096;
            l->ids = realloc(l->ids, cap * sizeof(*l->ids));
        }
        if (!l->ids || strlen(line) != ID_HEX + 1)
            bench_die("%s: not a list of ids", path);
        memcpy(l->ids[l->n_ids], line, ID_HEX);
        l->ids[l->n_ids++][ID_HEX] = '\0';
    }
    fclose(f);
    if (l->n_ids == 0)
        bench_die("%s: empty", path);
}

/* ---- lag ---- */

static void
wait_until(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void
exchange(struct connection *c, const char *request, int len, size_t cap)
{
    c->len = 0;
    send_all(c->fd, request, len, cap);
    while (!receive(c, 0))
        ;
}

/* Asks B every POLL_US until it has the event that A's answer names; the nanoseconds since that answer. */
static uint64_t
wait_visible(struct connection *b, const char *token, const char *answer, uint64_t acknowledged,
             struct bench_times *polls)
{
    char request[REQUEST_MAX];
    const char *log = strstr(answer, "\"log\":"), *seq = strstr(answer, "\"seq\":");
    log = log ? strchr(log + 6, '"') : NULL;
    if (!log || !seq)
        bench_die("an answer without a position: %.600s", answer);
    int len = snprintf(request, sizeof(request),
                       "GET /v1/events/%.*s/%llu HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n", LOG_HEX,
                       log + 1, strtoull(seq + 6, NULL, 10), token);
    for (;;) {
        uint64_t asked = bench_ns();
        exchange(b, request, len, sizeof(request));
        uint64_t now = bench_ns();
        bench_times_add(polls, now - asked);
        if (status_of(b) == 200)
            return now - acknowledged;
        if (now - acknowledged > 5000000000u)
            bench_die("not readable after 5 s: %.300s", b->answer);
        wait_until(asked + POLL_US * 1000u);
    }
}

static void
run_lag(struct load *l, unsigned port, unsigned port_b, const char *token_b, uint64_t ms, uint64_t rate)
{
    static struct connection a, b;
    struct bench_times lags = {0}, polls = {0}, acks = {0};
    char request[REQUEST_MAX];
    a.fd = connect_to(port);
    b.fd = connect_to(port_b);
    uint64_t begun = bench_ns(), n = ms * rate / 1000;
    for (uint64_t i = 0; i < n; i++) {
        wait_until(begun + i * 1000000000u / rate);
        int len = admission(l, l->number++, request, sizeof(request));
        uint64_t asked = bench_ns();
        exchange(&a, request, len, sizeof(request));
        uint64_t acknowledged = bench_ns();
        must_succeed(&a);
        bench_times_add(&acks, acknowledged - asked);
        bench_times_add(&lags, wait_visible(&b, token_b, a.answer, acknowledged, &polls));
    }
    printf("{\"done\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"ack_p50_us\": %.1f, \"poll_p50_us\": %.1f}\n", lags.n,
           (double)bench_times_percentile(&lags, 50) / 1e3, (double)bench_times_percentile(&lags, 99) / 1e3,
           (double)bench_times_percentile(&acks, 50) / 1e3, (double)bench_times_percentile(&polls, 50) / 1e3);
    bench_times_release(&lags);
    bench_times_release(&polls);
    bench_times_release(&acks);
    close(a.fd);
    close(b.fd);
}

int
main(int argc, char **argv)
{
    if (argc < 7)
        bench_die("usage: bench_http admit|look|get|lag PORT TOKEN …");
    struct load l = {.kind = argv[1][0], .token = argv[3], .random = 42, .seed = (uint64_t)getpid()};
    unsigned port = (unsigned)bench_number(argv[2], "PORT");
    if (strcmp(argv[1], "lag") == 0 && argc == 8) {
        run_lag(&l, port, (unsigned)bench_number(argv[4], "PORT_B"), argv[5], bench_number(argv[6], "MS"),
                bench_number(argv[7], "RATE"));
        return EXIT_SUCCESS;
    }
    uint64_t connections = bench_number(argv[4], "CONNECTIONS"), ms = bench_number(argv[5], "MS");
    if (connections < 1 || connections > CONNECTIONS_MAX)
        bench_die("1 to %d connections", CONNECTIONS_MAX);
    if (l.kind == 'a')
        l.seed = bench_number(argv[6], "SEED");
    else if (l.kind == 'l')
        read_ids(&l, argv[6]);
    else
        l.path = argv[6];
    run_load(&l, port, (unsigned)connections, ms);
    free(l.ids);
    return EXIT_SUCCESS;
}
