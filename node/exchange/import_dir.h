/* Import into a data directory: the register is looked up there; steps are carried out by an engine over it, or, where a node runs and
 * holds it, are only looked up (the node carries them out). One thread. */
#ifndef SMARTNODE_EXCHANGE_IMPORT_DIR_H
#define SMARTNODE_EXCHANGE_IMPORT_DIR_H

#include "node/exchange/import.h"
#include "node/host/datadir.h"

struct import_dir {
    struct datadir *d;
    struct engine *engine; /* NULL: looks up only */
    bool rehearse;         /* carries out and takes back at the end: what would the import do? */
    bool open;             /* a group, or a reading transaction */
    uint64_t group_events; /* committed together */
    struct place_row unit; /* of the own unit; n = 0 if it is not described */
    struct actor_id actor;
    struct api_op *op;
    struct member_world world;
    struct command_ctx ctx;
    void (*test_after_group)(void); /* hook of the tests; NULL */
};

/* engine may be NULL. The directory and the engine are borrowed. After a rehearsal the engine is only to be freed. */
int import_dir_init(struct import_dir *i, struct datadir *d, struct engine *engine, struct err *err) NODISCARD;
/* Target over it; run and end are NULL without an engine: the caller puts its own. */
void import_dir_target(struct import_dir *i, struct import_target *ret);
/* After the last file: counts the people of the months whose invoices came, once they are over. */
int import_dir_finish(struct import_dir *i, struct err *err) NODISCARD;
/* Takes back what is not durable. */
void import_dir_release(struct import_dir *i);

#endif
