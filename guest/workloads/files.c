/*
 * Open files of every kind that a program may have, each exercised at every tick (items.h says how that is told):
 *
 *	deleted		a file that has no name any more: content and offset
 *	mapping		a file mapped MAP_SHARED: written through memory, read with pread(2)
 *	shm		a nameless file on the tmpfs /dev/shm, mapped
 *	memfd		a memfd, mapped
 *	flock		flock(2), shared and exclusive by turns
 *	record-lock	a write lock of fcntl(2) on another byte at each tick
 *	pipe		8 bytes on their way
 *	unix-stream	8 bytes on their way in each direction of a socket pair
 *	tty		a pseudo-terminal of its own: window size, and 8 bytes on their way in each direction
 *	inotify		a watch on a file that is written to at each tick
 *	eventfd		its counter
 *	epoll		a set with another eventfd in it, and the word that it keeps for that
 *	signalfd	a queued signal with a value, to be read from it
 *
 * The counter stays below 2^32: CRIU up to 4.3 restores its lower half only, for it hands it to eventfd(2) as the
 * first value, which is an unsigned int there (criu/eventfd.c, eventfd_open).
 *
 * Locks are looked at by a second process, since nobody sees his own. It lives as long as this one.
 * The named files are files.mapping, files.lock and files.watched, and are not in a checkpoint: a story that goes
 * back in time will find `mapping` lost, rightly.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>

#include "items.h"

#ifndef SYS_memfd_create
#define SYS_memfd_create 319
#endif

#define LOCK_FILE	"files.lock"
#define WATCHED_FILE	"files.watched"
#define PAGE		4096
/* linux/magic.h */
#define TMPFS		0x01021994

static bool put(int fd, uint64_t is)
{
	return write(fd, &is, sizeof(is)) == (ssize_t)sizeof(is);
}

static bool has_something(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	int ready;

	/* A dump ends a poll(2) with EINTR. */
	do
		ready = poll(&readable, 1, 2000);
	while (ready < 0 && errno == EINTR);
	return ready == 1;
}

/* What a terminal was given passes through a work queue of the kernel, so what is on its way is waited for. */
static bool take(int fd, uint64_t was)
{
	uint64_t got = 0;
	size_t have = 0;
	ssize_t more;

	while (have < sizeof(got)) {
		if (!has_something(fd))
			return false;
		more = read(fd, (char *)&got + have, sizeof(got) - have);
		if (more <= 0)
			return false;
		have += more;
	}
	return got == was;
}

/* deleted */

static int deleted;
static off_t deleted_at;

static bool open_deleted(uint64_t first)
{
	deleted = open("files.deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	deleted_at = sizeof(first);
	return deleted >= 0 && unlink("files.deleted") == 0 && put(deleted, first);
}

static bool turn_deleted(uint64_t was, uint64_t is)
{
	struct stat facts;
	uint64_t got = 0;

	if (fstat(deleted, &facts) < 0 || facts.st_nlink != 0 || lseek(deleted, 0, SEEK_CUR) != deleted_at)
		return false;
	if (pread(deleted, &got, sizeof(got), deleted_at - sizeof(got)) != (ssize_t)sizeof(got) || got != was)
		return false;
	/* CRIU carries a nameless file only up to a size. */
	if (deleted_at >= 16 * PAGE)
		deleted_at = lseek(deleted, 0, SEEK_SET);
	deleted_at += sizeof(is);
	return put(deleted, is);
}

/* mapping, shm, memfd */

struct mapped {
	int fd;
	uint64_t *word;
};

static struct mapped mapping, shm, memfd;

static bool map(struct mapped *mapped, uint64_t first)
{
	if (mapped->fd < 0 || ftruncate(mapped->fd, PAGE) < 0)
		return false;
	mapped->word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped->fd, 0);
	if (mapped->word == MAP_FAILED)
		return false;
	*mapped->word = first;
	return true;
}

/* The page in memory and the one in the file are one. */
static bool both_hold(const struct mapped *mapped, uint64_t stamp)
{
	uint64_t got = 0;

	return pread(mapped->fd, &got, sizeof(got), 0) == (ssize_t)sizeof(got) && got == stamp &&
	       *mapped->word == stamp;
}

static bool turn_mapped(struct mapped *mapped, uint64_t was, uint64_t is)
{
	if (!both_hold(mapped, was))
		return false;
	*mapped->word = is;
	return both_hold(mapped, is);
}

