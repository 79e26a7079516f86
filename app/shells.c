/* Completion for shells, from the tables of options, commands and methods: what a shell offers
 * behind `planish`, and in the commands of its -c. */
#include "app/options.h"
#include "app/pages.h"
#include "app/topics.h"

#include "plots/kinds.h"
#include "views/view.h"

#include <string.h>

/* "a|b" as words with something before each. */
static void put_choices(pl_buf *out, const char *lead, const char *choices)
{
    while (*choices != '\0') {
        const size_t length = strcspn(choices, "|");
        pl_buf_printf(out, " %s%.*s", lead, (int)length, choices);
        choices += length + (choices[length] == '|');
    }
}

static void put_method_words(pl_buf *out)
{
    for (const pl_method *const *method = pl_methods(); *method != NULL; method++) {
        pl_buf_printf(out, " %s", (*method)->name);
    }
}

static void put_command_names(pl_buf *out)
{
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        pl_buf_printf(out, " %s", (*c)->name);
    }
}

static void put_figure_words(pl_buf *out)
{
    for (const pl_kind *const *kind = pl_kinds(); *kind != NULL; kind++) {
        pl_buf_printf(out, " %s", (*kind)->name);
    }
}

static void put_views(pl_buf *out)
{
    put_choices(out, "", pl_view_names());
}

/* Words of `positional` in capitals that name what a table lists; the others are the user's own. */
static const struct {
    const char *name;
    void (*put)(pl_buf *out);
} listed[] = {
    {"METHOD", put_method_words},
    {"COMMAND", put_command_names},
    {"FIGURE", put_figure_words},
    {"VIEW", put_views},
};

/* Completions behind a command's name, each with a blank before it: fixed words, names, and "key="
 * or "key=choice". */
static void put_command_words(const pl_command *command, pl_buf *out)
{
    static const char between[] = "[]|\" .";
    for (const char *s = command->positional + strspn(command->positional, between); *s != '\0';
         s += strspn(s, between)) {
        const size_t length = strcspn(s, between);
        if (*s >= 'a' && *s <= 'z') {
            pl_buf_printf(out, " %.*s", (int)length, s);
        }
        for (size_t i = 0; i < sizeof listed / sizeof *listed; i++) {
            if (strlen(listed[i].name) == length && strncmp(listed[i].name, s, length) == 0) {
                listed[i].put(out);
            }
        }
        s += length;
    }
    for (const pl_key *key = command->keys; key->name != NULL; key++) {
        const char *choices = pl_key_choices(key);
        pl_buf lead = {0};
        pl_buf_printf(&lead, "%s=", key->name);
        if (choices != NULL && lead.data != NULL) {
            put_choices(out, lead.data, choices);
        } else {
            pl_buf_printf(out, " %s=", key->name);
        }
        out->failed = out->failed || lead.failed;
        pl_buf_deinit(&lead);
    }
    for (const pl_method *const *m = pl_methods(); command->any_key && *m != NULL; m++) {
        for (size_t i = 0; i < (*m)->n_params; i++) {
            const pl_method *const *first = pl_methods(); /* that has it: it is listed once */
            while (pl_method_param(*first, (*m)->params[i].name) == SIZE_MAX) {
                first++;
            }
            if (first == m) {
                pl_buf_printf(out, " %s=", (*m)->params[i].name);
            }
        }
    }
}

/* A line for each command: its name between `head` and `middle`, its words before `tail`. */
static void put_cases(pl_buf *out, const char *head, const char *middle, const char *tail)
{
    for (const pl_command *const *c = pl_commands(); *c != NULL; c++) {
        pl_buf_printf(out, "%s%s%s", head, (*c)->name, middle);
        put_command_words(*c, out);
        pl_buf_puts(out, tail);
    }
}

/* How a shell completes the value of an option: texts before, between and behind its choices, and
 * for a file, a folder, commands and any other text. */
typedef struct value_words {
    const char *choices[3];
    const char *file, *folder, *commands, *text;
} value_words;

