/* A node's data directory: smartnode.conf, node.key, vault.key, lock, main/ and vault/. One process at a time holds it for
 * writing. docs/OPERATIONS.md, docs/STORAGE.md. */
#ifndef SMARTNODE_HOST_DATADIR_H
#define SMARTNODE_HOST_DATADIR_H

#include "node/host/config.h"
#include "node/host/engine.h"
#include "node/host/identity.h"

enum { PATH_BYTES_MAX = 4096 };

enum datadir_mode {
    DATADIR_WRITER, /* exclusive; ERR_BUSY names the process that has it */
    DATADIR_ADMIN,  /* short single-row writes beside a running node (tokens, peers): LMDB serialises them; no lock */
    DATADIR_READER, /* read transactions only, also beside a running node */
};

struct datadir {
    char path[PATH_BYTES_MAX];
    int lock_fd; /* -1: not held */
    struct config config;
    struct identity identity;
    struct db *db;
    struct vault *vault;
};

/* The directory: text, or $SMARTNODE_DATA, or ./ if it holds a node.key, else /var/lib/smartnode. */
int datadir_find(const char *text_or_null, char ret[PATH_BYTES_MAX], struct err *err) NODISCARD;
/* Opens everything. ERR_NOTFOUND (run init first), ERR_BUSY, ERR_VERSION (newer format), ERR_CONFLICT (data of another unit than
 * node.key's), ERR_DENIED (key files), and config errors. */
int datadir_open(const char *path, enum datadir_mode mode, struct datadir *ret, struct err *err) NODISCARD;
/* The same as a reader, with another configuration than the one that lies there if it is not NULL: says what beside the configuration
 * is in the way of a start. */
int datadir_check(const char *path, const struct config *config_or_null, struct datadir *ret,
                  struct err *err) NODISCARD;
void datadir_close(struct datadir *d);
/* Name under which a service manager hands over the vault's key (LoadCredential=), found in $CREDENTIALS_DIRECTORY. It comes before
 * vault.key in the data directory, which then need not be there. */
#define VAULT_KEY_CREDENTIAL "smartnode.vault.key"
/* Process id that holds the lock; 0 if nobody does. */
long datadir_holder(const char *path);
/* The holder takes SIGHUP as a wish to read trust again: its process blocks or handles the signal from before this on. */
void datadir_announce(struct datadir *d);
/* Asks the running node, if any, to read trust again (SIGHUP); another holder of the lock is left alone. */
void datadir_nudge(const char *path);
/* path ‖ "/" ‖ name */
int path_join(const char *dir, const char *name, char ret[PATH_BYTES_MAX], struct err *err) NODISCARD;

/* ERR_EXISTS if a node, what is left of one, or anything else but a smartnode.conf is there. */
int datadir_check_free(const char *path, struct err *err) NODISCARD;
/* Makes directory, key files, configuration and empty environments of a new node; after an error nothing of it is left. ERR_EXISTS
 * as above, and what a configuration that cannot be used gives. */
int datadir_create(const char *path, const struct config *config, const struct identity *id, struct err *err) NODISCARD;
/* Takes away a node that was just made and never ran. before: what was there, asked before it was made. */
struct datadir_before {
    bool dir, conf;
};
struct datadir_before datadir_before(const char *path);
void datadir_unmake(const char *path, struct datadir_before before);

/* An engine over an open directory, with the real clock, zone and randomness. The unit's time zone comes from its unit.described
 * (UTC before there is one). engine_free it before datadir_close. */
int datadir_engine(struct datadir *d, struct engine **ret, struct err *err) NODISCARD;
/* Today in the unit's own time zone; the same function that datadir_engine gives the engine. */
struct civil_date datadir_today(struct datadir *d);
struct wall_ms wall_now(void);
struct mono_ms mono_now(void);
void random_fill(void *arg, uint8_t *out, size_t len);

#endif
