/*
 * Threads, timers, signals and clocks, each exercised at every tick (items.h says how that is told):
 *
 *	handoff		three threads take the tick from a condition variable, count it in memory of their own and answer
 *	tids		each thread's id is the one that it began with
 *	names		and so is its name
 *	thread-signal	a signal that each thread blocks, and that is pending for it alone
 *	pending		a signal that is blocked and pending for the process, with a value
 *	posix-timer	a timer of timer_create(2), not its first: its id, interval and value, and that it fires
 *	itimer		one of setitimer(2): its interval, and that it fires
 *	timerfd		a timer of timerfd_create(2) that is set again for each tick: that it expires, and once
 *	sleep		a thread in nanosleep(2), which never wakes early
 *	sleep-until	a thread in clock_nanosleep(2) up to a moment, which never wakes before it
 *	monotonic	CLOCK_MONOTONIC, which never goes back
 *	boottime	CLOCK_BOOTTIME, which does not either
 *	realtime	CLOCK_REALTIME, which goes on
 *
 * The timerfd is not periodic: timerfd.c has that, and says why.
 *
 * Patience is counted in naps and not by a clock: clocks go on while a program is frozen.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "items.h"

#define WORKERS		3
#define NAP		10
#define NAPS		500
#define PERIOD		20000000L
#define SLEEP		40000000L
#define TIMER_SIGNAL	(SIGRTMIN + 2)
#define THREAD_SIGNAL	(SIGRTMIN + 3)
#define PROCESS_SIGNAL	(SIGRTMIN + 4)

/* Nanoseconds; no two programs have quite the same. */
static long period(void)
{
	return PERIOD + (long)(nonce % 1000) * 1000;
}

/* All signals are the main thread's business. */
static bool start(pthread_t *thread, void *(*run)(void *), void *argument)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return error == 0;
}

/* Waits until a count is another than when it was last asked for. */
static bool counts_on(atomic_ullong *count, unsigned long long *seen)
{
	unsigned long long now;
	int nap;

	for (nap = 0; nap < NAPS; nap++) {
		now = atomic_load(count);
		if (now != *seen) {
			*seen = now;
			return true;
		}
		rest(NAP);
	}
	return false;
}

/* handoff, tids, names, thread-signal */

struct worker {
	pthread_t thread;
	char name[16];
	long tid;
	uint64_t taken;
	bool has_tid, has_name, has_signal;
};

static struct worker workers[WORKERS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t handed, answered;
static uint64_t rounds;
static __thread uint64_t mine;

static void *work(void *argument)
{
	struct worker *self = argument;
	char name[16];
	sigset_t pending;

	prctl(PR_SET_NAME, self->name);
	pthread_mutex_lock(&mutex);
	self->tid = syscall(SYS_gettid);
	syscall(SYS_tgkill, getpid(), self->tid, THREAD_SIGNAL);
	for (;;) {
		while (mine == rounds)
			pthread_cond_wait(&handed, &mutex);
		self->has_tid = syscall(SYS_gettid) == self->tid;
		self->has_name = prctl(PR_GET_NAME, name) == 0 && strcmp(name, self->name) == 0;
		self->has_signal = sigpending(&pending) == 0 && sigismember(&pending, THREAD_SIGNAL) == 1;
		self->taken = ++mine;
		pthread_cond_signal(&answered);
	}
	return NULL;
}

static bool all_answered(void)
{
	int i;

	for (i = 0; i < WORKERS; i++)
		if (workers[i].taken != rounds)
			return false;
	return true;
}

static bool open_handoff(uint64_t first)
{
	pthread_condattr_t monotonic;
	int i;

	(void)first;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&handed, NULL);
	pthread_cond_init(&answered, &monotonic);
	for (i = 0; i < WORKERS; i++) {
		snprintf(workers[i].name, sizeof(workers[i].name), "worker-%d-%04x", i + 1, (unsigned)(nonce & 0xffff));
		if (!start(&workers[i].thread, work, &workers[i]))
			return false;
	}
	return true;
}

static bool turn_handoff(uint64_t was, uint64_t is)
{
	struct timespec until;
	bool all;
	int nap;

	(void)was;
	(void)is;
	pthread_mutex_lock(&mutex);
	rounds++;
	pthread_cond_broadcast(&handed);
	for (nap = 0; !(all = all_answered()) && nap < NAPS; nap++) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += NAP * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&answered, &mutex, &until);
	}
	pthread_mutex_unlock(&mutex);
	return all;
}

