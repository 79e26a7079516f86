/* One line a toy, as it would stand in app/commands/list.h and in plots/kinds.h. */
#define PL_EXTRA_COMMANDS(COMMAND) COMMAND(next)
#define PL_EXTRA_KINDS(KIND)                                                                       \
    KIND(rows)                                                                                     \
    KIND(spare1)                                                                                   \
    KIND(spare2)                                                                                   \
    KIND(spare3)
