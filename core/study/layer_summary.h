/* core/study/layer_summary.h -- a layer's channels in a few numbers, for an overview of a model.
 *
 * A layer's original weights are read once: their summary is kept in the store under the tensor's
 * hash, so that the next overview is there at once.  Worker thread only. */
#ifndef PL_STUDY_LAYER_SUMMARY_H
#define PL_STUDY_LAYER_SUMMARY_H

#include "core/lab/lab.h"
#include "core/metrics/spread.h"

enum { PL_SUMMARY_TOP = 3 };

/* Of the channel maxima max |w| (over rows) or max |x| (over calibration tokens), per input
 * channel. */
typedef struct pl_layer_summary {
    bool known;                       /* false: the weights' dtype is not supported */
    double spread[PL_SPREAD_NUMBERS]; /* of the channel maxima: [3] is their median */
    double top[PL_SUMMARY_TOP];       /* the largest, falling; the last repeated where there are
                                         fewer channels */
    size_t channels[PL_SUMMARY_TOP];  /* their numbers */
} pl_layer_summary;

/* side input: of the layer's site under the state's calibration, which must be there
 * (pl_lab_calibration). */
PL_NODISCARD pl_status pl_layer_summarize(pl_context cx, size_t layer, pl_side side,
                                          pl_layer_summary *out, pl_error *err);

/* The same from given channel maxima max[n], n > 0, finite. */
PL_NODISCARD pl_status pl_summary_of(const float *max, size_t n, pl_layer_summary *out,
                                     pl_error *err);

/* Largest over median channel maximum; as pl_outlier_ratio. */
double pl_summary_ratio(const pl_layer_summary *summary);

#endif
