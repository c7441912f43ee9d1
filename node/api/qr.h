/* A text as a QR code: as picture for screen and paper (PNG, SVG) and for a terminal. ISO/IEC 18004, error correction level M, the
 * smallest version that holds the text; a quiet zone of four modules on each side is part of every form. What is drawn may be a
 * secret (a pass): buffers of this module are wiped, and nothing but the code is in a picture: no text, name, place or time.
 * Pure, any thread. */
#ifndef SMARTNODE_API_QR_H
#define SMARTNODE_API_QR_H

#include "proto/base/bytes.h"

enum {
    QR_TEXT_MAX = 1024,   /* bytes */
    QR_MODULES_MAX = 177, /* on a side: version 40 */
    QR_QUIET_MODULES = 4, /* around it */
    QR_MODULE_PIXELS = 8, /* in a PNG; a pass has 49 modules with its quiet zone: 392 pixels */
    QR_PNG_MAX = 262144,  /* bytes that out must be able to take */
    QR_SVG_MAX = 262144,
    QR_TERMINAL_MAX = 65536,
};

/* What the terminal writes on. The light modules are drawn on a dark ground and the dark ones on a light ground, so that a camera
 * sees dark on light in both. */
enum qr_ground { QR_ON_DARK, QR_ON_LIGHT };

/* Each appends the code of text (1 … QR_TEXT_MAX bytes, no NUL inside) to out, which is the caller's and may fail the call if its
 * max is too small. On failure out is as long as before.
 * ERR_INVALID: empty. ERR_LIMIT: more than QR_TEXT_MAX, or out is full. ERR_NOMEM. */
/* Black on white, one bit a pixel. */
int qr_png(const char *text, struct buf *out, struct err *err) NODISCARD;
/* One path in black on a white ground, in units of a module; edges are not smoothed. It has no size of its own but 40 mm. */
int qr_svg(const char *text, struct buf *out, struct err *err) NODISCARD;
/* UTF-8, a line for every two rows of modules, in half blocks (U+2580, U+2584, U+2588) and spaces; no colours, no escapes. */
int qr_terminal(const char *text, enum qr_ground ground, struct buf *out, struct err *err) NODISCARD;

#endif
