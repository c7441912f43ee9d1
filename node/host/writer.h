/* The writer thread: everything that waits goes into one transaction and one flush. Jobs of the HTTP interface, runs and capsules
 * from peers, freezes. docs/ARCHITECTURE.md "Threads", "A write". */
#ifndef SMARTNODE_HOST_WRITER_H
#define SMARTNODE_HOST_WRITER_H

#include "node/host/engine.h"
#include "node/host/log.h"

struct writer;

enum {
    WRITER_JOBS_MAX = 1024,      /* waiting requests; more get 503 and try again */
    WRITER_COMMIT_LOGS_MAX = 64, /* logs named in one notice; the rest comes in the next */
};

/* A verified run for the writer; heap, owned by the writer once submitted. */
struct writer_append {
    struct writer_append *next;
    struct run run; /* frames point into bytes */
    struct chain_value chain_after;
    bool stored;              /* the writer's: the log holds it */
    bool begins;              /* opened and first_header are set */
    struct log_opened opened; /* its root_statement points into bytes */
    struct event_header first_header;
    uint8_t bytes[];
};
/* Copies. NULL: out of memory. */
struct writer_append *writer_append_new(const struct run *run, const struct chain_value *chain_after,
                                        const struct log_opened *opened, const struct event_header *first_header);

struct writer_capsule {
    struct writer_capsule *next;
    struct position at;
    uint8_t index;
    bool freeze; /* bytes are a proof: freeze the log instead */
    bool wanted; /* not the keeper's: NOTICE_CAPSULES does not count it */
    size_t len;
    uint8_t bytes[];
};
struct writer_capsule *writer_capsule_new(const struct log_id *log, uint64_t seq, uint8_t index, bool freeze,
                                          struct slice bytes);

enum writer_notice_type {
    NOTICE_APPENDED = 1,
    NOTICE_APPEND_FAILED,
    NOTICE_OWN_LOG,
    NOTICE_TRUST,
    NOTICE_ALL_LOGS,
    NOTICE_LOOKUP,   /* somebody new was taken in at the desk, whom other units are to be asked about */
    NOTICE_CAPSULES, /* stored and lost of those given since the last one */
};
struct writer_notice {
    enum writer_notice_type type;
    struct log_id log;
    uint64_t seq;
    struct chain_value chain;
    bool new_log; /* NOTICE_OWN_LOG, NOTICE_APPENDED: it was opened in this commit */
    uint32_t stored, lost;
    bool wanted_lost; /* NOTICE_CAPSULES: one of those not counted was lost too */
};

struct writer_config {
    struct engine *engine;
    struct db *db;
    /* In the writer's thread after each commit; must not block beyond a short lock. */
    void (*notice)(void *arg, const struct writer_notice *n);
    /* In the writer's thread after each commit, whatever it held: the list of changes may go on. As short. NULL = nobody asks. */
    void (*committed)(void *arg);
    /* A rebuild of the state runs (done of total; both 0 when it is over). One that failed is tried again until it is. */
    void (*rebuilding)(void *arg, uint64_t done, uint64_t total);
    void (*alarm)(void *arg, const struct log_about *about, const char *text);
    void *arg;
};

int writer_start(const struct writer_config *config, struct writer **ret, struct err *err) NODISCARD;
/* A stop is near: a rebuild of the state that runs ends at its next step (a start takes it up again), what waited for it is
 * refused. */
void writer_hurry(struct writer *w);
/* Finishes what was submitted, writes the vault, ends the thread. */
void writer_stop(struct writer **w);

/* Any thread. ERR_BUSY, ERR_UNAVAILABLE; see api_deps.submit. */
int writer_submit(struct writer *w, struct api_job *job, struct err *err) NODISCARD;
void writer_append(struct writer *w, struct writer_append *a);
void writer_capsule(struct writer *w, struct writer_capsule *c);

struct writer_stats {
    uint64_t commits, events, jobs, runs, full, failed; /* full: failed commits that found no room */
    struct wall_ms last_commit;                         /* 0 before the first */
    uint32_t queue;
    bool is_full;
    bool owes; /* of what is stored something is not applied yet, or an erasure is not carried out and confirmed */
};
void writer_stats(struct writer *w, struct writer_stats *ret);

#endif
