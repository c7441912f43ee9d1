/* QR codes: libqrencode makes the modules, here they are drawn. */
#include "node/api/qr.h"

#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/pass.h"

enum { DARK = 1, SVG_MM = 40 };

static int
code_new(const char *text, QRcode **ret, struct err *err)
{
    size_t len = strnlen(text, QR_TEXT_MAX + 1);

    if (len == 0) {
        return err_set(err, ERR_INVALID, "QR code: nothing to say");
    }
    if (len > QR_TEXT_MAX) {
        return err_set(err, ERR_LIMIT, "QR code: more than %d bytes", QR_TEXT_MAX);
    }
    /* 8 bits is only the fallback: letters of the alphanumeric set are still packed as such. */
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
    if (code == NULL) {
        return errno == ENOMEM ? err_set(err, ERR_NOMEM, "QR code: out of memory")
                               : err_set(err, ERR_LIMIT, "QR code: the text is too long");
    }
    MUST(code->width > 0 && code->width <= QR_MODULES_MAX);
    *ret = code;
    return 0;
}

static void
code_free(QRcode *code)
{
    pass_wipe(code->data, (size_t)code->width * (size_t)code->width);
    QRcode_free(code);
}

static size_t
side_of(const QRcode *code)
{
    return (size_t)code->width + 2 * QR_QUIET_MODULES;
}

/* Whether the module is dark; x and y count from the corner of the quiet zone, and beyond the code all is light. */
static bool
dark_at(const QRcode *code, size_t x, size_t y)
{
    size_t width = (size_t)code->width;

    if (x < QR_QUIET_MODULES || y < QR_QUIET_MODULES || x >= width + QR_QUIET_MODULES ||
        y >= width + QR_QUIET_MODULES) {
        return false;
    }
    return (code->data[(y - QR_QUIET_MODULES) * width + x - QR_QUIET_MODULES] & DARK) != 0;
}

/* The pixels, a byte each: the number of a colour of the palette. */
static uint8_t *
pixels_new(const QRcode *code, size_t side)
{
    uint8_t *pixels = malloc(side * side);

    for (size_t y = 0; pixels != NULL && y < side; y++) {
        for (size_t x = 0; x < side; x++) {
            pixels[y * side + x] = dark_at(code, x / QR_MODULE_PIXELS, y / QR_MODULE_PIXELS);
        }
    }
    return pixels;
}

static int
png_write(const QRcode *code, struct buf *out, struct err *err)
{
    static const uint8_t palette[] = {255, 255, 255, 0, 0, 0};
    size_t side = side_of(code) * QR_MODULE_PIXELS;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)side,
                       .height = (png_uint_32)side,
                       .format = PNG_FORMAT_RGB_COLORMAP,
                       .colormap_entries = 2};
    png_alloc_size_t bytes = QR_PNG_MAX;
    uint8_t *pixels = pixels_new(code, side);
    uint8_t *to = buf_reserve(out, QR_PNG_MAX);
    int rc = 0;

    if (pixels == NULL) {
        rc = err_set(err, ERR_NOMEM, "QR code: out of memory");
    } else if (to == NULL) {
        rc = buf_check(out, "QR code", err);
    } else if (png_image_write_to_memory(&image, to, &bytes, 0, pixels, 0, palette) == 0) {
        rc = err_set(err, ERR_NOMEM, "QR code as PNG: %s", image.message);
    } else {
        buf_added(out, bytes);
    }
    if (pixels != NULL) {
        pass_wipe(pixels, side * side);
        free(pixels);
    }
    return rc;
}

int
qr_png(const char *text, struct buf *out, struct err *err)
{
    QRcode *code;
    int rc = code_new(text, &code, err);

    if (rc != 0) {
        return rc;
    }
    rc = png_write(code, out, err);
    code_free(code);
    return rc;
}

static void
put_text(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

/* Each run of dark modules of a row as a closed rectangle of one height. */
static void
put_runs(const QRcode *code, size_t y, struct buf *out)
{
    size_t side = side_of(code), x = 0;

    while (x < side) {
        size_t begin = x;
        char run[96];
        while (x < side && dark_at(code, x, y)) {
            x++;
        }
        if (x > begin) {
            snprintf(run, sizeof(run), "M%zu %zuh%zuv1h-%zuz", begin, y, x - begin, x - begin);
            put_text(out, run);
        } else {
            x++;
        }
    }
}

/* buf_check, and on failure the buffer as it was. */
static int
finish(struct buf *out, size_t before, struct err *err)
{
    int rc = buf_check(out, "QR code", err);

    if (rc != 0) {
        out->len = before;
    }
    return rc;
}

int
qr_svg(const char *text, struct buf *out, struct err *err)
{
    QRcode *code;
    char head[320];
    size_t before = out->len;
    int rc = code_new(text, &code, err);

    if (rc != 0) {
        return rc;
    }
    size_t side = side_of(code);
    snprintf(head, sizeof(head),
             "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%dmm\" height=\"%dmm\" viewBox=\"0 0 %zu %zu\" "
             "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%zuv%zuh-%zuz\"/><path fill=\"#000\" d=\"",
             SVG_MM, SVG_MM, side, side, side, side, side);
    put_text(out, head);
    for (size_t y = 0; y < side; y++) {
        put_runs(code, y, out);
    }
    put_text(out, "\"/></svg>\n");
    code_free(code);
    return finish(out, before, err);
}

int
qr_terminal(const char *text, enum qr_ground ground, struct buf *out, struct err *err)
{
    static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};
    QRcode *code;
    size_t before = out->len;
    int rc = code_new(text, &code, err);

    if (rc != 0) {
        return rc;
    }
    size_t side = side_of(code);
    bool ink = ground == QR_ON_LIGHT; /* what is drawn: the dark modules, or the light ones */
    for (size_t y = 0; y < side; y += 2) {
        for (size_t x = 0; x < side; x++) {
            bool upper = dark_at(code, x, y) == ink, lower = dark_at(code, x, y + 1) == ink;
            put_text(out, blocks[upper][lower && y + 1 < side]);
        }
        put_text(out, "\n");
    }
    code_free(code);
    return finish(out, before, err);
}
