#include "app/source.h"

#include "app/demo.h"
#include "core/model/bare.h"
#include "core/state/origin.h"

#include <stdlib.h>
#include <unistd.h>

void pl_put_absolute(const char *path, pl_buf *out)
{
    char *here = path[0] != '/' && access(path, F_OK) == 0 ? getcwd(NULL, 0) : NULL;
    if (here != NULL) {
        pl_path_join(out, here, path);
    } else {
        pl_buf_puts(out, path);
    }
    free(here);
}

pl_status pl_open_source(const char *path, const char *inputs, pl_source **out, pl_error *err)
{
    pl_buf demo = {0};
    pl_buf whole = {0};
    pl_model *model = NULL;
    *out = NULL;
    pl_status status = path == NULL ? pl_demo_folder(&demo, err) : PL_OK;
    PL_THEN(inputs != NULL ? pl_model_open_matrices(path, inputs, &model, err)
                           : pl_model_open(path != NULL ? path : demo.data, &model, err));
    if (status == PL_OK) {
        if (path != NULL) {
            pl_put_absolute(path, &whole);
        }
        status = pl_source_create(model, whole.failed ? path : whole.data, demo.data, out, err);
    }
    if (status == PL_OK && inputs != NULL) {
        whole.size = 0;
        pl_put_absolute(inputs, &whole);
        status = pl_source_set_inputs(*out, whole.failed ? inputs : whole.data, err);
        if (status != PL_OK) {
            pl_source_release(*out);
            *out = NULL;
        }
    }
    if (status == PL_OK) {
        /* Without it the model only has no session of its own. */
        pl_status ignored = pl_origin_print(*out, &(*out)->print, NULL);
        (void)ignored;
    }
    pl_buf_deinit(&whole);
    pl_buf_deinit(&demo);
    return status;
}
