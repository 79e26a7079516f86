/* app/version.h -- what --version says: what a measured time or a last digit may depend on. */
#ifndef PL_APP_VERSION_H
#define PL_APP_VERSION_H

#include "core/base/text.h"

/* Version, OpenBLAS and its kernels, threads (0: the default), processor, the versions of all other
 * libraries in use, the licence; lines.  own: pl_start_own_kernel(). */
void pl_version_put(int threads, const char *own, pl_buf *out);

/* Under which licence the program, with the libraries it is linked with, may be given on: sentences
 * in lines, appended. */
void pl_licence_put(pl_buf *out);

#endif
