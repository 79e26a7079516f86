#include "plots/caption.h"

#include "core/base/file.h"
#include "core/base/latex.h"
#include "core/base/number.h"
#include "core/base/text.h"
#include "core/model/bare.h"
#include "core/state/kept.h"
#include "plots/label.h"

#include <ctype.h>
#include <string.h>

typedef struct writer {
    pl_buf *out;
    bool latex;
} writer;

/* Superscripts, the digits in order, then the minus. */
static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹", "⁻"};

static void put_label_words(const writer *w, const char *label)
{
    pl_buf plain = {0};
    pl_label_plain(label, w->latex ? &plain : w->out);
    if (w->latex) {
        pl_latex_put(w->out, plain.data != NULL ? plain.data : "");
    }
    w->out->failed = w->out->failed || plain.failed;
    pl_buf_deinit(&plain);
}

static void put_code(const writer *w, const char *text)
{
    if (w->latex) {
        pl_buf_puts(w->out, "\\texttt{");
    }
    put_label_words(w, text);
    if (w->latex) {
        pl_buf_puts(w->out, "}");
    }
}

static void put_count_word(const writer *w, size_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%zu", value);
    put_label_words(w, text);
}

/* "Largest weight per channel" -> with a small first letter inside a sentence. */
static void put_small(const writer *w, const char *text)
{
    char first[2] = {(char)tolower((unsigned char)text[0]), '\0'};
    bool word = text[0] != '\0' && text[1] != '\0' && islower((unsigned char)text[1]);
    put_label_words(w, word ? first : "");
    put_label_words(w, word ? text + 1 : text);
}

/* ", for before, Astro β = 3e-4 and MagR α = 1e-3" */
static void put_series(const writer *w, const pl_figure *figure)
{
    size_t named = 0, so_far = 0;
    for (size_t i = 0; i < figure->n_series; i++) {
        named += pl_series_is_named(&figure->series[i]) ? 1 : 0;
    }
    for (size_t i = 0; i < figure->n_series && named > 1; i++) {
        if (pl_series_is_named(&figure->series[i])) {
            put_label_words(w, so_far == 0 ? ", for " : so_far + 1 == named ? " and " : "; ");
            put_label_words(w, figure->series[i].label);
            so_far++;
        }
    }
}

/* The exponent of "1.7e-05" behind its `e`. */
static const char *raise(const char *text, pl_buf *out)
{
    pl_buf_puts(out, " × 10");
    pl_buf_puts(out, *text == '-' ? raised[10] : "");
    text++;
    while (*text == '0' && isdigit((unsigned char)text[1])) {
        text++;
    }
    for (; isdigit((unsigned char)*text); text++) {
        pl_buf_puts(out, raised[*text - '0']);
    }
    return text;
}

/* A fact's text as print has it: −55 %, 1.7 × 10⁻⁵, λₘₐₓ. */
static void put_fact(const writer *w, const char *text)
{
    static const struct {
        const char *plain, *print;
    } words[] = {{"lambda_max", "λₘₐₓ"}, {"W0", "W₀"}};
    pl_buf out = {0};
    for (const char *c = text; *c != '\0';) {
        bool first = c == text || c[-1] == ' ' || c[-1] == '(';
        bool digit = c > text && isdigit((unsigned char)c[-1]);
        size_t i = 0;
        while (i < 2 && strncmp(c, words[i].plain, strlen(words[i].plain)) != 0) {
            i++;
        }
        if (i < 2 && first) {
            pl_buf_puts(&out, words[i].print);
            c += strlen(words[i].plain);
        } else if (*c == '-' && first && isdigit((unsigned char)c[1])) {
            pl_buf_puts(&out, "−");
            c++;
        } else if (*c == 'e' && digit && (c[1] == '+' || c[1] == '-') &&
                   isdigit((unsigned char)c[2])) {
            c = raise(c + 1, &out);
        } else {
            pl_buf_append(&out, c++, 1);
        }
    }
    put_label_words(w, out.data != NULL ? out.data : "");
    w->out->failed = w->out->failed || out.failed;
    pl_buf_deinit(&out);
}

/* "max_over_median" -> "max over median". */
static void put_fact_name(const writer *w, const pl_fact *fact)
{
    char name[sizeof fact->name];
    memcpy(name, fact->name, sizeof name);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c == '_' ? ' ' : *c;
    }
    put_label_words(w, strcmp(name, "eps rank") == 0     ? "ε-rank"
                       : strcmp(name, "lambda max") == 0 ? "λₘₐₓ"
                                                         : name);
}

