/* ROUTER, DEALERs and ZAP in one poll loop. See net.h. */
#include "node/net/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/base/map.h"

/* Options, each with its reason: DESIGN "Traps in the parts we stand on", libzmq. */
enum {
    HANDSHAKE_MS = 2000, /* the library's own is 30 s: half-open connections would pile up */
    HEARTBEAT_MS = 5000,
    HEARTBEAT_TIMEOUT_MS = 15000,
    RECONNECT_MS = 200,
    RECONNECT_MS_MAX = 10000,
    SEND_HWM = 32, /* × 1 MiB bounds what the library holds for one peer; the rest waits in our queue */
    RECV_HWM = 64,
    BACKLOG = 256,
    RETRY_SEND_MS = 5, /* a ROUTER does not say when one of its peers has room again */
    ROUTING_ID_MAX = 64,
    DIALS_MAX = 128,
    POLL_FIXED = 3, /* wake, ZAP, ROUTER */
};

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "smartnode"

struct out_message {
    struct out_message *next;
    size_t len;
    uint8_t bytes[];
};

struct dial {
    bool used;
    struct unit_id unit;
    struct box_public key;
    char endpoint[NET_ENDPOINT_MAX];
    void *socket;
    void *monitor;
    uint32_t conn;        /* 0 = not up */
    int64_t redial_at_ms; /* 0 = socket is open */
};

struct conn {
    uint32_t no; /* 0 = free slot */
    struct unit_id unit;
    int dial; /* index, −1 = accepted by the ROUTER */
    uint8_t routing_id[ROUTING_ID_MAX];
    size_t routing_id_len;
    int64_t heard_ms;
    struct out_message *queue, **queue_end;
    size_t queue_bytes;
};

struct net {
    struct net_config config;
    void *context;
    void *zap;
    void *router;
    int wake_fd;
    char listen[NET_ENDPOINT_MAX];
    uint32_t next_conn;
    struct conn conns[NET_CONNS_MAX];
    struct dial dials[DIALS_MAX];
    struct net_event pending[NET_CONNS_MAX]; /* downs and refusals to report */
    size_t n_pending;
    size_t turn; /* which dial is read first: fairness */
    bool router_turn;
    zmq_msg_t message;
    bool message_held;
    uint32_t first_of; /* conn whose NET_UP was reported while its first message waits in `message` */
};

static int64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
zmq_error(struct err *err, const char *what)
{
    int code = zmq_errno() == EADDRINUSE                                 ? ERR_BUSY
               : zmq_errno() == EINVAL || zmq_errno() == EPROTONOSUPPORT ? ERR_INVALID
                                                                         : ERR_UNAVAILABLE;
    return err_set(err, (enum err_code)code, "%s: %s", what, zmq_strerror(zmq_errno()));
}

static int
set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value));
}

static int
socket_options(struct net *n, void *s)
{
    int64_t message_max = NET_MESSAGE_BYTES_MAX;
    return set_int(s, ZMQ_LINGER, 0) | set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) |
           set_int(s, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) | set_int(s, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) |
           set_int(s, ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS) | set_int(s, ZMQ_SNDHWM, SEND_HWM) |
           set_int(s, ZMQ_RCVHWM, RECV_HWM) | set_int(s, ZMQ_IPV6, 1) |
           zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) |
           zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, sizeof(ZAP_DOMAIN) - 1) |
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, n->config.secret_key, KEY_BYTES);
}

static int
open_router(struct net *n, struct err *err)
{
    n->router = zmq_socket(n->context, ZMQ_ROUTER);
    if (!n->router)
        return zmq_error(err, "router socket");
    if (socket_options(n, n->router) | set_int(n->router, ZMQ_CURVE_SERVER, 1) |
        set_int(n->router, ZMQ_ROUTER_MANDATORY, 1) | set_int(n->router, ZMQ_BACKLOG, BACKLOG))
        return zmq_error(err, "router options");
    if (strncmp(n->config.listen, "tcp://", 6) != 0)
        return err_field(err, ERR_INVALID, "listen", "%s: must have the form tcp://host:port", n->config.listen);
    if (zmq_bind(n->router, n->config.listen) != 0) {
        int code = zmq_error(err, n->config.listen);
        if (code == ERR_BUSY)
            code = err_field(err, ERR_BUSY, "listen", "%s: the port is in use by another program", n->config.listen);
        return code;
    }
    size_t len = sizeof(n->listen);
    if (zmq_getsockopt(n->router, ZMQ_LAST_ENDPOINT, n->listen, &len) != 0)
        return zmq_error(err, "listen endpoint");
    return 0;
}

