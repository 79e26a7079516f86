/* core/learn/block.h -- FlatQuant's objective on a whole block, and its gradient
 * (arXiv 2410.09426, section 3).
 *
 * L = ||F(X) - F'(X)||^2 over a batch of windows, F the block in full precision, F' the block with
 * quantized weights, inputs and cache behind five learned transforms, both on the inputs X that the
 * full-precision model has there:
 *   q, k, v   T = diag(exp(s)) (P1 (x) P2)
 *   v and o   P_v on each head's values, before v's rows are quantized, and P_o across the heads of
 *             attention's output: o's weights take (P_o (x) P_v)^-T
 *   gate, up  T = diag(exp(s)) (P1 (x) P2)
 *   down      T = diag(exp(s)) (P1 (x) P2)
 *   keys      P_h after RoPE, P_h^-T on queries, where the cache is quantized
 * with learned clipping of every weight row's groups, of each site's input, of keys and of values.
 * v's rows are clipped before P_v, as in the paper's code.  Latent attention has no v of its own:
 * there every site, of the latent vectors and of o, too, has a T = diag(exp(s)) (P1 (x) P2).
 *
 * Of a mixture of experts, gate and up of all experts, the shared one among them, see one input and
 * have one T, which is on all of its way to them: a router reads the input itself.  Every expert's
 * down has a T of its own.  F' chooses its experts by what its own router gives, as the quantized
 * model does; the choice has no slope. */
#ifndef PL_LEARN_BLOCK_H
#define PL_LEARN_BLOCK_H

#include "core/base/task.h"
#include "core/learn/site.h"
#include "core/model/tape.h"

/* What is borrowed while a block is learned on. */
typedef struct pl_block_input {
    const char *name;           /* "model.layers.3" */
    const pl_site_input *sites; /* [n_sites] in model order, without sample and gram */
    size_t n_sites;
    size_t mixture; /* number of the first expert's gate, up; n_sites: a dense block */
    bool latent;    /* attention is latent: no quantized cache */
    size_t heads, kv_heads, head_dim;
    pl_act_grid kv;
    size_t kv_group_size;
    pl_tape *tape;  /* the block is loaded; room for a batch of windows */
    const float *x; /* [windows * length, hidden] */
    size_t windows, length, hidden;
} pl_block_input;

/* Where each part of the block's parameters begins, in one vector: a site's layout says where its
 * own are (layout.h), with count and clips those of the whole.  Of experts' gate, up the factors,
 * the diagonal and the input's clipping are the same ones, those of the first expert. */
typedef struct pl_block_layout {
    pl_flat_layout *sites; /* [n_sites] */
    size_t n_sites, mixture;
    size_t o;                    /* o's number, where P_v and P_o turn heads; PL_FLAT_NONE */
    size_t head_dim, value_rows; /* v's, the last of the first site's; 0: P_v turns none */
    size_t key;                  /* P_h (factor.h), or PL_FLAT_NONE */
    size_t cache; /* clipping of keys, low and high, and of values; or PL_FLAT_NONE */
    size_t clips, count;
} pl_block_layout;

/* Deinit it in any case. */
PL_NODISCARD pl_status pl_block_layout_init(pl_block_layout *at, const pl_block_input *in,
                                            pl_error *err);
void pl_block_layout_deinit(pl_block_layout *at);

/* The number of the site whose T and clipping the inputs of a site go through: its own, or that of
 * the first expert's gate, up. */
size_t pl_block_turn(const pl_block_layout *at, size_t site);

/* The parameters to start with, as pl_flat_start. */
PL_NODISCARD pl_status pl_block_start(const pl_block_layout *at, const pl_block_input *in,
                                      double alpha, uint64_t seed, double *params, pl_error *err);

/* A site's transform; that of q, k, v has what happens to heads.  As pl_flat_transform. */
PL_NODISCARD pl_status pl_block_transform(const pl_block_layout *at, size_t site,
                                          const double *params, pl_transform **out, pl_error *err);

/* A site, and the room that its matrices have.  All sites of a mixture have one room, which the
 * widest fits: only the weights of the expert that runs stand there. */
typedef struct pl_block_site {
    pl_flat_site flat;  /* without a T where that is another site's */
    pl_flat_site *turn; /* whose T its inputs go through (pl_block_turn) */
    float *xt;          /* [batch rows, n] X T */
    float *wt, *wq;     /* [rows, n] W T^-T, and rounded */
    float *wg;          /* [rows, n] gradients of wq, then of wt */
} pl_block_site;

typedef struct pl_block_objective {
    pl_block_input in;
    pl_block_layout at;
    size_t batch;         /* windows of one step */
    size_t *order;        /* [windows], as the seed has them */
    float *targets;       /* [windows * length, hidden] F(X) */
    pl_block_site *sites; /* [n_sites] */
    pl_factor key;        /* where there is one */
    pl_rounding cache;
    size_t cache_width;                          /* of a group within a head */
    size_t head_groups, cache_groups;            /* of one head's keys, or values, and of all */
    pl_round_group *cached;                      /* of keys, then of values */
    double *window_sums;                         /* [2 batch] squares of each window */
    double *ends;                                /* [2 groups], their gradients */
    double *key_sum, *key_back_sum, *unused_sum; /* [head_dim, head_dim] each */
    const float **used_weights, **used_biases;   /* [n_sites] by the tape */
    float **weight_sums, **bias_sums;            /* [n_sites] for the tape */
    float *floats;                               /* what follows, in one block */
    float *scratch;                              /* [batch rows, n] of a mixture's widest site */
    float *clipped, *mixed;   /* [value_rows, hidden] v's rows clipped; then turned */
    float *biases, *bias_sum; /* [rows of the first site] with v's turned */
    float *p_h, *p_h_back, *identity, *product; /* [head_dim, head_dim] */
    float *batch_x, *y, *lost;                  /* [batch rows, hidden] */
    float *kt;                                  /* [batch rows, kv_heads * head_dim] K P_h */
    const double *params;                       /* of the value that is being computed */
    double *gradient;
} pl_block_objective;

/* batch: windows, at most.  PL_ERR_STATE where nothing is quantized, PL_ERR_USAGE for a grid whose
 * scales many groups share.  Deinit it in any case. */
PL_NODISCARD pl_status pl_block_objective_init(pl_block_objective *o, const pl_block_input *in,
                                               size_t batch, uint64_t seed, pl_task *task,
                                               pl_error *err);
void pl_block_objective_deinit(pl_block_objective *o);

size_t pl_block_objective_batches(const pl_block_objective *o);

/* *value = L / ||F(X) - X||^2 of the batch, what is lost of the block's own part;
 * gradient[at.count] that of log L, or NULL.  PL_ERR_NUMERIC names what is singular or not finite.
 */
PL_NODISCARD pl_status pl_block_objective_value(pl_block_objective *o, const double *params,
                                                size_t batch, double *value, double *gradient,
                                                pl_task *task, pl_error *err);

#endif