static void put_facts(const writer *w, const pl_figure *figure)
{
    for (size_t i = 0; i < figure->n_facts; i++) {
        put_label_words(w, i == 0 ? ", with " : ", ");
        put_fact_name(w, &figure->facts[i]);
        put_label_words(w, " ");
        put_fact(w, figure->facts[i].text);
    }
}

/* What a panel is of: "of `15.q_proj`", "of all layers". */
static void put_whose(const writer *w, const pl_state *state, const pl_request *request,
                      const pl_figure *figure)
{
    const pl_kind *kind = request->kind;
    if (figure->of[0] != '\0') {
        put_label_words(w, " of ");
        put_label_words(w, figure->of);
    } else if ((kind->uses & PL_USES_LAYER) != 0) {
        put_label_words(w, " of ");
        put_code(w, pl_model_layer(state->source->model, request->layer)->name);
    } else if ((kind->uses & PL_USES_SWEEP) != 0 && state->sweep.whole) {
        put_label_words(w, " of all layers");
    } else if ((kind->uses & PL_USES_SWEEP) != 0) {
        put_label_words(w, " of ");
        put_code(w, pl_model_layer(state->source->model, state->sweep.layer)->name);
    }
}

/* "max |w| per input channel of `15.q_proj` over the channel, for before and Astro β = 3e-4, with
 * ...". */
static void put_caption_panel(const writer *w, const pl_state *state, const pl_request *request,
                              const pl_figure *figure)
{
    const char *what = figure->heat != NULL ? figure->heat->label : figure->y.label;
    const bool axis = figure->table == NULL && what != NULL && what[0] != '\0';
    put_small(w, axis ? what : request->kind->title);
    put_whose(w, state, request, figure);
    if (figure->table == NULL) {
        if (figure->x.label != NULL && figure->x.label[0] != '\0') {
            put_label_words(w, " over the ");
            put_small(w, figure->x.label);
        }
        if (pl_figure_has_right(figure)) {
            put_label_words(w, ", on the right axis ");
            put_small(w, figure->right.label);
        }
        put_series(w, figure);
    }
    put_facts(w, figure);
    put_label_words(w, ". ");
    if (figure->explanation != NULL) {
        put_label_words(w, figure->explanation);
        put_label_words(w, " ");
    }
}

/* "(beta 0.0003, group_size 128, ...)"; of a swept parameter its range. */
static void put_parameters(const writer *w, const pl_spec *spec, const pl_sweep *swept)
{
    size_t shown = 0;
    for (size_t i = 0; i < spec->method->n_params; i++) {
        if (!pl_spec_is_written(spec, i)) {
            continue;
        }
        pl_buf value = {0};
        if (swept != NULL && strcmp(spec->method->params[i].name, swept->param) == 0) {
            char from[PL_EXACT_TEXT], to[PL_EXACT_TEXT];
            pl_format_exact(swept->from, from);
            pl_format_exact(swept->to, to);
            pl_buf_printf(&value, "%s \u2026 %s", from, to);
        } else {
            pl_spec_format_value(spec, i, &value);
        }
        put_label_words(w, shown++ == 0 ? " (" : ", ");
        put_label_words(w, spec->method->params[i].name);
        put_label_words(w, " ");
        put_label_words(w, value.data != NULL ? value.data : "");
        w->out->failed = w->out->failed || value.failed;
        pl_buf_deinit(&value);
    }
    put_label_words(w, shown > 0 ? ")" : "");
}

/* What the numbers of all panels together depend on. */
typedef struct depends {
    bool calibration, activations, cache, sequential;
    const pl_sweep *sweep; /* NULL: no panel shows it */
    size_t layer;          /* whose methods count, SIZE_MAX: none's */
    bool slots[PL_SLOT_COUNT];
    bool others; /* other layers', too, which may have methods of their own */
} depends;

/* "The method is hadamard, then astro (...), then gptq (bits 3, ...). On *.down_proj: rtn (...)."
 */
