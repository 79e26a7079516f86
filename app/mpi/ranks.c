#include "app/mpi/ranks.h"

#include "app/mpi/lines.h"
#include "core/base/clock.h"
#include "core/tensor/linalg.h"

#include <errno.h>
#include <mpi.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TAG_HEADER = 1, TAG_PAYLOAD = 2 };

void pl_ranks_library(char *out, size_t size)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    snprintf(out, size, "%s", text);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Of the processors that any rank of this host may use, each rank's share; at least one.  mpirun
 * may have bound each to some of them already. */
static int share_of_processors(MPI_Comm host, int local)
{
    cpu_set_t own, all;
    CPU_ZERO(&own);
    CPU_ZERO(&all);
    const int mine = pl_linalg_default_threads();
    if (sched_getaffinity(0, sizeof own, &own) != 0) {
        return mine / local > 0 ? mine / local : 1;
    }
    MPI_Allreduce(&own, &all, (int)sizeof own, MPI_BYTE, MPI_BOR, host);
    int total = CPU_COUNT(&all);
    if (mine < CPU_COUNT(&own) && mine < total) {
        total = mine; /* the quota of a control group */
    }
    const int share = total / local < mine ? total / local : mine;
    return share > 0 ? share : 1;
}

static void find_threads(pl_ranks *r, int asked)
{
    MPI_Comm host;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &host);
    MPI_Comm_size(host, &r->local);
    int share = asked > 0 ? asked : share_of_processors(host, r->local);
    MPI_Comm_free(&host);
    MPI_Allreduce(&share, &r->threads, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
}

/* --- starting --------------------------------------------------------------------------------- */

