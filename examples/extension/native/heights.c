#include "heights.h"

/* Made by the linker from the generated table. */
extern const unsigned char _binary_heights_bin_start[];
extern const unsigned char _binary_heights_bin_end[];

long heights_size(void) { return _binary_heights_bin_end - _binary_heights_bin_start; }

int heights_at(long offset) { return _binary_heights_bin_start[offset]; }

double heights_smoothed(long which, long offset, long n) {
  return kernels[which % kernel_count](_binary_heights_bin_start + offset, n);
}