static bool open_mapping(uint64_t first)
{
	mapping.fd = open("files.mapping", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return map(&mapping, first);
}

static bool turn_mapping(uint64_t was, uint64_t is)
{
	return turn_mapped(&mapping, was, is);
}

static bool open_shm(uint64_t first)
{
	struct statfs facts;
	char name[64];

	if (statfs("/dev/shm", &facts) < 0)
		return false;
	if (facts.f_type != TMPFS) {
		errno = EMEDIUMTYPE;
		return false;
	}
	snprintf(name, sizeof(name), "/dev/shm/files.%016llx", (unsigned long long)nonce);
	shm.fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	return shm.fd >= 0 && unlink(name) == 0 && map(&shm, first);
}

static bool turn_shm(uint64_t was, uint64_t is)
{
	return turn_mapped(&shm, was, is);
}

static bool open_memfd(uint64_t first)
{
	/* By number: glibc 2.26 and older have no memfd_create(). */
	memfd.fd = syscall(SYS_memfd_create, "files", 0);
	return map(&memfd, first);
}

static bool turn_memfd(uint64_t was, uint64_t is)
{
	return turn_mapped(&memfd, was, is);
}

/* flock, record-lock */

/* What another process sees of our locks. */
struct sight {
	/* LOCK_UN, LOCK_SH or LOCK_EX. */
	int32_t flock;
	/* Who holds the first record lock, or 0, and of which byte. */
	int32_t holder;
	int64_t byte;
};

static int watcher, lock_fd;

static int flock_seen(int fd)
{
	static const int tries[] = { LOCK_EX, LOCK_SH };
	static const int seen[] = { LOCK_UN, LOCK_SH };
	int i;

	for (i = 0; i < 2; i++)
		if (flock(fd, tries[i] | LOCK_NB) == 0) {
			flock(fd, LOCK_UN);
			return seen[i];
		}
	return LOCK_EX;
}

static void watch_locks(int end)
{
	int fd = open(LOCK_FILE, O_RDWR);
	struct flock lock;
	struct sight sight;
	char question;

	while (fd >= 0 && read(end, &question, 1) == 1) {
		lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
		if (fcntl(fd, F_GETLK, &lock) < 0)
			break;
		sight.flock = flock_seen(fd);
		sight.holder = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
		sight.byte = lock.l_start;
		if (write(end, &sight, sizeof(sight)) != (ssize_t)sizeof(sight))
			break;
	}
	_exit(0);
}

/* Before anything else is opened, so that the second process holds nothing of it. */
static void start_watcher(void)
{
	int ends[2];

	lock_fd = open(LOCK_FILE, O_RDWR | O_CREAT, 0600);
	if (lock_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		die("files: " LOCK_FILE);
	switch (fork()) {
	case -1:
		die("files: fork");
		break;
	case 0:
		/* Locks of flock(2) belong to all who inherit a descriptor. */
		close(lock_fd);
		close(ends[0]);
		watch_locks(ends[1]);
		break;
	default:
		close(ends[1]);
		watcher = ends[0];
	}
}

static bool see(struct sight *sight)
{
	return send(watcher, "?", 1, MSG_NOSIGNAL) == 1 &&
	       recv(watcher, sight, sizeof(*sight), MSG_WAITALL) == (ssize_t)sizeof(*sight);
}

static int flock_of(uint64_t stamp)
{
	return stamp & 2 ? LOCK_SH : LOCK_EX;
}

static bool open_flock(uint64_t first)
{
	return flock(lock_fd, flock_of(first) | LOCK_NB) == 0;
}

static bool turn_flock(uint64_t was, uint64_t is)
{
	struct sight sight;

	return see(&sight) && sight.flock == flock_of(was) && flock(lock_fd, flock_of(is) | LOCK_NB) == 0;
}

static int64_t byte_of(uint64_t stamp)
{
	return stamp >> 24;
}

static bool lock_byte(short type, uint64_t stamp)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte_of(stamp), .l_len = 1 };

	return fcntl(lock_fd, F_SETLK, &lock) == 0;
}

static bool open_record_lock(uint64_t first)
{
	return lock_byte(F_WRLCK, first);
}

static bool turn_record_lock(uint64_t was, uint64_t is)
{
	struct sight sight;

	return see(&sight) && sight.holder == getpid() && sight.byte == byte_of(was) && lock_byte(F_UNLCK, was) &&
	       lock_byte(F_WRLCK, is);
}

/* pipe, unix-stream, tty */

static int pipe_ends[2], socket_ends[2], master, slave;

static bool open_pipe(uint64_t first)
{
	return pipe(pipe_ends) == 0 && put(pipe_ends[1], first);
}

static bool turn_pipe(uint64_t was, uint64_t is)
{
	return take(pipe_ends[0], was) && put(pipe_ends[1], is);
}

static bool open_socket(uint64_t first)
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends) == 0 && put(socket_ends[0], first) &&
	       put(socket_ends[1], first + 1);
}

static bool turn_socket(uint64_t was, uint64_t is)
{
	return take(socket_ends[1], was) && take(socket_ends[0], was + 1) && put(socket_ends[0], is) &&
	       put(socket_ends[1], is + 1);
}

static bool resize(uint64_t is)
{
	struct winsize size = { .ws_row = is >> 8, .ws_col = is >> 24 };

	return ioctl(master, TIOCSWINSZ, &size) == 0;
}

static bool has_size(uint64_t was)
{
	struct winsize size;

	return ioctl(slave, TIOCGWINSZ, &size) == 0 && size.ws_row == (uint16_t)(was >> 8) &&
	       size.ws_col == (uint16_t)(was >> 24);
}

