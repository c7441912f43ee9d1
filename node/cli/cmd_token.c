/* smartnode token: tokens of people and systems, straight in the data directory, also beside a running node. docs/OPERATIONS.md. */
#include <argp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/api/token.h"
#include "node/cli/cli.h"
#include "node/host/datadir.h"
#include "node/view/view.h"

enum {
    OPT_ROLE = 256,
    OPT_NAME,
    OPT_DAYS,
    OPT_MEMBER,
    OPT_MINUTES,
    DAYS_DEFAULT = 365,
    DAYS_MAX = 3650,
    WORDS_MAX = 2
};

struct args {
    const char *data, *role, *name, *member;
    long days, minutes; /* 0 = not said */
    size_t n_words;
    const char *words[WORDS_MAX];
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case 'd': a->data = arg; return 0;
    case OPT_ROLE: a->role = arg; return 0;
    case OPT_NAME: a->name = arg; return 0;
    case OPT_DAYS:
        a->days = strtol(arg, NULL, 10);
        if (a->days < 1 || a->days > DAYS_MAX)
            argp_error(state, "--days: 1 to %d", DAYS_MAX);
        return 0;
    case OPT_MEMBER: a->member = arg; return 0;
    case OPT_MINUTES:
        a->minutes = strtol(arg, NULL, 10);
        if (a->minutes < 1 || a->minutes > TOKEN_MEMBER_MINUTES_MAX)
            argp_error(state, "--minutes: 1 to %d", TOKEN_MEMBER_MINUTES_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (a->n_words == WORDS_MAX)
            argp_error(state, "unexpected argument: %s", arg);
        a->words[a->n_words++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static int
put_row(struct datadir *d, const struct hash *hash, const struct token_row *row, struct err *err)
{
    struct db_txn *txn = NULL;
    struct buf b;
    buf_init(&b, TOKEN_ROW_BYTES_MAX);
    int rc = token_row_encode(row, &b, err);
    if (rc == 0)
        rc = db_begin_write(d->db, &txn, err);
    if (rc == 0)
        rc = db_put(txn, TABLE_TOKENS, slice_of(hash->b, sizeof(hash->b)), buf_slice(&b), err);
    buf_free(&b);
    if (rc != 0) {
        db_abort(&txn);
        return rc;
    }
    return db_commit(&txn, err);
}

/* Wrong usage, said before the directory is looked at. */
static int
check(const struct args *a, const char *verb)
{
    bool create = strcmp(verb, "create") == 0, revoke = strcmp(verb, "revoke") == 0;
    if (!create && !revoke && strcmp(verb, "list") != 0)
        return cli_usage("token create, token list or token revoke ID");
    if (a->n_words != (revoke ? 2 : 1))
        return cli_usage(revoke ? "token revoke needs the id that token list shows" : "token %s takes no argument",
                         verb);
    enum role role = a->role ? role_from_name(a->role) : 0;
    struct subject_id member;
    if (create && role == 0)
        return cli_usage("--role is one of desk, reports, operator, integration, member");
    if (create && (role == ROLE_MEMBER) != (a->member != NULL))
        return cli_usage("--member goes with --role member, and only with it");
    if (create && role == ROLE_MEMBER)
        return !hex_decode(a->member, member.b, ID_BYTES)
                   ? cli_usage("--member is an id of %d hexadecimal digits", 2 * ID_BYTES)
               : a->days || a->name ? cli_usage("a member's token has no name, and ends after --minutes N")
                                    : EXIT_OK;
    if (create && a->minutes)
        return cli_usage("--minutes is for --role member; others end after --days N");
    if (create &&
        (!a->name || a->name[0] == '\0' || strlen(a->name) > NAME_BYTES_MAX || !text_ok(a->name, strlen(a->name))))
        return cli_usage("--name says whose token it is, such as \"desk Ghent 2\": text of at most %d bytes",
                         NAME_BYTES_MAX);
    return EXIT_OK;
}

static int
check_member(struct datadir *d, const struct subject_id *member, struct err *err)
{
    struct db_txn *txn = NULL;
    struct member_row row;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = view_member(txn, member, &d->identity.unit, &row, err);
    if (rc == 0)
        member_row_release(&row);
    db_abort(&txn);
    return rc;
}

static int
row_make(struct datadir *d, const struct args *a, struct token_row *ret, struct err *err)
{
    struct token_row row = {.created = wall_now(), .role = role_from_name(a->role)};
    random_fill(NULL, row.actor.b, sizeof(row.actor.b));
    if (row.role == ROLE_MEMBER) {
        struct subject_id member;
        MUST(hex_decode(a->member, member.b, ID_BYTES));
        *ret = token_row_member(&member, &row.actor, row.created,
                                a->minutes ? (uint64_t)a->minutes : TOKEN_MEMBER_MINUTES);
        return check_member(d, &member, err);
    }
    snprintf(row.name.s, sizeof(row.name.s), "%s", a->name);
    row.expires.ms = row.created.ms + (a->days ? a->days : DAYS_DEFAULT) * 86400000LL;
    *ret = row;
    return 0;
}

static int
token_create(struct datadir *d, const struct args *a, struct err *err)
{
    struct token_row row;
    uint8_t random[TOKEN_RANDOM_BYTES];
    char text[TOKEN_TEXT_MAX];
    struct hash hash;
    int rc = row_make(d, a, &row, err);
    if (rc != 0)
        return rc;
    random_fill(NULL, random, sizeof(random));
    token_text(random, text);
    rc = token_hash(text, TOKEN_TEXT_LEN, &hash, err);
    if (rc == 0)
        rc = put_row(d, &hash, &row, err);
    if (rc == 0) {
        printf("%s\n", text);
        long minutes = (long)((row.expires.ms - row.created.ms) / 60000);
        bool by_days = row.role != ROLE_MEMBER;
        fprintf(stderr, "This is the only time that the token is shown. It ends in %ld %s.\n",
                by_days ? minutes / 1440 : minutes, by_days ? "days" : "minutes");
    }
    sodium_memzero(text, sizeof(text));
    sodium_memzero(random, sizeof(random));
    return rc;
}

struct found {
    struct hash hash;
    struct token_row row;
};

/* Calls each for every token; a non-zero return ends the walk and is returned. */
static int
each_token(struct datadir *d, int (*each)(void *arg, const struct found *f), void *arg, struct err *err)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice k, v;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = db_cursor_open(txn, TABLE_TOKENS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &k, &v, err); rc == 0; rc = db_cursor_next(c, &k, &v, err)) {
        struct found f;
        memcpy(f.hash.b, k.data, sizeof(f.hash.b));
        rc = token_row_decode(v, &f.row, err);
        if (rc == 0)
            rc = each(arg, &f);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
print_token(void *arg, const struct found *f)
{
    char id[2 * TOKEN_ID_BYTES + 1], date[DATE_TEXT_MAX];
    const struct wall_ms *now = arg;
    const char *state = f->row.revoked.ms != 0                                   ? "revoked"
                        : f->row.expires.ms != 0 && f->row.expires.ms <= now->ms ? "expired"
                                                                                 : "valid";
    struct civil_date until = {(int32_t)(f->row.expires.ms / 86400000)};
    hex_encode(f->hash.b, TOKEN_ID_BYTES, id);
    printf("%s\t%s\t%s\t%s\t%s\n", id, role_name(f->row.role), state,
           f->row.expires.ms ? date_format(until, date) : "-", f->row.name.s);
    return 0;
}

struct search {
    const char *id;
    bool found;
    struct found token;
};

static int
match_token(void *arg, const struct found *f)
{
    struct search *s = arg;
    char id[2 * TOKEN_ID_BYTES + 1];
    hex_encode(f->hash.b, TOKEN_ID_BYTES, id);
    if (strcmp(id, s->id) == 0) {
        s->found = true;
        s->token = *f;
    }
    return 0;
}

static int
token_revoke(struct datadir *d, const struct args *a, struct err *err)
{
    struct search s = {.id = a->words[1]};
    int rc = each_token(d, match_token, &s, err);
    if (rc == 0 && !s.found)
        rc = err_set(err, ERR_NOTFOUND, "there is no token %s", s.id);
    if (rc == 0 && s.token.row.revoked.ms == 0) {
        s.token.row.revoked = wall_now();
        rc = put_row(d, &s.token.hash, &s.token.row, err);
    }
    return rc;
}

int
cmd_token(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"data", 'd', "DIR", 0, "The node's data directory", 0},
        {"role", OPT_ROLE, "ROLE", 0, "desk, reports, operator, integration or member", 0},
        {"name", OPT_NAME, "TEXT", 0, "Whose it is", 0},
        {"days", OPT_DAYS, "N", 0, "Days until it ends (default 365)", 0},
        {"member", OPT_MEMBER, "ID", 0, "Whose own data it opens, with --role member", 0},
        {"minutes", OPT_MINUTES, "N", 0, "Minutes until a member's token ends (default 15, at most 1440)", 0},
        {0}};
    static const struct argp argp = {
        options,
        on_option,
        "create --role ROLE --name TEXT\ncreate --role member --member ID\nlist\nrevoke ID",
        "Tokens for the HTTP interface, one for each person or system. Only their hashes are stored.",
        NULL,
        NULL,
        NULL};
    struct args a = {0};
    struct datadir d;
    struct wall_ms now = wall_now();
    char path[PATH_BYTES_MAX];
    struct err err = {0};
    if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
        return EXIT_USAGE;
    const char *verb = a.n_words > 0 ? a.words[0] : "";
    int usage = check(&a, verb);
    if (usage != EXIT_OK)
        return usage;
    if (datadir_find(a.data, path, &err) != 0 || datadir_open(path, DATADIR_ADMIN, &d, &err) != 0)
        return cli_fail(&err);
    int rc = strcmp(verb, "create") == 0   ? token_create(&d, &a, &err)
             : strcmp(verb, "revoke") == 0 ? token_revoke(&d, &a, &err)
                                           : each_token(&d, print_token, &now, &err);
    datadir_close(&d);
    return rc == 0 ? EXIT_OK : cli_fail(&err);
}
