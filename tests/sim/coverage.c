/* What happened in a seed, and in all of a run: an operation that never does is not tested, whatever passes. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>

/* By what is told of them at the end of a run; those with a kind are counted by the events that were written. */
static const struct {
    const char *name;
    uint16_t kind;
} covers[COVER_N] = {
    [COVER_GRANT] = {"grants", KIND_ACCESS_GRANTED},
    [COVER_PASS] = {"passes issued", KIND_PASS_ISSUED},
    [COVER_REVOCATION] = {"grants and passes revoked", KIND_ACCESS_REVOKED},
    [COVER_RENEWAL] = {"grants and passes renewed", KIND_ACCESS_RENEWED},
    [COVER_DESTROYED] = {"ends and erasures confirmed", KIND_COPIES_DESTROYED},
    [COVER_PASS_GOOD] = {"passes verified", 0},
    [COVER_PASS_HOME_AWAY] = {"passes verified, home away", 0},
    [COVER_PASS_REFUSED] = {"passes refused", 0},
    [COVER_LOOK] = {"visitors opened by a grant", 0},
    [COVER_STANDS] = {"classes open by a grant", 0},
    [COVER_RECORD] = {"records for homes", KIND_GUEST_RECORDED},
    [COVER_PROPOSAL] = {"contacts proposed", 0},
    [COVER_GUEST_ACTIVITY] = {"visitors' activities opened", 0},
    [COVER_GUEST_INVOICE] = {"visitors' invoices", 0},
    [COVER_POSTING] = {"postings", KIND_POSTING_ISSUED},
    [COVER_OFFER] = {"handovers offered", KIND_HANDOVER_OFFERED},
    [COVER_WITHDRAWAL] = {"handovers withdrawn", KIND_HANDOVER_WITHDRAWN},
    [COVER_ACCEPTANCE] = {"handovers accepted", KIND_HANDOVER_ACCEPTED},
    [COVER_COMPLETION] = {"handovers completed", KIND_HANDOVER_COMPLETED},
    [COVER_BY_NODE] = {"members received by the node", 0},
    [COVER_BY_DESK] = {"members received by the desk", 0},
    [COVER_CLOSED_YEAR] = {"moves into closed years", 0},
    [COVER_TAKEN] = {"activities taken along", 0},
    [COVER_TAKEN_OPENED] = {"taken along and opened", 0},
    [COVER_MOVED_CLOSED] = {"left behind and closed", 0},
    [COVER_DOUBLE] = {"doubles declared", KIND_DOUBLE_DECLARED},
    [COVER_SETTLED] = {"doubles settled", KIND_DOUBLE_SETTLED},
    [COVER_MERGE] = {"merges", KIND_MEMBER_MERGED},
    [COVER_MERGE_UNDONE] = {"merges undone", 0},
    [COVER_ERASED_IDENTITY] = {"erasures of identity", 0},
    [COVER_ERASED_CONTACT] = {"erasures of contact", 0},
    [COVER_ERASED_BANK] = {"erasures of bank data", 0},
    [COVER_ERASED_ACTIVITY] = {"erasures of activity links", 0},
    [COVER_ERASED_NOTE] = {"erasures of notes", 0},
    [COVER_RESTRICTION] = {"restrictions", KIND_RESTRICTION_ORDERED},
    [COVER_LIFTED] = {"restrictions lifted", KIND_RESTRICTION_LIFTED},
    [COVER_IMPORT] = {"imports after an erasure", 0},
    [COVER_RESTORE] = {"disks set back", 0},
    [COVER_COUNT] = {"people counted", KIND_PERSON_ACTIVE},
    [COVER_CUSTODIAN] = {"custodians named", KIND_CUSTODIAN_NAMED},
    [COVER_WOUND_DOWN] = {"units wound down", KIND_UNIT_CLOSED},
    [COVER_CUSTODIAN_COMPLETED] = {"completed by a custodian", 0},
    [COVER_CUSTODIAN_WITHDREW] = {"withdrawn by a custodian", 0},
    [COVER_CAME_BACK] = {"back after a custodian acted", 0},
    [COVER_MASS] = {"mass handovers", 0},
    [COVER_MASS_RESUMED] = {"mass handovers taken up again", 0},
    [COVER_ANSWERED] = {"written for a closed unit", 0},
};

