/* Whose an activity, invoice or posting is: rows, and what is staged for the next commit. See vault.h. */
#include "storage/vault_private.h"

enum {
    ENTRIES_FIRST = 256,
};

_Static_assert(sizeof(struct index_entry) == VAULT_TOKEN_BYTES + ID_BYTES, "an index entry is its key");

struct staged_link {
    struct subject_id member;
    uint8_t flags;
    struct unit_id unit;
};

/* ---- rows ----------------------------------------------------------------------------------- */

int
links_write(struct vault *v, struct db_txn *txn, const struct vault_link *links, size_t n, struct err *err)
{
    struct wrap_nonces nonces = {.wanted = n};
    for (size_t i = 0; i < n; i++) {
        struct slice key = slice_of(links[i].entity.b, ID_BYTES);
        uint8_t plain[LINK_PLAIN_ABROAD], *row;
        size_t len = links[i].flags & (LINK_ABROAD | LINK_OTHER_UNIT) ? LINK_PLAIN_ABROAD : LINK_PLAIN;
        memcpy(plain, links[i].member.b, ID_BYTES);
        plain[ID_BYTES] = links[i].flags;
        memcpy(plain + LINK_PLAIN, links[i].unit.b, HASH_BYTES);
        int rc = db_put_reserve(txn, TABLE_LINKS, key, len + WRAP_OVERHEAD, &row, err);
        if (rc != 0)
            return rc;
        vault_wrap_with(v, WRAP_LINK, key, slice_of(plain, len), wrap_nonce(v, &nonces), row);
    }
    return 0;
}

int
link_open(const struct vault *v, struct slice key, struct slice row, struct vault_link *ret)
{
    uint8_t plain[LINK_PLAIN_ABROAD] = {0};
    bool abroad = row.len == LINK_PLAIN_ABROAD + WRAP_OVERHEAD;
    if (key.len != ID_BYTES || vault_unwrap(v, WRAP_LINK, key, row, plain, abroad ? sizeof(plain) : LINK_PLAIN) != 0)
        return ERR_FORGED;
    memcpy(ret->entity.b, key.data, ID_BYTES);
    memcpy(ret->member.b, plain, ID_BYTES);
    ret->flags = plain[ID_BYTES];
    memcpy(ret->unit.b, plain + LINK_PLAIN, HASH_BYTES);
    return 0;
}

int
vault_links_put(struct vault *v, const struct vault_link *links, size_t n, const struct index_entry *entries,
                size_t n_entries, struct err *err)
{
    struct vault_batch b = {.links = links, .n_links = n, .entries = entries, .n_entries = n_entries};
    return vault_put(v, &b, err);
}

static bool
staged_link_get(struct vault *v, const struct subject_id *entity, struct vault_link *ret)
{
    pthread_mutex_lock(&v->staged.lock);
    const struct staged_link *l = map_get(&v->staged.links, entity);
    if (l)
        *ret = (struct vault_link){.entity = *entity, .member = l->member, .flags = l->flags, .unit = l->unit};
    pthread_mutex_unlock(&v->staged.lock);
    return l != NULL;
}

int
vault_link_get(struct vault *v, const struct subject_id *entity, struct vault_link *ret, struct err *err)
{
    struct db_txn *txn;
    struct slice key = slice_of(entity->b, ID_BYTES), row;
    if (staged_link_get(v, entity, ret))
        return 0;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_LINKS, key, &row, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "not linked to a member yet");
    else if (rc == 0 && link_open(v, key, row, ret) != 0)
        rc = err_set(err, ERR_CORRUPT, "vault: a link does not open");
    db_abort(&txn);
    return rc;
}

/* ---- removal -------------------------------------------------------------------------------- */

int
vault_compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, ID_BYTES);
}

struct finding {
    const struct subject_id *sorted;
    size_t n_sorted;
    struct index_entry *found;
    size_t n, cap;
};

static int
find_one(void *arg, const struct index_entry *e, struct err *err)
{
    struct finding *f = arg;
    if (!bsearch(&e->subject, f->sorted, f->n_sorted, sizeof(*f->sorted), vault_compare_ids))
        return 0;
    if (f->n == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : ENTRIES_FIRST;
        struct index_entry *more = reallocarray(f->found, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        f->found = more;
        f->cap = cap;
    }
    f->found[f->n++] = *e;
    return 0;
}

int
vault_entries_of(struct vault *v, struct db_txn *txn, const struct subject_id *sorted, size_t n,
                 struct index_entry **ret, size_t *ret_n, struct err *err)
{
    struct finding f = {.sorted = sorted, .n_sorted = n};
    int rc = lists_walk(v, txn, find_one, &f, err);
    *ret = f.found;
    *ret_n = f.n;
    return rc;
}

int
vault_links_del(struct vault *v, const struct subject_id *entities, size_t n, struct err *err)
{
    struct db_txn *txn = NULL;
    struct index_entry *entries = NULL;
    size_t n_entries = 0;
    uint64_t count = 0;
    if (n == 0)
        return 0;
    struct subject_id *sorted = reallocarray(NULL, n, sizeof(*sorted));
    if (!sorted)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(sorted, entities, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), vault_compare_ids);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc == 0)
        rc = vault_entries_of(v, txn, sorted, n, &entries, &n_entries, err);
    if (rc == 0)
        rc = lists_remove(v, txn, entries, n_entries, &count, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = db_del(txn, TABLE_LINKS, slice_of(sorted[i].b, ID_BYTES), err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    free(entries);
    free(sorted);
    return rc;
}

/* ---- staged --------------------------------------------------------------------------------- */

void
staged_init(struct staged *s)
{
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->links, ID_BYTES, sizeof(struct staged_link), VAULT_STAGED_MAX, NULL);
    map_init(&s->tokens, VAULT_TOKEN_BYTES, sizeof(uint32_t), VAULT_STAGED_MAX, NULL);
}