static void put_option_value(pl_buf *out, const pl_option *one, const value_words *words)
{
    if (one->choices != NULL) {
        pl_buf_puts(out, words->choices[0]);
        for (size_t i = 0; one->choices[i] != NULL; i++) {
            pl_buf_printf(out, "%s%s", i > 0 ? words->choices[1] : "", one->choices[i]);
        }
        pl_buf_puts(out, words->choices[2]);
        return;
    }
    const char *argument = one->argument;
    pl_buf_puts(out, strcmp(argument, "FILE") == 0  ? words->file
                     : strcmp(argument, "DIR") == 0 ? words->folder
                     : argument[0] == '\''          ? words->commands
                                                    : words->text);
}

/* Whether the row is the first of its option, and not only another word for one. */
static bool is_offered(const pl_option *one)
{
    return one->help != NULL && (one == pl_option_table || strcmp(one[-1].name, one->name) != 0);
}

void pl_shells_put_bash(pl_buf *out)
{
    static const value_words values = {
        {"COMPREPLY=($(compgen -W '", " ", "' -- \"$cur\"))"},
        "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))",
        "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))",
        "_planish_script",
        ":"};
    pl_buf_puts(out,
                "# bash completion for planish(1)                        -*- shell-script -*-\n"
                "\n# What may stand behind a command.\n"
                "_planish_words()\n{\n    case $1 in\n");
    put_cases(out, "        ", ") echo '", "' ;;\n");
    pl_buf_puts(out, "    esac\n}\n"
                     "\n# Commands in quotes, separated by semicolons: the last word of the last.\n"
                     "_planish_script()\n{\n"
                     "    local line=${cur#[\\\"\\']} part last words\n"
                     "    part=${line##*;}\n"
                     "    part=${part#\"${part%%[![:space:]]*}\"}\n"
                     "    last=${part##*[[:space:]]}\n"
                     "    if [[ $part == \"$last\" ]]; then\n        words='");
    put_command_names(out);
    pl_buf_puts(out,
                "'\n    else\n"
                "        words=$(_planish_words \"${part%%[[:space:]]*}\")\n"
                "    fi\n"
                "    compopt -o nospace\n"
                "    COMPREPLY=($(compgen -W \"$words\" -- \"$last\"))\n"
                "    COMPREPLY=(\"${COMPREPLY[@]/#/${line%\"$last\"}}\")\n"
                "    # Of a single word bash would close the quotes.\n"
                "    if ((${#COMPREPLY[@]} == 1)); then COMPREPLY+=(\"${COMPREPLY[0]}...\"); fi\n"
                "}\n"
                "\n_planish()\n{\n"
                "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                "    # --theme=dark is three words to bash.\n"
                "    if [[ $cur == = ]]; then\n        cur=\n"
                "    elif [[ $prev == = ]]; then\n        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
                "    fi\n"
                "    COMPREPLY=()\n    case $prev in\n");
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        if (is_offered(one) && one->kind != PL_OPTION_FLAG) {
            pl_buf_printf(out, "        %s) ", one->name);
            put_option_value(out, one, &values);
            pl_buf_puts(out, "; return ;;\n");
        }
    }
    pl_buf_puts(out, "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '");
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        pl_buf_printf(out, is_offered(one) ? " %s" : "", one->name);
    }
    pl_buf_puts(out, "' -- \"$cur\"))\n    else\n"
                     "        compopt -o filenames\n"
                     "        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
                     "complete -F _planish planish\n");
}

/* A help text within apostrophes, on one line; a backslash goes before what is special there. */
static void put_description(pl_buf *out, const char *help, const char *special,
                            const char *apostrophe)
{
    for (const char *s = help; *s != '\0'; s++) {
        if (*s == '\'') {
            pl_buf_puts(out, apostrophe);
            continue;
        }
        pl_buf_puts(out, strchr(special, *s) != NULL ? "\\" : "");
        pl_buf_append(out, *s == '\n' ? " " : s, 1);
    }
}

