/* app/mpi/lines.h -- TCP connections of all ranks to rank 0; a broken one means that its rank is
 * dead. */
#ifndef PL_APP_MPI_LINES_H
#define PL_APP_MPI_LINES_H

#include "core/base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum { PL_LINE_ADDRESSES = 16, PL_LINE_TOKEN = 16 };

/* Where rank 0 listens; it tells the others through MPI.  The token keeps strangers out. */
typedef struct pl_line_offer {
    uint16_t port; /* 0: nowhere */
    uint16_t count;
    struct in6_addr address[PL_LINE_ADDRESSES]; /* IPv4 as ::ffff:a.b.c.d; the loopback is last */
    unsigned char token[PL_LINE_TOKEN];
} pl_line_offer;

/* Caller closes *listening. */
PL_NODISCARD pl_status pl_lines_listen(int ranks, pl_line_offer *out, int *listening,
                                       pl_error *err);

/* A descriptor, or -1 where none of the addresses answers within a few seconds. */
int pl_lines_connect(const pl_line_offer *offer, int rank);

/* Accepts `expected` connections, which are waiting already, into line[rank]. */
void pl_lines_accept(int listening, const pl_line_offer *offer, int expected, int *line, int ranks);

#endif
