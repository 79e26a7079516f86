/* The one table of commands. */
#include "app/handlers.h"
#include "views/view.h"

#include <string.h>

static const pl_key no_keys[] = {{0}};

static const pl_key open_keys[] = {
    {"inputs", PL_KEY_FILE, NULL, NULL,
     "open matrices: their inputs X [tokens, in], .safetensors or .npy"},
    {0},
};

static const pl_key tokenize_keys[] = {
    {"text", PL_KEY_FILE, NULL, NULL, "a .txt file, or .jsonl or .json with `text` fields"},
    {"limit", PL_KEY_INT, NULL, NULL, "show only the first ids"},
    {0},
};

static const pl_key calibrate_keys[] = {
    {"text", PL_KEY_FILE, NULL, NULL, "calibration text (.txt, .jsonl, .json); may be given again"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "8", NULL, "how many windows"},
    {"sample", PL_KEY_CHOICE, "first", "first|random", "the first windows, or seeded random ones"},
    {"seed", PL_KEY_INT, "0", NULL, "seed of sample=random"},
    {"rows", PL_KEY_INT, "1024", NULL, "rows of each input to keep, for errors of activations"},
    {0},
};

static const pl_key outliers_keys[] = {
    {"side", PL_KEY_CHOICE, "input", "weight|input", "channels of the weights or of the inputs"},
    {"top", PL_KEY_INT, "8", NULL, "how many channels"},
    {0},
};

static const pl_key method_keys[] = {
    {"on", PL_KEY_TEXT, NULL, NULL, "only for layers whose name matches this glob"},
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round", "with `none`: which to empty"},
    {0},
};

static const pl_key activations_keys[] = {
    {"bits", PL_KEY_INT, "4", NULL, "bits of one value, 2 to 8"},
    {"symmetric", PL_KEY_FORMAT, "yes", NULL,
     "codes around 0, with a zero point, or GPTQ's own grid"},
    {"clip", PL_KEY_REAL, "1", NULL, "share of the range that is kept, 0.01 to 1"},
    {"range", PL_KEY_CHOICE, "token", "token|tensor",
     "each token its own, or one for all: [min, max] of the stored rows, after T"},
    {0},
};

static const pl_key kv_keys[] = {
    {"bits", PL_KEY_INT, "4", NULL, "bits of one value, 2 to 8"},
    {"group_size", PL_KEY_INT, "64", NULL, "values of a head that share a range; 0: the head"},
    {"symmetric", PL_KEY_FORMAT, "yes", NULL,
     "codes around 0, with a zero point, or GPTQ's own grid"},
    {0},
};

static const pl_key learn_keys[] = {
    {"until", PL_KEY_INT, NULL, NULL, "pause behind this step, to look or to go on later"},
    {0},
};

static const pl_key solve_keys[] = {
    {"sequential", PL_KEY_CHOICE, "yes", "yes|no",
     "with `all`: each layer on inputs from the layers solved before it, or on the original's"},
    {0},
};

static const pl_key import_keys[] = {
    {"after", PL_KEY_FILE, NULL, NULL,
     "a checkpoint of the same layers: a folder, .safetensors or .gguf"},
    {0},
};

static const pl_key sweep_keys[] = {
    {"slot", PL_KEY_CHOICE, NULL, "transform|precondition|round",
     "whose parameter, where two methods have one of that name"},
    {"perplexity", PL_KEY_CHOICE, "no", "no|yes", "with `all`: measure it at every value"},
    {"text", PL_KEY_FILE, NULL, NULL, "with perplexity=yes: the text to score"},
    {"length", PL_KEY_INT, "512", NULL, "with perplexity=yes: tokens in a window"},
    {"windows", PL_KEY_INT, "20", NULL, "with perplexity=yes: how many; 0: all the text has"},
    {0},
};

static const pl_key perplexity_keys[] = {
    {"text", PL_KEY_FILE, NULL, NULL, "the text to score; may be given again"},
    {"protocol", PL_KEY_CHOICE, "gptq", "gptq|llama.cpp", "which targets are scored"},
    {"length", PL_KEY_INT, "512", NULL, "tokens in a window"},
    {"windows", PL_KEY_INT, "20", NULL, "how many windows; 0: all the text has"},
    {"which", PL_KEY_CHOICE, "before", "before|preconditioned|after", "whose weights"},
    {"spread", PL_KEY_INT, "0", NULL,
     "runs more, each with embeddings moved by 1e-7: how much of the number is noise"},
    {0},
};

