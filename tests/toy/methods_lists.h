/* One line a toy, as it would stand in core/method/method_list.h or format_list.h. */
#define PL_EXTRA_METHODS(METHOD)                                                                   \
    METHOD(press)                                                                                  \
    METHOD(toy)
#define PL_EXTRA_FORMATS(FORMAT) FORMAT(octaves, "octaves")
