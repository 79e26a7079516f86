#include "core/base/latex.h"

#include <string.h>

/* Characters that LaTeX reads as commands, and the few signs beyond ASCII that captions use. */
static const struct {
    const char *text, *latex;
} signs[] = {
    {"\\", "\\textbackslash{}"},
    {"_", "\\_"},
    {"%", "\\%"},
    {"&", "\\&"},
    {"#", "\\#"},
    {"$", "\\$"},
    {"{", "\\{"},
    {"}", "\\}"},
    {"~", "\\textasciitilde{}"},
    {"^", "\\textasciicircum{}"},
    {"|", "\\textbar{}"},
    {"<", "\\textless{}"},
    {">", "\\textgreater{}"},
    {"β", "$\\beta$"},
    {"α", "$\\alpha$"},
    {"ε", "$\\varepsilon$"},
    {"λₘₐₓ", "$\\lambda_{\\max}$"},
    {"λ", "$\\lambda$"},
    {"σ", "$\\sigma$"},
    {"τ", "$\\tau$"},
    {"Δ", "$\\Delta$"},
    {"×", "$\\times$"},
    {"±", "$\\pm$"},
    {"\u00a0", "~"},
    {"→", "$\\to$"},
    {"−", "$-$"},
    {"≤", "$\\leq$"},
    {"∞", "$\\infty$"},
    {"‖", "$\\|$"},
    {"\u2009", "\\,"},
    {"₀", "$_0$"},
    {"₂", "$_2$"},
    {"Ŵ", "$\\hat{W}$"},
    {"⁽ᵏ⁾", "$^{(k)}$"},
    {"–", "--"},
    {"…", "\\ldots{}"},
    {"“", "``"},
    {"”", "''"},
    {"ᵀ", "$^\\top$"},
};

/* Superscripts, the digits in order, then the minus. */
static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹", "⁻"};

enum { RAISED = sizeof raised / sizeof *raised };

static size_t find_raised(const char *text)
{
    size_t i = 0;
    while (i < RAISED && strncmp(text, raised[i], strlen(raised[i])) != 0) {
        i++;
    }
    return i;
}

/* "⁻⁴" as one exponent; returns what is behind it. */
static const char *put_raised(pl_buf *out, const char *text)
{
    pl_buf_puts(out, "$^{");
    for (size_t i = find_raised(text); i < RAISED; i = find_raised(text)) {
        pl_buf_append(out, i < 10 ? &"0123456789"[i] : "-", 1);
        text += strlen(raised[i]);
    }
    pl_buf_puts(out, "}$");
    return text;
}

void pl_latex_put(pl_buf *out, const char *text)
{
    const size_t n = sizeof signs / sizeof *signs;
    while (*text != '\0') {
        size_t i = 0;
        while (i < n && strncmp(text, signs[i].text, strlen(signs[i].text)) != 0) {
            i++;
        }
        if (i < n) {
            pl_buf_puts(out, signs[i].latex);
            text += strlen(signs[i].text);
        } else if (find_raised(text) < RAISED) {
            text = put_raised(out, text);
        } else {
            pl_buf_append(out, text++, 1);
        }
    }
}
