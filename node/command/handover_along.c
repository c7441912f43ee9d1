/* What goes along with a member who moves: the dossier of the old home; at the new one the activities that are yet to be opened. See handover.h. */
#include <stdlib.h>

#include "node/command/handover_parts.h"
#include "node/command/person.h"
#include "node/command/work.h"

/* ---- the old home ---- */

typedef int one_activity(void *arg, const struct activity_row *row, const struct activity_state *s, struct err *err);

static int
each_open_activity(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date on,
                   one_activity *one, void *arg, struct err *err)
{
    enum { PAGE = 64 };
    struct subject_id page[PAGE], after;
    size_t n = PAGE;
    int rc = 0;
    for (bool first = true; rc == 0 && n == PAGE; first = false) {
        rc = work_of_member(ctx, member, first ? NULL : &after, PAGE, page, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct activity_row row;
            struct activity_state s;
            rc = rows_activity(ctx, &page[i], &row, err);
            if (rc == ERR_NOTFOUND) { /* an invoice */
                rc = 0;
                continue;
            }
            if (rc != 0)
                break;
            activity_state_at(&row, on, &s);
            if (s.open)
                rc = one(arg, &row, &s, err);
            activity_row_release(&row);
        }
        after = n > 0 ? page[n - 1] : after;
    }
    if (rc == 0)
        err_clear(err);
    return rc;
}

struct collecting {
    const struct command_ctx *ctx;
    struct dossier *dossiers; /* TAKEN_DOSSIERS_MAX of them */
    size_t n;                 /* activities in all */
    bool more;                /* than there is room for */
};

/* Where the next one goes; NULL: there is no room. */
static struct dossier_activity *
next_activity(struct collecting *c)
{
    c->more |= c->n == TAKEN_MAX;
    if (c->more)
        return NULL;
    struct dossier *d = &c->dossiers[c->n++ / DOSSIER_ACTIVITIES_MAX];
    return &d->activities[d->n_activities++];
}

static int
into_dossier(void *arg, const struct activity_row *row, const struct activity_state *s, struct err *err)
{
    struct collecting *c = arg;
    struct activity_links links;
    struct position at;
    struct dossier_activity *a = next_activity(c);
    if (!a)
        return 0;
    *a = (struct dossier_activity){
        .activity = row->activity, .sector = s->facets.sector, .culture = s->facets.culture, .opened = s->opened};
    if (activity_links_position(row, &at)) {
        int rc = work_links_read(c->ctx, &row->activity, &at, &links, err);
        if (rc != 0 && rc != ERR_NOTFOUND)
            return rc;
        if (rc == 0) {
            a->number = links.number;
            a->title = links.text;
        }
        person_wipe(&links, sizeof(links));
        err_clear(err);
    }
    return 0;
}

/* Those that came along and wait still go on with her; one whose opening was not taken from the list yet is there already. */
static int
waiting_into_dossier(struct collecting *c, const struct subject_id *member, struct err *err)
{
    size_t n = 0;
    struct taken_activity *waiting = c->ctx->vault ? calloc(TAKEN_MAX, sizeof(*waiting)) : NULL;
    if (!waiting)
        return c->ctx->vault ? err_set(err, ERR_NOMEM, "handover: out of memory") : 0;
    int rc = taken_list(c->ctx->vault, member, waiting, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct activity_row row;
        rc = rows_activity(c->ctx, &waiting[i].key.activity, &row, err);
        if (rc == 0)
            activity_row_release(&row);
        if (rc == ERR_NOTFOUND) {
            struct dossier_activity *a = next_activity(c);
            if (a)
                *a = (struct dossier_activity){.activity = waiting[i].key.activity,
                                               .sector = waiting[i].sector,
                                               .culture = waiting[i].culture,
                                               .title = waiting[i].title,
                                               .opened = waiting[i].month};
            err_clear(err);
            rc = 0;
        }
    }
    person_wipe(waiting, TAKEN_MAX * sizeof(*waiting));
    free(waiting);
    return rc;
}

