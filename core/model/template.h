/* core/model/template.h -- the Jinja templates by which checkpoints write a chat as one text.
 *
 * The subset that chat templates use, with the settings of transformers' apply_chat_template
 * (trim_blocks, lstrip_blocks, loop controls, its own tojson): texts, expressions, if, for with
 * loop and filters, set, namespace, macro, break and continue; the filters, tests, methods and
 * functions of template_filters.c and template_calls.c.  All else is refused by a sentence that
 * names it and its line: a tag when the template is read, anything else only when it is reached, so
 * that a part that is never reached does no harm. */
#ifndef PL_MODEL_TEMPLATE_H
#define PL_MODEL_TEMPLATE_H

#include "core/base/task.h"
#include "core/base/text.h"

#include <jansson.h>
#include <stddef.h>
#include <time.h>

typedef struct pl_template pl_template;

/* text: size bytes, copied.  PL_ERR_FORMAT names the line with a mistake, or text that is not
 * UTF-8; PL_ERR_UNSUPPORTED an unknown tag, or nesting that is too deep.  Caller destroys *out. */
PL_NODISCARD pl_status pl_template_parse(const char *text, size_t size, pl_template **out,
                                         pl_error *err);
void pl_template_destroy(pl_template *tpl);

/* Appends the template's text for the variables (an object, borrowed); now: the local time for
 * strftime_now.  PL_ERR_UNSUPPORTED names what is not known, or says that the budget of steps,
 * memory or output is used up; PL_ERR_USAGE holds the template's own refusal (raise_exception);
 * PL_ERR_FORMAT says what Jinja would refuse, such as a sum with an undefined value.  out holds an
 * unknown part of the text after a failure. */
PL_NODISCARD pl_status pl_template_render(const pl_template *tpl, const json_t *variables,
                                          time_t now, pl_buf *out, pl_task *task, pl_error *err);

#endif
