/* Prints the addresses of a name, one a line, as c-ares resolves it. With a
 * second argument it asks over TCP. */
#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>

static int code = 1;

static void resolved(void *arg, int status, int timeouts, struct ares_addrinfo *result) {
	struct ares_addrinfo_node *node;
	char text[INET6_ADDRSTRLEN];

	(void)arg;
	(void)timeouts;
	if (status != ARES_SUCCESS) {
		fprintf(stderr, "%s\n", ares_strerror(status));
		return;
	}
	for (node = result->nodes; node != NULL; node = node->ai_next) {
		const void *addr = node->ai_family == AF_INET6
			? (const void *)&((struct sockaddr_in6 *)node->ai_addr)->sin6_addr
			: (const void *)&((struct sockaddr_in *)node->ai_addr)->sin_addr;
		printf("%s\n", inet_ntop(node->ai_family, addr, text, sizeof text));
	}
	ares_freeaddrinfo(result);
	code = 0;
}

int main(int argc, char **argv) {
	struct ares_options options;
	struct ares_addrinfo_hints hints;
	ares_channel channel;
	int mask = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: cares NAME [tcp]\n");
		return 2;
	}
	memset(&options, 0, sizeof options);
	if (argc > 2) {
		options.flags = ARES_FLAG_USEVC;
		mask |= ARES_OPT_FLAGS;
	}
	if (ares_library_init(ARES_LIB_INIT_ALL) != 0 || ares_init_options(&channel, &options, mask) != 0)
		return 2;
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	ares_getaddrinfo(channel, argv[1], NULL, &hints, resolved, NULL);
	for (;;) {
		fd_set readers, writers;
		struct timeval limit;
		int n;

		FD_ZERO(&readers);
		FD_ZERO(&writers);
		n = ares_fds(channel, &readers, &writers);
		if (n == 0)
			break;
		select(n, &readers, &writers, NULL, ares_timeout(channel, NULL, &limit));
		ares_process(channel, &readers, &writers);
	}
	ares_destroy(channel);
	return code;
}
