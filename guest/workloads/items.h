/*
 * A program that holds items, and tells with every tick which of them it still holds.
 *
 * An item is something that the kernel keeps for a program. It is opened with a first stamp; at each tick it must
 * still hold the stamp of the tick before, and is given the one of this tick. Stamps follow from the nonce and the
 * count, so what was lost shows, and what was left from another moment shows as well.
 *
 *	who=files n=7 pid=321 start=77 nonce=00c0ffee… items=pipe,tty lost=tty
 *
 * items= is what is held, and never changes. lost= is what no longer is, and is not told while nothing is lost; what
 * was lost once stays lost. What the place cannot give at the start is not among the items, and standard error says
 * why. SIGUSR2 drops one item and says nothing of it, for whoever wants to see that the loss is noticed.
 */
#ifndef ITEMS_H
#define ITEMS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
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

#define TICK_MILLISECONDS 50

struct item {
	const char *name;
	/* Takes hold of it; false, with errno, where the place cannot give it. */
	bool (*open)(uint64_t first);
	/* Whether it holds the stamp `was`; leaves `is` in it. */
	bool (*turn)(uint64_t was, uint64_t is);
	bool held, lost;
};

/* A program: its name, its items up to one without a name, and what is particular to it. */
struct holder {
	const char *who;
	struct item *items;
	/* Drops one item silently. */
	void (*drop)(void);
	/* Writes further fields of a tick, each after a blank; may be absent. */
	void (*fields)(char *line, size_t size);
};

static uint64_t nonce;
static volatile sig_atomic_t told_to_drop;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Relative, and gone on with after a signal: a restored program neither hurries nor waits for lost time. */
static void rest(long milliseconds)
{
	struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000L };

	while (nanosleep(&left, &left) < 0)
		if (errno != EINTR)
			die("nanosleep");
}

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) < 0)
		die("clock_gettime");
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Odd, so that no part of it is nothing, and below 2^63. */
static uint64_t stamp(uint64_t n)
{
	return mix(nonce ^ mix(n)) >> 1 | 1;
}

static void on_sigusr2(int signal)
{
	(void)signal;
	told_to_drop = 1;
}

static void add_names(char *line, size_t size, const char *field, const struct item *items, bool lost)
{
	const struct item *item;
	const char *before = field;
	size_t length;

	for (item = items; item->name; item++) {
		if (!item->held || (lost && !item->lost))
			continue;
		length = strlen(line);
		snprintf(line + length, size - length, "%s%s", before, item->name);
		before = ",";
	}
}

static void hold(const struct holder *holder)
{
	struct sigaction action = { .sa_handler = on_sigusr2, .sa_flags = SA_RESTART };
	struct item *item;
	char line[1024];
	int64_t start = nanoseconds(CLOCK_BOOTTIME);
	uint64_t n;
	size_t length;

	/* By number: glibc 2.17 has no getrandom(). */
	if (syscall(SYS_getrandom, &nonce, sizeof(nonce), 0) != (long)sizeof(nonce))
		die("getrandom");
	if (sigaction(SIGUSR2, &action, NULL) < 0)
		die("sigaction");
	for (item = holder->items; item->name; item++) {
		item->held = item->open(stamp(0));
		if (!item->held)
			fprintf(stderr, "%s: no %s here: %s\n", holder->who, item->name, strerror(errno));
	}
	for (n = 1;; n++) {
		if (told_to_drop) {
			told_to_drop = 0;
			holder->drop();
		}
		for (item = holder->items; item->name; item++)
			if (item->held && !item->lost)
				item->lost = !item->turn(stamp(n - 1), stamp(n));
		snprintf(line, sizeof(line), "who=%s n=%llu pid=%ld start=%lld nonce=%016llx", holder->who,
			 (unsigned long long)n, (long)syscall(SYS_getpid), (long long)start,
			 (unsigned long long)nonce);
		add_names(line, sizeof(line) - 1, " items=", holder->items, false);
		length = strlen(line);
		if (holder->fields)
			holder->fields(line + length, sizeof(line) - 1 - length);
		add_names(line, sizeof(line) - 1, " lost=", holder->items, true);
		length = strlen(line);
		line[length++] = '\n';
		if (write(STDOUT_FILENO, line, length) != (ssize_t)length)
			die("write");
		rest(TICK_MILLISECONDS);
	}
}

#endif
