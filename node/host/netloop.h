/* The net thread: sockets, the sync core, and reads for peers. Carries out the core's effects in their order; appends go to the
 * writer and come back as notices. docs/ARCHITECTURE.md "Threads", docs/PROTOCOL.md §12. */
#ifndef SMARTNODE_HOST_NETLOOP_H
#define SMARTNODE_HOST_NETLOOP_H

#include "node/api/api.h"
#include "node/host/config.h"
#include "node/host/identity.h"
#include "node/host/writer.h"
#include "node/sync/sync.h"

struct netloop;

struct netloop_config {
    const struct identity *identity;
    struct db *db;
    struct vault *vault;
    const char *listen; /* tcp://host:port, or NULL: takes no inbound connection */
    char program[PROGRAM_BYTES_MAX + 1];
    const struct config *settings;                                             /* residency, keep */
    struct civil_date (*today)(void *arg);                                     /* in the unit's own time zone */
    void (*alarm)(void *arg, const struct log_about *about, const char *text); /* about: what to do next, for the log */
    void (*admission)(void *arg, const struct sync_effect *e); /* SYNC_ADMISSION_…, in its thread; copied, short */
    void *arg;
};

/* Binds the sockets and reads trust and logs; the thread starts with netloop_start, once the writer is there. */
int netloop_new(const struct netloop_config *config, struct netloop **ret, struct err *err) NODISCARD;
int netloop_start(struct netloop *l, struct writer *w, struct err *err) NODISCARD;
/* Says goodbye to the peers and ends the thread. */
void netloop_stop(struct netloop *l);
void netloop_free(struct netloop **l);

/* From the writer's thread (writer_config.notice). */
void netloop_notice(struct netloop *l, const struct writer_notice *n);
/* Hands the core SYNC_ADMISSION_ASK or _DONE (node/host/lookup.h); copied. Any thread. */
void netloop_admission(struct netloop *l, const struct sync_event *ev);
/* The upkeep read of a host what it did for a member of ours at this position. Any thread. */
void netloop_want_work(struct netloop *l, const struct position *at);
/* Read trust again (a card was pinned or removed by another process). Any thread. */
void netloop_reload_trust(struct netloop *l);

const char *netloop_endpoint(const struct netloop *l);
/* For status, metrics, reports. Any thread. */
size_t netloop_peers(struct netloop *l, struct api_peer *ret, size_t max);
bool netloop_known_at(struct netloop *l, const struct unit_id *unit, struct wall_ms *ret);
/* Whether a pinned peer is our keeper. Any thread. */
bool netloop_has_keeper(struct netloop *l);
/* How many peers a recovered node has yet to hear completely before it writes (hearing.h); 0 = it may. Any thread. */
uint32_t netloop_hearing(struct netloop *l);
struct netloop_stats {
    uint32_t sessions, peers, peers_open, lag_logs; /* a session for each connection: two units often have two */
    uint64_t lag_events;
    struct sync_totals totals;
};
void netloop_stats(struct netloop *l, struct netloop_stats *ret);

#endif
