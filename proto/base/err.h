/* One error: a code that programs branch on and a text that people read. Owned by the caller, filled by the callee, wrapped
 * on the way up so that the outermost message reads from the general to the particular
 * ("append BE/4711: database full"). No allocation; texts are cut at their end. No personal data goes in. */
#ifndef SMARTNODE_BASE_ERR_H
#define SMARTNODE_BASE_ERR_H

#include "proto/base/check.h"

enum err_code {
    ERR_NONE = 0,
    ERR_NOMEM = -1,   /* out of memory, or over the memory budget of one message */
    ERR_INVALID = -2, /* malformed or out of range; `field` names what */
    ERR_LIMIT = -3,   /* larger or more than a named limit */
    ERR_NOTFOUND = -4,
    ERR_EXISTS = -5,      /* already there */
    ERR_CONFLICT = -6,    /* true in itself, impossible with what is there (leaving twice, stale ETag) */
    ERR_DENIED = -7,      /* not allowed: token, role, trust */
    ERR_FORGED = -8,      /* a hash, chain value, signature or seal does not fit */
    ERR_FULL = -9,        /* map or disk full; nothing was written, try again when there is room */
    ERR_IO = -10,         /* the operating system refused; text has the reason */
    ERR_CORRUPT = -11,    /* our own stored bytes do not make sense */
    ERR_VERSION = -12,    /* of a newer format, unsupported suite */
    ERR_BUSY = -13,       /* somebody else has it; later */
    ERR_UNTRUSTED = -14,  /* unit or key that is not pinned */
    ERR_FEDERATION = -15, /* another federation, or test against production */
    ERR_FORK = -16,       /* contradicts a sealed history that is held */
    ERR_WAITING = -17,    /* depends on an event that is not held yet */
    ERR_UNKNOWN_KIND = -18,
    ERR_UNAVAILABLE = -19, /* shutting down, rebuilding, or a part is not running */
};

enum { ERR_FIELD_MAX = 64, ERR_TEXT_MAX = 320 };

struct err {
    enum err_code code;
    char field[ERR_FIELD_MAX]; /* the field at fault, or empty */
    char text[ERR_TEXT_MAX];
};

/* Sets code and text, clears the field. e may be NULL. Returns code. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same, and names the field at fault. */
int err_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Puts "context: " before the text; code and field stay. Returns the code in e (ERR_INVALID if e is NULL, which has none). */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Code from errno with "what: reason"; ENOSPC and EDQUOT become ERR_FULL, ENOMEM becomes ERR_NOMEM, the rest ERR_IO. */
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

void err_clear(struct err *e);

/* Short lower-case name of a code ("invalid", "full", …); never NULL. */
const char *err_name(enum err_code code);

#endif
