/* core/learn/site_stream.h -- where a site lies on the residual stream, as transform methods take
 * it. */
#ifndef PL_LEARN_SITE_STREAM_H
#define PL_LEARN_SITE_STREAM_H

#include "core/method/transform.h"
#include "core/model/model.h"

/* model: one with a config, so not of bare matrices.  gain: of the norm between the stream and the
 * site, [the site's columns], borrowed by the result; NULL: none. */
pl_stream pl_stream_of_site(const pl_model *model, size_t site, const float *gain);

#endif
