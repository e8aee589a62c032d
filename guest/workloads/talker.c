/*
 * talker PORT: a service. It accepts one connection and answers each line with its number and a nonce of its own.
 *
 *	listener	the socket that listens on that port
 *	connection	the connection, once there is one: each line comes whole, once, and in order
 *
 * talker --peer ADDRESS PORT: the other end, which is never checkpointed. It connects once, keeps four lines on their
 * way, and tells one tick for each answer (items.h says in what words). Silence does not trouble it: whether the
 * connection lives on is the kernel's to say. With --talking-peer it says a further line after each 200 ms of silence,
 * up to a limit, so that its kernel sends and sends again while nobody is there.
 *
 *	who=peer n=7 pid=321 start=77 nonce=00c0ffee… items=connection lost=connection
 *
 * The service answers one line a tick, so that at any moment some wait to be read. Either end holds the connection to
 * be lost when it is closed or reset, and when what comes is not the next number of the one that it knows.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "items.h"

/* A number and a nonce, in hexadecimal, with a blank and a newline. */
#define LINE	34
#define AHEAD	4
#define FAR_AHEAD	256
#define SILENCE_MILLISECONDS	200

static int listener = -1, connection = -1;
/* The last number that came, and the nonce that came with the first. */
static uint64_t heard, other;

static bool say(uint64_t number)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "%016llx %016llx\n", (unsigned long long)number, (unsigned long long)nonce);
	return send(connection, line, LINE, MSG_NOSIGNAL) == LINE;
}

/* Whether a line is the next one of whoever spoke first. */
static bool is_next(char *line)
{
	unsigned long long number, who;

	line[LINE] = '\0';
	if (sscanf(line, "%16llx %16llx\n", &number, &who) != 2)
		return false;
	if (heard == 0)
		other = who;
	return number == ++heard && who == other;
}

/* The service. */

static uint16_t port;

static bool open_listener(uint64_t first)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;

	(void)first;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	return listener >= 0 && setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	       bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 1) == 0;
}

static bool turn_listener(uint64_t was, uint64_t is)
{
	struct sockaddr_in bound = { .sin_port = 0 };
	socklen_t size = sizeof(int);
	int listens = 0;

	(void)was, (void)is;
	if (getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
		return false;
	size = sizeof(bound);
	return getsockname(listener, (struct sockaddr *)&bound, &size) == 0 && bound.sin_port == htons(port);
}

static bool open_connection(uint64_t first)
{
	(void)first;
	return listener >= 0;
}

static bool is_patience(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool turn_connection(uint64_t was, uint64_t is)
{
	static char line[LINE + 1];
	static size_t have;
	ssize_t more;

	(void)was, (void)is;
	if (connection < 0) {
		connection = accept(listener, NULL, NULL);
		return connection >= 0 || is_patience();
	}
	more = recv(connection, line + have, LINE - have, MSG_DONTWAIT);
	if (more <= 0)
		return more < 0 && is_patience();
	have += more;
	if (have < LINE)
		return true;
	have = 0;
	return is_next(line) && say(heard);
}

static void drop_connection(void)
{
	close(connection);
}

/* The peer. */

static bool talks_on;
/* The last number that was said. */
static uint64_t said;

static bool say_next(void)
{
	return say(++said);
}

/* Waits for something to read; false where the connection is no more. */
static bool waits_for(uint64_t answer)
{
	struct pollfd readable = { .fd = connection, .events = POLLIN };
	int ready;

	while ((ready = poll(&readable, 1, talks_on ? SILENCE_MILLISECONDS : -1)) <= 0) {
		if (ready < 0 && errno != EINTR)
			return false;
		if (ready == 0 && said < answer + FAR_AHEAD && !say_next())
			return false;
	}
	return true;
}

static bool is_answered(uint64_t answer)
{
	char line[LINE + 1];
	size_t have = 0;
	ssize_t more;

	while (have < LINE) {
		if (!waits_for(answer))
			return false;
		more = recv(connection, line + have, LINE - have, 0);
		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			return false;
		have += more;
	}
	return is_next(line);
}

static void connect_to(const char *address)
{
	struct sockaddr_in service = { .sin_family = AF_INET, .sin_port = htons(port) };

	connection = socket(AF_INET, SOCK_STREAM, 0);
	if (connection < 0 || inet_pton(AF_INET, address, &service.sin_addr) != 1 ||
	    connect(connection, (struct sockaddr *)&service, sizeof(service)) < 0)
		die(address);
}

static void talk(void)
{
	int64_t start = nanoseconds(CLOCK_BOOTTIME);
	bool lives = true;
	char line[256];
	int length;
	uint64_t n;

	while (lives && said < AHEAD)
		lives = say_next();
	for (n = 1;; n++) {
		if (lives) {
			lives = is_answered(n) && (said >= n + AHEAD || say_next());
			if (!lives)
				fprintf(stderr, "peer: after %llu answers: %s\n", (unsigned long long)n - 1,
					errno ? strerror(errno) : "no answer, or another one");
		} else {
			rest(TICK_MILLISECONDS);
		}
		length = snprintf(line, sizeof(line), "who=peer n=%llu pid=%d start=%lld nonce=%016llx items=connection%s\n",
				  (unsigned long long)n, getpid(), (long long)start, (unsigned long long)nonce,
				  lives ? "" : " lost=connection");
		if (write(STDOUT_FILENO, line, length) != length)
			die("write");
	}
}

int main(int argc, char **argv)
{
	static struct item items[] = {
		{ .name = "listener", .open = open_listener, .turn = turn_listener },
		{ .name = "connection", .open = open_connection, .turn = turn_connection },
		{ .name = NULL },
	};
	static const struct holder holder = { .who = "talker", .items = items, .drop = drop_connection };

	talks_on = argc == 4 && strcmp(argv[1], "--talking-peer") == 0;
	if (talks_on || (argc == 4 && strcmp(argv[1], "--peer") == 0)) {
		port = atoi(argv[3]);
		if (syscall(SYS_getrandom, &nonce, sizeof(nonce), 0) != (long)sizeof(nonce))
			die("getrandom");
		connect_to(argv[2]);
		errno = 0;
		talk();
	}
	if (argc != 2) {
		fprintf(stderr, "usage: talker PORT | talker --peer ADDRESS PORT | talker --talking-peer ADDRESS PORT\n");
		return 2;
	}
	port = atoi(argv[1]);
	hold(&holder);
	return 0;
}