static int
open_zap(struct net *n, struct err *err)
{
    n->zap = zmq_socket(n->context, ZMQ_REP);
    if (!n->zap || set_int(n->zap, ZMQ_LINGER, 0) != 0 || zmq_bind(n->zap, ZAP_ENDPOINT) != 0) {
        (void)zmq_error(err, "ZAP handler");
        return err_set(err, ERR_UNAVAILABLE, "the handler that admits peers cannot start; nothing listens");
    }
    return 0;
}

int
net_new(const struct net_config *config, struct net **ret, struct err *err)
{
    struct net *n = calloc(1, sizeof(*n));
    if (!n)
        return err_set(err, ERR_NOMEM, "sockets: out of memory");
    n->config = *config;
    n->next_conn = 1;
    n->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    n->context = zmq_ctx_new();
    int rc = 0;
    if (n->wake_fd < 0 || !n->context)
        rc = err_set(err, ERR_NOMEM, "sockets: cannot create a context");
    if (rc == 0)
        rc = open_zap(n, err);
    if (rc == 0 && config->listen)
        rc = open_router(n, err);
    if (rc != 0)
        net_free(&n);
    else
        *ret = n;
    return rc;
}

const char *
net_listen_endpoint(const struct net *n)
{
    return n->listen;
}

static void
dial_close(struct dial *d)
{
    if (d->socket)
        zmq_close(d->socket);
    if (d->monitor)
        zmq_close(d->monitor);
    d->socket = d->monitor = NULL;
}

static void
queue_drop(struct conn *c)
{
    while (c->queue) {
        struct out_message *m = c->queue;
        c->queue = m->next;
        free(m);
    }
    c->queue_end = &c->queue;
    c->queue_bytes = 0;
}

void
net_free(struct net **net)
{
    struct net *n = *net;
    if (!n)
        return;
    if (n->message_held)
        zmq_msg_close(&n->message);
    for (size_t i = 0; i < DIALS_MAX; i++)
        dial_close(&n->dials[i]);
    for (size_t i = 0; i < NET_CONNS_MAX; i++)
        queue_drop(&n->conns[i]);
    if (n->router)
        zmq_close(n->router);
    if (n->zap)
        zmq_close(n->zap);
    if (n->context)
        zmq_ctx_term(n->context);
    if (n->wake_fd >= 0)
        close(n->wake_fd);
    free(n);
    *net = NULL;
}

static struct conn *
conn_find(struct net *n, uint32_t no)
{
    for (size_t i = 0; no != 0 && i < NET_CONNS_MAX; i++)
        if (n->conns[i].no == no)
            return &n->conns[i];
    return NULL;
}

static void
conn_forget(struct net *n, struct conn *c)
{
    queue_drop(c);
    if (c->dial >= 0)
        n->dials[c->dial].conn = 0;
    *c = (struct conn){0};
}

static void
report(struct net *n, enum net_event_type type, uint32_t conn, const struct unit_id *unit, bool dialled)
{
    if (n->n_pending < NET_CONNS_MAX)
        n->pending[n->n_pending++] = (struct net_event){.type = type, .conn = conn, .unit = *unit, .dialled = dialled};
}

static void
conn_down(struct net *n, struct conn *c)
{
    report(n, NET_DOWN, c->no, &c->unit, c->dial >= 0);
    conn_forget(n, c);
}

