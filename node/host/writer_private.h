/* The writer's parts among themselves: what waits (writer_queue.c), one group (writer_group.c), the thread (writer.c). */
#ifndef SMARTNODE_HOST_WRITER_PRIVATE_H
#define SMARTNODE_HOST_WRITER_PRIVATE_H

#include <pthread.h>
#include <time.h>

#include "node/host/writer.h"

enum {
    WRITER_EXPIRE_EVERY_MS = 60000,
    WRITER_RETRY_MS = 1000,        /* what failed is not tried again sooner, unless a request comes */
    WRITER_ERASE_LOOK_MS = 250,    /* whether what is to be erased has been collected long enough */
    WRITER_VAULT_IDLE_MS = 10,     /* so long nobody may have written before the vault follows, */
    WRITER_VAULT_WAIT_MS_MAX = 50, /* but so long at most it waits: a search does not find sooner */
};

struct writer {
    struct writer_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping, hurry;
    /* under lock */
    struct api_job *jobs, **jobs_end;
    struct writer_append *appends, **appends_end;
    struct writer_capsule *capsules, **capsules_end;
    uint32_t n_jobs;
    struct writer_stats stats;
    /* the thread's own */
    struct api_job *taken_jobs;
    struct writer_append *taken;
    struct writer_capsule *taken_capsules;
    struct writer_capsule *freezes; /* kept until each is stored */
    uint64_t alone;                 /* so many of what was taken are run one by one: their group failed */
    bool again;                     /* something failed and is to be tried again */
    bool own_open;
    struct log_id own_log;
    uint64_t own_head;
    struct timespec expired;
    bool erasing; /* erasures are due, since: */
    struct timespec erase_since, rewrote;
    bool vault_waits; /* something is to follow into the vault, since: */
    struct timespec vault_since;
};

/* ---- what waits: takes the lock itself ---- */

/* Moves it to the thread's own lists, waiting for it if there is none and nothing left over is due. *ret_idle: there was none. False:
 * none, and the writer is to stop. */
bool writer_take(struct writer *w, bool *ret_idle);
/* Drops the runs of a log, from a list of the thread's own, and from what waits. */
void writer_drop_appends(struct writer_append **list, const struct log_id *log);
void writer_drop_waiting(struct writer *w, const struct log_id *log);

/* ---- groups ---- */

/* Runs a group of what was taken, or one part of a group that failed. Everybody concerned is told how it ended. */
void writer_group(struct writer *w);
/* Everything that was taken gets the same error. */
void writer_fail_taken(struct writer *w, const struct err *err);
/* For the figures of writer_stats, before anybody is told of a commit. No commits: one failed. */
void writer_count(struct writer *w, uint64_t commits, uint64_t jobs, uint64_t runs, uint64_t events, bool full);

/* ---- notices: see struct writer_config ---- */

/* log, chain: NULL where the notice has none. */
void writer_tell(struct writer *w, enum writer_notice_type type, const struct log_id *log, uint64_t seq,
                 const struct chain_value *chain, bool new_log);
void writer_tell_own(struct writer *w);  /* if something was written to it */
void writer_tell_logs(struct writer *w); /* if any changed beside those that were told */
void writer_committed(struct writer *w);
void writer_alarm(struct writer *w, const struct err *err, const char *text);

#endif
