/* Prints the addresses of a name, one a line, as the C library resolves it. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
	struct addrinfo hints, *list, *ai;
	char text[INET6_ADDRSTRLEN];
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: getaddrinfo NAME\n");
		return 2;
	}
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	err = getaddrinfo(argv[1], NULL, &hints, &list);
	if (err != 0) {
		fprintf(stderr, "%s\n", gai_strerror(err));
		return 1;
	}
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		const void *addr = ai->ai_family == AF_INET6
			? (const void *)&((struct sockaddr_in6 *)ai->ai_addr)->sin6_addr
			: (const void *)&((struct sockaddr_in *)ai->ai_addr)->sin_addr;
		printf("%s\n", inet_ntop(ai->ai_family, addr, text, sizeof text));
	}
	return 0;
}
