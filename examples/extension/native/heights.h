#ifndef HEIGHTS_H
#define HEIGHTS_H

typedef double (*kernel)(const unsigned char *row, long n);

extern const kernel kernels[];
extern const long kernel_count;

/* Bytes in the table. */
long heights_size(void);
/* The height at an offset within the table. */
int heights_at(long offset);
/* A row of the table, smoothed by one of the kernels. */
double heights_smoothed(long which, long offset, long n);

#endif
