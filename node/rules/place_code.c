/* The bytes of a place row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row   = version (1) ‖ text unit code ‖ varint entries ‖ entry …          (an office's unit code is empty)
 *   entry = head ‖ facts ‖ references
 *   facts = kinds 17, 18: text name ‖ text city ‖ country (2); kind 16: text name ‖ country (2) ‖ currency (3) ‖
 *           languages (1) ‖ text … ‖ text time zone ‖ varint contribution ‖ varint share price; kinds 20, 21: there (1) ‖ [custodian (32)];
 *           none for others and unknown versions
 *   text  = length (1) ‖ bytes */
#include "node/rules/place.h"
#include "node/rules/row_code.h"

enum { COUNTRY_LEN = 2 };

static void
put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    buf_put_u8(out, (uint8_t)len);
    buf_put(out, text, len);
}

static void
read_text(struct reader *in, char *ret, size_t size)
{
    uint8_t len = reader_u8(in);
    if (len >= size) {
        in->failed = true;
        return;
    }
    reader_copy(in, ret, len);
    ret[in->failed ? 0 : len] = '\0';
    in->failed = in->failed || strlen(ret) != len;
}

static void
put_facts(struct buf *out, const struct row_entry *head)
{
    const struct place_entry *e = (const struct place_entry *)head;
    if (e->kind == KIND_OFFICE_OPENED || e->kind == KIND_OFFICE_CHANGED) {
        put_text(out, e->facts.name.s);
        put_text(out, e->facts.city.s);
        buf_put(out, e->facts.country, COUNTRY_LEN);
    } else if (e->kind == KIND_UNIT_DESCRIBED) {
        put_text(out, e->unit.name.s);
        buf_put(out, e->unit.country, COUNTRY_LEN);
        buf_put(out, e->unit.currency, CURRENCY_MAX - 1);
        buf_put_u8(out, e->unit.n_languages);
        for (uint8_t i = 0; i < e->unit.n_languages; i++) {
            put_text(out, e->unit.languages[i]);
        }
        put_text(out, e->unit.time_zone.s);
        buf_put_varint(out, e->unit.contribution_bp);
        buf_put_varint(out, (uint64_t)e->unit.share_price_minor);
    } else if (e->kind == KIND_CUSTODIAN_NAMED || e->kind == KIND_UNIT_CLOSED) {
        buf_put_u8(out, e->has_custodian);
        if (e->has_custodian) {
            buf_put(out, e->custodian.b, sizeof(e->custodian.b));
        }
    }
}

static void
read_unit(struct reader *in, struct unit_described *u)
{
    read_text(in, u->name.s, sizeof(u->name.s));
    reader_copy(in, u->country, COUNTRY_LEN);
    reader_copy(in, u->currency, CURRENCY_MAX - 1);
    uint8_t n = reader_u8(in);
    if (n > UNIT_LANGUAGES_MAX) {
        in->failed = true;
        return;
    }
    u->n_languages = n;
    for (uint8_t i = 0; i < n; i++) {
        read_text(in, u->languages[i], sizeof(u->languages[i]));
    }
    read_text(in, u->time_zone.s, sizeof(u->time_zone.s));
    uint64_t bp = reader_varint(in);
    uint64_t price = reader_varint(in);
    if (bp > 10000 || price > SHARE_PRICE_MINOR_MAX) {
        in->failed = true;
        return;
    }
    u->contribution_bp = (uint32_t)bp;
    u->share_price_minor = (int64_t)price;
}

static void
read_facts(struct reader *in, struct row_entry *head)
{
    struct place_entry *e = (struct place_entry *)head;
    if (e->kind == KIND_OFFICE_OPENED || e->kind == KIND_OFFICE_CHANGED) {
        read_text(in, e->facts.name.s, sizeof(e->facts.name.s));
        read_text(in, e->facts.city.s, sizeof(e->facts.city.s));
        reader_copy(in, e->facts.country, COUNTRY_LEN);
    } else if (e->kind == KIND_UNIT_DESCRIBED) {
        read_unit(in, &e->unit);
    } else if (e->kind == KIND_CUSTODIAN_NAMED || e->kind == KIND_UNIT_CLOSED) {
        uint8_t there = reader_u8(in);
        e->has_custodian = there == 1;
        in->failed = in->failed || there > 1;
        if (e->has_custodian) {
            reader_copy(in, e->custodian.b, sizeof(e->custodian.b));
        }
    }
}

static const struct row_layout layout = {
    .type = &place_row_type, .entries_max = PLACE_ROW_MAX, .put = put_facts, .read = read_facts};
static const struct row_dated all_dated;

int
place_row_encode(const struct place_row *r, struct buf *out, struct err *err)
{
    struct row row = ROW_OF(&place_row_type, r, NULL);
    buf_put_u8(out, ROW_VERSION);
    put_text(out, r->unit_code);
    row_entries_put(out, &row, &layout, all_dated);
    return buf_check(out, "place row", err);
}

int
place_row_decode(struct slice bytes, const struct unit_id *unit, const struct office_id *office, struct place_row *ret,
                 struct err *err)
{
    struct reader in = reader_of(bytes);
    struct place_row read;
    struct row row;
    place_row_init(&read, unit, office);
    uint8_t version = reader_u8(&in);
    read_text(&in, read.unit_code, sizeof(read.unit_code));
    in.failed = in.failed || version != ROW_VERSION;
    int rc = row_entries_read(&in, &layout, all_dated, &row, err);
    if (rc != 0) {
        return rc;
    }
    ROW_BACK(&read, row);
    *ret = read;
    return 0;
}
