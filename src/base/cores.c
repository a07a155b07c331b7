#include "jwtd/cores.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>

/* For a set that is smaller than the kernel's the call fails with EINVAL, and a cpu_set_t has 1,024 bits only. */
#define FIRST_SET 1024
#define LARGEST_SET (1024 * 1024)

unsigned cores_affinity(void) {
    for (int count = FIRST_SET; count <= LARGEST_SET; count *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)count);
        if (set == NULL)
            return 1;
        size_t size = CPU_ALLOC_SIZE((size_t)count);
        int error = sched_getaffinity(0, size, set) == 0 ? 0 : errno;
        int cores = error == 0 ? CPU_COUNT_S(size, set) : 1;
        CPU_FREE(set);
        if (error != EINVAL)
            return cores > 0 ? (unsigned)cores : 1;
    }
    return 1;
}

unsigned cores_within_quota(unsigned affinity, double quota_cores) {
    if (quota_cores <= 0 || quota_cores >= affinity)
        return affinity;
    unsigned whole = (unsigned)quota_cores;
    return whole < quota_cores ? whole + 1 : whole;
}

void cores_read(struct cores *cores) {
    cores->affinity = cores_affinity();
    cgroup_read_quota("", "self", &cores->quota);
    cores->available = cores_within_quota(cores->affinity, cores->quota.cores);
}

unsigned cores_available(void) {
    struct cores cores;
    cores_read(&cores);
    return cores.available;
}