/* A free slot; with none, the accepted connection that has been silent longest gives way. */
static struct conn *
conn_new(struct net *n)
{
    struct conn *oldest = NULL;
    for (size_t i = 0; i < NET_CONNS_MAX; i++) {
        struct conn *c = &n->conns[i];
        if (c->no == 0) {
            oldest = c;
            break;
        }
        if (c->dial < 0 && (!oldest || c->heard_ms < oldest->heard_ms))
            oldest = c;
    }
    if (!oldest)
        return NULL;
    if (oldest->no != 0)
        conn_down(n, oldest);
    oldest->no = n->next_conn++;
    oldest->dial = -1;
    oldest->queue_end = &oldest->queue;
    oldest->heard_ms = now_ms();
    return oldest;
}

static int
dial_open(struct net *n, struct dial *d, struct err *err)
{
    char monitor[64];
    static unsigned monitor_no; /* names of inproc endpoints; only this thread */
    snprintf(monitor, sizeof(monitor), "inproc://dial-monitor-%p-%u", (void *)n, ++monitor_no);
    d->redial_at_ms = 0;
    d->socket = zmq_socket(n->context, ZMQ_DEALER);
    d->monitor = zmq_socket(n->context, ZMQ_PAIR);
    if (!d->socket || !d->monitor)
        return zmq_error(err, "dealer socket");
    if (socket_options(n, d->socket) | set_int(d->socket, ZMQ_IMMEDIATE, 1) |
        set_int(d->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) |
        set_int(d->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) | set_int(d->monitor, ZMQ_LINGER, 0) |
        zmq_setsockopt(d->socket, ZMQ_CURVE_PUBLICKEY, n->config.public_key.b, KEY_BYTES) |
        zmq_setsockopt(d->socket, ZMQ_CURVE_SERVERKEY, d->key.b, KEY_BYTES))
        return zmq_error(err, "dealer options");
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    if (zmq_socket_monitor(d->socket, monitor, events) != 0 || zmq_connect(d->monitor, monitor) != 0)
        return zmq_error(err, "dealer monitor");
    if (zmq_connect(d->socket, d->endpoint) != 0)
        return zmq_error(err, d->endpoint);
    return 0;
}

int
net_dial(struct net *n, const struct unit_id *unit, const struct box_public *key, const char *endpoint, struct err *err)
{
    struct dial *slot = NULL;
    if (strncmp(endpoint, "tcp://", 6) != 0 || strlen(endpoint) >= NET_ENDPOINT_MAX)
        return err_field(err, ERR_INVALID, "endpoint", "%.100s: must have the form tcp://host:port", endpoint);
    for (size_t i = 0; i < DIALS_MAX; i++) {
        struct dial *d = &n->dials[i];
        if (!d->used && !slot)
            slot = d;
        if (d->used && TYPE_EQ(&d->unit, unit) && TYPE_EQ(&d->key, key) && strcmp(d->endpoint, endpoint) == 0)
            return 0;
    }
    if (!slot)
        return err_set(err, ERR_LIMIT, "more than %d addresses to dial", DIALS_MAX);
    *slot = (struct dial){.used = true, .unit = *unit, .key = *key};
    memcpy(slot->endpoint, endpoint, strlen(endpoint) + 1);
    int rc = dial_open(n, slot, err);
    if (rc != 0) {
        dial_close(slot);
        slot->used = false;
    }
    return rc;
}

void
net_undial(struct net *n, const struct unit_id *unit)
{
    for (size_t i = 0; i < DIALS_MAX; i++) {
        struct dial *d = &n->dials[i];
        if (!d->used || !TYPE_EQ(&d->unit, unit))
            continue;
        struct conn *c = conn_find(n, d->conn);
        if (c)
            conn_down(n, c);
        dial_close(d);
        d->used = false;
    }
}

void
net_wake(struct net *n)
{
    uint64_t one = 1;
    ssize_t ignored = write(n->wake_fd, &one, sizeof(one));
    (void)ignored;
}

/* ---- ZAP (RFC 27/ZAP): version, request id, domain, address, identity, mechanism, credentials ---- */