static bool open_with_the_workers(uint64_t first)
{
	(void)first;
	return true;
}

/* What the workers found when they took this tick. */
static bool turn_tids(uint64_t was, uint64_t is)
{
	int i;

	(void)was;
	(void)is;
	for (i = 0; i < WORKERS; i++)
		if (!workers[i].has_tid)
			return false;
	return true;
}

static bool turn_names(uint64_t was, uint64_t is)
{
	int i;

	(void)was;
	(void)is;
	for (i = 0; i < WORKERS; i++)
		if (!workers[i].has_name)
			return false;
	return true;
}

static bool turn_thread_signal(uint64_t was, uint64_t is)
{
	int i;

	(void)was;
	(void)is;
	for (i = 0; i < WORKERS; i++)
		if (!workers[i].has_signal)
			return false;
	return true;
}

/* pending */

static bool queue(uint64_t is)
{
	return sigqueue(getpid(), PROCESS_SIGNAL, (union sigval){ .sival_int = (int)is }) == 0;
}

static bool open_pending(uint64_t first)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, PROCESS_SIGNAL);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 && queue(first);
}

static bool turn_pending(uint64_t was, uint64_t is)
{
	static const struct timespec at_once = { 0, 0 };
	siginfo_t got;
	sigset_t set;

	if (sigpending(&set) < 0 || sigismember(&set, PROCESS_SIGNAL) != 1)
		return false;
	sigemptyset(&set);
	sigaddset(&set, PROCESS_SIGNAL);
	return sigtimedwait(&set, &got, &at_once) == PROCESS_SIGNAL && got.si_value.sival_int == (int)was &&
	       queue(is);
}

/* posix-timer */

static int timer;
static atomic_ullong fired, rung;

static void on_timer(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	if (info->si_code == SI_TIMER && info->si_value.sival_int == (int)nonce)
		atomic_fetch_add(&fired, 1);
}

/* By number: up to glibc 2.33 the functions are in a library of their own, and their ids are not the kernel's. */
static bool set_timer(long nanoseconds)
{
	struct itimerspec spec = { { 0, nanoseconds }, { 0, nanoseconds } };

	return syscall(SYS_timer_settime, timer, 0, &spec, NULL) == 0;
}

static bool open_posix_timer(uint64_t first)
{
	struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = TIMER_SIGNAL };
	int other;

	(void)first;
	event.sigev_value.sival_int = (int)nonce;
	return sigaction(TIMER_SIGNAL, &action, NULL) == 0 &&
	       syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &other) == 0 &&
	       syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0 &&
	       syscall(SYS_timer_delete, other) == 0 && set_timer(period());
}

static bool turn_posix_timer(uint64_t was, uint64_t is)
{
	static unsigned long long seen;
	struct itimerspec spec;

	(void)was;
	(void)is;
	return syscall(SYS_timer_gettime, timer, &spec) == 0 && spec.it_interval.tv_sec == 0 &&
	       spec.it_interval.tv_nsec == period() && counts_on(&fired, &seen);
}

static void drop_posix_timer(void)
{
	set_timer(0);
}

/* itimer */

static void on_alarm(int signal)
{
	(void)signal;
	atomic_fetch_add(&rung, 1);
}

static bool open_itimer(uint64_t first)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval value = { { 0, period() / 1000 }, { 0, period() / 1000 } };

	(void)first;
	return sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &value, NULL) == 0;
}

static bool turn_itimer(uint64_t was, uint64_t is)
{
	static unsigned long long seen;
	struct itimerval value;

	(void)was;
	(void)is;
	return getitimer(ITIMER_REAL, &value) == 0 && value.it_interval.tv_sec == 0 &&
	       value.it_interval.tv_usec == period() / 1000 && counts_on(&rung, &seen);
}

/* timerfd */

static int timer_fd;

static bool set_timerfd(void)
{
	struct itimerspec once = { { 0, 0 }, { 0, period() } };

	return timerfd_settime(timer_fd, 0, &once, NULL) == 0;
}

static bool open_timerfd(uint64_t first)
{
	(void)first;
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	return timer_fd >= 0 && set_timerfd();
}

static bool turn_timerfd(uint64_t was, uint64_t is)
{
	uint64_t expired;
	int nap;

	(void)was;
	(void)is;
	for (nap = 0; nap < NAPS; nap++) {
		if (read(timer_fd, &expired, sizeof(expired)) == (ssize_t)sizeof(expired))
			return expired == 1 && set_timerfd();
		if (errno != EAGAIN)
			return false;
		rest(NAP);
	}
	return false;
}

