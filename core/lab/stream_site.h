/* core/lab/stream_site.h -- a site as a rotation of the residual stream meets it; private to
 * core/lab. */
#ifndef PL_LAB_STREAM_SITE_H
#define PL_LAB_STREAM_SITE_H

#include "core/method/method.h"
#include "core/model/model.h"

typedef struct pl_stream_site {
    pl_stream is;
    float *gain; /* what is.gain points to, or NULL */
} pl_stream_site;

/* For a method that does not turn the stream: no gain.  PL_ERR_UNSUPPORTED where it does, and no
 * rotation goes through the model.  The caller frees it. */
PL_NODISCARD pl_status pl_stream_site_init(pl_model *model, size_t site, const pl_method *method,
                                           pl_stream_site *out, pl_error *err);
void pl_stream_site_free(pl_stream_site *site);

#endif
