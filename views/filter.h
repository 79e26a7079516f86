/* views/filter.h -- which layers are listed: by name, score, tag or whether they are solved.
 *
 *   filter     = term { ("and" | "or") term }          "and" binds tighter
 *   term       = ["not"] ( "(" filter ")" | comparison | "solved" | name )
 *   comparison = score (">" | ">=" | "<" | "<=" | "=" | "!=") number
 *   score      = the name of a column (core/study/layer_table.h): input_ratio, error, block, ...
 *
 * A name with *, ? or [ is a glob over the whole name (15.*), else a part of it (q_proj); letters
 * of either case; tag:NAME is a tag that it has.  A score that is not known (NaN) makes every
 * comparison false. */
#ifndef PL_VIEWS_FILTER_H
#define PL_VIEWS_FILTER_H

#include "core/study/layer_table.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct pl_filter pl_filter;

/* What a filter is asked about.  Names are borrowed: "model.layers.15.self_attn.q_proj",
 * "15.self_attn.q_proj", "15.q_proj"; each may match. */
typedef struct pl_filter_layer {
    const char *names[3];
    double values[PL_COLUMN_COUNT]; /* NaN: not known */
    bool solved;
    const char *tags; /* "fragile later", or NULL */
} pl_filter_layer;

/* An empty or blank text gives *out NULL: everything is listed.  PL_ERR_USAGE says where the text
 * is wrong and what was expected.  Caller owns *out. */
PL_NODISCARD pl_status pl_filter_parse(const char *text, pl_filter **out, pl_error *err);
void pl_filter_destroy(pl_filter *filter); /* NULL is fine */

/* filter NULL: true. */
bool pl_filter_matches(const pl_filter *filter, const pl_filter_layer *layer);

#endif
