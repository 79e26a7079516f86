/* plots/palette.h -- colours of heat maps: sequential, rising in lightness from end to end.
 *
 * viridis: S. van der Walt, N. Smith, E. Firing (2015, CC0).  cividis: J. Nunez, C. Anderton,
 * R. Renslow, "Optimizing colormaps with consideration for color vision deficiency", PLoS ONE 13
 * (2018).  Nothing here knows a back end: the screen may use the same tables. */
#ifndef PL_PLOTS_PALETTE_H
#define PL_PLOTS_PALETTE_H

#include "plots/figure.h"

#include <stdint.h>

typedef enum pl_colormap {
    PL_PALETTE_VIRIDIS, /* the default */
    PL_PALETTE_CIVIDIS, /* looks alike with and without a colour vision deficiency */
} pl_colormap;

enum { PL_PALETTE_SIZE = 256 };

/* 0xRRGGBB of the entry nearest to part; 0 is the darkest, 1 the brightest, beyond them the ends.
 * NaN: the darkest. */
uint32_t pl_palette_at(pl_colormap palette, double part);

/* A value's place in the heat map's range of colours, 0 ... 1; NaN stays NaN. */
double pl_heat_part(const pl_heat *heat, double value);

#endif
