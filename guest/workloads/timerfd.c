/*
 * One periodic timerfd, which is mostly found expired and unread (items.h says how a tick tells of it):
 *
 *	timerfd		its interval, and that it goes on expiring
 *
 * It is not in threads.c, since CRIU up to 4.2.1 restores such a timer without its next expiry
 * (https://github.com/checkpoint-restore/criu/issues/3162). Patience is counted in naps, as there.
 */
#define _GNU_SOURCE
#include <sys/timerfd.h>

#include "items.h"

#define NAP	10
#define NAPS	500

static int timer_fd;

/* Nanoseconds, well below the time between ticks; no two programs have quite the same. */
static long period(void)
{
	return 20000000L + (long)(nonce % 1000) * 1000;
}

static bool open_timerfd(uint64_t first)
{
	struct itimerspec spec = { { 0, period() }, { 0, period() } };

	(void)first;
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	return timer_fd >= 0 && timerfd_settime(timer_fd, 0, &spec, NULL) == 0;
}

static bool turn_timerfd(uint64_t was, uint64_t is)
{
	struct itimerspec spec;
	uint64_t expired;
	int nap;

	(void)was;
	(void)is;
	if (timerfd_gettime(timer_fd, &spec) < 0 || spec.it_interval.tv_sec != 0 ||
	    spec.it_interval.tv_nsec != period())
		return false;
	for (nap = 0; nap < NAPS; nap++) {
		if (read(timer_fd, &expired, sizeof(expired)) == (ssize_t)sizeof(expired))
			return expired > 0;
		if (errno != EAGAIN)
			return false;
		rest(NAP);
	}
	return false;
}

static void drop_timerfd(void)
{
	static const struct itimerspec never;

	timerfd_settime(timer_fd, 0, &never, NULL);
}

int main(void)
{
	static struct item items[] = {
		{ .name = "timerfd", .open = open_timerfd, .turn = turn_timerfd },
		{ .name = NULL },
	};
	static const struct holder holder = { .who = "timerfd", .items = items, .drop = drop_timerfd };

	hold(&holder);
	return 0;
}
