#include "app/options.h"

#include "app/pages.h"
#include "core/base/nearest.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static pl_status parse_size(const char *text, size_t *out, pl_error *err)
{
    char *end = NULL;
    double value = strtod(text, &end);
    static const char units[] = "KMGT";
    const char *unit = *end != '\0' ? strchr(units, *end & ~0x20) : NULL;
    if (unit != NULL) {
        for (long i = 0; i <= unit - units; i++) {
            value *= 1024;
        }
        end++;
        end += *end == 'i';
        end += *end == 'B';
    }
    if (end == text || *end != '\0' || !(value >= 1 << 20) || value > (double)(SIZE_MAX / 4)) {
        return pl_error_set(err, PL_ERR_USAGE, "--memory %s: expected a size such as 512M or 8G",
                            text);
    }
    *out = (size_t)value;
    return PL_OK;
}

static pl_status parse_threads(const char *text, int *out, pl_error *err)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > 1024) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "--threads %s: expected a whole number from 1 to 1024", text);
    }
    *out = (int)value;
    return PL_OK;
}

static pl_status take_choice(const char *option, const char *value, const char *const *choices,
                             const char **out, pl_error *err)
{
    pl_buf list = {0};
    for (const char *const *choice = choices; *choice != NULL; choice++) {
        if (strcmp(*choice, value) == 0) {
            *out = value;
            pl_buf_deinit(&list);
            return PL_OK;
        }
        pl_buf_printf(&list, "%s%s",
                      list.size == 0      ? ""
                      : choice[1] != NULL ? ", "
                                          : " or ",
                      *choice);
    }
    pl_status status = pl_error_set(err, PL_ERR_USAGE, "%s %s: expected %s", option, value,
                                    list.data != NULL ? list.data : "another value");
    pl_buf_deinit(&list);
    return status;
}

static const char *const themes[] = {"dark", "light", "safe", "none", NULL};
static const char *const marks[] = {"braille", "blocks", "ascii", "auto", NULL};
static const char *const yes_no[] = {"yes", "no", NULL};

#define FIELD(name) offsetof(pl_options, name)

const char *const pl_page_names[] = {"man", "bash", "zsh", "fish", NULL};

const pl_option pl_option_table[] = {
    {"-c", PL_OPTION_TEXT, FIELD(commands), NULL, "'CMD; CMD'",
     "run these commands and leave; no screen"},
    {"--batch", PL_OPTION_TEXT, FIELD(batch), NULL, "FILE",
     "run the commands in FILE and leave; after -c, if both are given"},
    {"--batch", PL_OPTION_TEXT, FIELD(batch), NULL, "-",
     "run each line of standard input when it has come, until quit or its\n"
     "end; a failed command does not end it, Ctrl-C stops only the running one"},
    {"--keep-going", PL_OPTION_FLAG, FIELD(keep_going), NULL, NULL,
     "go on behind a command that failed: the exit status is that of the first"},
    {"--json", PL_OPTION_FLAG, FIELD(json), NULL, NULL,
     "one JSON object a command on stdout (app/json.md lists their keys)"},
    {"--session", PL_OPTION_TEXT, FIELD(session), NULL, "FILE",
     "keep the session there (made if missing), and go on with it"},
    {"--store", PL_OPTION_TEXT, FIELD(store), NULL, "DIR",
     "where results are kept ($XDG_CACHE_HOME/planish)"},
    {"--threads", PL_OPTION_THREADS, FIELD(threads), NULL, "N",
     "threads to compute with (the usable processors)"},
    {"--memory", PL_OPTION_SIZE, FIELD(memory), NULL, "SIZE",
     "memory to stay within, e.g. 8G (three quarters of the machine's)"},
    {"--keys", PL_OPTION_TEXT, FIELD(keys), NULL, "FILE",
     "keys of the screen ($XDG_CONFIG_HOME/planish/keys); a line is\n"
     "map PANE KEY ACTION or unmap PANE KEY, e.g. map all x solve;\n"
     "panes: all layers main second table tuner; actions: see --actions"},
    {"--actions", PL_OPTION_FLAG, FIELD(actions), NULL, NULL,
     "print the actions that keys can be mapped to, and their keys"},
    {"--theme", PL_OPTION_TEXT, FIELD(theme), themes, "NAME",
     "dark, light, safe (colour-blind) or none"},
    {"--marks", PL_OPTION_TEXT, FIELD(marks), marks, "NAME",
     "braille, blocks, ascii or auto: what plots are drawn with"},
    {"--mouse", PL_OPTION_TEXT, FIELD(mouse), yes_no, "yes|no",
     "whether planish or the terminal's own selection has the mouse"},
    {"--print", PL_OPTION_TEXT, FIELD(page), pl_page_names, "NAME",
     "print the manual page (man) or what bash, zsh or fish complete with"},
    {"--version", PL_OPTION_FLAG, FIELD(version), NULL, NULL,
     "print versions, OpenBLAS's kernels, the threads, the processor, the licence"},
    {"--help", PL_OPTION_FLAG, FIELD(help), NULL, NULL,
     "print this; `planish -c help` explains the commands"},
    {"-h", PL_OPTION_FLAG, FIELD(help), NULL, NULL, NULL},
    {0},
};

