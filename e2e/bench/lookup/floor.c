/* The least work that a DNS server can do: it answers each query for A with one address, and
 * all others with no records. It reads no name. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
	static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1};
	struct sockaddr_in at, from;
	unsigned char packet[512];
	socklen_t size;
	ssize_t n;
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	memset(&at, 0, sizeof at);
	at.sin_family = AF_INET;
	if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: floor ADDRESS PORT\n");
		return 2;
	}
	at.sin_port = htons(atoi(argv[2]));
	if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0) {
		perror("floor");
		return 1;
	}
	for (;;) {
		size = sizeof from;
		n = recvfrom(s, packet, sizeof packet - sizeof record, 0, (struct sockaddr *)&from, &size);
		if (n < 17)
			continue;
		packet[2] |= 0x84;
		packet[3] = 0x80;
		memset(packet + 6, 0, 6);
		if (packet[n - 3] == 1) {
			packet[7] = 1;
			memcpy(packet + n, record, sizeof record);
			n += sizeof record;
		}
		sendto(s, packet, n, 0, (struct sockaddr *)&from, size);
	}
}
