/* Looks a name up with the C library, again and again in each of some threads, and prints the
 * time of all look-ups in microseconds. An @ in the name stands for the number of the look-up. */
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static int turns;
static const char *pattern;

struct run {
	pthread_t thread;
	int first;
	long long spent;
};

static long long microseconds(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void *look_up(void *arg) {
	struct run *run = arg;
	struct addrinfo hints, *list;
	long long begin;
	char name[256];
	const char *at = strchr(pattern, '@');
	int i, err;

	memset(&hints, 0, sizeof hints);
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	for (i = run->first; i < run->first + turns; i++) {
		if (at != NULL)
			snprintf(name, sizeof name, "%.*s%d%s", (int)(at - pattern), pattern, i, at + 1);
		else
			snprintf(name, sizeof name, "%s", pattern);
		begin = microseconds();
		err = getaddrinfo(name, NULL, &hints, &list);
		run->spent += microseconds() - begin;
		if (err != 0) {
			fprintf(stderr, "lookup: %s: %s\n", name, gai_strerror(err));
			exit(1);
		}
		freeaddrinfo(list);
	}
	return NULL;
}

int main(int argc, char **argv) {
	struct run *runs;
	long long spent = 0;
	int i, threads;

	if (argc != 4) {
		fprintf(stderr, "usage: lookup TURNS THREADS NAME\n");
		return 2;
	}
	turns = atoi(argv[1]);
	threads = atoi(argv[2]);
	pattern = argv[3];
	runs = calloc(threads, sizeof *runs);
	if (runs == NULL)
		return 1;
	for (i = 0; i < threads; i++) {
		runs[i].first = i * turns;
		if (pthread_create(&runs[i].thread, NULL, look_up, &runs[i]) != 0) {
			fprintf(stderr, "lookup: no thread\n");
			return 1;
		}
	}
	for (i = 0; i < threads; i++) {
		pthread_join(runs[i].thread, NULL);
		spent += runs[i].spent;
	}
	printf("%lld\n", spent);
	return 0;
}
