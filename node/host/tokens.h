/* Tokens of members in TABLE_TOKENS: ended when a member's access ends, dropped when they are over. In the writer's transaction. */
#ifndef SMARTNODE_HOST_TOKENS_H
#define SMARTNODE_HOST_TOKENS_H

#include "node/api/token.h"
#include "storage/db.h"

/* Revokes every token of the member that is still good, as of now; *ret_n of them (NULL: not asked). Also for whoever erases a
 * member. Errors of the database, ERR_CORRUPT. */
int tokens_end(struct db_txn *txn, const struct subject_id *member, struct wall_ms now, size_t *ret_n,
               struct err *err) NODISCARD;
/* One more for the member: ERR_LIMIT, field "tokens", where TOKENS_OF_MEMBER_MAX are good. Errors as above. */
enum { TOKENS_OF_MEMBER_MAX = 32 };
int tokens_check_room(struct db_txn *txn, const struct subject_id *member, struct wall_ms now,
                      struct err *err) NODISCARD;
/* Deletes tokens of members that have ended more than a day ago, at most max (256); *ret_n of them. Those of people and systems stay
 * listed. Errors as above. */
int tokens_expire(struct db_txn *txn, struct wall_ms now, size_t max, size_t *ret_n, struct err *err) NODISCARD;

#endif
