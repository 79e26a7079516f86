/* core/calib/histogram.h -- the bins in which a site's values are counted. */
#ifndef PL_CALIB_HISTOGRAM_H
#define PL_CALIB_HISTOGRAM_H

/* Histogram of |x| over a site: PL_HIST_BINS bins, log2 spaced, 8 an octave, the first one also
 * holds everything below 2^PL_HIST_LOW (0 too), the last one everything above.  Bin b covers
 * [2^(PL_HIST_LOW + b/8), 2^(PL_HIST_LOW + (b+1)/8)), exactly. */
enum {
    PL_HIST_PER_OCTAVE = 8,
    PL_HIST_LOW = -24,
    PL_HIST_OCTAVES = 40,
    PL_HIST_BINS = PL_HIST_PER_OCTAVE * PL_HIST_OCTAVES
};

#endif
