/* The manual page planish(1), from the tables of options, commands, methods and figures. */
#include "app/options.h"
#include "app/pages.h"
#include "app/topics.h"
#include "app/version.h"

#include "plots/kinds.h"

#include <stdlib.h>
#include <string.h>

/* Text as troff reads it: a backslash or a hyphen stands for itself, and no line is a request. */
static void put_troff(pl_buf *out, const char *text)
{
    bool at_start = out->size == 0 || out->data[out->size - 1] == '\n';
    for (const char *s = text; *s != '\0'; s++) {
        if (at_start && (*s == '.' || *s == '\'')) {
            pl_buf_puts(out, "\\&");
        }
        at_start = *s == '\n';
        if (*s == '\\') {
            pl_buf_puts(out, "\\e");
        } else if (*s == '-') {
            pl_buf_puts(out, "\\-");
        } else if (*s == '\'') {
            pl_buf_puts(out, "\\(aq");
        } else if (*s == '`') {
            pl_buf_puts(out, "\\(ga");
        } else if (*s == '~') {
            pl_buf_puts(out, "\\(ti");
        } else if (*s == '^') {
            pl_buf_puts(out, "\\(ha");
        } else {
            pl_buf_append(out, s, 1);
            pl_buf_puts(out, *s == '|' ? "\\:" : ""); /* a long list may be broken here */
        }
    }
}

/* In bold, or in italics; on a line that has begun. */
static void put_in(pl_buf *out, char font, const char *text)
{
    pl_buf_printf(out, "\\f%c", font);
    put_troff(out, text);
    pl_buf_puts(out, "\\fR");
}

/* A paragraph under a name: "FILE", or "key=" and a value. */
static void put_entry(pl_buf *out, const char *name, const char *between, const char *value,
                      const char *text)
{
    pl_buf_puts(out, ".TP\n");
    put_in(out, 'B', name);
    pl_buf_puts(out, between);
    put_in(out, 'I', value);
    pl_buf_puts(out, "\n");
    put_troff(out, text);
}

/* Lines that stay as they are. */
static void put_troff_lines(pl_buf *out, const char *text)
{
    pl_buf_puts(out, ".PP\n.nf\n");
    for (const char *line = text; *line != '\0';) {
        const size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);
        out->failed = out->failed || copy == NULL;
        if (copy != NULL) {
            put_troff(out, copy);
        }
        pl_buf_puts(out, length > 0 ? "\n" : ".sp\n");
        free(copy);
        line += length + (line[length] == '\n');
    }
    pl_buf_puts(out, ".fi\n");
}

static void put_options(pl_buf *out)
{
    pl_buf_puts(out, ".SH OPTIONS\n");
    put_troff(out, pl_options_model);
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        if (one->help != NULL) {
            put_entry(out, one->name, " ", one->argument != NULL ? one->argument : "", one->help);
            pl_buf_puts(out, "\n");
        }
    }
}

static void put_command(const pl_command *command, pl_buf *out)
{
    pl_buf_puts(out, ".SS \"");
    put_in(out, 'B', command->name);
    pl_buf_puts(out, " ");
    for (const char *s = command->positional; *s != '\0'; s++) {
        const char letter[2] = {*s, '\0'};
        if (*s == '"') {
            pl_buf_puts(out, "\\(dq");
        } else {
            put_troff(out, letter);
        }
    }
    pl_buf_puts(out, "\"\n");
    put_troff(out, command->summary);
    pl_buf_puts(out, pl_command_is_screen_only(command) ? ".\nOnly on the screen.\n" : ".\n");
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        const char *choices = pl_key_choices(key);
        put_entry(out, key->name, "=",
                  key->initial != NULL ? key->initial
                  : choices != NULL    ? choices
                                       : "...",
                  key->help);
        if (key->initial != NULL && choices != NULL) {
            pl_buf_puts(out, "\n(");
            put_troff(out, choices);
            pl_buf_puts(out, ")");
        }
        pl_buf_puts(out, "\n");
    }
    /* What has sections of its own is not said again. */
    if (command->more_help != NULL && command->more_help != pl_help_methods &&
        command->more_help != pl_help_kinds) {
        pl_buf more = {0};
        command->more_help(&more);
        put_troff_lines(out, more.data != NULL ? more.data : "");
        out->failed = out->failed || more.failed;
        pl_buf_deinit(&more);
    }
}

