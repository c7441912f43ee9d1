/* The value of a row of TABLE_RUNS, for the files of the event log. docs/STORAGE.md. */
#ifndef SMARTNODE_STORAGE_EVLOG_PRIVATE_H
#define SMARTNODE_STORAGE_EVLOG_PRIVATE_H

#include "storage/evlog.h"

/* first u64 ‖ count u16 ‖ flags u16 ‖ chain after 32 ‖ seal 64, then the frames */
enum { RUN_HEAD_BYTES = 8 + 2 + 2 + HASH_BYTES + SIG_BYTES };

/* A row of another log or without sense: ERR_CORRUPT. */
int evlog_run_decode(struct slice key, struct slice value, struct stored_run *ret, struct err *err) NODISCARD;
/* The reader behind the frames before event seq, which the run holds. */
int evlog_frames_from(const struct stored_run *run, uint64_t seq, struct reader *ret, struct err *err) NODISCARD;
/* Chain value before the run's first event. */
int evlog_chain_before(struct db_txn *txn, const struct log_row *row, const struct stored_run *run,
                       struct chain_value *ret, struct err *err) NODISCARD;

#endif