static void
zap_handle(struct net *n)
{
    char version[8] = "", mechanism[16] = "", domain[32] = "";
    uint8_t request_id[64], key[KEY_BYTES + 1];
    int request_id_len = 0, key_len = 0, frame = 0, more = 1;
    size_t more_len = sizeof(more);
    for (; more; frame++) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        int len = zmq_msg_recv(&m, n->zap, ZMQ_DONTWAIT);
        if (len < 0) {
            zmq_msg_close(&m);
            return;
        }
        const char *p = zmq_msg_data(&m);
        if (frame == 0 && len < (int)sizeof(version))
            memcpy(version, p, (size_t)len);
        else if (frame == 1 && len <= (int)sizeof(request_id))
            memcpy(request_id, p, (size_t)(request_id_len = len));
        else if (frame == 2 && len < (int)sizeof(domain))
            memcpy(domain, p, (size_t)len);
        else if (frame == 5 && len < (int)sizeof(mechanism))
            memcpy(mechanism, p, (size_t)len);
        else if (frame == 6 && len <= KEY_BYTES)
            memcpy(key, p, (size_t)(key_len = len));
        zmq_msg_close(&m);
        zmq_getsockopt(n->zap, ZMQ_RCVMORE, &more, &more_len);
    }
    struct unit_id unit;
    struct box_public public_key;
    bool ok = frame == 7 && strcmp(version, "1.0") == 0 && strcmp(domain, ZAP_DOMAIN) == 0 &&
              strcmp(mechanism, "CURVE") == 0 && key_len == KEY_BYTES;
    if (ok) {
        memcpy(public_key.b, key, KEY_BYTES);
        ok = n->config.admit(n->config.arg, &public_key, &unit);
    }
    char user_id[HEX32_MAX] = "";
    if (ok)
        hex_encode(unit.b, sizeof(unit.b), user_id);
    const char *status = ok ? "200" : "400";
    const char *text = ok ? "OK" : "not trusted";
    zmq_send(n->zap, version, strlen(version), ZMQ_SNDMORE);
    zmq_send(n->zap, request_id, (size_t)request_id_len, ZMQ_SNDMORE);
    zmq_send(n->zap, status, 3, ZMQ_SNDMORE);
    zmq_send(n->zap, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(n->zap, user_id, strlen(user_id), ZMQ_SNDMORE);
    zmq_send(n->zap, "", 0, 0);
}

/* ---- sending ---- */

/* 0 sent, 1 no room now, −1 unreachable */
static int
send_now(struct net *n, struct conn *c, const uint8_t *bytes, size_t len)
{
    void *s = c->dial >= 0 ? n->dials[c->dial].socket : n->router;
    if (c->dial < 0 && zmq_send(s, c->routing_id, c->routing_id_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return zmq_errno() == EAGAIN ? 1 : -1;
    if (zmq_send(s, bytes, len, ZMQ_DONTWAIT) >= 0)
        return 0;
    return zmq_errno() == EAGAIN ? 1 : -1;
}

bool
net_send(struct net *n, uint32_t conn, struct slice bytes)
{
    struct conn *c = conn_find(n, conn);
    if (!c)
        return false;
    int rc = c->queue ? 1 : send_now(n, c, bytes.data, bytes.len);
    if (rc == 0)
        return true;
    struct out_message *m = NULL;
    if (rc > 0 && c->queue_bytes + bytes.len <= NET_QUEUE_BYTES_MAX)
        m = malloc(sizeof(*m) + bytes.len);
    if (!m) {
        conn_down(n, c);
        return false;
    }
    m->next = NULL;
    m->len = bytes.len;
    memcpy(m->bytes, bytes.data, bytes.len);
    *c->queue_end = m;
    c->queue_end = &m->next;
    c->queue_bytes += bytes.len;
    return true;
}

bool
net_congested(struct net *n, uint32_t conn)
{
    const struct conn *c = conn_find(n, conn);
    return c && c->queue;
}

static bool
flush_queues(struct net *n)
{
    bool left = false;
    for (size_t i = 0; i < NET_CONNS_MAX; i++) {
        struct conn *c = &n->conns[i];
        while (c->no != 0 && c->queue) {
            int rc = send_now(n, c, c->queue->bytes, c->queue->len);
            if (rc > 0) {
                left = true;
                break;
            }
            if (rc < 0) {
                conn_down(n, c);
                break;
            }
            struct out_message *m = c->queue;
            c->queue = m->next;
            c->queue_bytes -= m->len;
            if (!c->queue)
                c->queue_end = &c->queue;
            free(m);
        }
    }
    return left;
}

void
net_close(struct net *n, uint32_t conn, int64_t for_ms)
{
    struct conn *c = conn_find(n, conn);
    if (!c)
        return;
    if (c->dial >= 0) {
        struct dial *d = &n->dials[c->dial];
        dial_close(d);
        d->redial_at_ms = now_ms() + (for_ms > 0 ? for_ms : RECONNECT_MS);
    }
    conn_forget(n, c);
}

/* ---- receiving ---- */

static bool
take_pending(struct net *n, struct net_event *ret)
{
    if (n->n_pending == 0)
        return false;
    *ret = n->pending[0];
    n->n_pending--;
    memmove(n->pending, n->pending + 1, n->n_pending * sizeof(*n->pending));
    return true;
}

static struct conn *
router_conn(struct net *n, const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < NET_CONNS_MAX; i++) {
        struct conn *c = &n->conns[i];
        if (c->no != 0 && c->dial < 0 && c->routing_id_len == len && memcmp(c->routing_id, id, len) == 0)
            return c;
    }
    return NULL;
}

static void
skip_rest(void *socket)
{
    int more = 0;
    size_t len = sizeof(more);
    while (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &len) == 0 && more) {
        zmq_msg_t m;
        zmq_msg_init(&m);
        int rc = zmq_msg_recv(&m, socket, ZMQ_DONTWAIT);
        zmq_msg_close(&m);
        if (rc < 0)
            return;
    }
}

