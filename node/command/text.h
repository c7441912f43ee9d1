/* Text as people enter it: one form to keep, one form to search by. The buffers on the way are wiped, for it is names that pass
 * here. Unicode 15 by libutf8proc. Pure, any thread. */
#ifndef SMARTNODE_COMMAND_TEXT_H
#define SMARTNODE_COMMAND_TEXT_H

#include "proto/base/bytes.h"

enum {
    TEXT_INPUT_MAX = 4096,  /* bytes of one field as entered: a note is the longest */
    TEXT_FOLDED_MAX = 4096, /* bytes of what text_fold makes of it */
};

/* NFC, outer white space off. Refused (ERR_INVALID naming `field`): what is not UTF-8, control characters, line and paragraph
 * separators, direction overrides, unassigned; and what is longer than cap - 1 bytes. out gets the text and a NUL. */
int text_clean(const char *text, const char *field, char *out, size_t cap, struct err *err) NODISCARD;

/* For comparison only: NFKD, marks stripped, case folded, letters that do not decompose (ø, ł, æ …) written as their base
 * letters. out gets the text and a NUL. ERR_INVALID: not UTF-8; ERR_LIMIT: longer than cap - 1 bytes or TEXT_INPUT_MAX. */
int text_fold(const char *text, char *out, size_t cap, struct err *err) NODISCARD;

/* The next word of a folded text (letters and digits), from *cursor on; false at the end. The slice borrows. */
bool text_word(const char **cursor, struct slice *ret);
/* The bytes of the first n characters of valid UTF-8; all of it if it has fewer. *ret_whole: it has exactly n or fewer. */
struct slice text_prefix(struct slice word, size_t n, bool *ret_whole);

#endif
