#include "plots/label.h"

#include <ctype.h>
#include <string.h>

#define RAISE "\xee\x80\x80" /* U+E000 ... */
#define LOWER "\xee\x80\x81"
#define LEVEL "\xee\x80\x82"

enum { MARK = sizeof RAISE - 1 };

static const struct {
    const char *name, *text;
} words[] = {
    {"alpha", "α"}, {"beta", "β"},  {"gamma", "γ"}, {"delta", "δ"},   {"epsilon", "ε"},
    {"zeta", "ζ"},  {"eta", "η"},   {"theta", "θ"}, {"kappa", "κ"},   {"lambda", "λ"},
    {"mu", "μ"},    {"nu", "ν"},    {"xi", "ξ"},    {"pi", "π"},      {"rho", "ρ"},
    {"sigma", "σ"}, {"tau", "τ"},   {"phi", "φ"},   {"chi", "χ"},     {"psi", "ψ"},
    {"omega", "ω"}, {"Gamma", "Γ"}, {"Delta", "Δ"}, {"Theta", "Θ"},   {"Lambda", "Λ"},
    {"Sigma", "Σ"}, {"Phi", "Φ"},   {"Psi", "Ψ"},   {"Omega", "Ω"},   {"times", "×"},
    {"cdot", "·"},  {"pm", "±"},    {"leq", "≤"},   {"geq", "≥"},     {"approx", "≈"},
    {"to", "→"},    {"infty", "∞"}, {"sum", "∑"},   {"partial", "∂"}, {"top", "⊤"},
    {"ell", "ℓ"},   {"minus", "−"},
};

enum { WORDS = sizeof words / sizeof *words };

/* Signs that Unicode has raised or lowered, with the plain ones. */
static const struct {
    const char *sign, *plain;
    int level;
} signs_of[] = {
    {"⁰", "0", 1},  {"¹", "1", 1},  {"²", "2", 1},  {"³", "3", 1},  {"⁴", "4", 1},  {"⁵", "5", 1},
    {"⁶", "6", 1},  {"⁷", "7", 1},  {"⁸", "8", 1},  {"⁹", "9", 1},  {"⁺", "+", 1},  {"⁻", "−", 1},
    {"⁻", "-", 1},  {"⁽", "(", 1},  {"⁾", ")", 1},  {"ⁿ", "n", 1},  {"ⁱ", "i", 1},  {"ᵏ", "k", 1},
    {"ᵀ", "T", 1},  {"₀", "0", -1}, {"₁", "1", -1}, {"₂", "2", -1}, {"₃", "3", -1}, {"₄", "4", -1},
    {"₅", "5", -1}, {"₆", "6", -1}, {"₇", "7", -1}, {"₈", "8", -1}, {"₉", "9", -1}, {"₊", "+", -1},
    {"₋", "−", -1}, {"₋", "-", -1}, {"ₐ", "a", -1}, {"ₑ", "e", -1}, {"ₖ", "k", -1}, {"ₘ", "m", -1},
    {"ₙ", "n", -1}, {"ₓ", "x", -1},
};

enum { SIGNS = sizeof signs_of / sizeof *signs_of };

