#include "plots/document_parts.h"

#include <stdio.h>

void pl_part_label(const pl_part *part, char out[32])
{
    snprintf(out, 32, "%s %zu", part->kind == PL_PART_TABLE ? "Table" : "Figure", part->number);
}