static const pl_key select_keys[] = {
    {"channel", PL_KEY_TEXT, NULL, NULL, "mark this input channel in all views; none: no more"},
    {0},
};

static const pl_key view_keys[] = {
    {"side", PL_KEY_CHOICE, NULL, "weight|input", "what the views show"},
    {"which", PL_KEY_CHOICE, NULL, "before|preconditioned|after|both", "which weights they show"},
    {"main", PL_KEY_VIEW, NULL, NULL, "view of the main pane"},
    {"second", PL_KEY_VIEW, NULL, NULL, "view of the second pane, which it opens"},
    {"table", PL_KEY_VIEW, NULL, NULL, "view of the pane below"},
    {"pane", PL_KEY_CHOICE, NULL, "main|second|table",
     "whose order, scale and form are meant (else the pane that is named, or main)"},
    {"order", PL_KEY_CHOICE, NULL, "index|sorted", "channels by index or by falling size"},
    {"scale", PL_KEY_CHOICE, NULL, "linear|log", "the value axis"},
    {"form", PL_KEY_TEXT, NULL, NULL, "which form of the view: maxima, fan, ..."},
    {"split", PL_KEY_CHOICE, NULL, "no|yes", "the second pane beside the main one"},
    {"zoom", PL_KEY_CHOICE, NULL, "no|layers|main|second|table|tuner", "one pane alone"},
    {0},
};

#define PAGE_KEYS                                                                                  \
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "figure to write: .png, .pdf or .svg; .csv: its data"},  \
        {"preset", PL_KEY_CHOICE, "none",                                                          \
         "none|icml|icml2|neurips|nature|nature2|acl|acl2|slide",                                  \
         "a venue's width: one column, or with 2 the whole page"},                                 \
        {"width", PL_KEY_LENGTH, "6.4in", NULL, "width, in or mm"},                                \
        {"height", PL_KEY_LENGTH, "4.8in", NULL, "height, in or mm (by the preset or the grid)"},  \
        {"dpi", PL_KEY_REAL, "300", NULL, "dots per inch of a PNG"},                               \
    {                                                                                              \
        "caption", PL_KEY_CHOICE, "no", "no|yes", "give the caption, too, as text and LaTeX"       \
    }

static const pl_key plot_keys[] = {
    {"side", PL_KEY_CHOICE, "weight", "weight|input", "weights or inputs"},
    {"which", PL_KEY_CHOICE, NULL, "before|preconditioned|after|both",
     "which weights (both = before and preconditioned; the default once the layer is solved)"},
    {"order", PL_KEY_CHOICE, "index", "index|sorted", "channels by index or by falling size"},
    {"scale", PL_KEY_CHOICE, "linear", "linear|log", "the value axis"},
    {"form", PL_KEY_TEXT, NULL, NULL, "which form of the figure (`help plot` lists them)"},
    {"pins", PL_KEY_CHOICE, "no", "no|yes", "the pinned baselines, too"},
    {"channel", PL_KEY_INT, NULL, NULL, "mark this input channel"},
    PAGE_KEYS,
    {0},
};

static const pl_key figure_keys[] = {
    {"share", PL_KEY_CHOICE, "none", "none|x|y|both",
     "one x axis a column, one y axis a row: common ranges, labels at the edge only"},
    {"letters", PL_KEY_CHOICE, "yes", "yes|no", "a, b, ... at the panels"},
    PAGE_KEYS,
    {0},
};

static const pl_key rebuild_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "figure to write; without it the bytes are compared"},
    {0},
};

static const pl_key dump_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "file to write: .npy or .csv"},
    {"which", PL_KEY_CHOICE, "before", "before|preconditioned|after", "which weights"},
    {0},
};

