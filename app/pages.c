#include "app/pages.h"

#include <string.h>

static const struct {
    const char *name;
    void (*put)(pl_buf *out);
} pages[] = {
    {"man", pl_manual_put},
    {"bash", pl_shells_put_bash},
    {"zsh", pl_shells_put_zsh},
    {"fish", pl_shells_put_fish},
};
enum { PAGES = sizeof pages / sizeof *pages };

pl_status pl_page_put(const char *name, pl_buf *out, pl_error *err)
{
    for (size_t i = 0; i < PAGES; i++) {
        if (strcmp(pages[i].name, name) == 0) {
            pages[i].put(out);
        }
    }
    return pl_buf_check(out, err);
}