int
handover_dossier(const struct command_ctx *ctx, const struct member_row *row, const struct unit_id *to, bool all,
                 struct draft *d, struct err *err)
{
    struct civil_date on = d->payload.common.effective;
    struct dossier *dossier = calloc(TAKEN_DOSSIERS_MAX, sizeof(*dossier));
    if (!dossier)
        return err_set(err, ERR_NOMEM, "handover: out of memory");
    struct collecting c = {.ctx = ctx, .dossiers = dossier};
    struct member_state s;
    member_state_at(row, on, &s);
    dossier->first_joined = s.joined_on;
    for (size_t i = 0; i < row->n; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->outcome == OUTCOME_APPLIED && (e->kind == KIND_MEMBER_ADMITTED || e->arrival) &&
            (date_is_none(dossier->first_joined) || e->effective.days < dossier->first_joined.days))
            dossier->first_joined = e->effective;
    }
    int rc = each_open_activity(ctx, &row->subject, on, into_dossier, &c, err);
    if (rc == 0)
        rc = waiting_into_dossier(&c, &row->subject, err);
    if (rc == 0 && all && c.more)
        rc = err_field(err, ERR_CONFLICT, "activities",
                       "activities: more than %d are open; close some first, or let all be closed by the move",
                       TAKEN_MAX);
    for (size_t i = 0; rc == 0 && i < TAKEN_DOSSIERS_MAX && (i == 0 || dossier[i].n_activities > 0); i++)
        rc = dossier_encode(&dossier[i], draft_capsule(d, CLASS_DOSSIER), err);
    person_wipe(dossier, TAKEN_DOSSIERS_MAX * sizeof(*dossier));
    free(dossier);
    if (rc != 0)
        return rc;
    struct access_state a = {0};
    a.facts = (struct access){.member = row->subject, .host = *to, .classes = ACCESS_CLASSES_ALL, .until = DATE_NONE};
    rc = access_seal(ctx, &a, row, d, err);
    return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "unit", "unit: nothing of it is held here yet") : rc;
}

/* ---- the new home ---- */

int
handover_taken(const struct command_ctx *ctx, const struct handover_request *req, struct taken_activity *ret,
               size_t *ret_n, struct err *err)
{
    struct member_row row;
    size_t n = 0;
    int rc = rows_member(ctx, &req->member, &row, err);
    if (rc != 0)
        return rc;
    size_t i = member_arrival_unreceived(&row);
    bool along = i != SIZE_MAX && row.entries[i].activities == ACTIVITIES_TAKEN_ALONG;
    struct civil_date month = along ? date_month_start(row.entries[i].effective) : DATE_NONE;
    member_row_release(&row);
    MUST(req->n_dossiers <= TAKEN_DOSSIERS_MAX);
    for (size_t part = 0; along && part < req->n_dossiers; part++) {
        const struct dossier *from = &req->dossiers[part];
        for (size_t at = 0; at < from->n_activities; at++, n++) {
            ret[n] = (struct taken_activity){.key.member = req->member,
                                             .month = month,
                                             .received = ctx->today,
                                             .sector = from->activities[at].sector,
                                             .culture = from->activities[at].culture,
                                             .title = from->activities[at].title};
            ctx->random(ctx->random_arg, ret[n].key.activity.b, ID_BYTES);
        }
    }
    *ret_n = n;
    return 0;
}

int
handover_open_taken(const struct command_ctx *ctx, const struct taken_key *key, struct activity_request *ret,
                    struct err *err)
{
    struct taken_activity a;
    int rc = taken_get(ctx->vault, key, &a, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "activity", "activity: does not wait to be opened")
                                  : rc;
    *ret = (struct activity_request){.action = WORK_OPEN_ACTIVITY,
                                     .has_activity = true,
                                     .activity = a.key.activity,
                                     .member = a.key.member,
                                     .effective = a.month,
                                     .has_sector = true,
                                     .sector = a.sector,
                                     .has_culture = true,
                                     .culture = a.culture,
                                     .has_text = a.title.s[0] != '\0',
                                     .text = a.title,
                                     .adjusts_closed = true};
    person_wipe(&a, sizeof(a));
    return 0;
}
