/* What the files of the net thread share: netloop.c (the loop), netloop_effects.c (steps of the core), netgive.c (logs, trust and bounds for the core). Private to
 * them; the public face is netloop.h. */
#ifndef SMARTNODE_HOST_NETLOOP_PRIVATE_H
#define SMARTNODE_HOST_NETLOOP_PRIVATE_H

#include <pthread.h>

#include "node/host/keeper.h"
#include "node/host/netloop.h"
#include "node/host/netreads.h"
#include "node/host/peers.h"
#include "node/host/wanted.h"
#include "node/net/net.h"

enum {
    READS_MAX = SYNC_SESSIONS_MAX * (SYNC_READS_MAX + 4), /* what the core may have asked for and not been answered */
    READS_PER_TURN = 64,
    READS_RETRY_MS = 5,
    OBSERVE_MS = 100,
    IDLE_MS = 1000, /* the longest sleep: status ages by it, nothing else depends on it */
    NOTICES_MAX = 65536,
    MUTED_MAX = 512,
    WORK_TOLD_MAX = 256,
};

struct muted {
    uint32_t conn;
    int64_t until_ms;
};

struct netloop_given {
    struct netloop_given *next;
    struct sync_event ev;
    uint8_t bytes[];
};

struct netloop {
    struct netloop_config config;
    struct net *net;
    struct sync *sync;
    struct writer *writer;
    struct peers peers;
    struct netreads reads;
    struct keeper keeper;
    bool keeper_more;
    struct wanted wanted;
    bool wanted_more;  /* something was applied, or there is more to look at */
    int64_t wanted_ms; /* when the clock is asked next */
    pthread_t thread;
    bool running;
    /* inbox */
    pthread_mutex_t lock;
    struct writer_notice *notices;
    size_t n_notices, cap_notices;
    bool all_logs, reload_trust, stopping;
    uint32_t capsules_stored, capsules_lost;  /* of those the keeper asked for */
    bool wanted_lost;                         /* one of the others */
    struct netloop_given *given, **given_end; /* events of the look-up */
    struct position work[WORK_TOLD_MAX];      /* netloop_want_work; one too many is found by the next day's walk */
    size_t n_work;
    struct netloop_stats stats;
    uint32_t hearing; /* peers to be heard before this node writes; 0 = none */
    /* the thread's own */
    struct sync_effect *asked; /* ring of reads: answered between steps, so that effects keep their order */
    size_t asked_first, n_asked;
    bool asked_blocked; /* all that is left is for connections that take no more at the moment */
    struct muted muted[MUTED_MAX];
    int64_t wake_ms, observed_ms;
    bool unobserved; /* something happened since the status was taken */
    bool over;
};

/* netloop.c */
void netloop_alarm(struct netloop *l, const struct err *err);

/* netloop_effects.c */
void netloop_step(struct netloop *l, const struct sync_event *ev);
void netloop_answer_reads(struct netloop *l);
bool netloop_is_muted(const struct netloop *l, uint32_t conn);

/* netgive.c */
void netloop_give_log(struct netloop *l, struct db_txn *txn, const struct log_row *row);
int netloop_give_all_logs(struct netloop *l, struct err *err);
void netloop_give_unit(struct netloop *l, const struct unit_id *unit, const char *code, const struct sign_public *root,
                       bool admitted, bool full);
int netloop_load_trust(struct netloop *l, struct err *err);
bool netloop_admit(void *arg, const struct box_public *key, struct unit_id *ret); /* net_config.admit */
void netloop_check_quotas(struct netloop *l);
void netloop_take_given(struct netloop *l);

#endif