/* Who reaches rank 0 says so; it then knows how many to wait for. */
static pl_status open_lines(pl_ranks *r, pl_error *err)
{
    pl_line_offer offer = {0};
    int listening = -1, reached = 0, total = 0;
    pl_status status = PL_OK;
    if (r->rank == 0) {
        status = pl_lines_listen(r->count, &offer, &listening, err);
    }
    MPI_Bcast(&offer, (int)sizeof offer, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (r->rank != 0 && offer.port != 0) {
        r->line[0] = pl_lines_connect(&offer, r->rank);
        reached = r->line[0] >= 0;
    }
    MPI_Reduce(&reached, &total, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
    if (status == PL_OK && r->rank == 0) {
        pl_lines_accept(listening, &offer, total, r->line, r->count);
    }
    if (listening >= 0) {
        close(listening);
    }
    return status;
}

static bool mpirun_recovers(void)
{
    const char *text = getenv("OMPI_MCA_orte_enable_recovery");
    return text != NULL && strcmp(text, "0") != 0;
}

pl_status pl_ranks_start(int *argc, char ***argv, int threads, pl_ranks *out, pl_error *err)
{
    int level = 0;
    char host[PL_RANK_HOST] = "";
    *out = (pl_ranks){.count = 1};
    if (MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS ||
        level < MPI_THREAD_SERIALIZED) {
        return pl_error_set(err, PL_ERR_UNSUPPORTED,
                            "MPI: expected a library with MPI_THREAD_SERIALIZED");
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &out->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &out->count);
    out->recovers = mpirun_recovers();
    out->line = malloc((size_t)out->count * sizeof *out->line);
    out->host = calloc((size_t)out->count, sizeof *out->host);
    if (out->line == NULL || out->host == NULL) {
        return pl_error_memory(err, "the ranks");
    }
    for (int i = 0; i < out->count; i++) {
        out->line[i] = -1;
    }
    find_threads(out, threads);
    (void)gethostname(host, sizeof host - 1);
    MPI_Gather(host, sizeof host, MPI_CHAR, out->host, sizeof host, MPI_CHAR, 0, MPI_COMM_WORLD);
    return open_lines(out, err);
}

_Noreturn void pl_ranks_exit(pl_ranks *ranks, int status)
{
    fflush(NULL);
    /* Who finalizes waits for all, and those that are dead never come. */
    if (!ranks->lost) {
        MPI_Finalize();
    }
    _exit(status);
}

/* --- messages --------------------------------------------------------------------------------- */

bool pl_ranks_alive(const pl_ranks *ranks, int rank)
{
    return ranks->line[rank] >= 0;
}

void pl_ranks_drop(pl_ranks *ranks, int rank)
{
    if (ranks->line[rank] >= 0) {
        close(ranks->line[rank]);
        ranks->line[rank] = -1;
        ranks->lost = true;
    }
}

/* Whether the other end is gone, though bytes may still wait. */
static bool is_cut(int line)
{
    struct pollfd end = {.fd = line, .events = POLLRDHUP};
    return poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void pl_ranks_wait(const pl_ranks *ranks, int fd, int milliseconds)
{
    struct pollfd *ends = calloc((size_t)ranks->count + 1, sizeof *ends);
    nfds_t count = 0;
    for (int i = 0; ends != NULL && i < ranks->count; i++) {
        if (ranks->line[i] >= 0) {
            ends[count++] = (struct pollfd){.fd = ranks->line[i], .events = POLLIN};
        }
    }
    if (ends != NULL && fd >= 0) {
        ends[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
    (void)poll(ends, count, milliseconds);
    free(ends);
}

static pl_status dead(pl_ranks *ranks, int rank, pl_error *err)
{
    pl_ranks_drop(ranks, rank);
    return pl_error_set(err, PL_ERR_IO, "rank %d is gone", rank);
}

/* Waits until the request ends or the other rank dies.  Then *kept: the request is abandoned, and
 * its buffer, to which MPI may still write. */
static pl_status finish_request(pl_ranks *ranks, int rank, MPI_Request *request, bool *kept,
                                pl_error *err)
{
    enum { SPINS = 2000 };
    int done = 0;
    *kept = false;
    for (size_t i = 0;; i++) {
        if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
            return dead(ranks, rank, err);
        }
        if (done) {
            return PL_OK;
        }
        if (i % 64 == 63 && is_cut(ranks->line[rank])) {
            *kept = true;
            return dead(ranks, rank, err);
        }
        if (i > SPINS) { /* the other end has something else to do */
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        }
    }
}

/* The byte that announces a message; false where none waits. */
static pl_status take_bell(pl_ranks *ranks, int rank, bool *came, pl_error *err)
{
    char bell;
    *came = false;
    const ssize_t got = recv(ranks->line[rank], &bell, 1, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        return dead(ranks, rank, err);
    }
    *came = got == 1;
    return PL_OK;
}

static pl_status receive(pl_ranks *ranks, int rank, int tag, void *to, size_t size, pl_error *err)
{
    MPI_Request request;
    bool kept = false;
    if (MPI_Irecv(to, (int)size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &request) != MPI_SUCCESS) {
        return dead(ranks, rank, err);
    }
    const pl_status status = finish_request(ranks, rank, &request, &kept, err);
    if (kept) { /* nobody writes to it any more */
        MPI_Cancel(&request);
        MPI_Request_free(&request);
    }
    return status;
}

pl_status pl_ranks_take(pl_ranks *ranks, int rank, uint64_t limit, bool *came, pl_message *message,
                        char **payload, pl_error *err)
{
    unsigned char header[PL_MSG_HEADER];
    *payload = NULL;
    pl_status status = take_bell(ranks, rank, came, err);
    if (status != PL_OK || !*came) {
        return status;
    }
    status = receive(ranks, rank, TAG_HEADER, header, sizeof header, err);
    PL_THEN(pl_message_get(header, sizeof header, limit, message, err));
    if (status == PL_OK && message->size > 0) {
        *payload = malloc((size_t)message->size + 1);
        status = *payload != NULL ? PL_OK : pl_error_memory(err, "a message");
    }
    for (uint64_t at = 0; status == PL_OK && at < message->size;) {
        const uint64_t rest = message->size - at;
        const size_t now = rest < PL_MSG_PIECE ? (size_t)rest : PL_MSG_PIECE;
        status = receive(ranks, rank, TAG_PAYLOAD, *payload + at, now, err);
        at += now;
    }
    if (status != PL_OK) { /* what was not taken would be read as the next header */
        free(*payload);
        *payload = NULL;
        pl_ranks_drop(ranks, rank);
        return status;
    }
    if (*payload != NULL) {
        (*payload)[message->size] = '\0';
    }
    return PL_OK;
}

static pl_status send_piece(pl_ranks *ranks, int rank, int tag, const void *from, size_t size,
                            bool ring, pl_error *err)
{
    MPI_Request request;
    bool kept = false;
    if (MPI_Isend(from, (int)size, MPI_BYTE, rank, tag, MPI_COMM_WORLD, &request) != MPI_SUCCESS) {
        return dead(ranks, rank, err);
    }
    if (ring && send(ranks->line[rank], "m", 1, MSG_NOSIGNAL) != 1) {
        MPI_Request_free(&request);
        return dead(ranks, rank, err);
    }
    const pl_status status = finish_request(ranks, rank, &request, &kept, err);
    if (kept) {
        MPI_Request_free(&request);
    }
    return status;
}

pl_status pl_ranks_send(pl_ranks *ranks, int rank, const pl_message *message, const void *payload,
                        pl_error *err)
{
    unsigned char header[PL_MSG_HEADER];
    if (!pl_ranks_alive(ranks, rank)) {
        return pl_error_set(err, PL_ERR_IO, "rank %d is gone", rank);
    }
    pl_message_put(message, header);
    pl_status status = send_piece(ranks, rank, TAG_HEADER, header, sizeof header, true, err);
    for (uint64_t at = 0; status == PL_OK && at < message->size;) {
        const uint64_t rest = message->size - at;
        const size_t now = rest < PL_MSG_PIECE ? (size_t)rest : PL_MSG_PIECE;
        status = send_piece(ranks, rank, TAG_PAYLOAD, (const char *)payload + at, now, false, err);
        at += now;
    }
    return status;
}
