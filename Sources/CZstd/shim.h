// What rfmd sees of libzstd.
#include <zstd.h>