/* sleep, sleep-until */

struct sleeper {
	pthread_t thread;
	atomic_ullong naps;
	atomic_bool woke_early;
	unsigned long long seen;
};

static struct sleeper sleeper, until_sleeper;

static void woke(struct sleeper *self, int64_t due)
{
	if (nanoseconds(CLOCK_MONOTONIC) < due)
		atomic_store(&self->woke_early, true);
	atomic_fetch_add(&self->naps, 1);
}

/* No signal wakes it. A freezer may, and says so with EINTR and what is left. */
static void *sleep_for(void *argument)
{
	for (;;) {
		struct timespec left = { 0, SLEEP };
		int64_t due = nanoseconds(CLOCK_MONOTONIC) + SLEEP;

		while (nanosleep(&left, &left) < 0)
			if (errno != EINTR)
				return NULL;
		woke(argument, due);
	}
}

static void *sleep_until(void *argument)
{
	for (;;) {
		int64_t due = nanoseconds(CLOCK_MONOTONIC) + SLEEP;
		struct timespec until = { due / 1000000000L, due % 1000000000L };
		int error;

		while ((error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL)))
			if (error != EINTR)
				return NULL;
		woke(argument, due);
	}
}

static bool open_sleep(uint64_t first)
{
	(void)first;
	return start(&sleeper.thread, sleep_for, &sleeper);
}

static bool turn_sleep(uint64_t was, uint64_t is)
{
	(void)was;
	(void)is;
	return counts_on(&sleeper.naps, &sleeper.seen) && !atomic_load(&sleeper.woke_early);
}

static bool open_sleep_until(uint64_t first)
{
	(void)first;
	return start(&until_sleeper.thread, sleep_until, &until_sleeper);
}

static bool turn_sleep_until(uint64_t was, uint64_t is)
{
	(void)was;
	(void)is;
	return counts_on(&until_sleeper.naps, &until_sleeper.seen) && !atomic_load(&until_sleeper.woke_early);
}

/* monotonic, boottime, realtime */

static int64_t monotonic, boottime, realtime;

static bool open_clock(uint64_t first)
{
	(void)first;
	return true;
}

/* Whether a clock is at least `least` further than at the tick before. */
static bool went_on(int64_t *last, clockid_t clock, int64_t least)
{
	int64_t before = *last;

	*last = nanoseconds(clock);
	return before == 0 || *last - before >= least;
}

static bool turn_monotonic(uint64_t was, uint64_t is)
{
	(void)was;
	(void)is;
	return went_on(&monotonic, CLOCK_MONOTONIC, 0);
}

static bool turn_boottime(uint64_t was, uint64_t is)
{
	(void)was;
	(void)is;
	return went_on(&boottime, CLOCK_BOOTTIME, 0);
}

static bool turn_realtime(uint64_t was, uint64_t is)
{
	(void)was;
	(void)is;
	return went_on(&realtime, CLOCK_REALTIME, 1);
}

static void tell_clocks(char *line, size_t size)
{
	snprintf(line, size, " monotonic=%lld boottime=%lld realtime=%lld", (long long)monotonic, (long long)boottime,
		 (long long)realtime);
}

int main(void)
{
	static struct item items[] = {
		{ .name = "handoff", .open = open_handoff, .turn = turn_handoff },
		{ .name = "tids", .open = open_with_the_workers, .turn = turn_tids },
		{ .name = "names", .open = open_with_the_workers, .turn = turn_names },
		{ .name = "thread-signal", .open = open_with_the_workers, .turn = turn_thread_signal },
		{ .name = "pending", .open = open_pending, .turn = turn_pending },
		{ .name = "posix-timer", .open = open_posix_timer, .turn = turn_posix_timer },
		{ .name = "itimer", .open = open_itimer, .turn = turn_itimer },
		{ .name = "timerfd", .open = open_timerfd, .turn = turn_timerfd },
		{ .name = "sleep", .open = open_sleep, .turn = turn_sleep },
		{ .name = "sleep-until", .open = open_sleep_until, .turn = turn_sleep_until },
		{ .name = "monotonic", .open = open_clock, .turn = turn_monotonic },
		{ .name = "boottime", .open = open_clock, .turn = turn_boottime },
		{ .name = "realtime", .open = open_clock, .turn = turn_realtime },
		{ .name = NULL },
	};
	static const struct holder holder = {
		.who = "threads", .items = items, .drop = drop_posix_timer, .fields = tell_clocks,
	};

	hold(&holder);
	return 0;
}