/* Reads the one frame of a message into n->message. False if there is none or it is not of one frame. */
static bool
receive_frame(struct net *n, void *socket)
{
    if (n->message_held)
        zmq_msg_close(&n->message);
    zmq_msg_init(&n->message);
    n->message_held = true;
    if (zmq_msg_recv(&n->message, socket, ZMQ_DONTWAIT) < 0)
        return false;
    if (zmq_msg_more(&n->message)) {
        skip_rest(socket);
        return false;
    }
    return true;
}

static void
message_event(struct net *n, struct conn *c, struct net_event *ret)
{
    c->heard_ms = now_ms();
    *ret = (struct net_event){.type = NET_MESSAGE,
                              .conn = c->no,
                              .unit = c->unit,
                              .dialled = c->dial >= 0,
                              .bytes = slice_of(zmq_msg_data(&n->message), zmq_msg_size(&n->message))};
}

/* A new routing id is a new connection: NET_UP now, its first message right after. */
static bool
read_router(struct net *n, struct net_event *ret)
{
    uint8_t id[ROUTING_ID_MAX];
    int len = n->router ? zmq_recv(n->router, id, sizeof(id), ZMQ_DONTWAIT) : -1;
    if (len < 0)
        return false;
    if (len > ROUTING_ID_MAX || !receive_frame(n, n->router))
        return false;
    const char *user = zmq_msg_gets(&n->message, "User-Id");
    struct unit_id unit;
    if (!user || !hex_decode(user, unit.b, sizeof(unit.b)))
        return false;
    struct conn *c = router_conn(n, id, (size_t)len);
    if (c && !TYPE_EQ(&c->unit, &unit)) {
        conn_down(n, c);
        c = NULL;
    }
    if (c) {
        message_event(n, c, ret);
        return true;
    }
    c = conn_new(n);
    if (!c)
        return false;
    c->unit = unit;
    memcpy(c->routing_id, id, (size_t)len);
    c->routing_id_len = (size_t)len;
    n->first_of = c->no;
    *ret = (struct net_event){.type = NET_UP, .conn = c->no, .unit = unit};
    return true;
}

static bool
read_dial(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    struct conn *c = conn_find(n, d->conn);
    if (!d->used || !d->socket || !c || !receive_frame(n, d->socket))
        return false;
    message_event(n, c, ret);
    return true;
}

static bool
dial_up(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    struct conn *c = conn_new(n);
    if (!c)
        return false;
    c->dial = (int)i;
    c->unit = d->unit;
    d->conn = c->no;
    *ret = (struct net_event){.type = NET_UP, .conn = c->no, .unit = d->unit, .dialled = true};
    return true;
}

