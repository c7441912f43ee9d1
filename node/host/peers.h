/* What the net thread knows of each trusted unit: keys that may connect, addresses, and what the status page shows. Used by the net
 * thread; peers_snapshot_* under the table's own lock. */
#ifndef SMARTNODE_HOST_PEERS_H
#define SMARTNODE_HOST_PEERS_H

#include <pthread.h>

#include "node/api/api.h"
#include "node/host/identity.h"
#include "node/host/trust.h"
#include "node/sync/sync.h"

struct peer {
    struct trusted trusted;
    struct box_public transport_key; /* of the card, or of the first event with the highest serial held */
    uint64_t serial;                 /* of that key's certificate */
    bool has_older_key;
    struct box_public older_key; /* the card's, still admitted until a newer card is pinned */
    bool refused_us;
    char reason[API_WARNING_BYTES_MAX + 1];
    struct wall_ms last_heard, known_at;
    struct mono_ms
        complete; /* when all that it had announced was held here last; at first, when it was pinned or the node started */
    uint32_t behind_logs;
    uint64_t behind_events, unannounced_events;
    bool heard, known, connected, open;
    bool told; /* it has said over a session that is open what it holds */
    bool full; /* its unit has stored as much as the operator allows: nothing more is asked for */
};

struct peers {
    pthread_mutex_t lock;
    size_t n;
    struct peer *list; /* in the order of unit ids */
};

int peers_init(struct peers *p, struct err *err) NODISCARD;
void peers_release(struct peers *p);
/* Reads the pinned cards and the keys of held first events; keeps what was learned of peers that stay. */
int peers_load(struct peers *p, struct db *db, struct mono_ms now, struct err *err) NODISCARD;
struct peer *peers_find(struct peers *p, const struct unit_id *unit);
struct peer *peers_find_key(struct peers *p, const struct box_public *key);
/* Brings what the sessions show. owes: something of what is stored is not applied yet, or an erasure not carried out and confirmed
 * (struct writer_stats): until then nothing counts as known, however much was fetched. */
void peers_observe(struct peers *p, const struct sync *sync, bool owes, struct mono_ms mono, struct wall_ms wall);
size_t peers_list(struct peers *p, struct mono_ms now, struct api_peer *ret, size_t max);
/* Addresses to dial: the operator's own, else the card's. */
uint8_t peer_endpoints(const struct peer *p, const char *ret[CARD_ENDPOINTS_MAX]);
bool peers_known_at(struct peers *p, const struct unit_id *unit, struct wall_ms *ret);

#endif
