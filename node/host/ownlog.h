/* The log that this process writes: opens a successor (or several, where there are more tips than one can name) at the first write, turns drafts into events, keeps them in runs until the
 * group's commit seals them. docs/PROTOCOL.md §5, §6, §7. Belongs to the engine and its thread. */
#ifndef SMARTNODE_HOST_OWNLOG_H
#define SMARTNODE_HOST_OWNLOG_H

#include "node/apply/apply.h"
#include "node/host/draws.h"
#include "node/host/engine.h"
#include "storage/keyslots.h"

struct ownlog_run {
    uint64_t first;
    uint32_t count;
    size_t offset, len; /* in frames */
    struct chain_value chain;
};

/* Bridges: logs that lie between more tips than one first event names and the log that is written; the rest waits for the next one. */
enum { OWNLOG_RUNS_MAX = 256, OWNLOG_BRIDGES_MAX = 1024 };

struct ownlog {
    const struct engine_config *config;
    struct apply *apply;
    struct draws draws; /* of the group */
    bool open;
    bool partial; /* there are applied events of the unit that are not in the past of the open log */
    bool bridged; /* the group opened logs that lie between: the exchange does not know of them */
    struct log_row row;
    struct chain_value chain; /* after the last event of the group */
    struct hlc last;
    uint64_t seq; /* last event of the group */
    struct buf frames;
    size_t n_runs;
    struct ownlog_run runs[OWNLOG_RUNS_MAX];
    bool has_escrow;
    struct civil_date escrow_day;
    struct data_key escrow;
    /* as they were when the group began */
    struct {
        bool open, partial, has_escrow;
        struct log_row row;
        struct hlc last;
        struct civil_date escrow_day;
        struct data_key escrow;
    } before;
    struct buf key_capsules; /* of the group: log id ‖ seq ‖ index ‖ length u32 ‖ bytes */
    bool has_sealed;         /* some of them are for other units or passes: see ownlog_keys_commit */
    /* Somebody who had keys got further ones that nobody asked for (a slot is damaged): whoever has access needs them too. The caller
     * takes it back to false. */
    bool has_renewed;
    struct subject_id renewed;
};

void ownlog_init(struct ownlog *o, const struct engine_config *config, struct apply *apply);
void ownlog_release(struct ownlog *o);
void ownlog_begin(struct ownlog *o);
void ownlog_rollback(struct ownlog *o);
/* Between groups: nothing more goes into the open log; the next write opens a successor. */
void ownlog_close(struct ownlog *o);

/* Opens the log although nothing is to be written yet; with a root statement (its unit, federation, nonce and signing key are filled
 * in here), signed by the root's secret. The caller applies it once the group is sealed (apply_statements). None may be open. */
int ownlog_open(struct ownlog *o, struct db_txn *txn, const struct root_statement *st_or_null,
                const struct sign_secret *root, struct err *err) NODISCARD;
/* Writes one event; opens the log and the day's escrow if need be. Errors are the group's. */
int ownlog_write(struct ownlog *o, struct db_txn *txn, struct draft *d, struct position *ret,
                 struct err *err) NODISCARD;
/* Seals and stores the group's runs. */
int ownlog_seal(struct ownlog *o, struct db_txn *txn, struct err *err) NODISCARD;
/* Before the commit of a group that sealed keys to another unit or a pass: their capsules into the vault, in one commit. They cannot be made
 * again, as escrows can (docs/PROTOCOL.md §6), so an event must not be durable before them; without their event they harm nobody. */
int ownlog_keys_commit(struct ownlog *o, struct err *err) NODISCARD;
/* 0, or ERR_UNAVAILABLE if the clock stands before the last event. */
int ownlog_clock(struct ownlog *o, struct db_txn *txn, struct err *err) NODISCARD;

/* Payload of an event of the open group, which is not stored yet; borrowed until the next write. False: not of this group. */
bool ownlog_payload(const struct ownlog *o, uint64_t seq, struct slice *ret);

#endif