/* Two frames: event (16 bits, host order) and value, then the address. */
static bool
read_monitor(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    uint8_t head[6];
    if (!d->used || !d->monitor || zmq_recv(d->monitor, head, sizeof(head), ZMQ_DONTWAIT) < 0)
        return false;
    skip_rest(d->monitor);
    uint16_t event;
    memcpy(&event, head, sizeof(event));
    struct conn *c = conn_find(n, d->conn);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !c)
        return dial_up(n, i, ret);
    if (event == ZMQ_EVENT_DISCONNECTED && c)
        conn_down(n, c);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        report(n, NET_REFUSED, 0, &d->unit, true);
    return take_pending(n, ret);
}

static bool
read_any(struct net *n, struct net_event *ret)
{
    struct conn *first = conn_find(n, n->first_of);
    n->first_of = 0;
    if (first) {
        message_event(n, first, ret);
        return true;
    }
    if (take_pending(n, ret))
        return true;
    n->router_turn = !n->router_turn;
    if (n->router_turn && read_router(n, ret))
        return true;
    for (size_t k = 0; k < DIALS_MAX; k++) {
        size_t i = (n->turn + k) % DIALS_MAX;
        if (n->dials[i].used && (read_monitor(n, i, ret) || read_dial(n, i, ret))) {
            n->turn = i + 1;
            return true;
        }
    }
    return !n->router_turn && read_router(n, ret);
}

static int64_t
redial(struct net *n, int64_t now)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < DIALS_MAX; i++) {
        struct dial *d = &n->dials[i];
        if (!d->used || d->redial_at_ms == 0)
            continue;
        if (d->redial_at_ms <= now && dial_open(n, d, NULL) != 0) {
            dial_close(d);
            d->redial_at_ms = now + RECONNECT_MS_MAX;
        }
        if (d->redial_at_ms != 0 && d->redial_at_ms < next)
            next = d->redial_at_ms;
    }
    return next;
}

static void
wait_for_work(struct net *n, int64_t wait_ms)
{
    zmq_pollitem_t items[POLL_FIXED + 2 * DIALS_MAX];
    int count = 0;
    items[count++] = (zmq_pollitem_t){.fd = n->wake_fd, .events = ZMQ_POLLIN};
    items[count++] = (zmq_pollitem_t){.socket = n->zap, .events = ZMQ_POLLIN};
    if (n->router)
        items[count++] = (zmq_pollitem_t){.socket = n->router, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < DIALS_MAX; i++) {
        if (!n->dials[i].used || !n->dials[i].socket)
            continue;
        items[count++] = (zmq_pollitem_t){.socket = n->dials[i].monitor, .events = ZMQ_POLLIN};
        if (n->dials[i].conn != 0)
            items[count++] = (zmq_pollitem_t){.socket = n->dials[i].socket, .events = ZMQ_POLLIN};
    }
    zmq_poll(items, count, (long)wait_ms);
    if (items[0].revents & ZMQ_POLLIN) {
        uint64_t ignored;
        ssize_t rc = read(n->wake_fd, &ignored, sizeof(ignored));
        (void)rc;
    }
    if (items[1].revents & ZMQ_POLLIN)
        zap_handle(n);
}

int
net_poll(struct net *n, int timeout_ms, struct net_event *ret, struct err *err)
{
    (void)err;
    int64_t end = timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
    *ret = (struct net_event){.type = NET_NONE};
    bool woken = false;
    for (;;) {
        bool waiting = flush_queues(n);
        int64_t now = now_ms();
        int64_t next = redial(n, now);
        if (read_any(n, ret) || woken || now >= end)
            return 0;
        int64_t until = next < end ? next : end;
        int64_t wait = until == INT64_MAX ? -1 : until > now ? until - now : 0;
        if (waiting && (wait < 0 || wait > RETRY_SEND_MS))
            wait = RETRY_SEND_MS;
        wait_for_work(n, wait);
        woken = true; /* one look at what came, then back to the caller, who may have been the one to wake us */
    }
}