static bool open_tty(uint64_t first)
{
	struct termios raw;
	char *name;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0)
		return false;
	name = grantpt(master) == 0 && unlockpt(master) == 0 ? ptsname(master) : NULL;
	slave = name ? open(name, O_RDWR | O_NOCTTY) : -1;
	if (slave < 0) {
		/* Nothing of what is not held is left open: it would be dumped all the same. */
		close(master);
		errno = ENOTTY;
		return false;
	}
	if (tcgetattr(slave, &raw) < 0)
		return false;
	cfmakeraw(&raw);
	return tcsetattr(slave, TCSANOW, &raw) == 0 && resize(first) && put(master, first) && put(slave, first + 1);
}

static bool turn_tty(uint64_t was, uint64_t is)
{
	return has_size(was) && take(slave, was) && take(master, was + 1) && resize(is) && put(master, is) &&
	       put(slave, is + 1);
}

/* inotify */

static int inotify, watch, watched;

static bool open_inotify(uint64_t first)
{
	watched = open(WATCHED_FILE, O_RDWR | O_CREAT | O_TRUNC, 0600);
	inotify = inotify_init1(IN_NONBLOCK);
	if (watched < 0 || inotify < 0 || !put(watched, first))
		return false;
	watch = inotify_add_watch(inotify, WATCHED_FILE, IN_MODIFY);
	return watch >= 0;
}

static bool is_told_of_a_write(uint64_t is)
{
	union {
		struct inotify_event event;
		char room[sizeof(struct inotify_event) + 256];
	} got;

	return pwrite(watched, &is, sizeof(is), 0) == (ssize_t)sizeof(is) &&
	       read(inotify, &got, sizeof(got)) >= (ssize_t)sizeof(got.event) && got.event.wd == watch &&
	       got.event.mask & IN_MODIFY;
}

/* CRIU drops events that were not read (it warns of them), so a dump may fall between the write and its event. */
static bool turn_inotify(uint64_t was, uint64_t is)
{
	(void)was;
	return is_told_of_a_write(is) || is_told_of_a_write(is);
}

/* eventfd, epoll, signalfd */

static int event, other_event, epoll, signals;

static uint64_t counter_of(uint64_t stamp)
{
	return (uint32_t)stamp;
}

static bool open_eventfd(uint64_t first)
{
	event = eventfd(0, 0);
	return event >= 0 && put(event, counter_of(first));
}

static bool turn_eventfd(uint64_t was, uint64_t is)
{
	return take(event, counter_of(was)) && put(event, counter_of(is));
}

static bool open_epoll(uint64_t first)
{
	struct epoll_event wanted = { .events = EPOLLIN, .data.u64 = first };

	other_event = eventfd(1, 0);
	epoll = epoll_create1(0);
	return epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, other_event, &wanted) == 0;
}

static bool turn_epoll(uint64_t was, uint64_t is)
{
	struct epoll_event got, wanted = { .events = EPOLLIN, .data.u64 = is };

	return epoll_wait(epoll, &got, 1, 0) == 1 && got.data.u64 == was &&
	       epoll_ctl(epoll, EPOLL_CTL_MOD, other_event, &wanted) == 0;
}

static bool queue(uint64_t is)
{
	return sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = (int)is }) == 0;
}

static bool open_signalfd(uint64_t first)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return false;
	signals = signalfd(-1, &set, SFD_NONBLOCK);
	return signals >= 0 && queue(first);
}

static bool turn_signalfd(uint64_t was, uint64_t is)
{
	struct signalfd_siginfo got;

	return read(signals, &got, sizeof(got)) == (ssize_t)sizeof(got) && got.ssi_signo == SIGUSR1 &&
	       got.ssi_int == (int)was && queue(is);
}

static void drop_pipe(void)
{
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

int main(void)
{
	static struct item items[] = {
		{ .name = "deleted", .open = open_deleted, .turn = turn_deleted },
		{ .name = "mapping", .open = open_mapping, .turn = turn_mapping },
		{ .name = "shm", .open = open_shm, .turn = turn_shm },
		{ .name = "memfd", .open = open_memfd, .turn = turn_memfd },
		{ .name = "flock", .open = open_flock, .turn = turn_flock },
		{ .name = "record-lock", .open = open_record_lock, .turn = turn_record_lock },
		{ .name = "pipe", .open = open_pipe, .turn = turn_pipe },
		{ .name = "unix-stream", .open = open_socket, .turn = turn_socket },
		{ .name = "tty", .open = open_tty, .turn = turn_tty },
		{ .name = "inotify", .open = open_inotify, .turn = turn_inotify },
		{ .name = "eventfd", .open = open_eventfd, .turn = turn_eventfd },
		{ .name = "epoll", .open = open_epoll, .turn = turn_epoll },
		{ .name = "signalfd", .open = open_signalfd, .turn = turn_signalfd },
		{ .name = NULL },
	};
	static const struct holder holder = { .who = "files", .items = items, .drop = drop_pipe };

	start_watcher();
	hold(&holder);
	return 0;
}
