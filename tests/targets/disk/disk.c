/*
 * A disk that takes its time, for programs started with LD_PRELOAD.
 *
 *   cc -shared -fPIC -O2 -o disk.so disk.c -ldl -pthread
 *   DISK_TIME=/path/to/file LD_PRELOAD=/path/to/disk.so postgres ...
 *
 * fsync and fdatasync take longer by the number of microseconds in the file that DISK_TIME names. The file may change,
 * vanish and come back at any time; without one, or with none or nonsense in it, nothing takes longer. A new number is
 * seen by the next call that begins CHECK_NS after the last look.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define CHECK_NS 10000000LL
/* Longer than any disk: a wrong number must not stop a test for ever. */
#define MOST_US 10000000L

typedef int sync_call(int);

static pthread_mutex_t look = PTHREAD_MUTEX_INITIALIZER;
static long long looked_ns;
static struct timespec changed;
static long delay_us;

static long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The number in the file; 0 if there is none. */
static long read_number(const char *path)
{
	long number = 0;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%ld", &number) != 1 || number < 0)
		number = 0;
	fclose(file);
	return number > MOST_US ? MOST_US : number;
}

/* Reads the file only if it is another one than before. The caller holds look. */
static void look_again(const char *path)
{
	struct stat file;
	if (stat(path, &file) != 0) {
		delay_us = 0;
		changed.tv_sec = changed.tv_nsec = 0;
		return;
	}
	if (file.st_mtim.tv_sec == changed.tv_sec && file.st_mtim.tv_nsec == changed.tv_nsec)
		return;
	changed = file.st_mtim;
	delay_us = read_number(path);
}

static long current_delay(void)
{
	const char *path = getenv("DISK_TIME");
	if (path == NULL)
		return 0;
	pthread_mutex_lock(&look);
	long long now = now_ns();
	if (looked_ns == 0 || now - looked_ns >= CHECK_NS) {
		looked_ns = now;
		look_again(path);
	}
	long us = delay_us;
	pthread_mutex_unlock(&look);
	return us;
}

/* Waits and then calls the function of the C library, so that errno is its own. */
static int later(const char *name, sync_call **real, int fd)
{
	if (*real == NULL)
		*real = (sync_call *)dlsym(RTLD_NEXT, name);
	if (*real == NULL) {
		errno = ENOSYS;
		return -1;
	}
	long us = current_delay();
	struct timespec left = { us / 1000000, us % 1000000 * 1000 };
	while (us > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
		;
	return (*real)(fd);
}

int fsync(int fd)
{
	static sync_call *real;
	return later("fsync", &real, fd);
}

int fdatasync(int fd)
{
	static sync_call *real;
	return later("fdatasync", &real, fd);
}
