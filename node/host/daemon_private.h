/* What the parts of the running node share: daemon.c puts writer, net loop and HTTP server together, daemon_api.c answers what the server
 * asks. Private to node/host/daemon*.c. Threads: docs/ARCHITECTURE.md "Threads". */
#ifndef SMARTNODE_HOST_DAEMON_PRIVATE_H
#define SMARTNODE_HOST_DAEMON_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "node/api/api.h"
#include "node/host/datadir.h"
#include "node/host/lookup.h"
#include "node/host/netloop.h"
#include "node/host/upkeep.h"
#include "node/host/warnings.h"
#include "node/host/writer.h"

struct daemon {
    struct datadir dir;
    struct engine *engine;
    struct writer *writer;
    struct upkeep *upkeep;
    struct netloop *net;
    struct lookup *lookup;
    pthread_mutex_t api_lock; /* the writer may look at api while it starts and stops */
    struct api *api;
    struct wall_ms started;
    atomic_int readiness;
    atomic_uint rebuild_permille;
    pthread_mutex_t lock; /* warnings, own head */
    struct warnings warnings;
    bool has_own_log;
    struct position own_head;
};

/* What the server gets from this process; on its threads. The daemon must outlive it. */
void daemon_deps(struct daemon *d, struct api_deps *ret);
/* The upkeep begins its turn anew, record: and writes down at once what was done here for members of others. */
void daemon_wake_upkeep(struct daemon *d, bool record);

/* What other threads than the server's ask, too; arg is the daemon. */
struct wall_ms daemon_now_wall(void *arg);
struct mono_ms daemon_now_mono(void *arg);
struct civil_date daemon_today(void *arg);
size_t daemon_peers(void *arg, struct api_peer *ret, size_t max);
bool daemon_known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret);

#endif
