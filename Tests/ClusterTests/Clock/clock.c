// A library to preload into a node: its wall clock is off by as many milliseconds as the file says that CLOCK_OFFSET names. The file is read at
// each look at the clock, so that a test can set it while the node runs. The monotonic clock stays as it is.
//
//     LD_PRELOAD=clock.so CLOCK_OFFSET=FILE hearsay node ...

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long long offset_milliseconds(void) {
    const char *path = getenv("CLOCK_OFFSET");
    FILE *file = path ? fopen(path, "re") : NULL;
    long long offset = 0;
    if (file) {
        if (fscanf(file, "%lld", &offset) != 1) offset = 0;
        fclose(file);
    }
    return offset;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*original)(clockid_t, struct timespec *);
    if (!original) original = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int status = original(clock, time);
    if (status != 0 || clock != CLOCK_REALTIME) return status;
    long long milliseconds = time->tv_sec * 1000LL + time->tv_nsec / 1000000 + offset_milliseconds();
    if (milliseconds < 0) milliseconds = 0;
    time->tv_sec = milliseconds / 1000;
    time->tv_nsec = milliseconds % 1000 * 1000000;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return status;
}
