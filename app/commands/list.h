/* app/commands/list.h -- the commands, in the order they are listed to a user: one line each.
 *
 * COMMAND(name) is app/commands/name.c's row pl_command_name, which says everything about it. */
#ifndef PL_APP_COMMANDS_LIST_H
#define PL_APP_COMMANDS_LIST_H

#include "app/command.h"

/* A build may add lines: tests/toy does. */
#ifndef PL_EXTRA_COMMANDS
#define PL_EXTRA_COMMANDS(COMMAND)
#endif

#define PL_COMMANDS(COMMAND)                                                                       \
    COMMAND(open)                                                                                  \
    COMMAND(info)                                                                                  \
    COMMAND(layers)                                                                                \
    COMMAND(tokenize)                                                                              \
    COMMAND(calibrate)                                                                             \
    COMMAND(select)                                                                                \
    COMMAND(outliers)                                                                              \
    COMMAND(massive)                                                                               \
    COMMAND(method)                                                                                \
    COMMAND(set)                                                                                   \
    COMMAND(activations)                                                                           \
    COMMAND(cost)                                                                                  \
    COMMAND(kv)                                                                                    \
    COMMAND(learn)                                                                                 \
    COMMAND(solve)                                                                                 \
    COMMAND(import)                                                                                \
    COMMAND(keep)                                                                                  \
    COMMAND(unkeep)                                                                                \
    COMMAND(use)                                                                                   \
    COMMAND(compare)                                                                               \
    COMMAND(pin)                                                                                   \
    COMMAND(unpin)                                                                                 \
    COMMAND(note)                                                                                  \
    COMMAND(tag)                                                                                   \
    COMMAND(untag)                                                                                 \
    COMMAND(sweep)                                                                                 \
    COMMAND(target)                                                                                \
    COMMAND(perplexity)                                                                            \
    COMMAND(sensitivity)                                                                           \
    COMMAND(allocate)                                                                              \
    COMMAND(tune)                                                                                  \
    COMMAND(probe)                                                                                 \
    COMMAND(generate)                                                                              \
    COMMAND(tasks)                                                                                 \
    COMMAND(view)                                                                                  \
    COMMAND(plot)                                                                                  \
    COMMAND(figure)                                                                                \
    COMMAND(report)                                                                                \
    COMMAND(rebuild)                                                                               \
    COMMAND(dump)                                                                                  \
    COMMAND(export)                                                                                \
    COMMAND(undo)                                                                                  \
    COMMAND(redo)                                                                                  \
    COMMAND(restore)                                                                               \
    COMMAND(sessions)                                                                              \
    COMMAND(resume)                                                                                \
    COMMAND(cancel)                                                                                \
    COMMAND(filter)                                                                                \
    COMMAND(columns)                                                                               \
    COMMAND(theme)                                                                                 \
    COMMAND(marks)                                                                                 \
    COMMAND(pixels)                                                                                \
    COMMAND(mouse)                                                                                 \
    COMMAND(jobs)                                                                                  \
    COMMAND(log)                                                                                   \
    COMMAND(tour)                                                                                  \
    COMMAND(branch)                                                                                \
    COMMAND(replay)                                                                                \
    COMMAND(save)                                                                                  \
    COMMAND(help)                                                                                  \
    COMMAND(quit)                                                                                  \
    PL_EXTRA_COMMANDS(COMMAND)

#define PL_COMMAND_DECLARATION(name) extern const pl_command pl_command_##name;
PL_COMMANDS(PL_COMMAND_DECLARATION)
#undef PL_COMMAND_DECLARATION

#endif
