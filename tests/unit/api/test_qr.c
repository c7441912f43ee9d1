/* QR codes: what is drawn has the shape of a code of level M, is the same in every form, and a reader that shares nothing with it
 * (zbarimg) reads the text out of the pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <png.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/api/qr.h"
#include "proto/pass.h"
#include "tests/support/storage.h"

enum { SIDE_MAX = QR_MODULES_MAX + 2 * QR_QUIET_MODULES, SCALE = 4 };

/* A code with its quiet zone; 1 is dark. */
struct grid {
    size_t side;
    uint8_t at[SIDE_MAX][SIDE_MAX];
};

static const char *
pass_text(void)
{
    static char text[PASS_TEXT_MAX];
    struct err err;
    struct pass pass;
    assert_int_equal(crypto_init(&err), 0);
    memset(&pass, 0x5A, sizeof(pass));
    pass.production = true;
    pass_encode(&pass, text);
    return text;
}

static void
out_init(struct buf *out)
{
    buf_init(out, 2 * QR_PNG_MAX);
}

/* ---- the forms back into modules ---- */

static void
grid_of_png(struct slice png, struct grid *g)
{
    static uint8_t pixels[SIDE_MAX * QR_MODULE_PIXELS * SIDE_MAX * QR_MODULE_PIXELS];
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, png.data, png.len));
    assert_int_equal(image.width, image.height);
    assert_int_equal(image.width % QR_MODULE_PIXELS, 0);
    image.format = PNG_FORMAT_GRAY;
    assert_true(PNG_IMAGE_SIZE(image) <= sizeof(pixels));
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    g->side = image.width / QR_MODULE_PIXELS;
    for (size_t y = 0; y < image.height; y++) {
        for (size_t x = 0; x < image.width; x++) {
            uint8_t p = pixels[y * image.width + x];
            assert_true(p == 0 || p == 255);
            uint8_t *module = &g->at[y / QR_MODULE_PIXELS][x / QR_MODULE_PIXELS];
            if (x % QR_MODULE_PIXELS == 0 && y % QR_MODULE_PIXELS == 0)
                *module = p == 0;
            assert_int_equal(*module, p == 0);
        }
    }
}

/* As a terminal shows it: ink is what its blocks are drawn in, 1 for dark letters on a light ground. */
static void
grid_of_terminal(struct slice text, uint8_t ink, struct grid *g)
{
    static const char *const blocks[] = {" ", "\u2580", "\u2584", "\u2588"};
    size_t x = 0, y = 0;
    g->side = 0;
    for (size_t i = 0; i < text.len;) {
        if (text.data[i] == '\n') {
            assert_true(g->side == 0 || x == g->side);
            g->side = x;
            x = 0;
            y += 2;
            i++;
            continue;
        }
        size_t b = 0;
        while (b < ARRAY_LEN(blocks) &&
               (i + strlen(blocks[b]) > text.len || memcmp(text.data + i, blocks[b], strlen(blocks[b])) != 0))
            b++;
        assert_true(b < ARRAY_LEN(blocks));
        assert_true(x < SIDE_MAX && y + 1 < SIDE_MAX);
        g->at[y][x] = (b & 1) ? ink : !ink;
        g->at[y + 1][x] = (b & 2) ? ink : !ink;
        x++;
        i += strlen(blocks[b]);
    }
    assert_int_equal(x, 0);
    assert_int_equal(y, g->side + 1); /* an odd side: half of the last line is beyond the code */
}

static void
grid_of_svg(const char *svg, struct grid *g)
{
    size_t x, y, w, back, box, n_paths = 0;
    memset(g, 0, sizeof(*g));
    for (const char *p = svg; (p = strstr(p, "<path")) != NULL; p++)
        n_paths++;
    assert_int_equal(n_paths, 2); /* the ground and the code */
    assert_int_equal(sscanf(strstr(svg, "viewBox"), "viewBox=\"0 0 %zu %zu\"", &g->side, &box), 2);
    assert_int_equal(g->side, box);
    const char *p = strstr(svg, "fill=\"#000\" d=\"");
    assert_non_null(p);
    for (p = strchr(p, 'd') + 3; *p == 'M'; p = strchr(p, 'z') + 1) {
        assert_int_equal(sscanf(p, "M%zu %zuh%zuv1h-%zuz", &x, &y, &w, &back), 4);
        assert_int_equal(w, back);
        assert_true(w > 0 && x + w <= g->side && y < g->side);
        for (size_t i = 0; i < w; i++) {
            assert_int_equal(g->at[y][x + i], 0);
            g->at[y][x + i] = 1;
        }
    }
    assert_string_equal(p, "\"/></svg>\n");
}

