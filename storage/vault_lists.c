/* Lists of the blind index: the subjects under a token, in pages. A page is one wrapped value, so that nothing on the disk says what
 * stands under which token, and its key is the token (page 0) or a keyed hash of token and number (the others), so that nothing says
 * which pages belong together. docs/STORAGE.md "Blind index".
 *
 * Invariants: (1) a list has 2^depth pages, depth stands in page 0; a subject is in the page that the low bits of a hash under the
 * token name, so an entry is looked for and added in one page whatever the length of the list; (2) pages are padded to 1, 4, 16 or 64
 * entries, those of longer lists to 64; (3) an empty page does not exist, except page 0 of a list that has others; (4) subjects in a
 * page are in order, each once; (5) a list that lost entries is stored anew in as few pages as it needs: it leaves no trace that it
 * was longer. */
#include "storage/vault_private.h"

#include <stdlib.h>

enum {
    PAGE_ENTRIES = 64,
    PAGE_HEAD = 2, /* depth u8, or PAGE_LATER ‖ entries u8 */
    PAGE_PLAIN_MAX = PAGE_HEAD + VAULT_TOKEN_BYTES + PAGE_ENTRIES * ID_BYTES,
    PAGE_LATER = 0x80, /* not page 0: the token of its list follows */
    DEPTH_MAX = 20,    /* 32 million entries of one token */
    FILLED = PAGE_ENTRIES / 2,
};

_Static_assert((int)VAULT_TOKEN_BYTES == (int)crypto_shorthash_KEYBYTES, "a token is the key of its hash");
_Static_assert((int)VAULT_TOKEN_BYTES == (int)ID_BYTES, "a row is named by its key in associated data");

struct page {
    uint8_t key[VAULT_TOKEN_BYTES];
    uint8_t token[VAULT_TOKEN_BYTES];
    bool later;
    uint8_t depth; /* of page 0 */
    size_t n;
    struct subject_id ids[PAGE_ENTRIES];
};

/* A subject and its page. */
struct placed {
    uint32_t page;
    struct subject_id id;
};

/* ---- pages ---- */

static void
page_key(const struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], uint32_t no, uint8_t out[VAULT_TOKEN_BYTES])
{
    uint8_t text[VAULT_TOKEN_BYTES + 4];
    memcpy(text, token, VAULT_TOKEN_BYTES);
    be32_put(text + VAULT_TOKEN_BYTES, no);
    if (no == 0)
        memcpy(out, token, VAULT_TOKEN_BYTES);
    else
        vault_label(v, LABEL_PAGE, slice_of(text, sizeof(text)), out);
}

static uint32_t
page_of(const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *id, uint8_t depth)
{
    uint8_t hash[crypto_shorthash_BYTES];
    if (depth == 0)
        return 0;
    crypto_shorthash(hash, id->b, ID_BYTES, token);
    return be32_get(hash) & (((uint32_t)1 << depth) - 1);
}

static int
page_decode(const struct vault *v, struct slice key, struct slice row, struct page *ret)
{
    uint8_t plain[PAGE_PLAIN_MAX];
    if (key.len != VAULT_TOKEN_BYTES || row.len < WRAP_OVERHEAD + PAGE_HEAD ||
        row.len > WRAP_OVERHEAD + sizeof(plain) ||
        vault_unwrap(v, WRAP_INDEX_PAGE, key, row, plain, row.len - WRAP_OVERHEAD) != 0)
        return ERR_CORRUPT;
    ret->later = plain[0] == PAGE_LATER;
    ret->depth = ret->later ? 0 : plain[0];
    ret->n = plain[1];
    size_t head = PAGE_HEAD + (ret->later ? VAULT_TOKEN_BYTES : 0);
    if (ret->depth > DEPTH_MAX || ret->n > PAGE_ENTRIES || head + ret->n * ID_BYTES > row.len - WRAP_OVERHEAD)
        return ERR_CORRUPT;
    memcpy(ret->key, key.data, sizeof(ret->key));
    memcpy(ret->token, ret->later ? plain + PAGE_HEAD : key.data, sizeof(ret->token));
    memcpy(ret->ids, plain + head, ret->n * ID_BYTES);
    return 0;
}