static void put_method_sentence(const writer *w, const pl_state *state, const depends *d)
{
    size_t count = 0;
    const bool imported = pl_state_is_imported(state, d->layer);
    for (pl_slot slot = 0; slot < PL_SLOT_COUNT; slot++) {
        /* Beside other layers' methods that of all, which the layer may not have itself. */
        const bool of_all = (d->sweep != NULL && d->sweep->whole) || (d->others && !imported);
        const pl_spec *spec = of_all ? &state->slots[slot] : pl_state_spec(state, d->layer, slot);
        if (spec->method == NULL || (!imported && !d->slots[slot])) {
            continue;
        }
        put_label_words(w, count++ == 0 ? "The method is " : ", then ");
        put_label_words(w, spec->method->name);
        if (imported) {
            put_label_words(w, " of ");
            put_code(w, pl_path_name(state->imported.path));
        }
        put_parameters(w, spec, d->sweep != NULL && d->sweep->slot == slot ? d->sweep : NULL);
    }
    put_label_words(w, count > 0 ? ". " : "");
    for (size_t i = 0; i < state->n_overrides && d->others; i++) {
        const pl_override *over = &state->overrides[i];
        put_label_words(w, "On ");
        put_code(w, over->glob);
        put_label_words(w, ": ");
        put_label_words(w, over->spec.method != NULL ? over->spec.method->name : "no ");
        if (over->spec.method != NULL) {
            put_parameters(w, &over->spec, NULL);
        } else {
            put_label_words(w, pl_slot_name(over->slot));
        }
        put_label_words(w, ". ");
    }
    put_label_words(
        w, d->sequential ? "Solved block by block on what the quantized blocks before give. " : "");
}

/* "Activations have 4 bits, symmetric no, per token, clip 0.9. Keys and values have ..." */
static void put_quantized(const writer *w, const pl_state *state, const depends *d)
{
    const pl_act_grid *a = &state->activations, *kv = &state->kv;
    pl_buf text = {0};
    if (d->activations && a->bits > 0) {
        pl_buf_puts(&text, "Activations have ");
        pl_act_put_words(a, &text);
        pl_buf_printf(&text, ", %s", a->fixed ? "one range for all tokens" : "per token");
        pl_buf_printf(&text, a->clip < 1.0 ? ", clip %g. " : ". ", a->clip);
    } else if (d->activations) {
        pl_buf_puts(&text, "Activations are not quantized. ");
    }
    if (d->cache && kv->bits > 0) {
        pl_buf_puts(&text, "Keys and values have ");
        pl_act_put_words(kv, &text);
        pl_buf_puts(&text, ", ");
        if (state->kv_group_size > 0) {
            pl_buf_printf(&text, "groups of %zu. ", state->kv_group_size);
        } else {
            pl_buf_puts(&text, "per head. ");
        }
    }
    put_label_words(w, text.data != NULL ? text.data : "");
    w->out->failed = w->out->failed || text.failed;
    pl_buf_deinit(&text);
}

/* "Perplexities are of 20 windows of 512 tokens of test.txt, the first token of each unscored." */
static void put_perplexity_sentence(const writer *w, const pl_sweep *sweep)
{
    if (sweep == NULL || !sweep->perplexity) {
        return;
    }
    put_label_words(w, "Perplexities are of ");
    if (sweep->windows > 0) {
        put_count_word(w, sweep->windows);
    } else {
        put_label_words(w, "all");
    }
    put_label_words(w, " windows of ");
    put_count_word(w, sweep->length);
    put_label_words(w, " tokens of ");
    put_code(w, sweep->text[0] != '\0' ? pl_path_name(sweep->text) : "evaluation.txt");
    put_label_words(w, ", the first token of each unscored. ");
}

/* The value of " name=" in a command, without its quotes; *at goes on behind it.  False: it is not
 * there (any more). */
static bool next_value(const char **at, const char *end, const char *name, pl_buf *out)
{
    const char *value = memmem(*at, (size_t)(end - *at), name, strlen(name));
    if (value == NULL) {
        return false;
    }
    value += strlen(name);
    while (value < end && *value != ' ') {
        const bool quoted = *value == '\'' || *value == '"';
        const char *stop =
            quoted ? memchr(value + 1, *value, (size_t)(end - value - 1)) : value + 1;
        stop = stop != NULL ? stop : end;
        pl_buf_append(out, value + quoted, (size_t)(stop - value) - quoted);
        value = stop + (quoted && stop < end);
    }
    *at = value;
    return true;
}

static void put_value(const writer *w, const char *line, const char *end, const char *name,
                      const char *otherwise)
{
    pl_buf value = {0};
    next_value(&line, end, name, &value);
    put_label_words(w, value.data != NULL ? value.data : otherwise);
    w->out->failed = w->out->failed || value.failed;
    pl_buf_deinit(&value);
}

/* "2 windows", "1 window" or "all windows" of a command's windows=. */
static void put_windows_of(const writer *w, const char *line, const char *end)
{
    pl_buf value = {0};
    next_value(&line, end, " windows=", &value);
    const char *count = value.data != NULL ? value.data : "some";
    put_label_words(w, strcmp(count, "0") == 0 ? "all" : count);
    put_label_words(w, strcmp(count, "1") == 0 ? " window" : " windows");
    w->out->failed = w->out->failed || value.failed;
    pl_buf_deinit(&value);
}

