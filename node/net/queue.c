/* Sending: at once where there is room, else through the bounded queue of the connection. See net.h. */
#include <stdlib.h>
#include <string.h>

#include "node/net/net_private.h"

void
net_queue_drop(struct conn *c)
{
    while (c->queue) {
        struct out_message *m = c->queue;
        c->queue = m->next;
        free(m);
    }
    c->queue_end = &c->queue;
    c->queue_bytes = 0;
}

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
    struct conn *c = net_conn_find(n, conn);
    if (!c)
        return false;
    int rc = c->queue ? 1 : send_now(n, c, bytes.data, bytes.len);
    if (rc == 0)
        return true;
    struct out_message *m = NULL;
    if (rc > 0 && c->queue_bytes + bytes.len <= NET_QUEUE_BYTES_MAX)
        m = malloc(sizeof(*m) + bytes.len);
    if (!m) {
        net_conn_down(n, c);
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
    const struct conn *c = net_conn_find(n, conn);
    return c && c->queue;
}

bool
net_flush_queues(struct net *n)
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
                net_conn_down(n, c);
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
    struct conn *c = net_conn_find(n, conn);
    if (!c)
        return;
    if (c->dial >= 0) {
        struct dial *d = &n->dials[c->dial];
        net_dial_close(d);
        d->redial_at_ms = net_now_ms() + (for_ms > 0 ? for_ms : RECONNECT_MS);
    }
    net_conn_forget(n, c);
}
