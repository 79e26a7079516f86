#include "core/lab/solve_report.h"

#include "core/metrics/recon.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

pl_solve_report pl_solve_report_empty(void)
{
    enum { NUMBERS = offsetof(pl_solve_report, made) / sizeof(double) };
    pl_solve_report report = {0};
    double numbers[NUMBERS];
    for (size_t i = 0; i < NUMBERS; i++) {
        numbers[i] = NAN;
    }
    memcpy(&report, numbers, sizeof numbers);
    return report;
}

double pl_report_sqnr(const pl_solve_report *report)
{
    return pl_sqnr(isfinite(report->rounded_relative_error) ? report->rounded_relative_error
                                                            : report->relative_error);
}

double pl_report_times_least(const pl_solve_report *report)
{
    return report->least_rounded_error > 0.0
               ? report->rounded_relative_error / report->least_rounded_error
               : (double)NAN;
}
