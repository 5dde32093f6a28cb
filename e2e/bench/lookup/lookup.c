/* Looks a name up with the C library, one time after the other, and prints the time of all
 * look-ups in microseconds. An @ in the name stands for the number of the look-up. */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static long long microseconds(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int argc, char **argv) {
	struct addrinfo hints, *list;
	long long begin, spent = 0;
	char name[256];
	const char *at;
	int i, err, turns;

	if (argc != 3) {
		fprintf(stderr, "usage: lookup TURNS NAME\n");
		return 2;
	}
	turns = atoi(argv[1]);
	at = strchr(argv[2], '@');
	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	for (i = 0; i < turns; i++) {
		if (at != NULL)
			snprintf(name, sizeof name, "%.*s%d%s", (int)(at - argv[2]), argv[2], i, at + 1);
		else
			snprintf(name, sizeof name, "%s", argv[2]);
		begin = microseconds();
		err = getaddrinfo(name, NULL, &hints, &list);
		spent += microseconds() - begin;
		if (err != 0) {
			fprintf(stderr, "lookup: %s: %s\n", name, gai_strerror(err));
			return 1;
		}
		freeaddrinfo(list);
	}
	printf("%lld\n", spent);
	return 0;
}
