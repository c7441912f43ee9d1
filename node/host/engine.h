/* The one writer of a node, without its thread: a group of operations and received runs in one transaction of the main
 * environment, applied, sealed, committed; the vault follows. The daemon's writer thread, the offline import and the simulator
 * all drive this. docs/ARCHITECTURE.md "A write".
 *
 * Order: engine_begin, any number of engine_exec and engine_append, engine_commit or engine_abort. After an error of begin, append,
 * commit or a non-zero return of exec the group is lost: call engine_abort, nothing has changed. One thread at a time. */
#ifndef SMARTNODE_HOST_ENGINE_H
#define SMARTNODE_HOST_ENGINE_H

#include "node/api/api.h"
#include "node/apply/apply.h"
#include "node/host/identity.h"
#include "storage/evlog.h"
#include "storage/state.h"
#include "storage/vault.h"

struct engine;

enum {
    ENGINE_GROUP_EVENTS = 4096,       /* a group beyond this is committed: bounds memory and the wait of the next */
    ENGINE_CLOCK_BACK_MS = 10000,     /* a clock this far before the last event refuses writes */
    ENGINE_VAULT_PENDING_MAX = 65536, /* index entries held back before the vault is written regardless of load */
};

struct engine_config {
    struct db *db;
    struct vault *vault;
    const struct identity *identity; /* borrowed */
    char program[PROGRAM_BYTES_MAX + 1];
    bool allow_clock_back;
    const char (*keep)[UNIT_CODE_MAX]; /* units that this node keeps capsules for; borrowed */
    uint8_t n_keep;
    uint32_t vault_backup_days; /* how long copies of the vault are kept; 0 = none are made */
    struct wall_ms (*now)(void *arg);
    struct civil_date (*today)(void *arg);
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *arg;
};

/* ERR_UNAVAILABLE with "rebuild" if the state was built by other rules: call apply_rebuild, then again. */
int engine_new(const struct engine_config *config, struct engine **ret, struct err *err) NODISCARD;
void engine_free(struct engine **e);

int engine_begin(struct engine *e, struct err *err) NODISCARD;
/* Runs one operation. Its own refusal goes to op->result.err and 0 is returned: the group goes on without it. */
int engine_exec(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err) NODISCARD;
/* Stores and applies a verified run. opened and first_header are set if it begins a log (created here). *ret_stored = false: it does
 * not continue what is held (an earlier one failed, the log is frozen or is the one being written) or is not of the branch that stands,
 * nothing of it was done; true also for a run that is held already. A root statement in it decides at once (apply_statements): other
 * logs may be cut back to a fork, also the own one, which is closed then. ERR_FORK if that has events in this very group. */
int engine_append(struct engine *e, const struct run *run, const struct chain_value *chain_after,
                  const struct log_opened *opened, const struct event_header *first_header, bool *ret_stored,
                  struct err *err) NODISCARD;
/* Opens the own log with a root statement of the unit (ownlog_open), which is in force with the commit. In a group, of an engine that
 * has written nothing yet. */
int engine_open_log(struct engine *e, const struct root_statement *st_or_null, const struct sign_secret *root,
                    struct err *err) NODISCARD;
/* What commands look at, as the open group sees it. Borrowed, with world, until it ends. */
void engine_context(struct engine *e, const struct actor_id *actor, struct member_world *world,
                    struct command_ctx *ret);
/* As engine_commit, but nothing becomes durable and the transaction stays open: what follows sees what was done, and engine_abort takes
 * all of it back. Afterwards the engine is only to be freed. */
int engine_rehearse(struct engine *e, struct err *err) NODISCARD;
/* Events in the group so far. */
uint64_t engine_group_events(const struct engine *e);
/* Seals, flushes, commits. ERR_FULL: nothing changed, room is needed. */
int engine_commit(struct engine *e, struct err *err) NODISCARD;
void engine_abort(struct engine *e);

/* True once a log is left with stored events that were not applied in its group (a very long one). */
bool engine_apply_pending(const struct engine *e);
/* Applies more of them in a group of its own (begin … commit inside). */
int engine_apply_more(struct engine *e, struct err *err) NODISCARD;
/* A root statement made applied events stand no more: state must be rebuilt (apply_rebuild with no group open), then engine_reload. */
bool engine_rebuild_wanted(const struct engine *e);
int engine_reload(struct engine *e, struct err *err) NODISCARD;
/* True once if a committed group changed which logs stand, how far, or what is held of them, other than by an append, or opened logs that
 * lie between the own one and its tips: the exchange must hear of all logs anew. */
bool engine_logs_changed(struct engine *e);

/* Erasures that were applied and are to be carried out (node/host/erasing.h). turn: a batch of them, in groups of its own; no group is
 * open. *ret_rewrote: the vault's file was written anew, which takes its time. */
bool engine_erasures_due(const struct engine *e);
int engine_erase(struct engine *e, bool *ret_rewrote, struct err *err) NODISCARD;

/* Writes what the vault still lacks (blind index, key capsules, answers: settling.h) of committed groups. */
bool engine_vault_pending(const struct engine *e, bool *ret_urgent);
int engine_vault_flush(struct engine *e, struct err *err) NODISCARD;
/* At start: completes the vault from the own logs, where a stop came between the two commits; and sees which erasures are due. */
int engine_vault_complete(struct engine *e, struct err *err) NODISCARD;

/* Marks a log frozen and keeps the proof (an encoded Evidence message), also of a log of which nothing is held: it is
 * frozen with its first run then. If a root statement decided about the log, it is thawed and
 * held to that branch in the same commit (engine_logs_changed). */
int engine_freeze(struct engine *e, const struct log_id *log, struct slice proof, struct err *err) NODISCARD;
/* Stores a capsule of another unit's event that was asked for; its hash was checked. In a group. */
int engine_put_capsule(struct engine *e, const struct log_id *log, uint64_t seq, uint8_t index, struct slice bytes,
                       struct err *err) NODISCARD;
/* The same of one that this node wanted for itself, not as a keeper (wanted.h): of work of a member of ours at a host, too, note is taken. */
int engine_put_wanted(struct engine *e, const struct log_id *log, uint64_t seq, uint8_t index, struct slice bytes,
                      struct err *err) NODISCARD;
/* Drops idempotency rows older than they are kept, tokens of members that are long over, and members that other units were asked about for
 * LOOKUP_ASKED_MS, of each at most max (256); *ret_n: of which there were most. In a group of its own. */
int engine_expire(struct engine *e, size_t max, size_t *ret_n, struct err *err) NODISCARD;
/* A small commit, to see whether there is room again after ERR_FULL. */
int engine_probe(struct engine *e, struct err *err) NODISCARD;

/* The log that this process writes; false before its first write, and between runs of the own unit that came from elsewhere and the
 * next write, which opens a successor: the log may be another than before. Durable head. */
bool engine_own_log(const struct engine *e, struct log_row *ret);

#endif
