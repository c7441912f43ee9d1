/* Sockets that dial: one DEALER for each address, watched by a monitor, redialled by itself. See net.h. */
#include <stdio.h>
#include <string.h>

#include "node/net/net_private.h"

void
net_dial_close(struct dial *d)
{
    if (d->socket)
        zmq_close(d->socket);
    if (d->monitor)
        zmq_close(d->monitor);
    d->socket = d->monitor = NULL;
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
        return net_zmq_error(err, "dealer socket");
    if (net_socket_options(n, d->socket) | net_set_int(d->socket, ZMQ_IMMEDIATE, 1) |
        net_set_int(d->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) |
        net_set_int(d->socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) | net_set_int(d->monitor, ZMQ_LINGER, 0) |
        zmq_setsockopt(d->socket, ZMQ_CURVE_PUBLICKEY, n->config.public_key.b, KEY_BYTES) |
        zmq_setsockopt(d->socket, ZMQ_CURVE_SERVERKEY, d->key.b, KEY_BYTES))
        return net_zmq_error(err, "dealer options");
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;
    if (zmq_socket_monitor(d->socket, monitor, events) != 0 || zmq_connect(d->monitor, monitor) != 0)
        return net_zmq_error(err, "dealer monitor");
    if (zmq_connect(d->socket, d->endpoint) != 0)
        return net_zmq_error(err, d->endpoint);
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
        net_dial_close(slot);
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
        struct conn *c = net_conn_find(n, d->conn);
        if (c)
            net_conn_down(n, c);
        net_dial_close(d);
        d->used = false;
    }
}

bool
net_read_dial(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    struct conn *c = net_conn_find(n, d->conn);
    if (!d->used || !d->socket || !c || !net_receive_frame(n, d->socket))
        return false;
    net_message_event(n, c, ret);
    return true;
}

static bool
dial_up(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    struct conn *c = net_conn_new(n);
    if (!c)
        return false;
    c->dial = (int)i;
    c->unit = d->unit;
    d->conn = c->no;
    *ret = (struct net_event){.type = NET_UP, .conn = c->no, .unit = d->unit, .dialled = true};
    return true;
}

/* Two frames: event (16 bits, host order) and value, then the address. */
bool
net_read_monitor(struct net *n, size_t i, struct net_event *ret)
{
    struct dial *d = &n->dials[i];
    uint8_t head[6];
    if (!d->used || !d->monitor || zmq_recv(d->monitor, head, sizeof(head), ZMQ_DONTWAIT) < 0)
        return false;
    net_skip_rest(d->monitor);
    uint16_t event;
    memcpy(&event, head, sizeof(event));
    struct conn *c = net_conn_find(n, d->conn);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED && !c)
        return dial_up(n, i, ret);
    if (event == ZMQ_EVENT_DISCONNECTED && c)
        net_conn_down(n, c);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        net_report(n, NET_REFUSED, 0, &d->unit, true);
    return net_take_pending(n, ret);
}

int64_t
net_redial(struct net *n, int64_t now)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < DIALS_MAX; i++) {
        struct dial *d = &n->dials[i];
        if (!d->used || d->redial_at_ms == 0)
            continue;
        if (d->redial_at_ms <= now && dial_open(n, d, NULL) != 0) {
            net_dial_close(d);
            d->redial_at_ms = now + RECONNECT_MS_MAX;
        }
        if (d->redial_at_ms != 0 && d->redial_at_ms < next)
            next = d->redial_at_ms;
    }
    return next;
}