/* One that is not there is empty. */
static int
page_read(const struct vault *v, struct db_txn *txn, const uint8_t token[VAULT_TOKEN_BYTES], uint32_t no,
          struct page *ret, struct err *err)
{
    uint8_t key[VAULT_TOKEN_BYTES];
    struct slice row;
    page_key(v, token, no, key);
    int rc = db_get(txn, TABLE_INDEX_LISTS, slice_of(key, sizeof(key)), &row, err);
    if (rc == ERR_NOTFOUND) {
        ret->later = no > 0;
        ret->depth = 0;
        ret->n = 0;
        memcpy(ret->key, key, sizeof(ret->key));
        memcpy(ret->token, token, sizeof(ret->token));
        err_clear(err);
        return 0;
    }
    if (rc == 0 && (page_decode(v, slice_of(key, sizeof(key)), row, ret) != 0 || ret->later != (no > 0)))
        rc = err_set(err, ERR_CORRUPT, "vault: a page of the index does not open");
    return rc;
}

static size_t
room_for(const struct page *p)
{
    if (p->later || p->depth > 0 || p->n > 16)
        return PAGE_ENTRIES;
    return p->n > 4 ? 16 : p->n > 1 ? 4 : 1;
}

static int
page_write(struct vault *v, struct db_txn *txn, const struct page *p, struct wrap_nonces *nonces, struct err *err)
{
    uint8_t plain[PAGE_PLAIN_MAX] = {p->later ? PAGE_LATER : p->depth, (uint8_t)p->n};
    struct slice key = slice_of(p->key, sizeof(p->key));
    size_t head = PAGE_HEAD + (p->later ? VAULT_TOKEN_BYTES : 0), len = head + room_for(p) * ID_BYTES;
    uint8_t *row;
    if (p->n == 0 && p->depth == 0)
        return db_del(txn, TABLE_INDEX_LISTS, key, err);
    if (p->later)
        memcpy(plain + PAGE_HEAD, p->token, VAULT_TOKEN_BYTES);
    memcpy(plain + head, p->ids, p->n * ID_BYTES);
    if (nonces->left == 0 && nonces->wanted == 0)
        nonces->wanted = WRAP_NONCES_MAX;
    int rc = db_put_reserve(txn, TABLE_INDEX_LISTS, key, len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap_with(v, WRAP_INDEX_PAGE, key, slice_of(plain, len), wrap_nonce(v, nonces), row);
    return rc;
}

/* False: no room. */
static bool
page_insert(struct page *p, const struct subject_id *id, bool *changed)
{
    size_t low = 0, high = p->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = memcmp(&p->ids[mid], id, ID_BYTES);
        if (c == 0)
            return true;
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    if (p->n == PAGE_ENTRIES)
        return false;
    memmove(&p->ids[low + 1], &p->ids[low], (p->n - low) * sizeof(p->ids[0]));
    p->ids[low] = *id;
    p->n++;
    *changed = true;
    return true;
}

/* ---- whole lists ---- */

void
ids_free(struct id_list *l)
{
    free(l->v);
    *l = (struct id_list){0};
}

int
ids_add(struct id_list *l, const void *ids, size_t n, struct err *err)
{
    if (l->n + n > l->cap) {
        size_t cap = l->cap * 2 > l->n + n ? l->cap * 2 : l->n + n + PAGE_ENTRIES;
        struct subject_id *more = reallocarray(l->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        l->v = more;
        l->cap = cap;
    }
    if (n > 0)
        memcpy(&l->v[l->n], ids, n * sizeof(*l->v));
    l->n += n;
    return 0;
}

void
ids_sort(struct id_list *l)
{
    size_t n = 0;
    if (l->n < 2)
        return;
    qsort(l->v, l->n, sizeof(*l->v), vault_compare_ids);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || !TYPE_EQ(&l->v[i], &l->v[n - 1]))
            l->v[n++] = l->v[i];
    l->n = n;
}

static int
list_load(const struct vault *v, struct db_txn *txn, const uint8_t token[VAULT_TOKEN_BYTES], struct id_list *ret,
          uint8_t *ret_depth, struct err *err)
{
    struct page p;
    int rc = page_read(v, txn, token, 0, &p, err);
    if (rc != 0)
        return rc;
    *ret_depth = p.depth;
    rc = ids_add(ret, p.ids, p.n, err);
    for (uint32_t no = 1; rc == 0 && no < (uint32_t)1 << *ret_depth; no++) {
        rc = page_read(v, txn, token, no, &p, err);
        if (rc == 0)
            rc = ids_add(ret, p.ids, p.n, err);
    }
    return rc;
}

int
list_read(const struct vault *v, struct db_txn *txn, const uint8_t token[VAULT_TOKEN_BYTES], struct id_list *ret,
          struct err *err)
{
    uint8_t depth;
    return list_load(v, txn, token, ret, &depth, err);
}

int
list_has(const struct vault *v, struct db_txn *txn, const struct index_entry *e, bool *ret, struct err *err)
{
    struct page p;
    int rc = page_read(v, txn, e->token, 0, &p, err);
    uint32_t no = rc == 0 ? page_of(e->token, &e->subject, p.depth) : 0;
    if (rc == 0 && no > 0)
        rc = page_read(v, txn, e->token, no, &p, err);
    if (rc == 0)
        *ret = bsearch(&e->subject, p.ids, p.n, sizeof(p.ids[0]), vault_compare_ids) != NULL;
    return rc;
}

static int
compare_placed(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->page != y->page ? (x->page < y->page ? -1 : 1) : memcmp(&x->id, &y->id, ID_BYTES);
}

static void
place(const uint8_t token[VAULT_TOKEN_BYTES], struct placed *p, size_t n, uint8_t depth)
{
    for (size_t i = 0; i < n; i++)
        p[i].page = page_of(token, &p[i].id, depth);
    qsort(p, n, sizeof(*p), compare_placed);
}

static bool
pages_fit(const struct placed *p, size_t n)
{
    for (size_t i = PAGE_ENTRIES; i < n; i++)
        if (p[i].page == p[i - PAGE_ENTRIES].page)
            return false;
    return true;
}

/* Writes all pages of a list that had 2^old of them. ids: each once. */
static int
list_store(struct vault *v, struct db_txn *txn, const uint8_t token[VAULT_TOKEN_BYTES], const struct id_list *ids,
           uint8_t old, struct wrap_nonces *nonces, struct err *err)
{
    uint8_t depth = 0;
    int rc = 0;
    struct placed *placed = calloc(ids->n + 1, sizeof(*placed));
    if (!placed)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    for (size_t i = 0; i < ids->n; i++)
        placed[i].id = ids->v[i];
    while (ids->n > PAGE_ENTRIES && depth < DEPTH_MAX && ids->n > (size_t)FILLED << depth)
        depth++;
    for (place(token, placed, ids->n, depth); depth < DEPTH_MAX && !pages_fit(placed, ids->n);)
        place(token, placed, ids->n, ++depth);
    if (!pages_fit(placed, ids->n))
        rc = err_set(err, ERR_LIMIT, "vault: too many entries of the index under one token");
    uint32_t pages = (uint32_t)1 << (depth > old ? depth : old);
    size_t at = 0;
    for (uint32_t no = 0; no < pages && rc == 0; no++) {
        struct page p = {.later = no > 0, .depth = no > 0 ? 0 : depth};
        page_key(v, token, no, p.key);
        memcpy(p.token, token, sizeof(p.token));
        while (at < ids->n && placed[at].page == no)
            p.ids[p.n++] = placed[at++].id;
        rc = page_write(v, txn, &p, nonces, err);
    }
    free(placed);
    return rc;
}

/* ---- changes ---- */

static int
list_grow(struct vault *v, struct db_txn *txn, const struct index_entry *e, size_t n, struct wrap_nonces *nonces,
          struct err *err)
{
    struct id_list ids = {0};
    uint8_t depth = 0;
    int rc = list_load(v, txn, e->token, &ids, &depth, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = ids_add(&ids, &e[i].subject, 1, err);
    ids_sort(&ids);
    if (rc == 0)
        rc = list_store(v, txn, e->token, &ids, depth, nonces, err);
    ids_free(&ids);
    return rc;
}

/* Into the pages as they are; *ret_full: one has no room, and what was not added yet is to be added otherwise. */
static int
add_to_pages(struct vault *v, struct db_txn *txn, struct page *first, const struct placed *placed, size_t n,
             struct wrap_nonces *nonces, bool *ret_full, struct err *err)
{
    struct page other;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0 && !*ret_full;) {
        uint32_t no = placed[i].page;
        struct page *p = no == 0 ? first : &other;
        bool changed = false;
        if (no > 0)
            rc = page_read(v, txn, first->token, no, p, err);
        for (; rc == 0 && i < n && placed[i].page == no && !*ret_full; i++)
            *ret_full = !page_insert(p, &placed[i].id, &changed);
        if (rc == 0 && changed && !*ret_full)
            rc = page_write(v, txn, p, nonces, err);
    }
    return rc;
}

/* Entries of one token. */
static int
list_add(struct vault *v, struct db_txn *txn, const struct index_entry *e, size_t n, struct wrap_nonces *nonces,
         struct err *err)
{
    struct placed few[16], *placed = few;
    struct page first;
    bool full = false;
    if (n > ARRAY_LEN(few) && !(placed = calloc(n, sizeof(*placed))))
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    int rc = page_read(v, txn, e->token, 0, &first, err);
    if (rc == 0) {
        for (size_t i = 0; i < n; i++)
            placed[i] = (struct placed){.id = e[i].subject};
        place(e->token, placed, n, first.depth);
        rc = add_to_pages(v, txn, &first, placed, n, nonces, &full, err);
    }
    if (placed != few)
        free(placed);
    return rc == 0 && full ? list_grow(v, txn, e, n, nonces, err) : rc;
}

static int
compare_entries(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct index_entry));
}

