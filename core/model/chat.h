/* core/model/chat.h -- a chat as the text that the checkpoint's own template makes of it. */
#ifndef PL_MODEL_CHAT_H
#define PL_MODEL_CHAT_H

#include "core/base/text.h"
#include "core/model/model.h"

#include <time.h>

enum { PL_MAX_ENDS = 32 };

/* Appends the text of one turn: `system` where it is not NULL, what the user says, and the
 * beginning of the answer (add_generation_prompt).  It holds all special tokens, BOS included: the
 * caller adds none.  The template is chat_template.jinja's, tokenizer_config.json's (of several the
 * one named default) or chat_template.json's, GGUF's tokenizer.chat_template; the special tokens
 * are the files' own.  PL_ERR_NOT_FOUND where there is no template; errors of pl_template_parse and
 * pl_template_render. */
PL_NODISCARD pl_status pl_chat_text(pl_model *model, const char *system, const char *user,
                                    time_t now, pl_buf *out, pl_task *task, pl_error *err);

/* Appends that template's source; nothing where there is none. */
PL_NODISCARD pl_status pl_chat_template(pl_model *model, pl_buf *out, pl_error *err);

/* The padding token that the files of a Hugging Face folder name; -1: none. */
PL_NODISCARD pl_status pl_chat_pad(pl_model *model, int32_t *out, pl_error *err);

/* The tokens that end a text: eos_token_id (a number or several) of generation_config.json and
 * config.json, and the eos_token of tokenizer_config.json; GGUF's eos and eot tokens. */
PL_NODISCARD pl_status pl_chat_ends(pl_model *model, int32_t ends[PL_MAX_ENDS], size_t *count,
                                    pl_error *err);

#endif