void pl_shells_put_zsh(pl_buf *out)
{
    static const value_words values = {{":value:(", " ", ")"},
                                       ":file:_files",
                                       ":folder:_files -/",
                                       ":commands:_planish_script",
                                       ":value:"};
    pl_buf_puts(out, "#compdef planish\n\n# What may stand behind a command.\n"
                     "_planish_words() {\n  case $1 in\n");
    put_cases(out, "    ", ") echo '", "' ;;\n");
    pl_buf_puts(out, "  esac\n}\n"
                     "\n# Commands in quotes, separated by semicolons: the last word of the last.\n"
                     "_planish_script() {\n"
                     "  local line=${(Q)PREFIX} part last\n"
                     "  part=${${line##*;}##[[:space:]]#}\n"
                     "  last=${part##*[[:space:]]}\n"
                     "  local -a words_here\n"
                     "  if [[ $part == $last ]]; then\n    words_here=(");
    put_command_names(out);
    pl_buf_puts(out, " )\n  else\n"
                     "    words_here=(${=$(_planish_words ${part%%[[:space:]]*})})\n"
                     "  fi\n"
                     "  compadd -Q -S '' -d words_here -- ${words_here/#/${line%$last}}\n}\n"
                     "\n_planish() {\n  setopt localoptions extendedglob\n  _arguments \\\n");
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        if (!is_offered(one)) {
            continue;
        }
        pl_buf_printf(out, "    '%s%s[", one->name,
                      one->kind != PL_OPTION_FLAG && one->name[1] == '-' ? "=" : "");
        put_description(out, one->help, ":[]", "'\\''");
        pl_buf_puts(out, "]");
        if (one->kind != PL_OPTION_FLAG) {
            put_option_value(out, one, &values);
        }
        pl_buf_puts(out, "' \\\n");
    }
    pl_buf_puts(out, "    '1:model:_files'\n}\n\n_planish \"$@\"\n");
}

void pl_shells_put_fish(pl_buf *out)
{
    static const value_words values = {{" -x -a '", " ", "'"},
                                       " -r -F",
                                       " -x -a '(__fish_complete_directories)'",
                                       " -x -a '(__planish_script)'",
                                       " -x"};
    pl_buf_puts(out, "# What may stand behind a command.\n"
                     "function __planish_words\n    switch $argv[1]\n");
    put_cases(out, "        case ", "\n            string split -n ' ' '", "'\n");
    pl_buf_puts(out, "    end\nend\n"
                     "\n# Commands in quotes, separated by semicolons: the last word of the last.\n"
                     "function __planish_script\n"
                     "    set -l line (string replace -r '^[\"\\']' '' -- (commandline -ct))\n"
                     "    set -l part (string replace -r '^.*;' '' -- $line | string trim -l)\n"
                     "    set -l last (string replace -r '^.*\\s' '' -- $part)\n"
                     "    set -l lead (string sub -l (math (string length -- $line) - "
                     "(string length -- $last)) -- $line)\n"
                     "    if test \"$part\" = \"$last\"\n"
                     "        for word in");
    put_command_names(out);
    pl_buf_puts(out, "\n            echo -- $lead$word\n        end\n    else\n"
                     "        for word in (__planish_words (string split -f 1 ' ' -- $part))\n"
                     "            echo -- $lead$word\n        end\n    end\nend\n\n");
    for (const pl_option *one = pl_option_table; one->name != NULL; one++) {
        if (!is_offered(one)) {
            continue;
        }
        pl_buf_printf(out, "complete -c planish %s %s -d '", one->name[1] == '-' ? "-l" : "-s",
                      one->name + (one->name[1] == '-' ? 2 : 1));
        put_description(out, one->help, "\\", "\\'");
        pl_buf_puts(out, "'");
        if (one->kind != PL_OPTION_FLAG) {
            put_option_value(out, one, &values);
        }
        pl_buf_puts(out, "\n");
    }
}
