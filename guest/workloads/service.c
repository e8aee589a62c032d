/*
 * service [SECONDS]: a server that is long in getting ready: ten seconds, unless told otherwise. Then it answers at
 * service.sock, a line to each that connects, and ticks like `ticker`, one line every 20 ms.
 * service ask: prints what the server of this folder answers, and fails where it does not.
 *
 * Its state are 4 MiB of words that follow from a nonce drawn at the start, as those of `ticker`
 * (guest/src/witness.rs). It makes them over and over while it gets ready, as one that reads in its data would.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Headers of the days of glibc 2.17 do not have it; this is x86-64. */
#ifndef SYS_getrandom
#define SYS_getrandom 318
#endif

#define BYTES	(4UL * 1024 * 1024)
#define WORDS	(BYTES / sizeof(uint64_t))
#define SLICES	64UL
#define SLICE	(WORDS / SLICES)
#define SOCKET	"/service.sock"
/* Milliseconds between ticks. */
#define REST	20UL

static uint64_t *word;

static void die(const char *what)
{
	fprintf(stderr, "service: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void fill(unsigned long slice, uint64_t seed)
{
	unsigned long i;

	for (i = slice * SLICE; i < (slice + 1) * SLICE; i++)
		word[i] = mix(seed + i);
}

static uint64_t sum(void)
{
	uint64_t total = 0;
	unsigned long i;

	for (i = 0; i < WORDS; i++)
		total += word[i] * (2 * i + 1);
	return total;
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		die("clock_gettime");
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* A path that means the same from wherever it is restored. */
static int at_its_path(int (*meet)(int, const struct sockaddr *, socklen_t), const char *what)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length;

	if (fd < 0 || !getcwd(here.sun_path, sizeof(here.sun_path) - sizeof(SOCKET)))
		die("socket");
	length = strlen(here.sun_path);
	memcpy(here.sun_path + length, SOCKET, sizeof(SOCKET));
	if (meet(fd, (struct sockaddr *)&here, sizeof(here)) < 0)
		die(what);
	return fd;
}

static int listening(void)
{
	int fd;

	unlink(SOCKET + 1);
	fd = at_its_path(bind, "bind");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || listen(fd, 16) < 0)
		die("listen");
	return fd;
}

static int ask(void)
{
	char answer[160];
	ssize_t length = read(at_its_path(connect, "connect"), answer, sizeof(answer));

	return length <= 0 || write(STDOUT_FILENO, answer, length) != length;
}

/* Until the next tick is due: whoever connects is told the last one. */
static void serve(int fd, const char *line, int length)
{
	uint64_t due = nanoseconds(CLOCK_MONOTONIC) + REST * 1000000ULL, now;
	struct pollfd asked = { .fd = fd, .events = POLLIN };

	while ((now = nanoseconds(CLOCK_MONOTONIC)) < due) {
		int client, ready = poll(&asked, 1, (due - now) / 1000000 + 1);

		if (ready < 0 && errno != EINTR)
			die("poll");
		if (ready <= 0)
			continue;
		client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client < 0)
			continue;
		/* One who hangs up early is served as well as can be. */
		if (send(client, line, length, MSG_NOSIGNAL) < 0)
			errno = 0;
		close(client);
	}
}

static void tell_where(void)
{
	FILE *file = fopen("ticker.where", "w");

	if (!file || fprintf(file, "%lx %lx\n", (unsigned long)word, BYTES) < 0 || fclose(file))
		die("ticker.where");
}

int main(int argc, char **argv)
{
	uint64_t start = nanoseconds(CLOCK_BOOTTIME), nonce, n;
	uint64_t ready = nanoseconds(CLOCK_MONOTONIC) + (argc > 1 ? atol(argv[1]) : 10) * 1000000000ULL;
	unsigned long slice;
	char line[160];
	int fd, length;

	if (argc > 1 && !strcmp(argv[1], "ask"))
		return ask();
	word = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		die("mmap");
	/* By number: glibc 2.17 has no getrandom(). */
	if (syscall(SYS_getrandom, &nonce, sizeof(nonce), 0) != (long)sizeof(nonce))
		die("getrandom");
	do
		for (slice = 0; slice < SLICES; slice++)
			fill(slice, nonce);
	while (nanoseconds(CLOCK_MONOTONIC) < ready);
	tell_where();
	fd = listening();

	for (n = 1;; n++) {
		length = snprintf(line, sizeof(line), "who=service n=%llu pid=%ld start=%llu nonce=%016llx sum=%016llx\n",
				  (unsigned long long)n, (long)syscall(SYS_getpid), (unsigned long long)start,
				  (unsigned long long)nonce, (unsigned long long)sum());
		if (write(STDOUT_FILENO, line, length) != length)
			die("write");
		/* Only now: what was lost since the last tick must show in a sum before it is written over. */
		fill(n % SLICES, nonce ^ mix(n));
		serve(fd, line, length);
	}
}
