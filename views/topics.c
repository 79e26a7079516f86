#include "views/topics.h"

#include <stddef.h>

static const pl_topic topics[] = {
    {"\u00d7 median", "x median|ratio|input ratio|weight ratio",
     "largest channel maximum over the median channel maximum"},
    {"outlier", "outliers",
     "a channel whose largest value is more than 6 times the median of the channels' largest "
     "values"},
    {"rms", NULL, "root of the mean square of the channel"},
    {"group max", "group_max_before|group_max_after",
     "mean over all groups of all rows of the largest |w| of the group, of the weights that the "
     "rounder is handed: behind the transform, preconditioned"},
    {"error", "relative_error",
     "tr((W-W0) G (W-W0)') / tr(W0 G W0') of the preconditioned weights; G is the Gram matrix of "
     "the layer's inputs, so this is the relative error of its output"},
    {"W3 error", "W2 error|W4 error|W8 error|rounded error|rounded_relative_error",
     "the same error after rounding, here to 3 bits"},
    {"objective", NULL, "what the preconditioner minimizes, summed over the rows, at its result"},
    {"bound", NULL,
     "Theorem 4.5 of Astro: no rounding to nearest moves the output further, in ||X (W - "
     "Q(W))'||_F"},
    {"gap", "certificate|duality gap",
     "(P - D) / P: how far the solve can still be from the optimum, certified; never shown below "
     "1.2e-5 %, the resolution of float32"},
    {"output", "output_error",
     "||X W' - Q(X T) Q(W T^-T)'||\u00b2 / ||X W'||\u00b2 on the stored rows of the inputs, with "
     "the "
     "transform and the quantized activations"},
    {"function_error", NULL,
     "max |X W' - (X T)(W T^-T)'| / max |X W'|: what a transform and its inverse alone do to the "
     "output; 0 without a transform"},
    {"condition", NULL,
     "condition number of the transform T, its largest over its smallest "
     "singular value; 1 is a rotation"},
    {"iterations", NULL, "steps of the solver; it stops at the gap or the number asked for"},
    {"flatness", "flatness_before|flatness_after",
     "mean |c - 1|, c the channels' L2 norms over their mean; 0 is flat; of the weights that the "
     "rounder is handed, as kurtosis"},
    {"kurtosis", "kurtosis_before|kurtosis_after",
     "fourth moment over the squared variance: 3 for a normal distribution, large where a few "
     "values are far out"},
    {"\u03b5-rank", "rank|epsilon rank|eps-rank",
     "eigenvalues of G above \u03b5 times the largest one; \u03b5 = 1e-4"},
    {"tau", NULL,
     "how far one step of the solver can lower a group's maximum, against the group's mean |w|: "
     "what a strength means on this layer"},
    {"SQNR", "sqnr",
     "-10 log10 of the relative output error of the rounded weights (of the preconditioned ones "
     "without a rounder), in dB"},
    {"bits/w", "bits per weight", "codes, scales and zero points over the number of weights"},
    {"beta, lambda", "beta|lambda|strength|\u03b2",
     "strength: how much the penalty on the maxima weighs against the error"},
    {"target", NULL,
     "strength by what it does: the share by which the mean group maximum falls, for which each "
     "layer's beta is found (beta found)"},
    {"W4 error, red", "red|too high",
     "worse than the rounder alone: the strength is too high there; b finds the best"},
    {"perplexity", "ppl",
     "exp of the mean loss per token on a text; \u00b1 is its standard error; stale once something "
     "was solved anew"},
    {"KL", "kl|divergence|kl_divergence",
     "mean divergence of the predictions from the original model's"},
    {"\u2022 !", "marks before a layer",
     "before a layer: it is solved; what the session has of it is of another model"},
    {"calibrated", "calibration|gram|G",
     "tokens that the input statistics and the Gram matrices G = X'X/T were taken from"},
    {"inputs", "sequential",
     "of the original model: what the layer sees there; of the solved model: what the layers "
     "solved before it give, as `solve all` uses"},
    {"layer", NULL,
     "a weight matrix [outputs, inputs] of a block; 15.q_proj, 15.self_attn.q_proj and its full "
     "name "
     "are the same"},
    {"site", NULL, "the linear layers that share one input, such as q_proj, k_proj and v_proj"},
    {"slot", "slots",
     "a run is transform, then precondition, then round; each slot holds one method or none"},
    {"transform", NULL,
     "an invertible T on the input channels of a site: the methods behind it work on W T^-T and "
     "T'GT, and what they make is read back"},
    {"precondition", "precond",
     "moves the weights along flat directions of the loss until their group maxima shrink, before "
     "they are rounded"},
    {"round", "rounder", "puts the weights on a grid of so many bits, a scale for each group"},
    {NULL, NULL, NULL},
};

const pl_topic *pl_topics(void)
{
    return topics;
}
