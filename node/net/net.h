/* The sockets between nodes: one ROUTER that listens, one DEALER for each peer that is dialled, CURVE on all of them, and the ZAP
 * handler that admits only trusted transport keys and names the peer. docs/PROTOCOL.md §12.1. Knows nothing of messages' meaning.
 *
 * A connection has a number (never reused within a process, never 0) and a unit: for the listener the one that ZAP found to the
 * CURVE key, never a routing id that the peer chose; for a dialled socket the one whose key the socket was told to expect.
 * ZeroMQ drops and refuses silently in many places; here a message is accepted into a bounded queue, or the connection is closed
 * and said to be down.
 *
 * Threads: one thread calls everything; net_wake is for any thread. */
#ifndef SMARTNODE_NET_H
#define SMARTNODE_NET_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

struct net;

enum {
    NET_CONNS_MAX = 256,                    /* sessions at a time: units × mirrors, with room */
    NET_MESSAGE_BYTES_MAX = 1048576,        /* one sync message */
    NET_QUEUE_BYTES_MAX = 32 * 1024 * 1024, /* waiting for one connection; beyond it is closed */
    NET_ENDPOINT_MAX = 160,
};

struct net_config {
    struct box_public public_key; /* transport keys of this node */
    uint8_t secret_key[KEY_BYTES];
    const char *listen; /* tcp://host:port; port * = any free; NULL = dials only */
    /* Unit of a CURVE key that may connect; false = not trusted. Called in the thread of net_poll. */
    bool (*admit)(void *arg, const struct box_public *key, struct unit_id *ret_unit);
    void *arg;
};

enum net_event_type {
    NET_NONE,
    NET_UP,      /* conn is new; messages may be sent */
    NET_DOWN,    /* conn is gone; its number is never used again */
    NET_MESSAGE, /* bytes borrow until the next net_poll */
    NET_REFUSED, /* the peer that we dial does not trust our key, or is not who we expect; unit says which */
};

struct net_event {
    enum net_event_type type;
    uint32_t conn;
    struct unit_id unit;
    bool dialled;
    struct slice bytes;
};

/* Binds the ZAP handler and the listener. ERR_BUSY with the address if the port is in use, ERR_INVALID for a bad endpoint,
 * ERR_UNAVAILABLE if the ZAP handler cannot bind (then nothing listens). */
int net_new(const struct net_config *config, struct net **ret, struct err *err) NODISCARD;
void net_free(struct net **n);
/* Where the listener really is (port * resolved), "" if none. */
const char *net_listen_endpoint(const struct net *n);

/* Keeps a connection to endpoint, expecting key; redials by itself, 0.2 s to 10 s apart. The same unit and endpoint again: nothing,
 * another key or endpoint: added. ERR_INVALID, ERR_LIMIT. */
int net_dial(struct net *n, const struct unit_id *unit, const struct box_public *key, const char *endpoint,
             struct err *err) NODISCARD;
void net_undial(struct net *n, const struct unit_id *unit);

/* Next event, waiting up to timeout_ms (−1 = for ever) or until net_wake. NET_NONE at the end of the wait. */
int net_poll(struct net *n, int timeout_ms, struct net_event *ret, struct err *err) NODISCARD;
/* Makes net_poll return soon. Any thread, async-signal-safe. */
void net_wake(struct net *n);

/* Queues a copy. False: conn is unknown or was over its queue and is closed now (NET_DOWN follows). */
bool net_send(struct net *n, uint32_t conn, struct slice bytes);
/* True while something waits in conn's own queue: who produces bulk waits for it to empty. */
bool net_congested(struct net *n, uint32_t conn);
/* Forgets conn; NET_DOWN does not follow. A dialled one is redialled after for_ms. */
void net_close(struct net *n, uint32_t conn, int64_t for_ms);

#endif
