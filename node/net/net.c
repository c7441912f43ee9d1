/* The context, the ROUTER that listens, and one poll loop over all sockets. See net.h; zap.c, dial.c and queue.c beside it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "node/net/net_private.h"

int64_t
net_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
net_zmq_error(struct err *err, const char *what)
{
    int code = zmq_errno() == EADDRINUSE                                 ? ERR_BUSY
               : zmq_errno() == EINVAL || zmq_errno() == EPROTONOSUPPORT ? ERR_INVALID
                                                                         : ERR_UNAVAILABLE;
    return err_set(err, (enum err_code)code, "%s: %s", what, zmq_strerror(zmq_errno()));
}

int
net_set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value));
}

int
net_socket_options(struct net *n, void *s)
{
    int64_t message_max = NET_MESSAGE_BYTES_MAX;
    return net_set_int(s, ZMQ_LINGER, 0) | net_set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) |
           net_set_int(s, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) |
           net_set_int(s, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS) |
           net_set_int(s, ZMQ_HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS) | net_set_int(s, ZMQ_SNDHWM, SEND_HWM) |
           net_set_int(s, ZMQ_RCVHWM, RECV_HWM) | net_set_int(s, ZMQ_IPV6, 1) |
           zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &message_max, sizeof(message_max)) |
           zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, sizeof(ZAP_DOMAIN) - 1) |
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, n->config.secret_key, KEY_BYTES);
}

/* A socket that takes both families names an IPv4 address in the clothes of the other: [::ffff:0.0.0.0]. */
static void
plain_address(char *endpoint)
{
    static const char mapped[] = "tcp://[::ffff:";
    char *dot = strchr(endpoint, '.'), *end = strchr(endpoint, ']');
    if (strncmp(endpoint, mapped, sizeof(mapped) - 1) != 0 || !dot || !end || dot > end)
        return;
    char *from = endpoint + sizeof(mapped) - 1, *to = endpoint + 6;
    size_t len = (size_t)(end - from);
    memmove(to, from, len);
    memmove(to + len, end + 1, strlen(end + 1) + 1);
}