static bool
is_work_of_visitor(const struct sim_unit *u, const struct subject_id *activity)
{
    for (size_t i = 0; i < u->n_visiting; i++)
        if (TYPE_EQ(&u->visiting[i], activity))
            return true;
    return false;
}

static void
note_activity(struct sim_node *n, const struct api_op *op)
{
    struct sim_unit *u = n->unit;
    const struct activity_request *r = &op->activity.request;
    if (r->action != WORK_OPEN_ACTIVITY || !r->has_unit || r->has_corrects)
        return;
    n->w->cover[COVER_GUEST_ACTIVITY]++;
    u->visiting[u->n_visiting++ % SIM_VISITING_MAX] = op->result.subject;
    u->n_visiting = u->n_visiting > SIM_VISITING_MAX ? SIM_VISITING_MAX : u->n_visiting;
}

static void
note_handover(struct sim_node *n, const struct sim_job *job)
{
    const struct handover_request *r = &job->op.handover.request;
    uint64_t *cover = n->w->cover;
    if (custody_is_stand_in(n)) {
        cover[COVER_CUSTODIAN_COMPLETED] += r->action == HANDOVER_COMPLETE;
        cover[COVER_CUSTODIAN_WITHDREW] += r->action == HANDOVER_WITHDRAW;
        n->w->custody.acted |= r->action == HANDOVER_COMPLETE || r->action == HANDOVER_WITHDRAW;
    }
    cover[COVER_BY_DESK] += r->action == HANDOVER_RECEIVE && r->n_dossiers == 0;
    bool moves = r->action == HANDOVER_ACCEPT || r->action == HANDOVER_COMPLETE;
    struct model_event e = {.sort = SORT_MEMBER, .date = date_is_none(r->effective) ? job->on.days : r->effective.days};
    cover[COVER_CLOSED_YEAR] += moves && r->adjusts_closed && e.date != 0 && model_closed(n->unit->model, &e);
}

static void
note_erasure(struct sim_node *n, const struct erase_outcome *o)
{
    uint16_t erased = 0;
    for (size_t i = 0; i < o->n; i++)
        erased |= o->records[i].erased;
    for (int class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        n->w->cover[COVER_ERASED_IDENTITY + class - CLASS_IDENTITY] += erased >> (class - 1) & 1;
}

/* An operation was committed. */
void
coverage_note(struct sim_node *n, const struct sim_job *job)
{
    const struct api_op *op = &job->op;
    uint64_t *cover = n->w->cover;
    cover[COVER_IMPORT] += job->imports;
    if (op->result.err.code != ERR_NONE)
        return;
    switch (op->kind) {
    case OP_ACTIVITY: note_activity(n, op); break;
    case OP_INVOICE:
        cover[COVER_GUEST_INVOICE] += !op->invoice.request.credit && op->invoice.request.has_activity &&
                                      is_work_of_visitor(n->unit, &op->invoice.request.activity);
        break;
    case OP_PROPOSE: cover[COVER_PROPOSAL]++; break;
    case OP_HANDOVER: note_handover(n, job); break;
    case OP_MERGE: cover[COVER_MERGE_UNDONE] += op->merge.undo; break;
    case OP_ERASE:
        note_erasure(n, &op->erase.outcome);
        if (op->erase.request.action == ERASE_RESTRICT) {
            n->unit->has_restricted = true;
            n->unit->restricted = op->erase.request.member;
        }
        break;
    default: break;
    }
}

void
coverage_of(const struct world *w, uint64_t ret[COVER_N])
{
    for (size_t i = 0; i < COVER_N; i++)
        ret[i] = covers[i].kind != 0 ? w->stats.kinds[covers[i].kind] : w->cover[i];
    ret[COVER_BY_NODE] = w->stats.arrived;
    ret[COVER_TAKEN] = w->n_taken;
    ret[COVER_TAKEN_OPENED] = w->stats.taken;
    ret[COVER_RESTORE] = w->stats.restores;
}

bool
coverage_tell(const uint64_t sum[COVER_N], bool all)
{
    bool complete = true;
    for (size_t i = 0; i < COVER_N; i++) {
        bool missing = all && sum[i] == 0;
        printf("  %-30s %llu%s\n", covers[i].name, (unsigned long long)sum[i], missing ? "  NEVER" : "");
        complete &= !missing;
    }
    return complete;
}
