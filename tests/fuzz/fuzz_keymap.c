/* A key file: every line of it is taken or said to be wrong, and the table stays one. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"
#include "views/keymap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = pl_fuzz_text(data, size), said[200];
    pl_keymap *map = NULL;
    pl_buf wrong = {0};
    pl_error err = {0};
    pl_status status = pl_keymap_create(&map, &err);
    PL_THEN(pl_keymap_read(map, "keys", text, &wrong, &err));
    pl_fuzz_status(status, &err);
    for (const pl_binding *row = pl_keymap_bindings(map); row->name != NULL; row++) {
        for (pl_pane pane = 0; pane < PL_PANE_COUNT; pane++) {
            pl_keymap_action(map, row->key, pane);
            pl_keymap_key_of(map, row->action, pane);
        }
    }
    pl_keymap_say(map, PL_PANE_MAIN, "{solve} solves, {help} helps", said, sizeof said);
    pl_keymap_destroy(map);
    pl_buf_deinit(&wrong);
    free(text);
    return 0;
}
