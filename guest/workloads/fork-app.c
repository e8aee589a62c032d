/*
 * Parent and child, each counting into one file, each line written by a shell of system(3).
 *
 * Count, pid, start and nonce come from this program's memory, so a tick is proof that the memory is still there.
 * The child inherits the parent's start and draws a nonce of its own. No append is tried twice: the line may have
 * been written by a shell that was killed afterwards, and a second one would look like a repeated tick.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Headers of the days of glibc 2.17 do not have it; this is x86-64. */
#ifndef SYS_getrandom
#define SYS_getrandom 318
#endif

#define FILE_NAME "fork-app.ticks"

static void die(const char *what)
{
	fprintf(stderr, "fork-app: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void rest(long milliseconds)
{
	struct timespec left = { 0, milliseconds * 1000000L };

	while (nanosleep(&left, &left) < 0)
		if (errno != EINTR)
			die("nanosleep");
}

static unsigned long long draw_nonce(void)
{
	unsigned long long nonce;

	/* By number: glibc 2.17 has no getrandom(). */
	if (syscall(SYS_getrandom, &nonce, sizeof(nonce), 0) != (long)sizeof(nonce))
		die("getrandom");
	return nonce;
}

static void count(const char *who, unsigned long long start, long milliseconds)
{
	unsigned long long nonce = draw_nonce();
	unsigned long n = 0;
	char command[256];
	int status;

	for (;;) {
		n++;
		snprintf(command, sizeof(command), "echo who=%s n=%lu pid=%ld start=%llu nonce=%016llx >>" FILE_NAME,
			 who, n, (long)syscall(SYS_getpid), start, nonce);
		status = system(command);
		if (status != 0) {
			fprintf(stderr, "fork-app: %s: tick %lu: system() gave %#x: %s\n", who, n, status,
				status < 0 ? strerror(errno) : "the shell did not append");
			exit(1);
		}
		rest(milliseconds);
	}
}

int main(void)
{
	struct timespec now;
	unsigned long long start;

	if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		die("clock_gettime");
	start = now.tv_sec * 1000000000ULL + now.tv_nsec;

	switch (fork()) {
	case -1:
		die("fork");
		break;
	case 0:
		count("child", start, 90);
		break;
	default:
		count("parent", start, 60);
	}
	return 0;
}
