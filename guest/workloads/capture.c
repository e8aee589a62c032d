/*
 * capture FILE: every packet of every interface of this network namespace, in the pcap format, until it is killed.
 *
 * The link type is LINUX_SLL2: in place of an Ethernet header each packet has the number of its interface, its
 * direction and the sender's hardware address. The name of each interface that is met goes to standard error.
 * A packet is cut to 256 bytes, and written by one write(2), so that the file is whole whenever this is killed.
 * It ends by itself at 16 MiB.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CUT		256
#define LIMIT		(16L << 20)
#define LINUX_SLL2	276
#define INTERFACES	64

/* https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html */
struct sll2 {
	uint16_t protocol, zero;
	uint32_t interface;
	uint16_t hardware_type;
	uint8_t packet_type, address_length, address[8];
};

struct record {
	struct {
		uint32_t seconds, microseconds, kept, length;
	} head;
	struct sll2 link;
	uint8_t packet[CUT];
};

static void die(const char *what)
{
	fprintf(stderr, "capture: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void begin(int file)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, longest, link_type;
	} head = { 0xa1b2c3d4, 2, 4, 0, 0, sizeof(struct sll2) + CUT, LINUX_SLL2 };

	if (write(file, &head, sizeof(head)) != (ssize_t)sizeof(head))
		die("write");
}

/* Numbers are not given twice, so that each is told once, while it has a name. */
static void tell_interface(unsigned int interface)
{
	static unsigned int told[INTERFACES];
	char name[IF_NAMESIZE];
	int i;

	for (i = 0; i < INTERFACES && told[i]; i++)
		if (told[i] == interface)
			return;
	if (i < INTERFACES && if_indextoname(interface, name)) {
		told[i] = interface;
		fprintf(stderr, "%u %s\n", interface, name);
	}
}

int main(int argc, char **argv)
{
	int file = argc == 2 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
	int all = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ALL));
	struct record record;
	struct sockaddr_ll from;
	struct timeval now;
	socklen_t size;
	ssize_t length, whole;
	long written = 0;

	if (file < 0 || all < 0)
		die(file < 0 ? "the file" : "a packet socket");
	begin(file);
	while (written < LIMIT) {
		size = sizeof(from);
		length = recvfrom(all, record.packet, CUT, MSG_TRUNC, (struct sockaddr *)&from, &size);
		if (length < 0 && (errno == EINTR || errno == ENETDOWN))
			continue;
		if (length < 0)
			die("recvfrom");
		gettimeofday(&now, NULL);
		tell_interface(from.sll_ifindex);
		memset(&record.link, 0, sizeof(record.link));
		record.link.protocol = from.sll_protocol;
		record.link.interface = htonl(from.sll_ifindex);
		record.link.hardware_type = htons(from.sll_hatype);
		record.link.packet_type = from.sll_pkttype;
		record.link.address_length = from.sll_halen;
		memcpy(record.link.address, from.sll_addr, sizeof(record.link.address));
		record.head.seconds = now.tv_sec;
		record.head.microseconds = now.tv_usec;
		record.head.kept = sizeof(struct sll2) + (length < CUT ? length : CUT);
		record.head.length = sizeof(struct sll2) + length;
		whole = sizeof(record.head) + record.head.kept;
		if (write(file, &record, whole) != whole)
			die("write");
		written += whole;
	}
	return 0;
}
