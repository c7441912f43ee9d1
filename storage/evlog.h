/* The logs: runs of sealed events as they were written, log rows, heads. docs/STORAGE.md, docs/PROTOCOL.md §5, §7.
 *
 * A row of TABLE_RUNS is a whole run (1 to 256 events that end at a seal), keyed by its LAST seq, so that a seek with
 * (log, n) lands on the row that holds event n. Value: first seq u64 ‖ count u16 ‖ flags u16 ‖ chain after the last event 32 ‖
 * seal 64 ‖ frames. A fresh node therefore stores what it fetched with one put for each verification.
 * Only the writer thread writes. Nothing here knows what an event means, except first events. */
#ifndef SMARTNODE_STORAGE_EVLOG_H
#define SMARTNODE_STORAGE_EVLOG_H

#include "proto/card.h"
#include "proto/event.h"
#include "proto/verify.h"
#include "proto/wire.h"
#include "storage/db.h"

enum log_state { LOG_LIVE = 1, LOG_FROZEN = 2 };

struct log_predecessor {
    struct log_id log;
    uint64_t seq;
    struct chain_value chain;
};

struct log_row {
    uint32_t no; /* local number, from 1 in the order of arrival; never in replicated state */
    struct log_id id;
    struct unit_id unit;
    uint8_t nonce[32]; /* of log.opened */
    struct sign_public signing_key;
    uint64_t serial;
    uint32_t depth; /* 0 until its predecessors are applied */
    uint8_t state;  /* enum log_state */
    uint64_t head_seq;
    struct chain_value head_chain;
    uint64_t applied_seq;
    uint64_t stands_to; /* UINT64_MAX, or the last seq that counts (root statement); what is beyond is void */
    uint8_t n_predecessors;
    struct log_predecessor predecessors[HEADER_REFS_MAX];
};

/* ERR_NOTFOUND without sticking. */
int evlog_get(struct db_txn *txn, uint32_t no, struct log_row *ret, struct err *err) NODISCARD;
int evlog_find(struct db_txn *txn, const struct log_id *id, struct log_row *ret, struct err *err) NODISCARD;
int evlog_put(struct db_txn *txn, const struct log_row *row, struct err *err) NODISCARD;
/* Log numbers are 1 … n. */
int evlog_count(struct db_txn *txn, uint32_t *ret, struct err *err) NODISCARD;
/* A new log whose first event was checked (verify_first_event). Assigns no; head_seq stays 0 until its first run, stands_to is
 * UINT64_MAX. ERR_EXISTS without sticking. */
int evlog_create(struct db_txn *txn, const struct log_id *id, const struct log_opened *opened,
                 const struct event_header *first, struct log_row *ret, struct err *err) NODISCARD;

/* Appends a verified run that continues row (run->first == head_seq + 1); updates row and its stored form. chain_after is the
 * value that verification returned. ERR_INVALID if it does not continue row, ERR_LIMIT over §5's bounds, ERR_FORK if the log is
 * frozen, all without sticking and with nothing written; ERR_FULL and db errors stick to the transaction. */
int evlog_append(struct db_txn *txn, struct log_row *row, const struct run *run, const struct chain_value *chain_after,
                 struct err *err) NODISCARD;

/* The stored row that holds event seq. Slices borrow. ERR_NOTFOUND. */
struct stored_run {
    uint64_t first;
    uint32_t count;
    struct chain_value chain_after;
    struct seal seal;
    struct slice frames;
};
int evlog_run_at(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct stored_run *ret, struct err *err) NODISCARD;

/* One run for the wire, starting exactly at `from`: whole stored rows (the first from its middle if needed) joined up to the
 * bounds of §5, ending at a seal. Frames are copied to out (cleared first). ERR_NOTFOUND if from > head. */
int evlog_read(struct db_txn *txn, const struct log_row *row, uint64_t from, struct buf *out, struct run *ret,
               struct err *err) NODISCARD;

