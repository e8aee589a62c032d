/*
 * ticker [MILLISECONDS [MIB]]: the witness. One tick a line on standard output, every 20 ms unless told otherwise.
 *
 * It holds 4 MiB of words that follow from a nonce drawn at the start, rewrites one slice of 64 at each tick, and
 * tells the sum of all of them. Who knows nonce and count can tell what the sum must be (guest/src/witness.rs), so
 * a page that was lost, swapped or left from another moment shows at the next tick:
 *
 *	at the start	word[i] = mix(nonce + i)
 *	after tick n	word[i] = mix((nonce ^ mix(n)) + i)	for each i of slice n % 64
 *	the sum		of word[i] * (2 * i + 1)
 *
 * all modulo 2^64. at= is the wall clock in microseconds when the tick is told: from the last one before a dump to the
 * first one after the restore the program stood still.
 *
 * With MIB it holds as much memory beside, and writes to 64 pages of it at each tick, in turn. Each of them must have
 * what was written to it the time before: items=ballast, and lost=ballast from the tick on at which one has not.
 *
 * Address and length of the words go to ticker.where, in hexadecimal, for whoever wants to damage
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

#define PAGE	4096UL
#define VISITS	64UL

static uint64_t *word;
static uint64_t *ballast;
static unsigned long pages;

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

/* Visit number i, from 0, to the ballast. It was last written by visit i - pages, or at the start. */
static uint64_t *page(uint64_t i)
{
	return &ballast[i % pages * (PAGE / sizeof(uint64_t))];
}

static void hoard(unsigned long mib, uint64_t nonce)
{
	unsigned long i;

	pages = mib * (1024 * 1024 / PAGE);
	if (!pages)
		return;
	ballast = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ballast == MAP_FAILED)
		die("mmap");
	for (i = 0; i < pages; i++)
		*page(i) = mix(nonce + i);
}

/* What is in the pages of tick n, and what will be; whether something else was there. */
static int visit(uint64_t n, uint64_t nonce)
{
	uint64_t i;
	int lost = 0;

	for (i = (n - 1) * VISITS; pages && i < n * VISITS; i++) {
		if (*page(i) != (i < pages ? mix(nonce + i) : mix(~nonce + (i - pages))))
			lost = 1;
		*page(i) = mix(~nonce + i);
	}
	return lost;
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
	unsigned long mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	struct timespec now, told;
	uint64_t nonce, n;
	unsigned long slice;
	char line[256];
	int length, lost = 0;

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
	hoard(mib, nonce);
	tell_where();

	for (n = 1;; n++) {
		uint64_t total = sum();

		lost |= visit(n, nonce);
		if (clock_gettime(CLOCK_REALTIME, &told) < 0)
			die("clock_gettime");
		length = snprintf(line, sizeof(line),
				  "who=ticker n=%llu pid=%ld start=%llu nonce=%016llx sum=%016llx%s%s at=%llu\n",
				  (unsigned long long)n, (long)syscall(SYS_getpid),
				  now.tv_sec * 1000000000ULL + now.tv_nsec, (unsigned long long)nonce,
				  (unsigned long long)total, pages ? " items=ballast" : "", lost ? " lost=ballast" : "",
				  told.tv_sec * 1000000ULL + told.tv_nsec / 1000);
		if (write(STDOUT_FILENO, line, length) != length)
			die("write");
		/* Only now: what was lost since the last tick must show in a sum before it is written over. */
		fill(n % SLICES, nonce ^ mix(n));
		rest(milliseconds);
	}
}
