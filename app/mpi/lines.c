#include "app/mpi/lines.h"

#include "core/base/clock.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 3000, ACCEPT_MS = 10000 };

/* What a rank says first. */
typedef struct hello {
    unsigned char token[PL_LINE_TOKEN];
    int32_t rank;
} hello;

/* A host that is cut off, or whose power is, sends no end: the system asks it every few seconds. */
static void keep_alive(int fd)
{
    const int on = 1, idle = 20, interval = 5, count = 4;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static struct in6_addr mapped(struct in_addr v4)
{
    struct in6_addr out = {0};
    out.s6_addr[10] = out.s6_addr[11] = 0xff;
    memcpy(out.s6_addr + 12, &v4, sizeof v4);
    return out;
}

static bool address_of(const struct sockaddr *from, struct in6_addr *out)
{
    if (from == NULL) {
        return false;
    }
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        *out = mapped(v4.sin_addr);
        return (ntohl(v4.sin_addr.s_addr) >> 24) != 127;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        *out = v6.sin6_addr;
        return !IN6_IS_ADDR_LOOPBACK(out) && !IN6_IS_ADDR_LINKLOCAL(out);
    }
    return false;
}

static void list_addresses(pl_line_offer *out)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) == 0) {
        for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
            struct in6_addr address;
            if (out->count < PL_LINE_ADDRESSES - 1 && address_of(at->ifa_addr, &address)) {
                out->address[out->count++] = address;
            }
        }
        freeifaddrs(list);
    }
    out->address[out->count++] = mapped((struct in_addr){.s_addr = htonl(INADDR_LOOPBACK)});
}

/* Both families through one socket; IPv4 alone where the system has no other. */
static int open_listening(int ranks, uint16_t *port)
{
    const int off = 0;
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    socklen_t size = sizeof v6;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(fd, (struct sockaddr *)&v6, sizeof v6) == 0 && listen(fd, ranks) == 0 &&
            getsockname(fd, (struct sockaddr *)&v6, &size) == 0) {
            *port = ntohs(v6.sin6_port);
            return fd;
        }
        close(fd);
    }
    size = sizeof v4;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&v4, sizeof v4) == 0 && listen(fd, ranks) == 0 &&
        getsockname(fd, (struct sockaddr *)&v4, &size) == 0) {
        *port = ntohs(v4.sin_port);
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

pl_status pl_lines_listen(int ranks, pl_line_offer *out, int *listening, pl_error *err)
{
    *out = (pl_line_offer){0};
    *listening = -1;
    if (getrandom(out->token, sizeof out->token, 0) != (ssize_t)sizeof out->token) {
        return pl_error_set(err, PL_ERR_IO, "no random bytes: %s", strerror(errno));
    }
    *listening = open_listening(ranks, &out->port);
    if (*listening < 0) {
        out->port = 0;
        return pl_error_set(err, PL_ERR_IO, "no port for the other ranks: %s", strerror(errno));
    }
    list_addresses(out);
    return PL_OK;
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool wait_for(int fd, short events, int milliseconds)
{
    struct pollfd end = {.fd = fd, .events = events};
    return poll(&end, 1, milliseconds) > 0;
}

static int try_address(const struct in6_addr *address, uint16_t port)
{
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_addr = *address, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    const bool is_v4 = IN6_IS_ADDR_V4MAPPED(address);
    memcpy(&v4.sin_addr, address->s6_addr + 12, sizeof v4.sin_addr);
    const int fd =
        socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = 0;
    socklen_t size = sizeof failed;
    if (fd < 0) {
        return -1;
    }
    const int begun = is_v4 ? connect(fd, (struct sockaddr *)&v4, sizeof v4)
                            : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    if ((begun != 0 && errno != EINPROGRESS) || !wait_for(fd, POLLOUT, CONNECT_MS) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0 || failed != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int pl_lines_connect(const pl_line_offer *offer, int rank)
{
    hello first = {.rank = rank};
    memcpy(first.token, offer->token, sizeof first.token);
    for (size_t i = 0; i < offer->count && i < PL_LINE_ADDRESSES; i++) {
        const int fd = try_address(&offer->address[i], offer->port);
        if (fd >= 0 && send(fd, &first, sizeof first, MSG_NOSIGNAL) == (ssize_t)sizeof first) {
            keep_alive(fd);
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

void pl_lines_accept(int listening, const pl_line_offer *offer, int expected, int *line, int ranks)
{
    const double end = pl_clock_now() + ACCEPT_MS / 1000.0;
    int taken = 0;
    while (taken < expected && pl_clock_now() < end && wait_for(listening, POLLIN, ACCEPT_MS)) {
        hello first = {.rank = -1};
        const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        if (wait_for(fd, POLLIN, CONNECT_MS) &&
            recv(fd, &first, sizeof first, MSG_WAITALL) == (ssize_t)sizeof first &&
            memcmp(first.token, offer->token, sizeof first.token) == 0 && first.rank > 0 &&
            first.rank < ranks && line[first.rank] < 0) {
            keep_alive(fd);
            line[first.rank] = fd;
            taken++;
        } else {
            close(fd);
        }
    }
}
