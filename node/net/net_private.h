/* What the files of node/net/ share: connections, dialled sockets, queues. Private to this folder; the public face is net.h. */
#ifndef SMARTNODE_NET_PRIVATE_H
#define SMARTNODE_NET_PRIVATE_H

#include <zmq.h>

#include "node/net/net.h"

/* Options of libzmq, each with its reason. */
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

/* net.c */
int64_t net_now_ms(void);
int net_zmq_error(struct err *err, const char *what);
int net_set_int(void *socket, int option, int value);
int net_socket_options(struct net *n, void *s); /* non-zero: one was refused */
struct conn *net_conn_find(struct net *n, uint32_t no);
void net_conn_forget(struct net *n, struct conn *c);
void net_conn_down(struct net *n, struct conn *c); /* forgets and reports NET_DOWN */
struct conn *net_conn_new(struct net *n);
void net_report(struct net *n, enum net_event_type type, uint32_t conn, const struct unit_id *unit, bool dialled);
bool net_take_pending(struct net *n, struct net_event *ret);
void net_skip_rest(void *socket);
bool net_receive_frame(struct net *n, void *socket); /* into n->message */
void net_message_event(struct net *n, struct conn *c, struct net_event *ret);

/* zap.c */
int net_open_zap(struct net *n, struct err *err);
void net_zap_handle(struct net *n);

/* dial.c */
void net_dial_close(struct dial *d);
bool net_read_dial(struct net *n, size_t i, struct net_event *ret);
bool net_read_monitor(struct net *n, size_t i, struct net_event *ret);
int64_t net_redial(struct net *n, int64_t now); /* when the next is due; INT64_MAX: none */

/* queue.c */
void net_queue_drop(struct conn *c);
bool net_flush_queues(struct net *n); /* true: something is left */

#endif
