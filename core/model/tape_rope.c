/* RoPE over all windows of a block; and back, by the opposite angles. */
#include "core/model/tape_parts.h"

static void tape_angles(const pl_tape *t, bool back, const float **cosine, const float **sine)
{
    const pl_step s = {.f = t->f, .c = t->c, .length = t->length};
    pl_forward_turns(&s, cosine, sine);
    for (size_t i = 0; back && i < t->length * (t->c->rotary_dim / 2); i++) {
        t->minus_sine[i] = -(*sine)[i];
    }
    *sine = back ? t->minus_sine : *sine;
}

void pl_tape_turn(const pl_tape_pass *p, bool back, float *x, size_t stride, size_t heads,
                  size_t rotated)
{
    const pl_tape *t = p->t;
    const pl_config *c = t->c;
    const float *cosine, *sine;
    tape_angles(t, back, &cosine, &sine);
    for (size_t w = 0; w < t->windows; w++) {
        float *from = x + w * t->length * stride;
        pl_rope(from, stride, t->length, heads, c->head_dim, rotated, c->arch->neighbours, cosine,
                sine, from, stride);
    }
}