const char pl_options_model[] =
    "MODEL is a folder, a .safetensors or .gguf file, or org/name[@REVISION] in the Hugging Face\n"
    "cache.  "
    "Without MODEL the built-in demo is opened.\n";

const char pl_options_exit[] =
    "0 all succeeded; 1 a command failed or `rebuild` made another figure; 2 an\n"
    "option or a command was not understood; 128 + n signal n ended it.\n";

void pl_options_put_help(pl_buf *out)
{
    pl_buf_printf(out, "usage: planish [OPTIONS] [MODEL] [-c 'CMD; CMD'] [--batch FILE|-]\n\n%s\n",
                  pl_options_model);
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        if (one->help == NULL) {
            continue;
        }
        const char *argument = one->argument != NULL ? one->argument : "";
        const int width = (int)(strlen(one->name) + strlen(argument));
        pl_buf_printf(out, "  %s %s%*s", one->name, argument, width < 15 ? 16 - width : 1, "");
        for (const char *s = one->help; *s != '\0'; s++) {
            pl_buf_append(out, s, 1);
            if (*s == '\n') {
                pl_buf_printf(out, "%19s", "");
            }
        }
        pl_buf_puts(out, "\n");
    }
    pl_buf_printf(out, "\nexit status: %s", pl_options_exit);
}

/* The option whose name is the first `length` bytes of text, or NULL. */
static const pl_option *find_option(const char *text, size_t length)
{
    const pl_option *one = pl_option_table;
    while (one->name != NULL &&
           (strlen(one->name) != length || strncmp(one->name, text, length) != 0)) {
        one++;
    }
    return one->name != NULL ? one : NULL;
}

static pl_status take_value(pl_options *o, const pl_option *one, const char *value, pl_error *err)
{
    void *field = (char *)o + one->field;
    switch (one->kind) {
    case PL_OPTION_FLAG:
        *(bool *)field = true;
        return PL_OK;
    case PL_OPTION_THREADS:
        return parse_threads(value, field, err);
    case PL_OPTION_SIZE:
        return parse_size(value, field, err);
    case PL_OPTION_TEXT:
        break;
    }
    if (one->choices != NULL) {
        return take_choice(one->name, value, one->choices, field, err);
    }
    *(const char **)field = value;
    return PL_OK;
}

static pl_status unknown_option(const char *text, pl_error *err)
{
    char hint[PL_NEAREST_HINT];
    pl_nearest near = pl_nearest_to(text);
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        pl_nearest_try(&near, one->name);
    }
    return pl_error_set(err, PL_ERR_USAGE, "unknown option %s: %s", text,
                        near.best != NULL ? pl_nearest_hint(&near, "", "", hint)
                                          : "see planish --help");
}

pl_status pl_options_parse(int argc, char **argv, pl_options *out, pl_error *err)
{
    *out = (pl_options){0};
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (only_words || text[0] != '-' || text[1] == '\0') {
            if (out->model != NULL) {
                return pl_error_set(err, PL_ERR_USAGE,
                                    "%s: a second model; expected one MODEL (commands go in -c)",
                                    text);
            }
            out->model = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_words = true;
            continue;
        }
        const char *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
        const size_t length = equals != NULL ? (size_t)(equals - text) : strlen(text);
        const pl_option *one = find_option(text, length);
        if (one == NULL || (one->kind == PL_OPTION_FLAG && equals != NULL)) {
            return unknown_option(text, err);
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (one->kind != PL_OPTION_FLAG && value == NULL) {
            if (i + 1 == argc) {
                return pl_error_set(err, PL_ERR_USAGE, "%s: needs a value", text);
            }
            value = argv[++i];
        }
        pl_status status = take_value(out, one, value, err);
        if (status != PL_OK) {
            return status;
        }
    }
    return PL_OK;
}