static const pl_key export_keys[] = {
    {"dir", PL_KEY_NEW_FILE, NULL, NULL, "folder to make"},
    {"format", PL_KEY_CHOICE, "hf", "hf", "a Hugging Face folder"},
    {"weights", PL_KEY_CHOICE, NULL, "preconditioned|rounded",
     "which weights (rounded where a rounder is set)"},
    {"dtype", PL_KEY_CHOICE, NULL, "f16|bf16|f32",
     "element type (the checkpoint's own; f16 from a GGUF)"},
    {0},
};

static const pl_key log_keys[] = {
    {"file", PL_KEY_NEW_FILE, NULL, NULL, "a script for --batch: the session's commands"},
    {0},
};

static bool slow_always(const pl_call *call)
{
    return call != NULL;
}

static const pl_command table[] = {
    {.name = "open", .positional = "[PATH]", .max_words = 1, .keys = open_keys,
     .summary = "Open a model: a folder, .safetensors, .gguf, .npy or cached org/name; alone: the "
                "demo",
     .run = pl_run_open, .apply = pl_apply_open,
     .slow = slow_always, .rebuild = PL_REBUILD_MODEL, .more_help = pl_help_dumps},
    {.name = "info", .positional = "", .keys = no_keys, .needs_model = true,
     .summary = "Say what the open model is, and what computes", .run = pl_run_info},
    {.name = "layers", .positional = "", .keys = no_keys, .needs_model = true,
     .summary = "List the linear layers with their outlier scores", .run = pl_run_layers},
    {.name = "tokenize", .positional = "", .keys = tokenize_keys, .needs_model = true,
     .summary = "Turn a text into token ids", .run = pl_run_tokenize},
    {.name = "calibrate", .positional = "", .keys = calibrate_keys, .needs_model = true,
     .summary = "Run the original model over a text: Gram matrices and input statistics",
     .run = pl_run_calibrate, .apply = pl_apply_calibrate,
     .slow = slow_always, .unit = "tokens", .rebuild = PL_REBUILD_TEXTS, .brings = PL_BRINGS_INPUTS,
     .follow = pl_screen_follow_inputs},
    {.name = "select", .positional = "[LAYER]", .max_words = 1, .keys = select_keys,
     .summary = "Choose the layer that later commands are about, or mark a channel",
     .needs_model = true,
     .apply = pl_apply_select,
     .history = PL_HISTORY_MERGED, .rebuild = PL_REBUILD_RUN},
    {.name = "outliers", .positional = "[LAYER]", .max_words = 1, .keys = outliers_keys,
     .needs_model = true, .summary = "The largest channels, and the tokens that cause them",
     .run = pl_run_outliers},
    {.name = "massive", .positional = "", .keys = no_keys, .needs_model = true,
     .summary = "Massive activations of the residual stream (|x| > 100 and > 1000 x its median)",
     .run = pl_run_massive},
    {.name = "method", .positional = "METHOD|none", .min_words = 1, .max_words = 1,
     .keys = method_keys,
     .any_key = true, .needs_model = true,
     .summary = "Put a method in its slot: hadamard, astro, gptq, ..., or none slot=...",
     .apply = pl_apply_method,
     .history = PL_HISTORY_KNOB, .rebuild = PL_REBUILD_RUN, .tour = PL_TOUR_TURN,
     .follow = pl_screen_follow_method, .more_help = pl_help_methods},
    {.name = "activations", .positional = "[none]", .max_words = 1, .keys = activations_keys,
     .needs_model = true,
     .summary = "Quantize the inputs of the linear layers, after their transform, or none",
     .apply = pl_apply_activations,
     .rebuild = PL_REBUILD_RUN},
    {.name = "cost", .positional = "[LAYER]", .max_words = 1, .keys = no_keys,
     .needs_model = true,
     .summary = "What the transform of a layer costs at inference, and what of it folds away",
     .run = pl_run_cost},
    {.name = "kv", .positional = "[none]", .max_words = 1, .keys = kv_keys, .needs_model = true,
     .summary = "Quantize keys (after RoPE) and values, or none", .apply = pl_apply_kv,
     .rebuild = PL_REBUILD_RUN},
    {.name = "learn", .positional = "[pause|resume|reset] [LAYER]", .max_words = 2,
     .keys = learn_keys, .needs_model = true,
     .summary = "Learn the transform of a layer's site, go on with it, or forget it",
     .run = pl_run_learn,
     .slow = pl_slow_learn, .unit = "steps",
     .rebuild = PL_REBUILD_RUN, .brings = PL_BRINGS_TRANSFORM,
     .on_screen = pl_screen_word_learn, .follow = pl_screen_follow_learn},
    {.name = "solve", .positional = "[LAYER|all]", .max_words = 1, .keys = solve_keys,
     .needs_model = true, .summary = "Apply the methods to the selected layer, another, or all",
     .run = pl_run_solve, .apply = pl_apply_solve,
     .slow = pl_call_is_of_all, .unit = "layers", .learns = true,
     .history = PL_HISTORY_NONE, .rebuild = PL_REBUILD_RUN,
     .tour = PL_TOUR_SOLVE},
    {.name = "import", .positional = "[LAYER|all|none]", .max_words = 1, .keys = import_keys,
     .needs_model = true,
     .summary = "Take another checkpoint's weights as the layers' result, instead of their methods",
     .run = pl_run_import, .apply = pl_apply_import,
     .slow = pl_call_is_of_all, .unit = "layers", .rebuild = PL_REBUILD_CHECKPOINT},
    {.name = "pin", .positional = "", .keys = no_keys, .needs_model = true,
     .summary = "Keep the layer's present result as a baseline to compare with (up to 8)",
     .apply = pl_apply_pin,
     .rebuild = PL_REBUILD_RUN},
    {.name = "unpin", .positional = "[N|all]", .max_words = 1, .keys = no_keys, .needs_model = true,
     .summary = "Take a pinned baseline away: the last one, the N-th as `pin` lists them, or all",
     .apply = pl_apply_unpin,
     .rebuild = PL_REBUILD_RUN},
    {.name = "sweep", .positional = "[LAYER|all] PARAM=FROM:TO:logN", .max_words = 1,
     .keys = sweep_keys, .any_key = true, .needs_model = true,
     .summary = "Solve for N values of a parameter (logN or linN), and find the knee",
     .run = pl_run_sweep, .apply = pl_apply_sweep,
     .slow = slow_always, .unit = "points",
     .rebuild = PL_REBUILD_TEXTS, .more_help = pl_help_methods},
    {.name = "perplexity", .positional = "", .keys = perplexity_keys, .needs_model = true,
     .summary = "Measure perplexity by a named protocol, and KL against the original",
     .run = pl_run_perplexity, .put_text = pl_put_perplexity,
     .slow = slow_always, .unit = "scored tokens", .brings = PL_BRINGS_PERPLEXITY},
    {.name = "probe", .positional = "\"TEXT\"", .min_words = 1, .max_words = 1, .keys = no_keys,
     .needs_model = true, .summary = "Run a typed sentence: loss and largest channel per token",
     .run = pl_run_probe},
    {.name = "view", .positional = "", .keys = view_keys, .needs_model = true,
     .summary = "Choose what the screen shows: views, their side, order and form, split and zoom",
     .apply = pl_apply_view,
     .history = PL_HISTORY_MERGED, .says_itself = true, .follow = pl_screen_follow_view},
    {.name = "plot", .positional = "FIGURE [LAYER]", .min_words = 1, .max_words = 2,
     .keys = plot_keys, .needs_model = true,
     .summary = "Write a figure for the paper: what the view of that name shows",
     .run = pl_run_plot,
     .slow = pl_slow_plot, .rebuild = PL_REBUILD_FIGURE, .tour = PL_TOUR_FIGURE,
     .more_help = pl_help_kinds},
    {.name = "figure", .positional = "ROWSxCOLUMNS \"FIGURE [LAYER] KEY=VALUE ...\" ...",
     .min_words = 2, .max_words = 37, .keys = figure_keys, .needs_model = true,
     .summary = "Write a grid of figures; each panel is quoted as behind `plot`",
     .run = pl_run_figure,
     .slow = slow_always, .rebuild = PL_REBUILD_FIGURE, .tour = PL_TOUR_FIGURE,
     .more_help = pl_help_kinds},
    {.name = "rebuild", .positional = "FILE", .min_words = 1, .max_words = 1,
     .keys = rebuild_keys, .needs_model = true,
     .summary = "Make a figure again from its own file: the same bytes, or why not",
     .run = pl_run_rebuild,
     .slow = slow_always},
    {.name = "dump", .positional = "gram|weights|inputs|stats [LAYER]", .min_words = 1,
     .max_words = 2, .keys = dump_keys, .needs_model = true,
     .summary = "Write the numbers behind a layer", .run = pl_run_dump},
    {.name = "export", .positional = "", .keys = export_keys, .needs_model = true,
     .summary = "Write the model with its solved weights", .run = pl_run_export,
     .slow = slow_always, .unit = "elements", .tour = PL_TOUR_FIGURE},
    {.name = "undo", .positional = "", .keys = no_keys, .on_screen = pl_screen_word_undo,
     .summary = "Take the last change of the state back (screen)"},
    {.name = "redo", .positional = "", .keys = no_keys, .on_screen = pl_screen_word_redo,
     .summary = "Do again what undo took back (screen)"},
    {.name = "restore", .positional = "", .keys = no_keys, .on_screen = pl_screen_word_restore,
     .summary = "Bring the last session back (screen)"},
    {.name = "cancel", .positional = "", .keys = no_keys, .on_screen = pl_screen_word_cancel,
     .summary = "Stop the running job (screen)"},
    {.name = "filter", .positional = "EXPRESSION|none", .max_words = 1, .keys = no_keys,
     .on_screen = pl_screen_word_filter,
     .summary = "List only layers by name (q_proj, 15.*) or score (input_ratio > 20) (screen)",
     .raw = true},
    {.name = "theme", .positional = "[dark|light|safe|none|auto]", .max_words = 1, .keys = no_keys,
     .on_screen = pl_screen_word_theme,
     .summary = "Colours for a dark or light background, safe, or none (screen)"},
    {.name = "marks", .positional = "braille|blocks|ascii|auto", .min_words = 1, .max_words = 1,
     .keys = no_keys, .on_screen = pl_screen_word_marks,
     .summary = "What plots are drawn with (screen)"},
    {.name = "jobs", .positional = "", .keys = no_keys, .on_screen = pl_screen_word_jobs,
     .summary = "List the jobs, to cancel one (screen)"},
    {.name = "log", .positional = "", .keys = log_keys, .on_screen = pl_screen_word_log,
     .summary = "Show what was done and how long it took; file= writes it as a batch (screen)"},
    {.name = "tour", .positional = "[on|off]", .max_words = 1, .keys = no_keys,
     .on_screen = pl_screen_word_tour,
     .summary = "Show the five steps of the tour, or end it (screen)"},
    {.name = "save", .positional = "", .keys = no_keys,
     .summary = "Bring the session to disk now",
     .history = PL_HISTORY_NONE, .on_screen = pl_screen_word_save, .in_batch = pl_front_save},
    {.name = "help", .positional = "[COMMAND|METHOD]", .max_words = 1, .keys = no_keys,
     .summary = "Explain the commands", .run = pl_run_help,
     .history = PL_HISTORY_NONE, .on_screen = pl_screen_word_help, .put_text = pl_put_help},
    {.name = "quit", .positional = "", .keys = no_keys, .summary = "Leave Planish",
     .apply = pl_apply_quit,
     .history = PL_HISTORY_NONE},
    {0},
};

const char *pl_key_choices(const pl_key *key)
{
    return key->kind == PL_KEY_VIEW     ? pl_view_names()
           : key->kind == PL_KEY_FORMAT ? PL_FORMAT_CHOICES
                                        : key->choices;
}

const char *pl_call_unit(const pl_call *call)
{
    const pl_command *command = call->command;
    return command->slow != NULL && command->slow(call) ? command->unit : NULL;
}

bool pl_call_is_of_all(const pl_call *call)
{
    return call->n_words > 0 && strcmp(call->words[0], "all") == 0;
}

bool pl_call_is_slow(const pl_call *call)
{
    return call->command->slow != NULL && call->command->slow(call);
}

bool pl_command_is_screen_only(const pl_command *command)
{
    return command->on_screen != NULL && command->run == NULL && command->in_batch == NULL;
}

const pl_command *pl_commands(void)
{
    return table;
}

const pl_command *pl_command_find(const char *name)
{
    for (const pl_command *command = table; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0) {
            return command;
        }
    }
    return NULL;
}
