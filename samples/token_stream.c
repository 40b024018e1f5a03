// SPDX-License-Identifier: MIT
/*
 * The data side of a training loop: tokens (16 bits each) from shards on web servers,
 * block by block into two memories. While one is trained on, the other is fetched.
 *
 *	token_stream KIND URL...
 *
 * KIND is a kind of memory: "host", "udmabuf", "cuda", ... A receiver is for one
 * thread, so the fetching thread has it; what it hands over are memories. Training is
 * played by a sum.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <devrx/devrx.h>

#define BLOCK_LEN (1u << 20)
#define BLOCKS 2

struct stream {
	const char *kind;
	char **urls; /* NULL at the end */
	struct devrx_memory *blocks[BLOCKS];
	uint64_t len[BLOCKS]; /* bytes in it; 0: there are no more */
	sem_t empty, full; /* blocks that are */
	int rc;
	struct devrx_cause cause;
};

static int alloc(struct devrx_memory **ret, const char *kind,
		 struct devrx_cause *cause)
{
	struct devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	opts.kind = kind;
	opts.len = 4 * BLOCK_LEN;
	opts.cause = cause;
	return devrx_memory_alloc(ret, &opts);
}

/* One shard, from block *@nr on. */
static int fetch_shard(struct stream *s, struct devrx_http *http,
		       const char *url, unsigned int *nr)
{
	struct devrx_http_result result = { .size = sizeof(result) };
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	uint64_t at, left;
	int rc;

	get.cause = &s->cause;
	rc = devrx_http_get(http, url, &get, &result); /* how long is it? */
	if (rc)
		return rc;
	if (result.total == DEVRX_HTTP_UNKNOWN) {
		(void)snprintf(s->cause.text, sizeof(s->cause.text),
			       "%.200s: its length is not known", url);
		return -EFBIG;
	}
	for (at = 0; at < result.total && !rc; at += get.len) {
		left = (result.total - at) & ~UINT64_C(1);
		get.first = at;
		get.len = left < BLOCK_LEN ? left : BLOCK_LEN;
		if (!get.len)
			break; /* half a token */
		(void)sem_wait(&s->empty);
		get.to = s->blocks[*nr % BLOCKS];
		rc = devrx_http_get(http, url, &get, NULL);
		if (!rc) {
			s->len[(*nr)++ % BLOCKS] = get.len;
			(void)sem_post(&s->full);
		}
	}
	return rc;
}

static int fetch_all(struct stream *s, struct devrx_receiver *rx,
		     struct devrx_memory *area, unsigned int *nr)
{
	struct devrx_http_opts opts = DEVRX_HTTP_OPTS_INIT;
	struct devrx_http *http = NULL;
	char **url;
	int rc;

	opts.request_len = BLOCK_LEN / 4; /* each block over all connections */
	opts.cause = &s->cause;
	rc = devrx_http_open(&http, rx, area, &opts);
	for (url = s->urls; *url && !rc; url++)
		rc = fetch_shard(s, http, *url, nr);
	devrx_http_close(http);
	return rc;
}

static void *fetching(void *arg)
{
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_receiver *rx = NULL;
	struct devrx_memory *area = NULL;
	struct stream *s = arg;
	unsigned int nr = 0;

	opts.cause = &s->cause;
	s->rc = alloc(&area, s->kind, &s->cause);
	if (!s->rc)
		s->rc = devrx_receiver_open(&rx, area, NULL, &opts);
	if (!s->rc)
		s->rc = fetch_all(s, rx, area, &nr);
	(void)devrx_receiver_close(rx, DEVRX_CLOSE_F_ABANDON);
	(void)devrx_memory_free(area);
	if (!s->rc) /* else there is one that nobody filled */
		(void)sem_wait(&s->empty);
	s->len[nr % BLOCKS] = 0;
	(void)sem_post(&s->full);
	return NULL;
}

/* What would be a step of an optimiser, on the device that has the memory. */
static int train(struct devrx_memory *block, uint64_t len, uint64_t *sum)
{
	static uint16_t tokens[BLOCK_LEN / 2];
	int rc = devrx_memory_read(block, 0, tokens, len);
	uint64_t i;

	for (i = 0; i < len / 2 && !rc; i++)
		*sum += tokens[i];
	return rc;
}

int main(int argc, char **argv)
{
	struct stream s = { 0 };
	uint64_t tokens = 0, sum = 0, len;
	unsigned int nr = 0;
	pthread_t thread;
	int rc = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: token_stream KIND URL...\n");
		return 2;
	}
	s.kind = argv[1];
	s.urls = argv + 2;
	(void)sem_init(&s.empty, 0, BLOCKS);
	(void)sem_init(&s.full, 0, 0);
	while (nr < BLOCKS && !rc)
		rc = alloc(&s.blocks[nr++], s.kind, &s.cause);
	if (!rc)
		rc = -pthread_create(&thread, NULL, fetching, &s);
	for (nr = 0; !rc; nr++) {
		(void)sem_wait(&s.full);
		len = s.len[nr % BLOCKS];
		if (!len)
			break;
		if (train(s.blocks[nr % BLOCKS], len, &sum))
			fprintf(stderr, "block %u cannot be read\n", nr);
		tokens += len / 2;
		(void)sem_post(&s.empty);
	}
	if (!rc) {
		(void)pthread_join(thread, NULL);
		rc = s.rc;
	}
	for (nr = 0; nr < BLOCKS; nr++)
		(void)devrx_memory_free(s.blocks[nr]);
	if (rc)
		fprintf(stderr, "token_stream: %s\nnext: %s\n",
			s.cause.text[0] ? s.cause.text : strerror(-rc),
			s.cause.next);
	else
		printf("%llu tokens, sum %llu\n", (unsigned long long)tokens,
		       (unsigned long long)sum);
	return rc ? 1 : 0;
}
