/* tests/support/start.c -- linked into every test and bench: it starts as planish does, so that
 * what is tested and measured runs on the same kernels, from tests/run or by itself. */
#include "app/start.h"

__attribute__((constructor)) static void start_as_planish(int argc, char **argv)
{
    (void)argc;
    pl_start(argv);
}
