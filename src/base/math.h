/* Elementary functions whose results reach a model or generated data. Our own, in plain double
 * arithmetic, so that no C library, compiler or kernel set changes a bit. */
#ifndef QN_BASE_MATH_H
#define QN_BASE_MATH_H

/* Natural logarithm, within 1 ulp. -infinity for 0, NaN below. */
double qn_log(double x);

/* e^x, within 1 ulp; exact at 0. infinity from 709.79 on, 0 below -745.14, NaN for NaN. */
double qn_exp(double x);

/* sin(2 pi turns) and cos(2 pi turns), |turns| <= 2^50, within 4e-16; exact at the quarters. */
void qn_sincos2pi(double turns, double *sine, double *cosine);

#endif
