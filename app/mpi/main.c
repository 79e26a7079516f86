/* planish-mpi: the batch front on rank 0, and workers on the other ranks of an mpirun. */
#include "app/front.h"
#include "app/mpi/pool.h"
#include "app/mpi/ranks.h"
#include "app/mpi/worker.h"
#include "app/start.h"
#include "app/version.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/memory.h"

#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "mpirun -n RANKS planish-mpi [--status FILE] [--trace FILE] [OPTION...] [MODEL] -c COMMANDS | "
    "--batch FILE\n"
    "\n"
    "The commands of planish, computed by all ranks of an MPI run; the options are planish's.\n"
    "Rank 0 writes the store, the session and the output; what it prints and stores does not\n"
    "depend on how many ranks there are. --threads and --memory are of each rank.\n"
    "\n"
    "  --status FILE  the exit status, written at the end: mpirun --enable-recovery, with which a\n"
    "                 rank that dies loses the unit it was at and no more, says 0 whatever "
    "happens\n"
    "  --trace FILE   a line of JSON for each unit of work: where it ran, and how long\n"
    "\n"
    "planish(1), and app/cluster.md for SLURM and PBS.\n";

/* Takes `NAME FILE` out of the arguments. */
static const char *take_option(const char *name, int *argc, char **argv)
{
    const char *file = NULL;
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], name) == 0 && i + 1 < *argc) {
            file = argv[++i];
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    return file;
}

static void print_version(int threads)
{
    char library[80];
    pl_buf out = {0};
    pl_ranks_library(library, sizeof library);
    pl_version_put(threads, pl_start_own_kernel(), &out);
    printf("%sMPI        %s\n", out.data != NULL ? out.data : "", library);
    pl_buf_deinit(&out);
}

/* On rank 0: what there is to compute with. */
static void say_ranks(const pl_ranks *ranks)
{
    fprintf(stderr, "planish-mpi: %d ranks of %d %s each\n", ranks->count, ranks->threads,
            ranks->threads == 1 ? "thread" : "threads");
    for (int i = 1; i < ranks->count; i++) {
        if (!pl_ranks_alive(ranks, i)) {
            fprintf(stderr,
                    "planish-mpi: rank %d on %s does not reach rank 0 on %s by TCP, and stays "
                    "idle\n",
                    i, ranks->host[i], ranks->host[0]);
        }
    }
    if (ranks->count > 1 && !ranks->recovers) {
        fputs("planish-mpi: a rank that dies ends the run, unless mpirun has --enable-recovery\n",
              stderr);
    }
}

static int run_rank_0(pl_ranks *ranks, pl_options *options, const char *trace)
{
    pl_error err = {0};
    pl_rank_pool *pool = NULL;
    FILE *file = trace != NULL ? fopen(trace, "we") : NULL;
    int status = 1;
    say_ranks(ranks);
    if (trace != NULL && file == NULL) {
        fprintf(stderr, "planish-mpi: %s: cannot be written\n", trace);
        return 1;
    }
    if (pl_rank_pool_create(ranks, file, &pool, &err) != PL_OK) {
        fprintf(stderr, "planish-mpi: %s\n", err.message);
    } else {
        options->pool = pl_rank_pool_use(pool);
        status = pl_batch_run(options);
    }
    pl_rank_pool_destroy(pool);
    if (file != NULL && fclose(file) != 0 && status == 0) {
        fprintf(stderr, "planish-mpi: %s: cannot be written\n", trace);
        status = 1;
    }
    return status;
}

/* What of the command line needs no other rank; -1: the run is to begin. */
static int answer_alone(int argc, char **argv, const pl_ranks *ranks, pl_options *options)
{
    pl_error err = {0};
    if (pl_options_parse(argc, argv, options, &err) != PL_OK) {
        if (ranks->rank == 0) {
            fprintf(stderr, "planish-mpi: %s\n", err.message);
        }
        return 2;
    }
    if (options->help || options->version || options->page != NULL || options->actions) {
        if (ranks->rank == 0 && options->version) {
            print_version(ranks->threads);
        } else if (ranks->rank == 0) {
            fputs(usage, stdout);
        }
        return 0;
    }
    if (options->commands == NULL && options->batch == NULL) {
        if (ranks->rank == 0) {
            fputs("planish-mpi: expected -c COMMANDS or --batch FILE: ranks have no screen\n",
                  stderr);
        }
        return 2;
    }
    return -1;
}

/* --threads, which has to be known before the ranks agree on theirs; 0: not given. */
static int threads_of(int argc, char **argv)
{
    pl_options options;
    return pl_options_parse(argc, argv, &options, NULL) == PL_OK ? options.threads : 0;
}

static bool write_status(const char *path, int status)
{
    char text[16];
    pl_error err;
    snprintf(text, sizeof text, "%d\n", status);
    if (pl_file_write_all(path, text, strlen(text), &err) == PL_OK) {
        return true;
    }
    fprintf(stderr, "planish-mpi: %s\n", err.message);
    return false;
}

int main(int argc, char **argv)
{
    pl_start(argv);
    pl_json_start();
#ifdef M_MMAP_THRESHOLD
    (void)mallopt(M_MMAP_THRESHOLD, 8 << 20); /* as main.c */
#endif
    setlocale(LC_CTYPE, "");
    pl_ranks ranks;
    pl_options options;
    pl_error err = {0};
    const char *trace = take_option("--trace", &argc, argv);
    const char *told = take_option("--status", &argc, argv);
    if (pl_ranks_start(&argc, &argv, threads_of(argc, argv), &ranks, &err) != PL_OK) {
        fprintf(stderr, "planish-mpi: %s\n", err.message);
        return 1;
    }
    if (told != NULL && ranks.rank == 0) {
        (void)unlink(told); /* of a run before: where this one is killed there is none */
    }
    int status = answer_alone(argc, argv, &ranks, &options);
    if (status < 0) {
        options.threads = ranks.threads;
        /* As a session on one machine leaves a quarter of it to others, so do the ranks of a host.
         */
        options.memory =
            options.memory > 0 ? options.memory : pl_memory_share() / (size_t)ranks.local;
        status =
            ranks.rank == 0 ? run_rank_0(&ranks, &options, trace) : pl_rank_work(&ranks, &options);
    }
    if (told != NULL && ranks.rank == 0 && !write_status(told, status)) {
        status = 1;
    }
    pl_ranks_exit(&ranks, status);
}
