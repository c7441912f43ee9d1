/* smartnode.conf: sections and keys, every one with a default; whatever is wrong with it is said with line, key and what to put there.
 * docs/OPERATIONS.md lists the keys, ops/smartnode.conf.sample shows them. */
#ifndef SMARTNODE_HOST_CONFIG_H
#define SMARTNODE_HOST_CONFIG_H

#include "node/host/log.h"
#include "proto/card.h"

/* Where capsules of our members may go (docs/PROTOCOL.md §12.7). */
enum residency { RESIDENCY_TRAVELLING, RESIDENCY_GRANTED, RESIDENCY_FEDERATION };

enum {
    CONFIG_TEXT_MAX = 256,
    CONFIG_ADVERTISE_MAX = 4,
    CONFIG_KEEP_MAX = 16,
    CONFIG_MISTAKES_MAX = 64,
    CONFIG_RETENTION_N = 5
};

struct config {
    /* [sync] */
    char sync_listen[CONFIG_TEXT_MAX]; /* tcp://host:port; "none" = takes no inbound connection */
    uint8_t n_advertise;
    char advertise[CONFIG_ADVERTISE_MAX][ENDPOINT_BYTES_MAX + 1]; /* on the unit card */
    enum residency residency;
    uint32_t foreign_days_max; /* other units' members stay closed once they are not heard of for so long; 0 = never */
    uint64_t unit_gib_max;     /* stored for one peer unit */
    uint64_t
        lookups_per_hour; /* questions of one unit whether a person is a member here (docs/PROTOCOL.md §12.8); 0 = none is answered */
    uint8_t n_keep;
    char keep[CONFIG_KEEP_MAX][UNIT_CODE_MAX]; /* units whose capsules this node keeps for them */
    /* [http] */
    char http_listen[CONFIG_TEXT_MAX]; /* numeric address */
    uint16_t http_port;
    unsigned http_threads;
    char tls_cert[CONFIG_TEXT_MAX], tls_key[CONFIG_TEXT_MAX]; /* files */
    /* [storage] */
    uint64_t map_gib, vault_map_gib;
    /* [log] */
    enum log_format log_format;
    /* [clock] */
    bool allow_clock_back;
    /* [retention] */
    int32_t retention
        [CONFIG_RETENTION_N];   /* in the order of enum retention_what (node/command/retention.h); -1 = the country's */
    uint32_t vault_backup_days; /* copies of the vault are kept so long; 0 = none are made */
    uint32_t silent_days;       /* an erasure that a unit has not confirmed for so long raises an alarm */
};

struct config_mistake {
    unsigned line;             /* 0 = of the file as a whole */
    char field[ERR_FIELD_MAX]; /* section.key */
    char text[ERR_TEXT_MAX];   /* what is wrong, and what to put there */
};
/* In the order of lines; what is beyond the maximum is counted only. */
struct config_mistakes {
    size_t n, more;
    struct config_mistake list[CONFIG_MISTAKES_MAX];
};

void config_defaults(struct config *c);
/* Reads a file over the defaults. ERR_NOTFOUND; ERR_INVALID "smartnode.conf line 7: unknown key …" with the field: the first mistake,
 * and how many more there are. */
int config_load(const char *path, struct config *ret, struct err *err) NODISCARD;
/* The same, and every mistake. ret_mistakes is filled also with ERR_INVALID. */
int config_check(const char *path, struct config *ret, struct config_mistakes *ret_mistakes, struct err *err) NODISCARD;
/* Writes a commented file with the given values, new (ERR_EXISTS). For init. */
int config_write(const char *path, const struct config *c, struct err *err) NODISCARD;

#endif