/* One event. Slices borrow. */
struct stored_event {
    struct slice header, payload; /* payload empty = dropped */
};
int evlog_event(struct db_txn *txn, uint32_t log_no, uint64_t seq, struct stored_event *ret, struct err *err) NODISCARD;
/* Chain value after event seq (0 ≤ seq ≤ head). */
int evlog_chain_at(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct chain_value *ret,
                   struct err *err) NODISCARD;
/* The same with chain values kept of one stored run, for callers that ask often: a run that is asked event by event is hashed once,
 * not once for each. Zeroed = empty. Kept by the run's first seq and its chain value, which says all headers up to there: it is never out
 * of date, whatever is appended, aborted or replaced meanwhile, and may be used with any transaction and log. The first seq belongs to it:
 * after a group that was given up the same events may come again in runs that begin elsewhere and end alike. */
struct evlog_chains {
    uint32_t n; /* values known */
    uint64_t first;
    struct chain_value after;
    struct chain_value values[RUN_EVENTS_MAX];
};
int evlog_chain_at_kept(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct evlog_chains *chains,
                        size_t n_chains, struct chain_value *ret, struct err *err) NODISCARD;
/* Receipt parts of an event: ret's slices borrow from scratch, which is cleared first. ERR_NOTFOUND. */
int evlog_receipt(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct buf *scratch, struct receipt *ret,
                  struct err *err) NODISCARD;
/* Evidence message fields covering position `at` (≥ 1): header hashes from the run that holds it; ret_hashes is cleared first.
 * ERR_NOTFOUND. */
int evlog_evidence(struct db_txn *txn, const struct log_row *row, uint64_t at, uint64_t *ret_first,
                   struct chain_value *ret_before, struct buf *ret_hashes, struct seal *ret_seal,
                   struct err *err) NODISCARD;

/* Walks events from `from` in order. init, then next until ERR_NOTFOUND. In a write transaction the run is copied, so that the
 * caller may write between two calls: slices are good until the next call or release. No cursor stays open; events appended
 * meanwhile are seen. */
struct evlog_iter {
    struct db_txn *txn;
    uint32_t log_no;
    uint64_t seq;         /* of the event that next returned last */
    uint64_t next_seq;    /* of the frame that comes next */
    struct reader frames; /* rest of the run */
    struct buf copy;
};
int evlog_iter_init(struct evlog_iter *it, struct db_txn *txn, uint32_t log_no, uint64_t from,
                    struct err *err) NODISCARD;
int evlog_iter_next(struct evlog_iter *it, struct stored_event *ret, struct err *err) NODISCARD;
void evlog_iter_release(struct evlog_iter *it);

/* Removes what comes after `last` of a log (roll back to a fork, §12.6), capsules included. A part of a run has no seal, so a run
 * that goes on beyond `last` goes as a whole: head is the end of the last whole run up to `last`. The capsules of its events up to
 * `last` stay, since the events come back with the branch that stands. applied_seq is lowered to head; the list of changes says
 * what is withdrawn (changes.h); the state is not touched: the caller rebuilds it. */
int evlog_truncate(struct db_txn *txn, struct log_row *row, uint64_t last, struct err *err) NODISCARD;

/* Tips of the logs held (§7): every log that no other held log of its unit names at its head or beyond, or that one names at its
 * head with another chain value. A log cut by a root statement counts up to stands_to; one of which nothing stands is no tip and
 * unmakes none. In the order of log ids; *ret is the
 * caller's to free(), NULL if *ret_n is 0. Work grows with the number of logs held. */
int evlog_tips(struct db_txn *txn, const struct unit_id *unit_or_null, struct head **ret, size_t *ret_n,
               struct err *err) NODISCARD;

/* Capsules (not class 15; those are in the vault). */
int capsules_put(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct slice capsule,
                 struct err *err) NODISCARD;
int capsules_get(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct slice *ret,
                 struct err *err) NODISCARD;
/* Which capsules of an event are here: bit index, of the first 32. */
int capsules_held(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint32_t *ret, struct err *err) NODISCARD;
/* Absent is fine. Its bytes stay in free pages of the file: ciphertext, which is nothing without a key (docs/STORAGE.md). */
int capsules_del(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct err *err) NODISCARD;

#endif
