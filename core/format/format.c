#include "core/format/format.h"

#include "core/base/text.h"

#include <assert.h>
#include <string.h>

#define FORMAT_ROW(name, key) &pl_format_##name,
static const pl_format *const formats[] = {PL_FORMATS(FORMAT_ROW)};
#undef FORMAT_ROW

#define FORMAT_KEY(name, key) key,
const char *const pl_format_choices[PL_FORMAT_CHOICE_COUNT + 1] = {
    "int", PL_OTHER_FORMATS(FORMAT_KEY) NULL};
const char *const pl_symmetric_choices[PL_SYMMETRIC_COUNT + 1] = {PL_INT_FORMATS(FORMAT_KEY) NULL};
#undef FORMAT_KEY

const char *const pl_format_choice_text = &("|int" PL_OTHER_FORMATS(PL_FORMAT_CHOICE_OF))[1];

#define MODE_NAME(mode, name) name,
const char *const pl_scale_mode_names[PL_SCALE_MODES + 1] = {PL_SCALE_MODE_LIST(MODE_NAME) NULL};
#undef MODE_NAME

const pl_format *pl_format_at(size_t index)
{
    assert(index < PL_FORMAT_COUNT);
    return formats[index];
}

size_t pl_format_index(const pl_format *format)
{
    size_t index = 0;
    while (index < PL_FORMAT_COUNT && formats[index] != format) {
        index++;
    }
    assert(index < PL_FORMAT_COUNT);
    return index;
}

const pl_format *pl_format_find(const char *key)
{
    for (size_t i = 0; i < PL_FORMAT_COUNT; i++) {
        if (strcmp(formats[i]->key, key) == 0) {
            return formats[i];
        }
    }
    return NULL;
}

const pl_format *pl_format_chosen(size_t format, size_t symmetric)
{
    return pl_format_at(format == 0 ? symmetric : PL_SYMMETRIC_COUNT + format - 1);
}

bool pl_format_is_int(const pl_format *format)
{
    return pl_format_index(format) < PL_SYMMETRIC_COUNT;
}

const char *pl_format_choice(const pl_format *format)
{
    return pl_format_is_int(format) ? pl_format_choices[0] : format->key;
}

pl_scale_mode pl_scale_mode_find(const char *name)
{
    for (int mode = 0; name != NULL && mode < PL_SCALE_MODES; mode++) {
        if (strcmp(pl_scale_mode_names[mode], name) == 0) {
            return (pl_scale_mode)mode;
        }
    }
    return PL_SCALE_AMAX;
}

bool pl_format_of_tensor(const pl_format *format, pl_scale_mode mode)
{
    return format->tensor_scale != NULL || mode == PL_SCALE_TENSOR;
}

/* --- what a format allows --------------------------------------------------------------------- */

pl_status pl_format_check_bits(const char *who, const pl_format *format, int bits, pl_error *err)
{
    return format->bits == 0 || format->bits == bits
               ? PL_OK
               : pl_error_set(err, PL_ERR_USAGE,
                              "%s: bits=%d: format=%s has %d bits: leave bits out, or choose "
                              "another format",
                              who, bits, format->key, format->bits);
}

pl_status pl_format_check_group_size(const char *who, const pl_format *format, size_t group_size,
                                     pl_error *err)
{
    const size_t least = 32, most = format->most_group_size;
    const bool power =
        group_size >= least && group_size <= most && (group_size & (group_size - 1)) == 0;
    if (!format->blocks || group_size == format->group_size || power) {
        return PL_OK;
    }
    if (most > 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: group_size=%zu: format=%s has blocks of a power of two from %zu "
                            "to %zu",
                            who, group_size, format->key, least, most);
    }
    if (format->group_size == 0) {
        return pl_error_set(err, PL_ERR_USAGE,
                            "%s: group_size=%zu: format=%s has no blocks, expected 0, a scale for "
                            "each row (scale_mode=tensor: for all)",
                            who, group_size, format->key);
    }
    return pl_error_set(err, PL_ERR_USAGE,
                        "%s: group_size=%zu: format=%s has blocks of %zu: leave group_size out, or "
                        "choose another format",
                        who, group_size, format->key, format->group_size);
}

/* "floor, even" */
static void put_modes(const pl_format *format, pl_buf *out)
{
    for (int mode = 0; mode < PL_SCALE_MODES; mode++) {
        if ((format->modes >> mode & 1) != 0) {
            pl_buf_printf(out, "%s%s", out->size > 0 ? ", " : "", pl_scale_mode_names[mode]);
        }
    }
}

pl_status pl_format_check_mode(const char *who, const pl_format *format, pl_scale_mode mode,
                               pl_error *err)
{
    if (mode == format->mode || (format->modes >> mode & 1) != 0) {
        return PL_OK;
    }
    pl_buf modes = {0};
    put_modes(format, &modes);
    pl_error_set(err, PL_ERR_USAGE, "%s: scale_mode=%s: format=%s has %s", who,
                 pl_scale_mode_names[mode], pl_format_choice(format),
                 modes.data != NULL ? modes.data : "one way to find a scale");
    pl_buf_deinit(&modes);
    return PL_ERR_USAGE;
}

/* --- fitting ---------------------------------------------------------------------------------- */

enum { PIECE = 64 };

static double squared_error(const pl_format *format, int bits, pl_grid_param param, const float *x,
                            size_t count)
{
    float piece[PIECE];
    double sum = 0.0;
    for (size_t at = 0; at < count; at += PIECE) {
        const size_t size = count - at < PIECE ? count - at : PIECE;
        memcpy(piece, x + at, size * sizeof *piece);
        format->round(bits, param, piece, size);
        for (size_t i = 0; i < size; i++) {
            const double lost = (double)x[at + i] - (double)piece[i];
            sum += lost * lost;
        }
    }
    return sum;
}

pl_grid_param pl_format_fit(const pl_format *format, int bits, const pl_scaling *scaling, double lo,
                            double hi, const float *x, size_t count)
{
    pl_grid_param second;
    const pl_grid_param first = format->fit(bits, scaling, lo, hi);
    const bool two = format->second != NULL && format->second(bits, scaling, lo, hi, &second);
    return two && squared_error(format, bits, second, x, count) <
                       squared_error(format, bits, first, x, count)
               ? second
               : first;
}
