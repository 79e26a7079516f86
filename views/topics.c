#include "views/topics.h"

#include <stddef.h>

static const pl_topic topics[] = {
    {"\u00d7 median", "x median|ratio|input ratio|weight ratio",
     "largest channel maximum over the median channel maximum", false},
    {"outlier", "outliers",
     "a channel whose largest value is more than 6 times the median of the channels' largest "
     "values",
     false},
    {"rms", NULL, "root of the mean square of the channel", false},
    {"group max", "group_max_before|group_max_after",
     "mean over all groups of all rows of the largest |w| of the group, of the weights that the "
     "rounder is handed: behind the transform, preconditioned",
     false},
    {"error", "relative_error",
     "tr((W-W0) G (W-W0)') / tr(W0 G W0') of the preconditioned weights; G is the Gram matrix of "
     "the layer's inputs, so this is the relative error of its output",
     false},
    {"W3 error", "W2 error|W4 error|W8 error|rounded error|rounded_relative_error",
     "the same error after rounding, here to 3 bits", false},
    {"objective", NULL, "what the preconditioner minimizes, summed over the rows, at its result",
     false},
    {"bound", NULL,
     "Theorem 4.5 of Astro: no rounding to nearest moves the output further, in ||X (W - "
     "Q(W))'||_F",
     false},
    {"gap", "certificate|duality gap",
     "(P - D) / P: how far the solve can still be from the optimum, certified; never shown below "
     "1.2e-5 %, the resolution of float32",
     false},
    {"output", "output_error",
     "||X W' - Q(X T) Q(W T^-T)'||\u00b2 / ||X W'||\u00b2 on the stored rows of the inputs, with "
     "the "
     "transform and the quantized activations",
     false},
    {"times_least", "least_rounded_error|certify",
     "the rounded error is at most so many times the least that any codes have at these scales: a "
     "bound from below, proved (method ... certify=yes); 1 would be the best rounding there is",
     false},
    {"original_output_error", "original output",
     "||X0 W0' - X Q(W)'||\u00b2 / ||X0 W0'||\u00b2, X0 the original model's inputs and X those "
     "that "
     "the quantized model gives the layer: what gptaq and qronos make small; "
     "rounded_relative_error "
     "has X in both places",
     false},
    {"function_error", NULL,
     "max |X W' - (X T)(W T^-T)'| / max |X W'|: what a transform and its inverse alone do to the "
     "output; 0 without a transform",
     false},
    {"condition", NULL,
     "condition number of the transform T, its largest over its smallest "
     "singular value; 1 is a rotation",
     false},
    {"iterations", NULL, "steps of the solver; it stops at the gap or the number asked for", false},
    {"flatness", "flatness_before|flatness_after",
     "mean |c - 1|, c the channels' L2 norms over their mean; 0 is flat; of the weights that the "
     "rounder is handed, as kurtosis",
     false},
    {"kurtosis", "kurtosis_before|kurtosis_after",
     "fourth moment over the squared variance: 3 for a normal distribution, large where a few "
     "values are far out",
     false},
    {"\u03b5-rank", "rank|epsilon rank|eps-rank",
     "eigenvalues of G above \u03b5 times the largest one; \u03b5 = 1e-4", false},
    {"tau", NULL,
     "how far one step of the solver can lower a group's maximum, against the group's mean |w|: "
     "what a strength means on this layer",
     false},
    {"SQNR", "sqnr",
     "-10 log10 of the relative output error of the rounded weights (of the preconditioned ones "
     "without a rounder), in dB",
     false},
    {"bits/w", "bits per weight", "codes, scales and zero points over the number of weights",
     false},
    {"beta, lambda", "beta|lambda|strength|\u03b2",
     "strength: how much the penalty on the maxima weighs against the error", false},
    {"target", NULL,
     "strength by what it does: the share by which the mean group maximum falls, for which each "
     "layer's beta is found (beta found)",
     false},
    {"W4 error, red", "red|too high",
     "worse than the rounder alone: the strength is too high there; b finds the best", false},
    {"perplexity", "ppl",
     "exp of the mean loss per token on a text; \u00b1 is its standard error; stale once something "
     "was solved anew",
     false},
    {"KL", "kl|divergence|kl_divergence",
     "mean divergence of the predictions from the original model's", false},
    {"\u2022 !", "marks before a layer",
     "before a layer: it is solved; what the session has of it is of another model", false},
    {"calibrated", "calibration|gram|G",
     "tokens that the input statistics and the Gram matrices G = X'X/T were taken from", false},
    {"inputs", "sequential",
     "of the original model: what the layer sees there; of the solved model: what the layers "
     "solved before it give, as `solve all` uses",
     false},
    {"layer", NULL,
     "a weight matrix [outputs, inputs] of a block; 15.q_proj, 15.self_attn.q_proj and its full "
     "name "
     "are the same",
     false},
    {"site", NULL, "the linear layers that share one input, such as q_proj, k_proj and v_proj",
     false},
    {"slot", "slots",
     "a run is transform, then precondition, then round; each slot holds one method or none",
     false},
    {"transform", NULL,
     "an invertible T on the input channels of a site: the methods behind it work on W T^-T and "
     "T'GT, and what they make is read back",
     false},
    {"precondition", "precond",
     "moves the weights along flat directions of the loss until their group maxima shrink, before "
     "they are rounded",
     false},
    {"round", "rounder", "puts the weights on a grid of so many bits, a scale for each group",
     false},
    {"mean_nll", NULL,
     "mean negative log-likelihood of a token in nats; the perplexity is its exponential", true},
    {"perplexity_error", "original_error", "standard error of the perplexity", true},
    {"original_perplexity", NULL, "perplexity of the original model on the same tokens", true},
    {"kl_mean", NULL, "mean divergence of the predictions from the original model's", true},
    {"kl_max", NULL, "the largest divergence of one token's prediction", true},
    {"top1_agreement", NULL,
     "share of the tokens whose most probable successor is the original model's", true},
    {"layers_solved", NULL, "layers that have a result under the present methods", true},
    {"layers_left", NULL, "layers of an export that are as they were", true},
    {"layers_in_store", NULL, "layers of this setting that were solved before: they are there",
     true},
    {"layers_quantized", NULL, "solved layers whose weights a rounder has quantized", true},
    {"spread", NULL,
     "how far the number moves when the embeddings are moved by 1e-7, and the digits it leaves",
     true},
    {"tokens", NULL, "how many tokens were read or scored", true},
    {"tokens_per_second", NULL, "tokens that went through the whole model in a second", true},
    {"peak_bytes", NULL, "the most memory that the process has held", true},
    {"stored", NULL, "whether it was found in the store instead of computed", true},
    {"key", NULL, "its name in the store: the hash of everything it came from", true},
    {"knee", "knee_value",
     "the point of a sweep's curve, log error over log value, that lies farthest below the chord "
     "from "
     "the first to the last; its value",
     true},
    {"points", NULL, "the values of a sweep, each with what its solve reports", true},
    {"loss", "loss_first",
     "what a learned transform minimizes on the stored rows: ||X W' - Q(X T) Q(W T^-T)'||\u00b2 of "
     "its site; with scope=block ||F(X) - F'(X)||\u00b2, F' the quantized block, on windows of the "
     "calibration, over what the block adds, ||F(X) - X||\u00b2; now, and before the first step",
     true},
    {"rollbacks", NULL,
     "learning steps that were taken back, since a factor became singular or the loss exploded",
     true},
    {"trouble", NULL, "what made the last learning step be taken back", true},
    {"done", NULL, "whether a transform has learned all its steps", true},
    {"step", NULL, "learning steps that are done", true},
    {"folds", NULL,
     "what a transform's diagonal, or a rotation of the whole model, folds into: nothing of that "
     "is "
     "left to compute",
     true},
    {"online", NULL, "whether a transform needs work at inference that does not fold away", true},
    {"flops_per_token", NULL, "operations of a transform's online part for one token", true},
    {"share_of_layers", NULL,
     "those operations over the multiplications and additions of the site's layers", true},
    {"seconds_per_token", NULL, "time of a transform's online part for one token, as measured",
     true},
    {"max_dtype_error", NULL,
     "the largest change of a weight by the element type of the files it was written to", true},
    {"other_dtype_error", NULL, "the same of norms, embeddings and biases", true},
    {"layers_packed", NULL, "layers of an export that are written as codes and scales", true},
    {"types", NULL, "element types of an exported GGUF's solved layers, and how many have each",
     true},
    {"layers_requantized", "requantization_error",
     "layers whose own codes the format of an export cannot hold, so that they were rounded anew; "
     "what that changed, relative to the weights",
     true},
    {"layers_widened", NULL,
     "layers whose codes an export writes with more bits, since its format has none of their "
     "width: the weights are the same",
     true},
    {"loaded_error", NULL,
     "how far an export's packed layers are from what was measured for who loads them in the "
     "dtype of its config.json, which rounds scales and weights, relative to the weights",
     true},
    {"fused_scales_apart", NULL,
     "of an export with `format=nvfp4`: by how much the tensor scales of layers differ that read "
     "one "
     "input, and that a runtime puts under one scale",
     true},
    {"parameters", NULL, "what a method is set to; `help METHOD` explains them", true},
    {"files", NULL, "how many files were written, or belong to the model", true},
    {"bytes", NULL, "how large they are; of a transform: what has to be kept of it", true},
    {NULL, NULL, NULL, false},
};

const pl_topic *pl_topics(void)
{
    return topics;
}
