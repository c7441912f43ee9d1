/* Text armour of files that people carry: a BEGIN line, base64 in lines of 64, an END line. docs/PROTOCOL.md §11. Pure. */
#ifndef SMARTNODE_PROTO_ARMOUR_H
#define SMARTNODE_PROTO_ARMOUR_H

#include "proto/base/bytes.h"

/* Appends the armour of bytes to out; label is what stands in BEGIN and END ("UNIT CARD"). ERR_LIMIT, ERR_NOMEM. */
int armour_write(const char *label, struct slice bytes, struct buf *out, struct err *err) NODISCARD;

/* Appends the bytes of the one armour in text to out. Nothing but white space may stand around it; its lines may end in CRLF
 * and be of any length. ERR_INVALID, ERR_LIMIT for a text longer than text_max. On failure out is as long as before. */
int armour_read(const char *label, struct slice text, size_t text_max, struct buf *out, struct err *err) NODISCARD;

#endif