static void
same(const struct grid *a, const struct grid *b)
{
    assert_int_equal(a->side, b->side);
    for (size_t y = 0; y < a->side; y++)
        assert_memory_equal(a->at[y], b->at[y], a->side);
}

static void
png_grid(const char *text, struct grid *g)
{
    struct err err = {0};
    struct buf out;
    out_init(&out);
    assert_int_equal(qr_png(text, &out, &err), 0);
    grid_of_png(buf_slice(&out), g);
    buf_free(&out);
}

/* ---- shape ---- */

static void
finder_at(const struct grid *g, size_t left, size_t top)
{
    for (size_t y = 0; y < 7; y++) {
        for (size_t x = 0; x < 7; x++) {
            size_t dx = x < 3 ? 3 - x : x - 3, dy = y < 3 ? 3 - y : y - 3;
            size_t ring = dx > dy ? dx : dy;
            assert_int_equal(g->at[top + y][left + x], ring != 2);
        }
    }
}

static void
a_code_has_finders_timing_and_a_quiet_zone(void **state)
{
    static struct grid g;
    png_grid(pass_text(), &g);
    size_t q = QR_QUIET_MODULES, width = g.side - 2 * q;
    assert_int_equal((width - 17) % 4, 0);
    finder_at(&g, q, q);
    finder_at(&g, q + width - 7, q);
    finder_at(&g, q, q + width - 7);
    for (size_t i = 8; i < width - 8; i++) {
        assert_int_equal(g.at[q + 6][q + i], i % 2 == 0);
        assert_int_equal(g.at[q + i][q + 6], i % 2 == 0);
    }
    for (size_t y = 0; y < g.side; y++)
        for (size_t x = 0; x < g.side; x++)
            if (x < q || y < q || x >= q + width || y >= q + width)
                assert_int_equal(g.at[y][x], 0);
}

static void
a_pass_is_a_code_of_version_6_and_level_m(void **state)
{
    static struct grid g;
    png_grid(pass_text(), &g);
    size_t q = QR_QUIET_MODULES;
    assert_int_equal(g.side, 17 + 4 * 6 + 2 * q); /* only the alphanumeric mode gets 129 letters in there */
    /* The level is the first two bits of the format, over the mask 10: level M, 00, stands as 10. */
    assert_int_equal(g.at[q + 8][q], 1);
    assert_int_equal(g.at[q + 8][q + 1], 0);
}

static void
all_forms_show_the_same_code(void **state)
{
    static struct grid png, other;
    struct err err = {0};
    struct buf out;
    out_init(&out);
    png_grid(pass_text(), &png);
    assert_int_equal(qr_svg(pass_text(), &out, &err), 0);
    buf_put_u8(&out, 0);
    grid_of_svg((const char *)out.data, &other);
    same(&png, &other);
    buf_clear(&out);
    assert_int_equal(qr_terminal(pass_text(), QR_ON_LIGHT, &out, &err), 0);
    grid_of_terminal(buf_slice(&out), 1, &other);
    same(&png, &other);
    buf_clear(&out);
    assert_int_equal(qr_terminal(pass_text(), QR_ON_DARK, &out, &err), 0);
    grid_of_terminal(buf_slice(&out), 0, &other);
    same(&png, &other);
    buf_free(&out);
}

/* ---- another reader ---- */

static void
write_file(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

/* zbarimg's word for what the picture says. */
static void
expect_read(const char *dir, const char *name, struct slice picture, const char *wanted)
{
    char path[TEST_PATH_MAX + 16], got[QR_TEXT_MAX + 2];
    static char words[][20] = {"zbarimg", "--quiet", "--nodbus", "--raw", "-Sdisable", "-Sqrcode.enable"};
    char *argv[ARRAY_LEN(words) + 2];
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    pid_t pid;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        argv[i] = words[i];
    argv[ARRAY_LEN(words)] = path;
    argv[ARRAY_LEN(words) + 1] = NULL;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    write_file(path, picture);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, ends[0]), 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ), 0);
    close(ends[1]);
    size_t n = 0;
    for (ssize_t more; n < sizeof(got) - 1 && (more = read(ends[0], got + n, sizeof(got) - 1 - n)) > 0;)
        n += (size_t)more;
    got[n] = '\0';
    close(ends[0]);
    posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(strlen(got), strlen(wanted) + 1);
    assert_memory_equal(got, wanted, strlen(wanted));
}

