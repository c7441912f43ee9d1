/* smartnode.conf: sections and keys, every one with a default; an unknown key is an error with its line. docs/OPERATIONS.md lists
 * them, ops/smartnode.conf.sample shows them. */
#ifndef SMARTNODE_HOST_CONFIG_H
#define SMARTNODE_HOST_CONFIG_H

#include "proto/card.h"

/* Where capsules of our members may go (DESIGN "Personal data"). */
enum residency { RESIDENCY_TRAVELLING, RESIDENCY_GRANTED, RESIDENCY_FEDERATION };

enum { CONFIG_TEXT_MAX = 256, CONFIG_ADVERTISE_MAX = 4, CONFIG_KEEP_MAX = 16 };

struct config {
    /* [sync] */
    char sync_listen[CONFIG_TEXT_MAX]; /* tcp://host:port; "none" = takes no inbound connection */
    uint8_t n_advertise;
    char advertise[CONFIG_ADVERTISE_MAX][ENDPOINT_BYTES_MAX + 1]; /* on the unit card */
    enum residency residency;
    uint64_t unit_gib_max; /* stored for one peer unit */
    uint8_t n_keep;
    char keep[CONFIG_KEEP_MAX][UNIT_CODE_MAX]; /* units whose capsules this node keeps for them */
    /* [http] */
    char http_listen[CONFIG_TEXT_MAX];
    uint16_t http_port;
    unsigned http_threads;
    char tls_cert[CONFIG_TEXT_MAX], tls_key[CONFIG_TEXT_MAX]; /* files */
    /* [storage] */
    uint64_t map_gib, vault_map_gib;
    /* [log] */
    bool log_json;
    /* [clock] */
    bool allow_clock_back;
};

void config_defaults(struct config *c);
/* Reads a file over the defaults. ERR_NOTFOUND; ERR_INVALID "smartnode.conf line 7: unknown key …" with the field. */
int config_load(const char *path, struct config *ret, struct err *err) NODISCARD;
/* Writes a commented file with the given values, new (ERR_EXISTS). For init. */
int config_write(const char *path, const struct config *c, struct err *err) NODISCARD;

#endif