void
staged_release(struct staged *s)
{
    map_free(&s->links);
    map_free(&s->tokens);
    free(s->entries);
    pthread_mutex_destroy(&s->lock);
}

static bool
grow_entries(struct staged *s, size_t n)
{
    if (s->n + n <= s->cap)
        return true;
    size_t cap = s->cap ? s->cap : ENTRIES_FIRST;
    while (cap < s->n + n)
        cap *= 2;
    struct staged_entry *more = reallocarray(s->entries, cap, sizeof(*more));
    if (!more)
        return false;
    s->entries = more;
    s->cap = cap;
    return true;
}

static bool
stage(struct staged *s, const struct vault_link *link, const struct index_entry *entries, size_t n)
{
    if (!grow_entries(s, n))
        return false;
    struct staged_link *l = map_put(&s->links, &link->entity, NULL);
    if (!l)
        return false;
    *l = (struct staged_link){link->member, link->flags, link->unit};
    for (size_t i = 0; i < n; i++) {
        uint32_t *last = map_put(&s->tokens, entries[i].token, NULL);
        if (!last)
            return false;
        s->entries[s->n] = (struct staged_entry){entries[i], *last};
        *last = (uint32_t)++s->n;
    }
    return true;
}

int
vault_links_stage(struct vault *v, const struct vault_link *link, const struct index_entry *entries, size_t n_entries,
                  struct err *err)
{
    struct staged *s = &v->staged;
    bool full = s->links.count >= VAULT_STAGED_MAX || s->n + n_entries > VAULT_STAGED_MAX;
    if (full)
        return err_set(err, ERR_LIMIT, "more than %d links in one commit", VAULT_STAGED_MAX);
    pthread_mutex_lock(&s->lock);
    bool ok = stage(s, link, entries, n_entries);
    pthread_mutex_unlock(&s->lock);
    return ok ? 0 : err_set(err, ERR_NOMEM, "vault: out of memory");
}

void
vault_links_drop(struct vault *v)
{
    pthread_mutex_lock(&v->staged.lock);
    map_clear(&v->staged.links);
    map_clear(&v->staged.tokens);
    v->staged.n = 0;
    pthread_mutex_unlock(&v->staged.lock);
}

/* In the order of keys: neighbours share pages. */
static int
compare_links(const void *a, const void *b)
{
    return memcmp(&((const struct vault_link *)a)->entity, &((const struct vault_link *)b)->entity, ID_BYTES);
}

int
vault_links_commit(struct vault *v, struct err *err)
{
    const struct staged *s = &v->staged; /* this thread alone changes it */
    size_t n = 0, cursor = 0;
    const void *key;
    void *value;
    if (s->links.count == 0)
        return 0;
    struct vault_link *links = calloc(s->links.count, sizeof(*links));
    struct index_entry *entries = calloc(s->n + 1, sizeof(*entries));
    int rc = links && entries ? 0 : err_set(err, ERR_NOMEM, "vault: out of memory");
    while (rc == 0 && map_next(&s->links, &cursor, &key, &value)) {
        const struct staged_link *l = value;
        memcpy(&links[n].entity, key, ID_BYTES);
        links[n].member = l->member;
        links[n].unit = l->unit;
        links[n++].flags = l->flags;
    }
    for (size_t i = 0; i < s->n && rc == 0; i++)
        entries[i] = s->entries[i].entry;
    if (rc == 0) {
        qsort(links, n, sizeof(*links), compare_links);
        rc = vault_links_put(v, links, n, entries, s->n, err);
    }
    free(links);
    free(entries);
    if (rc == 0)
        vault_links_drop(v);
    return rc;
}

int
staged_append(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], struct id_list *ret, struct err *err)
{
    struct staged *s = &v->staged;
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    const uint32_t *last = s->n > 0 ? map_get(&s->tokens, token) : NULL;
    for (uint32_t i = last ? *last : 0; i > 0 && rc == 0; i = s->entries[i - 1].before)
        rc = ids_add(ret, &s->entries[i - 1].entry.subject, 1, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}
