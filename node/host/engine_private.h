/* What the files of the engine share: engine.c (groups), engine_runs.c (what comes from peers), exec*.c (operations). Private to them; the public face is engine.h. */
#ifndef SMARTNODE_HOST_ENGINE_PRIVATE_H
#define SMARTNODE_HOST_ENGINE_PRIVATE_H

#include "node/command/strays.h"
#include "node/host/engine.h"
#include "node/host/erasing.h"
#include "node/host/indexer.h"
#include "node/host/ownlog.h"
#include "node/host/quota.h"

/* Events of one operation, in the order in which they are written; all of them or none is committed. */
enum { OP_DRAFTS_MAX = 256 };

struct engine {
    struct engine_config config;
    struct state *state;
    struct apply *apply;
    struct db_txn *txn;
    struct ownlog own;
    struct indexer indexer;
    struct draft *drafts; /* room for one operation's; made with the first */
    struct erasing erasing;
    struct strays strays;
    uint64_t group_events;
    struct quota quota;
    bool rebuild_wanted;
    bool unit_grew; /* events of our own unit are not in the past of the own log: apply_own_grew, or it is frozen */
    bool began_log; /* in this group: it may be cut by a statement that is held */
    bool statement; /* the own log was opened with one in this group */
    bool logs_changed;
    bool settling_due; /* settling.h: noted, and not done in the vault */
    bool more;         /* stored events are left to apply */
};

/* exec.c: whether events can be written at all; one event with all that follows from it. */
int engine_ready(struct engine *e, struct err *err) NODISCARD;
int engine_write(struct engine *e, struct draft *d, struct position *ret, struct err *err) NODISCARD;
/* exec_draft.c: the events of one operation, checked; OP_DRAFTS_MAX of them at most. Errors are the operation's refusal. */
int engine_drafts(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct draft ret[OP_DRAFTS_MAX],
                  size_t *ret_n, struct err *err) NODISCARD;
/* exec_taken.c: before a reception is written, what it takes along is noted in the vault; before an activity of these is opened, what is noted is
 * read. Errors are the operation's refusal. */
int engine_note_taken(struct engine *e, const struct command_ctx *ctx, const struct handover_request *req,
                      struct err *err) NODISCARD;
/* After a completion or a reception: what the member asked of this unit about moving is dealt with once it is durable; and the answer says what
 * does not move. Errors are the group's. */
int engine_moved(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct err *err) NODISCARD;
int engine_keys_left(struct engine *e, const struct command_ctx *ctx, const struct draft *d, struct api_op *op,
                     struct err *err) NODISCARD;
int engine_read_taken(const struct command_ctx *ctx, struct api_op *op, struct err *err) NODISCARD;
/* exec_settle.c: whether a host's proposal may still be answered as op says; else op->result.err says why not. Other errors are the group's. */
int engine_may_settle(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err) NODISCARD;
/* exec_guest.c: OP_GUEST. */
int engine_exec_guest(struct engine *e, struct api_op *op, struct err *err) NODISCARD;
/* The keys of step GUEST_KEYS into the vault; o->n_refused says of how many events they were not. */
int engine_keep_keys(struct engine *e, struct guest_work_order *o, struct err *err) NODISCARD;

#endif
