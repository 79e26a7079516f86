/* core/io/npy.h -- NumPy's .npy version 1.0, written from float32 ('<f4', C order).  (Reading is
 * behind checkpoint.h.) */
#ifndef PL_IO_NPY_H
#define PL_IO_NPY_H

#include "core/tensor/mat.h"

/* Writes view as a 2-dimensional array (1-dimensional when rows == 1 and flat != 0), atomically. */
PL_NODISCARD pl_status pl_npy_write(const char *path, pl_view view, int flat, pl_error *err);

#endif
