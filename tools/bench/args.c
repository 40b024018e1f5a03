// SPDX-License-Identifier: MIT
/* devrx bench, the command line. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "report.h"

const char bench_help[] =
	"usage: devrx bench [--listen ADDR:PORT] [OPTION]...\n"
	"       devrx bench --send HOST:PORT\n"
	"\n"
	"Receive the same bytes in several ways, devrx's and others', in one "
	"run, and\n"
	"print what each costs: throughput, and CPU seconds for each GB by "
	"process,\n"
	"soft interrupts and the rest of the system.\n"
	"\n"
	"  --listen ADDR:PORT  wait for a sender on another machine, which is\n"
	"                      devrx bench --send; it talks by the next port, "
	"too.\n"
	"                      Default: a sender of its own, over loopback\n"
	"  --send HOST:PORT    be that sender\n"
	"  --nic NIC           measure zero-copy by a queue of this NIC, too\n"
	"  --queue N           this queue (default: the last)\n"
	"  --as-is             change nothing of the NIC\n"
	"  --memory KIND       receive into this kind (default: udmabuf with a "
	"NIC,\n"
	"                      else host); \"devrx info\" lists them\n"
	"  --device DEVICE     which device of that kind\n"
	"  --size SIZE         of that memory (default 64M)\n"
	"  --bytes SIZE        for each measurement, of all connections "
	"together\n"
	"                      (default 1G)\n"
	"  --rcvbuf SIZE       SO_RCVBUF of each connection; default: what the "
	"kernel,\n"
	"                      or devrx, makes of it\n"
	"  --connections N,... so many connections (default 1)\n"
	"  --ways NAME,...     only these; see --list\n"
	"  --rounds N          measure each so often, in turn (default 3)\n"
	"  --list              the ways, and what each does\n"
	"  -j, --json          end with one JSON object on a line\n"
	"  -h, --help          this text\n";

enum {
	OPT_LISTEN = 256,
	OPT_SEND,
	OPT_NIC,
	OPT_QUEUE,
	OPT_AS_IS,
	OPT_MEMORY,
	OPT_DEVICE,
	OPT_SIZE,
	OPT_BYTES,
	OPT_RCVBUF,
	OPT_CONNECTIONS,
	OPT_WAYS,
	OPT_ROUNDS,
	OPT_LIST,
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "send", required_argument, NULL, OPT_SEND },
	{ "nic", required_argument, NULL, OPT_NIC },
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "as-is", no_argument, NULL, OPT_AS_IS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "rcvbuf", required_argument, NULL, OPT_RCVBUF },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "ways", required_argument, NULL, OPT_WAYS },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* The next of several words between commas, or NULL; @text moves on. */
static const char *next_word(const char **text, char *word, size_t size)
{
	const size_t n = strcspn(*text, ",");

	if (!**text)
		return NULL;
	if (n >= size)
		return "";
	memcpy(word, *text, n);
	word[n] = '\0';
	*text += n + ((*text)[n] == ',');
	return word;
}

static bool parse_connections(const char *text, struct bench_opts *opts)
{
	const char *one;
	char word[16];
	uint64_t n;

	opts->nr_connections = 0;
	while ((one = next_word(&text, word, sizeof(word)))) {
		if (!arg_number(one, BENCH_CONNECTIONS_MAX, &n) || !n ||
		    opts->nr_connections == BENCH_COUNTS_MAX)
			return false;
		opts->connections[opts->nr_connections++] = (unsigned int)n;
	}
	return opts->nr_connections;
}

static bool parse_ways(const char *text, struct bench_opts *opts)
{
	const char *one;
	char word[64];
	unsigned int i;

	memset(opts->ways, 0, sizeof(opts->ways));
	while ((one = next_word(&text, word, sizeof(word)))) {
		for (i = 0; i < bench_nr_ways; i++)
			if (!strcmp(bench_ways[i]->name, one))
				break;
		if (i == bench_nr_ways)
			return false;
		opts->ways[i] = true;
	}
	return true;
}

/* The options that take a word as it is. */
static void parse_word(int c, struct bench_opts *opts)
{
	switch (c) {
	case OPT_NIC:
		opts->nic = optarg;
		break;
	case OPT_AS_IS:
		opts->as_is = true;
		break;
	case OPT_MEMORY:
		opts->memory = optarg;
		break;
	case OPT_DEVICE:
		opts->device = optarg;
		break;
	case OPT_LIST:
		opts->list = true;
		break;
	case 'j':
		opts->json = true;
		break;
	default:
		break;
	}
}

/* The options whose value has to be understood; what was expected, or NULL. */
static const char *parse_value(int c, struct bench_opts *opts)
{
	uint64_t n;

	switch (c) {
	case OPT_LISTEN:
		opts->listen = optarg;
		return arg_address(optarg, opts->host, opts->port) ?
			       NULL :
			       "ADDR:PORT";
	case OPT_SEND:
		opts->send = optarg;
		return arg_address(optarg, opts->host, opts->port) &&
				       opts->host[0] ?
			       NULL :
			       "HOST:PORT";
	case OPT_QUEUE:
		return arg_queue(optarg, &opts->queue) ? NULL : ARG_QUEUE_WANT;
	case OPT_SIZE:
		return arg_size(optarg, &opts->area_len) &&
				       opts->area_len >= 1 << 20 ?
			       NULL :
			       "a size of 1M or more";
	case OPT_BYTES:
		return arg_size(optarg, &opts->bytes) && opts->bytes ?
			       NULL :
			       "a size like 1G";
	case OPT_RCVBUF:
		if (!arg_size(optarg, &n) || !n || n > INT32_MAX)
			return "a size like 256K";
		opts->rcvbuf = (int)n;
		return NULL;
	case OPT_CONNECTIONS:
		return parse_connections(optarg, opts) ?
			       NULL :
			       "numbers from 1 to 64, with commas";
	case OPT_WAYS:
		return parse_ways(optarg, opts) ?
			       NULL :
			       "names of \"devrx bench --list\", with commas";
	case OPT_ROUNDS:
		if (!arg_number(optarg, 1000, &n) || !n)
			return "a number from 1 to 1000";
		opts->rounds = (unsigned int)n;
		return NULL;
	default:
		parse_word(c, opts);
		return NULL;
	}
}

static int check(struct bench_opts *opts)
{
	uint64_t port;

	if (opts->send && (opts->listen || opts->nic))
		return arg_misuse("bench", "--send is alone: the other side "
					   "knows the rest");
	if ((opts->send || opts->listen) &&
	    (!arg_number(opts->port, UINT16_MAX - 1, &port) ||
	     (opts->send && !port)))
		return arg_misuse("bench", "port %s: a port from 1 to 65534",
				  opts->port);
	if (opts->nic && !opts->listen)
		return arg_misuse("bench", "--nic needs --listen, and a sender "
					   "beyond that NIC");
	if (opts->as_is && !opts->nic)
		return arg_misuse("bench", "--as-is needs --nic");
	if (opts->queue != DEVRX_QUEUE_LAST && !opts->nic)
		return arg_misuse("bench", "--queue needs --nic");
	if (!opts->memory)
		opts->memory = opts->nic ? "udmabuf" : "host";
	return 0;
}

int bench_parse(int argc, char **argv, struct bench_opts *opts)
{
	const char *want;
	int c;

	while ((c = arg_next("bench", argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		want = parse_value(c, opts);
		if (want)
			return arg_error("bench", arg_name(options, c), optarg,
					 want);
	}
	if (optind < argc)
		return arg_misuse("bench", "%s: one too many", argv[optind]);
	return check(opts);
}
