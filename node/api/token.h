/* Tokens of persons and systems: text, stored row, roles. Only the hash of a token is stored; who has the database has no token.
 * Shared by the server and the command line. Pure, any thread. */
#ifndef SMARTNODE_API_TOKEN_H
#define SMARTNODE_API_TOKEN_H

#include "proto/crypto.h"
#include "proto/event.h"

enum {
    TOKEN_RANDOM_BYTES = 32,
    TOKEN_TEXT_LEN = 4 + 43, /* snt_ and base64url of 32 bytes without padding */
    TOKEN_TEXT_MAX = TOKEN_TEXT_LEN + 1,
    TOKEN_ROW_BYTES_MAX = 1 + 1 + ID_BYTES + ID_BYTES + 3 * 8 + 2 + NAME_BYTES_MAX,
    TOKEN_ID_BYTES = 16,       /* of the hash: how people name a token */
    TOKEN_MEMBER_MINUTES = 15, /* a member's, unless said otherwise */
    TOKEN_MEMBER_MINUTES_MAX = 24 * 60,
};

enum role { ROLE_DESK = 1, ROLE_REPORTS = 2, ROLE_OPERATOR = 4, ROLE_INTEGRATION = 8, ROLE_MEMBER = 16 };

/* "desk", "reports", … ; NULL for anything but one role. */
const char *role_name(enum role role);
/* 0 if there is none of that name. */
enum role role_from_name(const char *name);

/* TABLE_TOKENS: version u8 = 1, role u8, actor 16, subject 16 (zero but for members), created, expires, revoked i64, name length u16,
 * name. */
struct token_row {
    enum role role;
    struct actor_id actor;                    /* stands in every event that this token writes */
    struct subject_id subject;                /* ROLE_MEMBER: whose data; else zero */
    struct wall_ms created, expires, revoked; /* expires, revoked: 0 = never */
    struct name name;                         /* for the operator: "desk Ghent 2" */
};

/* The text of a new token from 32 random bytes, and its hash. */
void token_text(const uint8_t random[TOKEN_RANDOM_BYTES], char out[TOKEN_TEXT_MAX]);
/* ERR_INVALID if the text has not the form of a token. */
int token_hash(const char *text, size_t len, struct hash *ret, struct err *err) NODISCARD;

/* The row of a token for one member's own data, which ends after minutes (1 … TOKEN_MEMBER_MINUTES_MAX, MUST). */
struct token_row token_row_member(const struct subject_id *member, const struct actor_id *actor, struct wall_ms now,
                                  uint64_t minutes);
/* Appends the row. ERR_INVALID: role, name, or a member's token without subject. */
int token_row_encode(const struct token_row *row, struct buf *out, struct err *err) NODISCARD;
int token_row_decode(struct slice bytes, struct token_row *ret, struct err *err) NODISCARD; /* ERR_CORRUPT */
/* ERR_DENIED: expired or revoked. */
int token_row_check(const struct token_row *row, struct wall_ms now, struct err *err) NODISCARD;

#endif
