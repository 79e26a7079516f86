#include "views/panel.h"

const pl_panel *pl_panel_of(pl_pane pane)
{
    static const pl_panel *const panels[PL_PANE_COUNT] = {
        [PL_PANE_LAYERS] = &pl_panel_layers, [PL_PANE_MAIN] = &pl_panel_main,
        [PL_PANE_SECOND] = &pl_panel_second, [PL_PANE_TABLE] = &pl_panel_table,
        [PL_PANE_TUNER] = &pl_panel_tuner,
    };
    return panels[pane];
}
