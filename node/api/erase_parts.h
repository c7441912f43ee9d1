/* What the files of erasure share: erase.c (orders, confirmations), retention.c (what is due). Private to them. */
#ifndef SMARTNODE_API_ERASE_PARTS_H
#define SMARTNODE_API_ERASE_PARTS_H

#include "node/api/request.h"

enum { CLASSES_ASKED = 5 };
extern const char *const erasable_words[CLASSES_ASKED]; /* by class − 1 */

/* By the unit's country and settings. */
int erase_rules_load(struct request *r, struct retention_rules *ret, struct err *err) NODISCARD;
/* Member "classes" of the body; a fault is in's. *ret is untouched if it is absent. */
void erase_classes_read(struct json_in *in, bool required, uint16_t *ret);
void erase_request_init(struct erase_request *q, enum erase_action action, const struct retention_rules *rules);

#endif
