/*
 * ticker [MILLISECONDS]: the witness. One tick a line on standard output, every 20 ms unless told otherwise.
 *
 * It holds 4 MiB of words that follow from a nonce drawn at the start, rewrites one slice of 64 at each tick, and
 * tells the sum of all of them. Who knows nonce and count can tell what the sum must be (guest/src/witness.rs), so
 * a page that was lost, swapped or left from another moment shows at the next tick:
 *
 *	at the start	word[i] = mix(nonce + i)
 *	after tick n	word[i] = mix((nonce ^ mix(n)) + i)	for each i of slice n % 64
 *	the sum		of word[i] * (2 * i + 1)
 *
 * all modulo 2^64. Address and length of the words go to ticker.where, in hexadecimal, for whoever wants to damage
 * them on purpose.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
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

static uint64_t *word;

static void die(const char *what)
{
	fprintf(stderr, "ticker: %s: %s\n", what, strerror(errno));
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

/* Relative, and gone on with after a signal: a restored program neither hurries nor waits for lost time. */
static void rest(long milliseconds)
{
	struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0)
		if (errno != EINTR)
			die("nanosleep");
}

static void tell_where(void)
{
	FILE *file = fopen("ticker.where", "w");

	if (!file || fprintf(file, "%lx %lx\n", (unsigned long)word, BYTES) < 0 || fclose(file))
		die("ticker.where");
}

int main(int argc, char **argv)
{
	long milliseconds = argc > 1 ? atol(argv[1]) : 20;
	struct timespec now;
	uint64_t nonce, n;
	unsigned long slice;
	char line[160];
	int length;

	word = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED)
		die("mmap");
	/* By number: glibc 2.17 has no getrandom(). */
	if (syscall(SYS_getrandom, &nonce, sizeof(nonce), 0) != (long)sizeof(nonce))
		die("getrandom");
	if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		die("clock_gettime");
	for (slice = 0; slice < SLICES; slice++)
		fill(slice, nonce);
	tell_where();

	for (n = 1;; n++) {
		length = snprintf(line, sizeof(line), "who=ticker n=%llu pid=%ld start=%llu nonce=%016llx sum=%016llx\n",
				  (unsigned long long)n, (long)syscall(SYS_getpid),
				  now.tv_sec * 1000000000ULL + now.tv_nsec,
				  (unsigned long long)nonce, (unsigned long long)sum());
		if (write(STDOUT_FILENO, line, length) != length)
			die("write");
		/* Only now: what was lost since the last tick must show in a sum before it is written over. */
		fill(n % SLICES, nonce ^ mix(n));
		rest(milliseconds);
	}
}
