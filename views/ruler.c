#include "views/ruler.h"

#include "views/text.h"

#include <math.h>
#include <string.h>

static double decade_below(double x)
{
    return pow(10.0, floor(log10(x) + 1e-9));
}

static double decade_above(double x)
{
    return pow(10.0, ceil(log10(x) - 1e-9));
}

/* Where a logarithmic ruler begins for a parameter that may be 0. */
static double least_shown(const pl_param *param, double value)
{
    double least = param->minimum;
    if (!(least > 0)) {
        double usual = param->initial > 0 ? param->initial : param->maximum <= 1 ? 1e-3 : 1;
        least = param->type == PL_PARAM_INT ? 1 : usual * 1e-3;
    }
    return value > 0 && value < least ? value : least;
}

pl_ruler pl_ruler_make(const pl_param *param, double value, const pl_strength *strength,
                       size_t columns)
{
    pl_ruler ruler = {.low = param->minimum,
                      .high = param->maximum,
                      .logarithmic = param->logarithmic,
                      .value = value,
                      .from = (double)NAN,
                      .to = (double)NAN};
    if (param->type == PL_PARAM_CHOICE) {
        ruler.high = ruler.low;
        return ruler;
    }
    if (!param->logarithmic) {
        return ruler;
    }
    ruler.low = least_shown(param, value);
    const bool known = strength != NULL && strength->low > 0 && strength->zero > strength->low;
    if (known) {
        ruler.from = strength->low;
        ruler.to = strength->zero;
        ruler.low = decade_below(fmin(strength->low / 3, value > 0 ? value : strength->low));
        ruler.high = decade_above(fmax(strength->zero * 2, value));
    } else if (param->counts_columns && columns > 1) {
        ruler.high = fmax((double)columns, value);
        ruler.value = value > 0 ? value : ruler.high; /* 0 is the whole row */
    }
    return ruler;
}

int pl_ruler_column(const pl_ruler *ruler, double value, int columns)
{
    double share = (value - ruler->low) / (ruler->high - ruler->low);
    if (ruler->logarithmic) {
        share = value > 0 ? log(value / ruler->low) / log(ruler->high / ruler->low) : 0;
    }
    share = !(share > 0) ? 0 : share > 1 ? 1 : share;
    return (int)lround(share * (columns - 1));
}

/* A round number without its zeros: "1e-7", "10". */
static void put_end(double value, char out[PL_NUMBER_TEXT])
{
    pl_format_number(value, out);
    char *point = strchr(out, '.');
    if (point != NULL) {
        const size_t zeros = strspn(point + 1, "0");
        if (point[1 + zeros] == '\0' || point[1 + zeros] == 'e') {
            memmove(point, point + 1 + zeros, strlen(point + 1 + zeros) + 1);
        }
    }
}

void pl_ruler_draw(const pl_ruler *ruler, pl_surface *surface, pl_rect rect, int line)
{
    char low[PL_NUMBER_TEXT];
    char high[PL_NUMBER_TEXT];
    put_end(ruler->low, low);
    put_end(ruler->high, high);
    const int first = (int)strlen(low) + 1;
    const int columns = rect.w - first - (int)strlen(high) - 1;
    if (columns < 6 || !(ruler->high > ruler->low)) {
        return;
    }
    const bool ascii = surface->ascii;
    const bool useful = ruler->to > ruler->from;
    const int from = useful ? pl_ruler_column(ruler, ruler->from, columns) : columns;
    const int to = useful ? pl_ruler_column(ruler, ruler->to, columns) : -1;
    pl_put(surface, rect, line, 0, PL_STYLE_FAINT, low);
    for (int c = 0; c < columns; c++) {
        const bool end = c == 0 || c == columns - 1;
        const bool inside = c >= from && c <= to;
        uint32_t mark = inside ? (ascii ? '=' : 0x2501) : ascii ? '-' : 0x2500;
        if (end && !inside) {
            mark = ascii ? '|' : c == 0 ? 0x251c : 0x2524;
        }
        pl_put_code(surface, rect, line, first + c, inside ? PL_STYLE_KEY : PL_STYLE_FAINT, mark);
    }
    pl_put_code(surface, rect, line, first + pl_ruler_column(ruler, ruler->value, columns),
                PL_STYLE_STRONG | PL_BOLD, ascii ? 'O' : 0x25cf);
    pl_put(surface, rect, line, first + columns + 1, PL_STYLE_FAINT, high);
}

void pl_choices_draw(const pl_param *param, double value, pl_surface *surface, pl_rect rect,
                     int line)
{
    int col = 0;
    for (size_t i = 0; param->choices != NULL && param->choices[i] != NULL; i++) {
        const bool chosen = (double)i <= value && value < (double)i + 1;
        const int width = (int)pl_text_width(param->choices[i]);
        if (col + width + 2 > rect.w) {
            return;
        }
        pl_put(surface, rect, line, col, PL_STYLE_STRONG, chosen ? ">" : " ");
        pl_put(surface, rect, line, col + 1, chosen ? PL_STYLE_STRONG | PL_BOLD : PL_STYLE_FAINT,
               param->choices[i]);
        col += width + 2;
    }
}

void pl_ruler_words(double beta, const pl_strength *strength, pl_buf *out)
{
    char low[PL_NUMBER_TEXT];
    char zero[PL_NUMBER_TEXT];
    char tau[PL_NUMBER_TEXT];
    if (strength->low > 0 && strength->zero > strength->low) {
        pl_format_number(strength->low, low);
        pl_format_number(strength->zero, zero);
        if (beta < strength->low) {
            pl_buf_printf(out, "does nothing below %s", low);
        } else if (beta >= strength->zero) {
            pl_buf_printf(out, "all rows are zero from %s on", zero);
        } else {
            pl_buf_printf(out, "acts from %s; all zero at %s", low, zero);
        }
    }
    if (isfinite(strength->tau)) {
        pl_format_number(beta * strength->tau, tau);
        pl_buf_printf(out, "%stau %s \u00d7 mean |w|", out->size > 0 ? "; " : "", tau);
    }
}