static void put_method(const pl_method *method, pl_buf *out)
{
    pl_buf_puts(out, ".SS ");
    put_in(out, 'B', method->name);
    pl_buf_puts(out, "\n");
    put_troff(out, method->summary);
    pl_buf_printf(out, "\nFills the slot %s%s.\n", pl_slot_name(method->slot),
                  method->blind ? "; needs no calibration" : "");
    const pl_spec spec = pl_spec_default(method);
    for (size_t i = 0; i < method->n_params; i++) {
        pl_buf value = {0};
        pl_spec_format_value(&spec, i, &value);
        put_entry(out, method->params[i].name, "=", value.data != NULL ? value.data : "",
                  method->params[i].help);
        pl_buf_puts(out, "\n");
        out->failed = out->failed || value.failed;
        pl_buf_deinit(&value);
    }
}

static void put_figure_entries(pl_buf *out)
{
    pl_buf_puts(out, ".SH FIGURES\nFor plot and figure, and views of the screen.\n");
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        const char *forms = (*kind)->forms;
        put_entry(out, (*kind)->name, forms != NULL ? " form=" : "", forms != NULL ? forms : "",
                  (*kind)->summary);
        pl_buf_puts(out, "\n");
    }
}

static void put_surroundings(pl_buf *out)
{
    static const char *const variables[][2] = {
        {"PLANISH_DEMO",
         "the folder of the built-in demo model, where it is not the installed one"},
        {"XDG_CACHE_HOME", "planish below it holds results (~/.cache)"},
        {"XDG_STATE_HOME", "planish below it holds sessions and the prompt's history "
                           "(~/.local/state)"},
        {"XDG_CONFIG_HOME", "planish below it holds keys and looks (~/.config)"},
        {"HF_HUB_CACHE, HF_HOME", "where org/name is looked for, as transformers does"},
        {"OPENBLAS_CORETYPE", "the kernels that OpenBLAS uses, instead of those found best"},
        {"NO_COLOR", "no colours on the screen"},
    };
    pl_buf_puts(out, ".SH ENVIRONMENT\n");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        put_entry(out, variables[i][0], "", "", variables[i][1]);
        pl_buf_puts(out, "\n");
    }
    pl_buf_puts(out, ".SH \"EXIT STATUS\"\n");
    put_troff(out, pl_options_exit);
    pl_buf_puts(out, ".SH LICENCE\n");
    pl_buf licence = {0};
    pl_licence_put(&licence);
    put_troff(out, licence.data != NULL ? licence.data : "");
    out->failed = out->failed || licence.failed;
    pl_buf_deinit(&licence);
    pl_buf_puts(out, "\n");
}

void pl_manual_put(pl_buf *out)
{
    pl_buf_puts(
        out,
        ".TH PLANISH 1 \"\" \"planish " PL_VERSION "\" \"User Commands\"\n"
        ".ad l\n.nh\n.SH NAME\nplanish \\- terminal workbench for quantizing large language "
        "models\n"
        ".SH SYNOPSIS\n.B planish\n[\\fIOPTIONS\\fR] [\\fIMODEL\\fR] "
        "[\\fB\\-c\\fR \\(aq\\fICMD; CMD\\fR\\(aq] [\\fB\\-\\-batch\\fR \\fIFILE\\fR|\\-]\n"
        ".SH DESCRIPTION\n"
        "Planish opens a checkpoint, shows which channels of its weights and inputs are outliers "
        "and\nwhich tokens cause them, applies a cure (Astro and MagR; the transforms SmoothQuant, "
        "AWQ,\nHadamard, random rotations and FlatQuant; rotations of the whole model: QuaRot, "
        "KurTail and\nSpinQuant) and a quantizer (RTN, GPTQ, GPTAQ, Qronos), measures perplexity\n"
        "by a named protocol, and writes figures and checkpoints that other tools "
        "load.\n"
        "Every result says how far from optimal it is.\n"
        ".PP\nWithout \\fB\\-c\\fR and \\fB\\-\\-batch\\fR it opens a screen: ? explains its keys, "
        ": takes a command.\n");
    put_options(out);
    pl_buf_puts(out, ".SH COMMANDS\nThe screen, its : prompt and batches run the same commands.\n"
                     "Words come first, then key=value; a semicolon ends a command, # starts a "
                     "comment.\nThe values shown are the defaults.\n");
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        put_command(*c, out);
    }
    pl_buf_puts(out, ".SH METHODS\nA run is transform, then precondition, then round.\n");
    for (const pl_method *const *m = pl_methods(); *m != NULL; m++) {
        put_method(*m, out);
    }
    put_figure_entries(out);
    put_surroundings(out);
    pl_buf_puts(out, ".SH \"SEE ALSO\"\n\\fBplanish\\-mpi\\fR(1), which computes on several "
                     "machines, where it is installed\n");
}
