/* sessions/session_parts.h -- what a session is made of.  Internal to sessions. */
#ifndef PL_SESSIONS_SESSION_PARTS_H
#define PL_SESSIONS_SESSION_PARTS_H

#include "sessions/database.h"
#include "sessions/session.h"

#include <pthread.h>

/* A recorded state; its identifier is its index plus one.  0 stands for "none". */
typedef struct pl_session_node {
    int64_t command; /* the command after which it is the state */
    char *json;      /* compact */
} pl_session_node;

/* A long command that has begun. */
typedef struct pl_session_begun {
    int64_t id, state; /* 0: none */
    char *text;
} pl_session_begun;

struct pl_session {
    char *path;
    const char *notice;
    int lock;         /* -1: nothing is kept, and db is a copy in memory */
    sqlite3 *db;      /* the writer's once it runs */
    pl_made_by maker; /* to be written with the next command; {0}: it was */

    /* For the caller's thread only: the states, and the present one. */
    pl_session_node *nodes;
    size_t n_nodes, capacity;
    int64_t head;
    int64_t commands;        /* recorded so far */
    pl_session_begun *begun; /* long commands that have not ended, [n_begun] oldest first */
    size_t n_begun;
    size_t n_left; /* the first so many of them were cut off in an earlier run */
    int64_t last_begun;

    pthread_t writer;
    bool running;
    pthread_mutex_t lock_of_queue; /* guards what follows */
    pthread_cond_t wake;           /* the writer: there is something to do */
    pthread_cond_t idle;           /* the others: an attempt has ended */
    pl_record *first, **last;
    bool stop, again; /* again: try once more what failed */
    bool writing;
    pl_error failure; /* of the last attempt; code PL_OK if it went well */
};

/* "the session's file is damaged (what)". */
pl_status pl_session_damaged(const pl_session *session, const char *what, pl_error *err);

/* A recorded state by its identifier; *out NULL for 0.  Caller decrefs. */
PL_NODISCARD pl_status pl_session_read_state(const pl_session *session, int64_t id, json_t **out,
                                             pl_error *err);

#endif