static size_t
run_of(const struct index_entry *e, size_t n)
{
    size_t same = 1;
    while (same < n && memcmp(e[same].token, e[0].token, VAULT_TOKEN_BYTES) == 0)
        same++;
    return same;
}

int
lists_add(struct vault *v, struct db_txn *txn, struct index_entry *entries, size_t n, struct err *err)
{
    struct wrap_nonces nonces = {.wanted = n};
    int rc = 0;
    if (n > 1)
        qsort(entries, n, sizeof(*entries), compare_entries);
    for (size_t i = 0, same; i < n && rc == 0; i += same) {
        same = run_of(&entries[i], n - i);
        rc = list_add(v, txn, &entries[i], same, &nonces, err);
    }
    return rc;
}

static bool
among(const struct index_entry *e, size_t n, const struct subject_id *id)
{
    struct index_entry wanted = {.subject = *id};
    memcpy(wanted.token, e->token, sizeof(wanted.token));
    return bsearch(&wanted, e, n, sizeof(*e), compare_entries) != NULL;
}

int
lists_remove(struct vault *v, struct db_txn *txn, struct index_entry *entries, size_t n, uint64_t *count,
             struct err *err)
{
    struct wrap_nonces nonces = {.wanted = n};
    int rc = 0;
    if (n > 1)
        qsort(entries, n, sizeof(*entries), compare_entries);
    for (size_t i = 0, same; i < n && rc == 0; i += same) {
        struct id_list ids = {0};
        uint8_t depth = 0;
        size_t left = 0;
        same = run_of(&entries[i], n - i);
        rc = list_load(v, txn, entries[i].token, &ids, &depth, err);
        for (size_t k = 0; k < ids.n; k++)
            if (!among(&entries[i], same, &ids.v[k]))
                ids.v[left++] = ids.v[k];
        size_t gone = ids.n - left;
        ids.n = left;
        if (rc == 0 && gone > 0)
            rc = list_store(v, txn, entries[i].token, &ids, depth, &nonces, err);
        *count += gone;
        ids_free(&ids);
    }
    return rc;
}

int
lists_walk(const struct vault *v, struct db_txn *txn,
           int (*one)(void *arg, const struct index_entry *e, struct err *err), void *arg, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    struct page p;
    int rc = db_cursor_open(txn, TABLE_INDEX_LISTS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0; rc = db_cursor_next(c, &key, &row, err)) {
        struct index_entry e;
        if (page_decode(v, key, row, &p) != 0)
            continue;
        memcpy(e.token, p.token, sizeof(e.token));
        for (size_t i = 0; i < p.n && rc == 0; i++) {
            e.subject = p.ids[i];
            rc = one(arg, &e, err);
        }
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