/* "2 windows of 512 tokens of test.txt" of a command's windows=, length=, text=. */
static void put_text_and_windows(const writer *w, const char *line, const char *end,
                                 const char *text)
{
    pl_buf name = {0};
    bool any = false;
    put_windows_of(w, line, end);
    put_label_words(w, " of ");
    put_value(w, line, end, " length=", "512");
    put_label_words(w, " tokens of ");
    while (next_value(&line, end, " text=", &name)) {
        put_label_words(w, any ? ", " : "");
        put_code(w, name.data != NULL ? name.data : "");
        w->out->failed = w->out->failed || name.failed;
        pl_buf_deinit(&name);
        name = (pl_buf){0};
        any = true;
    }
    if (!any) {
        put_code(w, text);
    }
}

/* "Measured on 2 windows of 512 tokens of test.txt, protocol gptq. " of a command that measured, or
 * what it was calibrated on; nothing of another one, as of an allocation by the layers' own errors.
 */
static void put_measured_sentence(const writer *w, const char *line, const char *end,
                                  bool calibrated)
{
    static const char *const scoring[] = {"compare ", "sensitivity ", "allocate "};
    const size_t size = (size_t)(end - line);
    bool scores = false;
    for (size_t i = 0; i < sizeof scoring / sizeof *scoring; i++) {
        scores = scores || strncmp(line, scoring[i], strlen(scoring[i])) == 0;
    }
    scores = scores && memmem(line, size, " windows=", 9) != NULL &&
             memmem(line, size, " metric=error", 13) == NULL;
    if (!calibrated && strncmp(line, "calibrate ", 10) == 0) {
        put_label_words(w, "The calibration is of ");
        put_text_and_windows(w, line, end, "calibration.txt");
        put_label_words(w, ". ");
    } else if (scores) {
        put_label_words(w, "Measured on ");
        put_text_and_windows(w, line, end, "evaluation.txt");
        put_label_words(w, ", protocol ");
        put_value(w, line, end, " protocol=", "gptq");
        put_label_words(w, ". ");
    }
}

/* Each sentence once, however many commands say it. */
static void put_measured_sentences(const writer *w, const char *commands, bool calibrated)
{
    const size_t start = w->out->size;
    for (const char *line = commands, *end = NULL; line != NULL && *line != '\0';
         line = *end == '\n' ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        pl_buf sentence = {0};
        const writer one = {&sentence, w->latex};
        put_measured_sentence(&one, line, end, calibrated);
        if (sentence.size > 0 &&
            (w->out->size <= start || strstr(w->out->data + start, sentence.data) == NULL)) {
            pl_buf_puts(w->out, sentence.data);
        }
        w->out->failed = w->out->failed || sentence.failed;
        pl_buf_deinit(&sentence);
    }
}

static void put_calibration_sentence(const writer *w, const pl_state *state)
{
    const pl_calibration *calibration = &state->calibration;
    const pl_protocol *protocol = &calibration->protocol;
    if (pl_model_inputs(state->source->model) != NULL) {
        put_label_words(w, "The inputs are those of ");
        put_code(w, pl_model_inputs_name(state->source->model));
        put_label_words(w, ". ");
    }
    if (calibration->n_texts == 0) {
        return;
    }
    put_label_words(w, "The calibration is of ");
    put_count_word(w, protocol->windows);
    put_label_words(w,
                    protocol->sample == PL_SAMPLE_RANDOM ? " random windows of " : " windows of ");
    put_count_word(w, protocol->length);
    put_label_words(w, " tokens of ");
    for (size_t i = 0; i < calibration->n_texts; i++) {
        put_label_words(w, i > 0 ? ", " : "");
        put_code(w, pl_path_name(calibration->texts[i]));
    }
    if (protocol->sample == PL_SAMPLE_RANDOM) {
        put_label_words(w, ", seed ");
        put_count_word(w, (size_t)protocol->seed);
    }
    if (protocol->rows > 0) {
        put_label_words(w, ", ");
        put_count_word(w, protocol->rows);
        put_label_words(w, " rows stored");
    }
    put_label_words(w, ". ");
}

static bool shows_result(const pl_state *state, const pl_request *request)
{
    return pl_request_wants_result(request) && pl_state_result(state, request->layer) != NULL;
}

static bool shows_pins(const pl_state *state, const pl_request *request)
{
    bool shown = false;
    for (size_t i = 0; i < state->n_kept; i++) {
        shown = shown || pl_kept_pin(state->kept[i], request->layer) != NULL;
    }
    return shown && request->pins && (request->kind->uses & PL_USES_PINS) != 0;
}

