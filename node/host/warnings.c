/* See warnings.h. */
#include "node/host/warnings.h"

#include <stdio.h>

bool
warnings_raise(struct warnings *w, enum warning_source source, const char *text, struct wall_ms now,
               struct mono_ms mono)
{
    struct warning *is = NULL;
    char cut[API_WARNING_BYTES_MAX + 1];
    snprintf(cut, sizeof(cut), "%s", text);
    for (size_t i = 0; i < ARRAY_LEN(w->v) && !is; i++)
        if (strcmp(w->v[i].text, cut) == 0)
            is = &w->v[i];
    bool known = is && mono.ms - is->logged.ms < WARNINGS_REPEAT_MS;
    if (!is) {
        is = &w->v[w->next++ % ARRAY_LEN(w->v)];
        memcpy(is->text, cut, sizeof(cut));
    }
    is->source = source;
    is->at = now;
    if (!known)
        is->logged = mono;
    return !known;
}

void
warnings_settle(struct warnings *w, enum warning_source source)
{
    for (size_t i = 0; i < ARRAY_LEN(w->v); i++)
        if (w->v[i].source == source && source != WARNING_ANY)
            w->v[i] = (struct warning){0};
}

size_t
warnings_list(const struct warnings *w, struct wall_ms now, char (*ret)[API_WARNING_BYTES_MAX + 1], size_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(w->v) && n < max; i++)
        if (w->v[i].text[0] != '\0' && now.ms - w->v[i].at.ms < WARNINGS_KEPT_MS)
            memcpy(ret[n++], w->v[i].text, sizeof(ret[0]));
    return n;
}
