/* Double admission (docs/PROTOCOL.md §12.8): asks other units about whom the desk took in, and answers their questions. In a thread of its
 * own, because an answer may take the time of some thousand multiplications; the exchange carries questions and answers
 * (SYNC_ADMISSION_…), the writer names the members to be asked about (NOTICE_LOOKUP).
 *
 * Whoever has not answered is asked again when it is there, for LOOKUP_ASKED_MS. What is known afterwards is in the vault
 * (storage/lookups.h): GET /v1/duplicates reads it. */
#ifndef SMARTNODE_HOST_LOOKUP_H
#define SMARTNODE_HOST_LOOKUP_H

#include "node/api/api.h"
#include "node/host/log.h"
#include "node/sync/sync.h"

struct lookup;

enum {
    LOOKUP_OPEN_MAX =
        64, /* questions of ours that are not answered yet: bounds the memory of the answers, 512 KiB each */
    LOOKUP_OPEN_PEER_MAX = 8,       /* of one unit, below what a session allows */
    LOOKUP_TAKEN_MAX = 16384,       /* effects of the exchange that wait: more than it allows */
    LOOKUP_ANSWER_MS = 120000,      /* beyond SYNC_ADMISSION_MS: lost somewhere, asked again */
    LOOKUP_RETRY_MS = 10000,        /* a unit that did not answer is left alone for so long */
    LOOKUP_REFUSED_MS = 300000,     /* one that refused */
    LOOKUP_LIMIT_RECORD_MS = 60000, /* of refused questions one is put on record in so long, all are counted */
    LOOKUP_HOUSEKEEPING_MS = 3600000,
    LOOKUP_RECORDS_KEPT_DAYS = 400,
    LOOKUP_RESULTS_KEPT_DAYS = 60, /* answers without a hit: twice as long as they are asked for */
};

struct lookup_config {
    struct db *db; /* borrowed, as the vault is */
    struct vault *vault;
    struct unit_id unit;
    uint64_t per_hour; /* questions of one unit that are answered; 0 = none */
    struct civil_date (*today)(void *arg);
    struct wall_ms (*now_wall)(void *arg);
    struct mono_ms (*now_mono)(void *arg);
    void (*random)(void *arg, uint8_t *out, size_t len);
    size_t (*peers)(void *arg, struct api_peer *ret, size_t max);
    void (*send)(void *arg, const struct sync_event *ev); /* for the exchange; copied before it returns */
    void (*alarm)(void *arg, const struct log_about *about, const char *text);
    void *arg;
};

/* ERR_NOMEM, ERR_INVALID. */
int lookup_new(const struct lookup_config *config, struct lookup **ret, struct err *err) NODISCARD;
void lookup_free(struct lookup **l); /* ends its thread */
int lookup_start(struct lookup *l, struct err *err) NODISCARD;
void lookup_stop(struct lookup *l);

/* SYNC_ADMISSION_ASKED, _ANSWERED, _UNANSWERED; copied. Any thread, short. */
void lookup_take(struct lookup *l, const struct sync_effect *e);
/* Somebody is to be asked about. Any thread, short. */
void lookup_wake(struct lookup *l);
/* Answers what was taken, then asks what can be asked. By its thread; by a test instead of one. */
void lookup_turn(struct lookup *l);

/* Since lookup_new. Any thread. */
struct lookup_stats {
    uint64_t asked, hits, refused,
        unanswered;                          /* questions of ours: answered, of them hits; refused; without an answer */
    uint64_t answered, limited, unavailable; /* questions of others */
    uint64_t open;                           /* members that others are still asked about */
};
void lookup_stats(struct lookup *l, struct lookup_stats *ret);

#endif