/* What a camera sees of a terminal, as a PGM. */
static void
photograph(const struct grid *g, struct buf *out)
{
    char head[64];
    size_t side = g->side * SCALE;
    snprintf(head, sizeof(head), "P5\n%zu %zu\n255\n", side, side);
    buf_put(out, head, strlen(head));
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            buf_put_u8(out, g->at[y / SCALE][x / SCALE] ? 0 : 255);
    assert_false(out->failed);
}

static void
another_program_reads_the_text_out_of_a_png(void **state)
{
    const char *const texts[] = {pass_text(), "7", "https://example.org/a?b=c"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err err = {0};
        struct buf out;
        char dir[TEST_PATH_MAX];
        test_dir_make(dir);
        out_init(&out);
        assert_int_equal(qr_png(texts[i], &out, &err), 0);
        expect_read(dir, "code.png", buf_slice(&out), texts[i]);
        buf_free(&out);
        test_dir_remove(dir);
    }
}

static void
another_program_reads_the_text_off_a_terminal_dark_or_light(void **state)
{
    static struct grid g;
    for (enum qr_ground ground = QR_ON_DARK; ground <= QR_ON_LIGHT; ground++) {
        struct err err = {0};
        struct buf out, picture;
        char dir[TEST_PATH_MAX];
        test_dir_make(dir);
        out_init(&out);
        out_init(&picture);
        assert_int_equal(qr_terminal(pass_text(), ground, &out, &err), 0);
        grid_of_terminal(buf_slice(&out), ground == QR_ON_LIGHT, &g);
        photograph(&g, &picture);
        expect_read(dir, "terminal.pgm", buf_slice(&picture), pass_text());
        buf_free(&picture);
        buf_free(&out);
        test_dir_remove(dir);
    }
}

/* ---- what it must not do ---- */

static void
a_png_says_nothing_but_the_code(void **state)
{
    static const char *const chunks[] = {"IHDR", "PLTE", "IDAT", "IEND", "sRGB", "gAMA"};
    struct err err = {0};
    struct buf out;
    out_init(&out);
    assert_int_equal(qr_png(pass_text(), &out, &err), 0);
    struct reader r = reader_of(buf_slice(&out));
    (void)reader_bytes(&r, 8);
    while (reader_left(&r) > 0) {
        uint32_t len = reader_u32(&r);
        struct slice type = reader_bytes(&r, 4);
        size_t i = 0;
        while (i < ARRAY_LEN(chunks) && memcmp(chunks[i], type.data, 4) != 0)
            i++;
        if (i == ARRAY_LEN(chunks))
            fail_msg("chunk %.4s", (const char *)type.data);
        (void)reader_bytes(&r, len);
        (void)reader_u32(&r);
    }
    assert_true(reader_done(&r));
    buf_free(&out);
}

static void
what_cannot_be_drawn_leaves_the_buffer_as_it_was(void **state)
{
    static char longest[QR_TEXT_MAX + 2];
    int (*const forms[])(const char *, struct buf *, struct err *) = {qr_png, qr_svg};
    memset(longest, 'a', QR_TEXT_MAX + 1);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct err err = {0};
        struct buf out, small;
        out_init(&out);
        buf_put(&out, "before", 6);
        assert_int_equal(forms[i]("", &out, &err), ERR_INVALID);
        assert_int_equal(forms[i](longest, &out, &err), ERR_LIMIT);
        assert_int_equal(out.len, 6);
        assert_int_equal(forms[i](longest + 1, &out, &err), 0);
        buf_free(&out);
        buf_init(&small, 100);
        buf_put(&small, "before", 6);
        assert_int_equal(forms[i]("text", &small, &err), ERR_LIMIT);
        assert_int_equal(small.len, 6);
        buf_free(&small);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_has_finders_timing_and_a_quiet_zone),
        cmocka_unit_test(a_pass_is_a_code_of_version_6_and_level_m),
        cmocka_unit_test(all_forms_show_the_same_code),
        cmocka_unit_test(another_program_reads_the_text_out_of_a_png),
        cmocka_unit_test(another_program_reads_the_text_off_a_terminal_dark_or_light),
        cmocka_unit_test(a_png_says_nothing_but_the_code),
        cmocka_unit_test(what_cannot_be_drawn_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests_name("qr", tests, NULL, NULL);
}
