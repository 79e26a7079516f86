/* An MLP of a block, its own or an expert's; and back. */
#include "core/model/tape_parts.h"

pl_status pl_tape_mlp_run(const pl_tape_pass *p, const pl_tape_mlp *mlp, const float *x,
                          size_t tokens, float *out, pl_error *err)
{
    const pl_config *c = p->t->c;
    pl_status status = pl_tape_site_run(p, mlp->site, x, tokens, mlp->outputs, err);
    if (status == PL_OK && c->gated) {
        pl_gate_mul(c->activation, mlp->outputs, 2 * mlp->inner, tokens, mlp->inner, mlp->act);
    } else if (status == PL_OK) {
        pl_activate(c->activation, mlp->outputs, tokens, mlp->inner, mlp->act);
    }
    return status == PL_OK ? pl_tape_site_run(p, mlp->site + 1, mlp->act, tokens, out, err)
                           : status;
}

pl_status pl_tape_mlp_back(const pl_tape_pass *p, const pl_tape_mlp *mlp, size_t tokens,
                           const float *out_grad, pl_error *err)
{
    pl_tape *t = p->t;
    const pl_config *c = t->c;
    pl_status status = pl_tape_site_back(p, mlp->site + 1, out_grad, t->narrow, err);
    if (status == PL_OK && c->gated) {
        pl_gate_mul_back(c->activation, mlp->outputs, t->narrow, tokens, mlp->inner, t->wide);
    } else if (status == PL_OK) {
        pl_activate_back(c->activation, mlp->outputs, t->narrow, tokens * mlp->inner, t->wide);
    }
    return status == PL_OK ? pl_tape_site_back(p, mlp->site, t->wide, t->narrow, err) : status;
}