static int
open_router(struct net *n, struct err *err)
{
    n->router = zmq_socket(n->context, ZMQ_ROUTER);
    if (!n->router)
        return net_zmq_error(err, "router socket");
    if (net_socket_options(n, n->router) | net_set_int(n->router, ZMQ_CURVE_SERVER, 1) |
        net_set_int(n->router, ZMQ_ROUTER_MANDATORY, 1) | net_set_int(n->router, ZMQ_BACKLOG, BACKLOG))
        return net_zmq_error(err, "router options");
    if (strncmp(n->config.listen, "tcp://", 6) != 0)
        return err_field(err, ERR_INVALID, "listen", "%s: must have the form tcp://host:port", n->config.listen);
    if (zmq_bind(n->router, n->config.listen) != 0) {
        int code = net_zmq_error(err, n->config.listen);
        if (code == ERR_BUSY)
            code = err_field(err, ERR_BUSY, "listen", "%s: the port is in use by another program", n->config.listen);
        return code;
    }
    size_t len = sizeof(n->listen);
    if (zmq_getsockopt(n->router, ZMQ_LAST_ENDPOINT, n->listen, &len) != 0)
        return net_zmq_error(err, "listen endpoint");
    plain_address(n->listen);
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
        rc = net_open_zap(n, err);
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

void
net_free(struct net **net)
{
    struct net *n = *net;
    if (!n)
        return;
    if (n->message_held)
        zmq_msg_close(&n->message);
    for (size_t i = 0; i < DIALS_MAX; i++)
        net_dial_close(&n->dials[i]);
    for (size_t i = 0; i < NET_CONNS_MAX; i++)
        net_queue_drop(&n->conns[i]);
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

struct conn *
net_conn_find(struct net *n, uint32_t no)
{
    for (size_t i = 0; no != 0 && i < NET_CONNS_MAX; i++)
        if (n->conns[i].no == no)
            return &n->conns[i];
    return NULL;
}

void
net_conn_forget(struct net *n, struct conn *c)
{
    net_queue_drop(c);
    if (c->dial >= 0)
        n->dials[c->dial].conn = 0;
    *c = (struct conn){0};
}

void
net_report(struct net *n, enum net_event_type type, uint32_t conn, const struct unit_id *unit, bool dialled)
{
    if (n->n_pending < NET_CONNS_MAX)
        n->pending[n->n_pending++] = (struct net_event){.type = type, .conn = conn, .unit = *unit, .dialled = dialled};
}

void
net_conn_down(struct net *n, struct conn *c)
{
    net_report(n, NET_DOWN, c->no, &c->unit, c->dial >= 0);
    net_conn_forget(n, c);
}

/* A free slot; with none, the accepted connection that has been silent longest gives way. */
struct conn *
net_conn_new(struct net *n)
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
        net_conn_down(n, oldest);
    oldest->no = n->next_conn++;
    oldest->dial = -1;
    oldest->queue_end = &oldest->queue;
    oldest->heard_ms = net_now_ms();
    return oldest;
}

void
net_wake(struct net *n)
{
    uint64_t one = 1;
    ssize_t ignored = write(n->wake_fd, &one, sizeof(one));
    (void)ignored;
}

/* ---- receiving ---- */
bool
net_take_pending(struct net *n, struct net_event *ret)
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

void
net_skip_rest(void *socket)
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
bool
net_receive_frame(struct net *n, void *socket)
{
    if (n->message_held)
        zmq_msg_close(&n->message);
    zmq_msg_init(&n->message);
    n->message_held = true;
    if (zmq_msg_recv(&n->message, socket, ZMQ_DONTWAIT) < 0)
        return false;
    if (zmq_msg_more(&n->message)) {
        net_skip_rest(socket);
        return false;
    }
    return true;
}

void
net_message_event(struct net *n, struct conn *c, struct net_event *ret)
{
    c->heard_ms = net_now_ms();
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
    if (len > ROUTING_ID_MAX || !net_receive_frame(n, n->router))
        return false;
    const char *user = zmq_msg_gets(&n->message, "User-Id");
    struct unit_id unit;
    if (!user || !hex_decode(user, unit.b, sizeof(unit.b)))
        return false;
    struct conn *c = router_conn(n, id, (size_t)len);
    if (c && !TYPE_EQ(&c->unit, &unit)) {
        net_conn_down(n, c);
        c = NULL;
    }
    if (c) {
        net_message_event(n, c, ret);
        return true;
    }
    c = net_conn_new(n);
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
read_any(struct net *n, struct net_event *ret)
{
    struct conn *first = net_conn_find(n, n->first_of);
    n->first_of = 0;
    if (first) {
        net_message_event(n, first, ret);
        return true;
    }
    if (net_take_pending(n, ret))
        return true;
    n->router_turn = !n->router_turn;
    if (n->router_turn && read_router(n, ret))
        return true;
    for (size_t k = 0; k < DIALS_MAX; k++) {
        size_t i = (n->turn + k) % DIALS_MAX;
        if (n->dials[i].used && (net_read_monitor(n, i, ret) || net_read_dial(n, i, ret))) {
            n->turn = i + 1;
            return true;
        }
    }
    return !n->router_turn && read_router(n, ret);
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
        net_zap_handle(n);
}

int
net_poll(struct net *n, int timeout_ms, struct net_event *ret, struct err *err)
{
    (void)err;
    int64_t end = timeout_ms < 0 ? INT64_MAX : net_now_ms() + timeout_ms;
    *ret = (struct net_event){.type = NET_NONE};
    bool woken = false;
    for (;;) {
        bool waiting = net_flush_queues(n);
        int64_t now = net_now_ms();
        int64_t next = net_redial(n, now);
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
