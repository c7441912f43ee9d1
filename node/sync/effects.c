/* The list of effects of a step, and the bytes that belong to it. Memory that runs out sticks to the core as `oom`; the step
 * goes on to its end without what did not fit, and sync_step then starts the sessions over. */
#include <stdarg.h>
#include <stdlib.h>

#include "node/sync/state.h"

enum { EFFECTS_FIRST = 16 };

void
sync_effects_init(struct sync_effects *out)
{
    *out = (struct sync_effects){0};
}

static void
drop_blocks(struct sync_effects *out)
{
    for (size_t i = 0; i < out->n_blocks; i++)
        free(out->blocks[i]);
    out->n_blocks = 0;
    out->n = 0;
}

void
sync_effects_release(struct sync_effects *out)
{
    drop_blocks(out);
    free(out->items);
    free(out->blocks);
    sync_effects_init(out);
}

/* Room for one more element, or false. */
static bool
grow(struct sync *s, void **array, size_t *cap, size_t n, size_t each)
{
    if (n < *cap)
        return true;
    size_t want = *cap == 0 ? EFFECTS_FIRST : *cap * 2;
    void *more = realloc(*array, want * each);
    if (!more) {
        s->oom = true;
        return false;
    }
    *array = more;
    *cap = want;
    return true;
}

struct sync_effect *
emit(struct sync *s, enum sync_effect_type type, const struct session *p)
{
    struct sync_effects *out = s->out;
    void *items = out->items;
    if (!grow(s, &items, &out->cap, out->n, sizeof(*out->items)))
        return NULL;
    out->items = items;
    struct sync_effect *e = &out->items[out->n++];
    *e = (struct sync_effect){.type = type, .conn = p ? p->conn : 0};
    return e;
}

/* The list owns the memory from here on, also when this fails. */
static bool
own(struct sync *s, void *memory)
{
    struct sync_effects *out = s->out;
    void *blocks = out->blocks;
    if (!grow(s, &blocks, &out->cap_blocks, out->n_blocks, sizeof(*out->blocks))) {
        free(memory);
        return false;
    }
    out->blocks = blocks;
    out->blocks[out->n_blocks++] = memory;
    return true;
}

uint8_t *
emit_block(struct sync *s, size_t len)
{
    uint8_t *memory = malloc(len ? len : 1);
    if (!memory) {
        s->oom = true;
        return NULL;
    }
    return own(s, memory) ? memory : NULL;
}

struct slice
emit_copy(struct sync *s, struct slice bytes)
{
    if (bytes.len == 0)
        return (struct slice){0};
    uint8_t *copy = emit_block(s, bytes.len);
    if (!copy)
        return (struct slice){0};
    memcpy(copy, bytes.data, bytes.len);
    return slice_of(copy, bytes.len);
}

bool
emit_send(struct sync *s, struct session *p, const struct message *m)
{
    struct buf b;
    struct err err;
    buf_init(&b, MESSAGE_BYTES_MAX);
    int rc = message_encode(m, &b, &err);
    /* What we build ourselves is within the bounds of the format; only memory can be short. */
    MUST(rc == 0 || rc == ERR_NOMEM);
    if (rc != 0) {
        s->oom = true;
        buf_free(&b);
        return false;
    }
    struct slice bytes = buf_slice(&b);
    if (!own(s, b.data))
        return false;
    struct sync_effect *e = emit(s, SYNC_SEND, p);
    if (!e)
        return false;
    e->send.bytes = bytes;
    p->sent = s->now;
    return true;
}

void
emit_alarm(struct sync *s, enum sync_alarm code, const struct session *p, const struct unit_id *unit,
           const struct log *l, const char *fmt, ...)
{
    struct sync_effect *e = emit(s, SYNC_ALARM, p);
    if (!e)
        return;
    e->alarm.code = code;
    if (unit)
        e->alarm.unit = *unit;
    else if (l)
        e->alarm.unit = l->unit;
    else if (p)
        e->alarm.unit = p->unit;
    if (l) {
        e->alarm.log = l->id;
        e->alarm.seq = l->tail_seq;
    }
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->alarm.text, sizeof(e->alarm.text), fmt, args);
    va_end(args);
}

const char *
sync_alarm_name(enum sync_alarm code)
{
    static const char *const names[] = {
        [ALARM_HELLO] = "hello",         [ALARM_MALFORMED] = "malformed",
        [ALARM_REFUSED_LOG] = "refused", [ALARM_UNSUPPORTED] = "unsupported",
        [ALARM_FORK] = "fork",           [ALARM_CLONE] = "clone",
        [ALARM_TWO_TIPS] = "two tips",   [ALARM_DIVERGED] = "diverged",
        [ALARM_UNIT_FULL] = "unit full", [ALARM_LIMIT] = "limit",
    };
    return code >= ALARM_HELLO && code <= ALARM_LIMIT ? names[code] : "unknown";
}

const char *
sync_effect_name(enum sync_effect_type type)
{
    static const char *const names[] = {
        [SYNC_SEND] = "send",
        [SYNC_CLOSE] = "close",
        [SYNC_APPEND] = "append",
        [SYNC_READ] = "read",
        [SYNC_READ_CHAIN] = "read chain",
        [SYNC_READ_EVIDENCE] = "read evidence",
        [SYNC_READ_EVENT] = "read event",
        [SYNC_READ_CAPSULE] = "read capsule",
        [SYNC_CAPSULE_GOT] = "capsule got",
        [SYNC_CAPSULE_MISSING] = "capsule missing",
        [SYNC_ADMISSION_ASKED] = "asked about a person",
        [SYNC_ADMISSION_ANSWERED] = "answered about a person",
        [SYNC_ADMISSION_UNANSWERED] = "unanswered",
        [SYNC_FREEZE] = "freeze",
        [SYNC_FINGERPRINTS_NEEDED] = "fingerprints needed",
        [SYNC_ALARM] = "alarm",
        [SYNC_WAKE_AT] = "wake at",
    };
    return type >= SYNC_SEND && type <= SYNC_WAKE_AT ? names[type] : "unknown";
}
