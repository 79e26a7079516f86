/* core/base/python.h -- what Python's str says of characters: prompts of published tasks and chat
 * templates are defined by it. */
#ifndef PL_BASE_PYTHON_H
#define PL_BASE_PYTHON_H

#include <stdbool.h>
#include <stdint.h>

/* str.isspace of a code point: Unicode's white space and the separators 0x1c to 0x1f. */
bool pl_python_is_space(uint32_t code);

#endif
