/* Tokens: text form, hash, stored row. */
#include "node/api/token.h"

enum { TOKEN_ROW_VERSION = 1, TOKEN_ROW_FIXED = 1 + 1 + 2 * ID_BYTES + 3 * 8 + 2 };

static const char token_prefix[] = "snt_";
static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static const struct {
    enum role role;
    const char *name;
} roles[] = {
    {ROLE_DESK, "desk"},     {ROLE_REPORTS, "reports"}, {ROLE_OPERATOR, "operator"}, {ROLE_INTEGRATION, "integration"},
    {ROLE_MEMBER, "member"},
};

const char *
role_name(enum role role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (roles[i].role == role) {
            return roles[i].name;
        }
    }
    return NULL;
}

enum role
role_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return roles[i].role;
        }
    }
    return 0;
}

void
token_text(const uint8_t random[TOKEN_RANDOM_BYTES], char out[TOKEN_TEXT_MAX])
{
    size_t n = sizeof(token_prefix) - 1;
    uint32_t bits = 0;
    unsigned have = 0;

    memcpy(out, token_prefix, n);
    for (size_t i = 0; i < TOKEN_RANDOM_BYTES; i++) {
        bits = bits << 8 | random[i];
        for (have += 8; have >= 6; have -= 6) {
            out[n++] = base64url[bits >> (have - 6) & 63];
        }
    }
    out[n++] = base64url[bits << (6 - have) & 63];
    out[n] = '\0';
    MUST(n == TOKEN_TEXT_LEN);
}

int
token_hash(const char *text, size_t len, struct hash *ret, struct err *err)
{
    size_t prefix = sizeof(token_prefix) - 1;

    if (len != TOKEN_TEXT_LEN || memcmp(text, token_prefix, prefix) != 0) {
        return err_field(err, ERR_INVALID, "authorization", "not a token of this program");
    }
    for (size_t i = prefix; i < len; i++) {
        if (text[i] == '\0' || strchr(base64url, text[i]) == NULL) {
            return err_field(err, ERR_INVALID, "authorization", "not a token of this program");
        }
    }
    *ret = crypto_hash1("smart.token", slice_of(text, len));
    return 0;
}

static bool
subject_is_set(const struct subject_id *s)
{
    static const struct subject_id zero;

    return !TYPE_EQ(s, &zero);
}

static const char *
row_wrong(const struct token_row *row, size_t name_len)
{
    if (role_name(row->role) == NULL) {
        return "role";
    }
    if (name_len > NAME_BYTES_MAX || !text_ok(row->name.s, name_len)) {
        return "name";
    }
    if (subject_is_set(&row->subject) != (row->role == ROLE_MEMBER)) {
        return "member";
    }
    return NULL;
}

struct token_row
token_row_member(const struct subject_id *member, const struct actor_id *actor, struct wall_ms now, uint64_t minutes)
{
    MUST(minutes > 0 && minutes <= TOKEN_MEMBER_MINUTES_MAX);
    return (struct token_row){
        .role = ROLE_MEMBER,
        .actor = *actor,
        .subject = *member,
        .created = now,
        .expires.ms = now.ms + (int64_t)minutes * 60000,
        .name.s = "member",
    };
}

int
token_row_encode(const struct token_row *row, struct buf *out, struct err *err)
{
    size_t name_len = strnlen(row->name.s, sizeof(row->name.s));
    const char *wrong = row_wrong(row, name_len);

    if (wrong != NULL) {
        return err_field(err, ERR_INVALID, wrong, "of the token is not allowed");
    }
    buf_put_u8(out, TOKEN_ROW_VERSION);
    buf_put_u8(out, (uint8_t)row->role);
    buf_put(out, row->actor.b, ID_BYTES);
    buf_put(out, row->subject.b, ID_BYTES);
    buf_put_u64(out, (uint64_t)row->created.ms);
    buf_put_u64(out, (uint64_t)row->expires.ms);
    buf_put_u64(out, (uint64_t)row->revoked.ms);
    buf_put_u16(out, (uint16_t)name_len);
    buf_put(out, row->name.s, name_len);
    return buf_check(out, "token", err);
}

int
token_row_decode(struct slice bytes, struct token_row *ret, struct err *err)
{
    struct reader r = reader_of(bytes);
    struct token_row row = {0};
    uint8_t version = reader_u8(&r);

    row.role = (enum role)reader_u8(&r);
    reader_copy(&r, row.actor.b, ID_BYTES);
    reader_copy(&r, row.subject.b, ID_BYTES);
    row.created.ms = (int64_t)reader_u64(&r);
    row.expires.ms = (int64_t)reader_u64(&r);
    row.revoked.ms = (int64_t)reader_u64(&r);
    size_t name_len = reader_u16(&r);
    if (r.failed || version != TOKEN_ROW_VERSION || name_len > NAME_BYTES_MAX) {
        return err_set(err, ERR_CORRUPT, "token row");
    }
    reader_copy(&r, row.name.s, name_len);
    if (!reader_done(&r) || row_wrong(&row, name_len) != NULL) {
        return err_set(err, ERR_CORRUPT, "token row");
    }
    *ret = row;
    return 0;
}

int
token_row_check(const struct token_row *row, struct wall_ms now, struct err *err)
{
    if (row->revoked.ms != 0) {
        return err_field(err, ERR_DENIED, "authorization", "the token was revoked");
    }
    if (row->expires.ms != 0 && now.ms >= row->expires.ms) {
        return err_field(err, ERR_DENIED, "authorization", "the token has expired");
    }
    return 0;
}