/* Adds what one panel depends on.  Inputs are calibration's, and so is whatever was solved. */
static void add_request(const pl_state *state, const pl_request *request, depends *d)
{
    const unsigned uses = request->kind->uses;
    const bool swept = (uses & PL_USES_SWEEP) != 0, costs = pl_request_shows_costs(request);
    const bool result = shows_result(state, request) || costs;
    const pl_spec *transform =
        pl_state_spec(state, swept ? state->sweep.layer : request->layer, PL_SLOT_TRANSFORM);
    const bool learns = transform->method != NULL && transform->method->suits_activations;
    const bool turned = ((uses & PL_USES_LEARNING) != 0 || pl_request_turns_inputs(request)) &&
                        transform->method != NULL;
    d->calibration = d->calibration || request->side == PL_SIDE_INPUT ||
                     (uses & PL_NEEDS_INPUTS) != 0 || result || shows_pins(state, request);
    d->sequential = d->sequential || (result && state->solved[request->layer].sequential);
    d->others =
        d->others || request->kind->layers != NULL || costs || (swept && state->sweep.whole);
    d->sweep = swept ? &state->sweep : d->sweep;
    const bool perplexity = swept && state->sweep.perplexity;
    d->activations = d->activations || (uses & PL_USES_ACTIVATIONS) != 0 || perplexity ||
                     d->sequential || (learns && (swept || result || turned));
    d->cache = d->cache || perplexity || d->sequential ||
               (pl_spec_is_of_block(transform) && (swept || result || turned));
    if (d->layer == SIZE_MAX && (swept || result || turned)) {
        d->layer = swept ? state->sweep.layer : request->layer;
    }
    /* What has not been solved shows its transform at most, which is learned for a rounder. */
    d->slots[PL_SLOT_TRANSFORM] = d->slots[PL_SLOT_TRANSFORM] || swept || result || turned;
    d->slots[PL_SLOT_PRECONDITION] = d->slots[PL_SLOT_PRECONDITION] || swept || result;
    d->slots[PL_SLOT_ROUND] = d->slots[PL_SLOT_ROUND] || swept || result || (turned && learns);
}

void pl_caption(const pl_state *state, const pl_request *requests, const pl_figure *figures,
                size_t count, const char *measured, bool latex, pl_buf *out)
{
    const writer w = {out, latex};
    depends d = {.layer = SIZE_MAX};
    pl_buf_puts(out, latex ? "\\caption{" : "");
    for (size_t i = 0; i < count; i++) {
        if (count == 1) {
            put_label_words(&w, figures[i].table != NULL ? "The table " : "The figure ");
        } else {
            const char letter[] = {'(', (char)('a' + (int)(i % 26)), ')', ' ', '\0'};
            put_label_words(&w, letter);
        }
        put_label_words(&w, figures[i].table != NULL ? "lists the " : "shows ");
        put_caption_panel(&w, state, &requests[i], &figures[i]);
        add_request(state, &requests[i], &d);
    }
    put_label_words(&w, "The model is ");
    put_code(&w, pl_model_name(state->source->model));
    put_label_words(&w, ". ");
    if (d.layer != SIZE_MAX) {
        put_method_sentence(&w, state, &d);
    }
    put_quantized(&w, state, &d);
    if (d.calibration) {
        put_calibration_sentence(&w, state);
    }
    put_perplexity_sentence(&w, d.sweep);
    put_measured_sentences(&w, measured, d.calibration);
    put_label_words(&w, "Made with Planish " PL_VERSION ".");
    pl_buf_puts(out, latex ? "}\n" : "\n");
}

void pl_caption_short(const pl_state *state, const pl_request *requests, const pl_figure *figures,
                      size_t count, pl_buf *out)
{
    const writer w = {out, false};
    put_label_words(&w, requests[0].kind->title);
    for (size_t i = 0; i < count; i++) {
        const char letter[] = {i == 0 ? ':' : ';', ' ', '(', (char)('a' + (int)i), ')', ' ', '\0'};
        pl_buf panel = {0};
        const writer p = {&panel, false};
        put_label_words(&w, count > 1 ? letter : ": ");
        put_caption_panel(&p, state, &requests[i], &figures[i]);
        /* Its sentence ends ". ", which only the last one keeps. */
        const size_t end = i + 1 < count ? 2 : 1;
        pl_buf_printf(out, "%.*s", (int)(panel.size > end ? panel.size - end : 0),
                      panel.data != NULL ? panel.data : "");
        out->failed = out->failed || panel.failed;
        pl_buf_deinit(&panel);
    }
}