static size_t starts_with(const char *text, const char *with)
{
    size_t size = strlen(with);
    return strncmp(text, with, size) == 0 ? size : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* "\beta" or "\_" at `typed`: appends its sign; returns its bytes, 0 where it is unknown. */
static size_t put_sign(const char *typed, pl_buf *out)
{
    size_t letters = 0;
    while (isalpha((unsigned char)typed[1 + letters])) {
        letters++;
    }
    if (letters == 0) {
        size_t size = typed[1] != '\0' ? 1 : 0;
        pl_buf_append(out, typed + 1, size);
        return size > 0 ? 2 : 0;
    }
    for (size_t i = 0; i < WORDS; i++) {
        if (strlen(words[i].name) == letters && strncmp(words[i].name, typed + 1, letters) == 0) {
            pl_buf_puts(out, words[i].text);
            return 1 + letters;
        }
    }
    return 0;
}

static pl_status unknown_word(const char *typed, pl_error *err)
{
    char shown[40];
    size_t size = 1 + strcspn(typed + 1, " \\{}^_");
    pl_text_escape(typed, size, shown, sizeof shown);
    return pl_error_set(err, PL_ERR_USAGE,
                        "%s is not known, expected a Greek letter such as \\beta, or \\times, "
                        "\\cdot, \\pm, \\leq, \\geq, \\approx, \\to, \\infty, \\sum",
                        shown);
}

/* Bytes of the character at text, 0 at the end. */
static size_t character(const char *text)
{
    uint32_t code = 0;
    size_t size = strnlen(text, 4);
    size_t length = size > 0 ? pl_text_utf8_decode(text, text + size, &code) : 0;
    return length > 0 ? length : size > 0 ? 1 : 0;
}

static bool is_name(const char *c)
{
    return isalnum((unsigned char)*c) || *c == '_' || (unsigned char)*c >= 0x80;
}

/* What one `^` or `_` raises without braces: a word behind `\`, a number, or one character; 0 where
 * it is the middle of a name. */
static size_t bare_script(const char *text, bool lowers)
{
    size_t size = 0;
    if (text[0] == '\\') {
        size = 1;
        while (isalpha((unsigned char)text[size])) {
            size++;
        }
        return size;
    }
    size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
    size_t digits = strspn(text + sign, "0123456789.");
    digits -= digits > 0 && text[sign + digits - 1] == '.' ? 1 : 0; /* a sentence's end */
    size = digits > 0 ? sign + digits : character(text);
    if (size == 0 || text[0] == ' ') {
        return 0;
    }
    return lowers && (text[size] == '_' || isalnum((unsigned char)text[size])) ? 0 : size;
}

/* Whether the character before `_` stands alone: W in "W_0", but not the p of "gap_0". */
static bool letter_stands_alone(const char *start, const char *at)
{
    if (at == start) {
        return false;
    }
    if (at[-1] == '}' || at[-1] == '|' || at[-1] == ')') {
        return true;
    }
    const char *before = at - 1;
    while (before > start && ((unsigned char)*before & 0xc0) == 0x80) {
        before--;
    }
    /* "\lambda_0": the letters are the word's. */
    const char *letters = at;
    while (letters > start && isalpha((unsigned char)letters[-1])) {
        letters--;
    }
    if (letters < at && letters > start && letters[-1] == '\\') {
        return true;
    }
    return is_name(before) && *before != '_' && (before == start || !is_name(before - 1));
}

static pl_status read_piece(const char *typed, size_t size, pl_buf *out, pl_error *err)
{
    for (size_t i = 0; i < size;) {
        size_t word = typed[i] == '\\' ? put_sign(typed + i, out) : 0;
        if (typed[i] == '\\' && word == 0) {
            return unknown_word(typed + i, err);
        }
        if (word == 0) {
            const bool minus = typed[i] == '-' && isdigit((unsigned char)typed[i + 1]);
            pl_buf_puts(out, minus ? "−" : "");
            pl_buf_append(out, typed + i, minus ? 0 : 1);
            word = 1;
        }
        i += word;
    }
    return PL_OK;
}

/* The script behind `^` or `_` at `at`: *used bytes, 0 where it is a plain sign. */
static pl_status read_script(const char *start, const char *at, size_t *used, pl_buf *out,
                             pl_error *err)
{
    const bool lowers = *at == '_';
    *used = 0;
    if (at == start || at[-1] == ' ' || (lowers && !letter_stands_alone(start, at))) {
        return PL_OK;
    }
    size_t from = 1, size = 0;
    if (at[1] == '{') {
        const char *close = strchr(at, '}');
        if (close == NULL) {
            return pl_error_set(err, PL_ERR_USAGE, "\"%c{\" has no \"}\"", *at);
        }
        from = 2;
        size = (size_t)(close - at) - 2;
        *used = size + 3;
    } else {
        size = bare_script(at + 1, lowers);
        *used = size > 0 ? 1 + size : 0;
    }
    if (*used == 0) {
        return PL_OK;
    }
    pl_buf_puts(out, lowers ? LOWER : RAISE);
    pl_status status = read_piece(at + from, size, out, err);
    pl_buf_puts(out, LEVEL);
    return status;
}

pl_status pl_label_read(const char *typed, pl_buf *out, pl_error *err)
{
    const char *at = typed;
    while (*at != '\0') {
        size_t used = 0;
        if (*at == '\\') {
            used = put_sign(at, out);
            if (used == 0) {
                return unknown_word(at, err);
            }
        } else if (*at == '^' || *at == '_') {
            pl_status status = read_script(typed, at, &used, out, err);
            if (status != PL_OK) {
                return status;
            }
        }
        if (used == 0) {
            pl_buf_append(out, at, 1);
            used = 1;
        }
        at += used;
    }
    pl_buf_puts(out, "");
    return pl_buf_check(out, err);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* 1 and -1 where a raised or lowered piece begins, 2 where one ends, 0 elsewhere. */
static int mark_at(const char *text)
{
    return starts_with(text, RAISE) > 0   ? 1
           : starts_with(text, LOWER) > 0 ? -1
           : starts_with(text, LEVEL) > 0 ? 2
                                          : 0;
}

/* Unicode's sign for a plain character at a level, NULL where it has none; *size of the plain. */
static const char *sign_for(const char *text, int level, size_t *size)
{
    for (size_t i = 0; i < SIGNS; i++) {
        *size = starts_with(text, signs_of[i].plain);
        if (*size > 0 && signs_of[i].level == level) {
            return signs_of[i].sign;
        }
    }
    return NULL;
}

/* A raised or lowered piece of `size` bytes: in Unicode's signs where it has all of them. */
static void put_plain_piece(const char *text, size_t size, int level, pl_buf *out)
{
    bool all = size > 0;
    for (size_t i = 0, step = 0; all && i < size; i += step) {
        all = sign_for(text + i, level, &step) != NULL;
    }
    if (!all) {
        pl_buf_printf(out, "%c{%.*s}", level > 0 ? '^' : '_', (int)size, text);
        return;
    }
    for (size_t i = 0, step = 0; i < size; i += step) {
        pl_buf_puts(out, sign_for(text + i, level, &step));
    }
}

void pl_label_plain(const char *text, pl_buf *out)
{
    while (*text != '\0') {
        int mark = mark_at(text);
        if (mark == 0) {
            pl_buf_append(out, text++, 1);
            continue;
        }
        text += MARK;
        if (mark < 2) {
            size_t size = 0;
            while (text[size] != '\0' && mark_at(text + size) != 2) {
                size++;
            }
            put_plain_piece(text, size, mark, out);
            text += size;
        }
    }
    pl_buf_puts(out, "");
}

size_t pl_label_pieces(const char *text, bool signs, pl_buf *out,
                       pl_label_piece pieces[PL_LABEL_PIECES])
{
    size_t count = 0;
    int level = 0;
    pieces[0] = (pl_label_piece){.first = out->size};
    while (*text != '\0') {
        int mark = mark_at(text), here = level;
        if (mark != 0) {
            level = mark == 2 ? 0 : mark;
            text += MARK;
            continue;
        }
        const char *put = text;
        size_t taken = 1, size = 1;
        for (size_t i = 0; signs && level == 0 && i < SIGNS; i++) {
            if (starts_with(text, signs_of[i].sign) > 0) {
                put = signs_of[i].plain;
                size = strlen(put);
                taken = strlen(signs_of[i].sign);
                here = signs_of[i].level;
                break;
            }
        }
        if (here != pieces[count].level && count + 1 < PL_LABEL_PIECES) {
            count += pieces[count].size > 0 ? 1 : 0;
            pieces[count] = (pl_label_piece){.level = here, .first = out->size};
        }
        pl_buf_append(out, put, size);
        pieces[count].size += size;
        text += taken;
    }
    pl_buf_puts(out, "");
    return pieces[count].size > 0 ? count + 1 : count;
}
