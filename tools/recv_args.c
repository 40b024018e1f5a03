// SPDX-License-Identifier: MIT
/* devrx recv, the command line. */
#include <getopt.h>
#include <string.h>

#include "recv.h"
#include "report.h"

const char recv_help[] =
	"usage: devrx recv [--nic NIC] [OPTION]...\n"
	"\n"
	"Receive TCP connections into a memory, and say what landed where.\n"
	"\n"
	"  --nic NIC           receive on this NIC; without one the kernel "
	"copies\n"
	"                      (tier recv: no privilege, any NIC)\n"
	"  --queue N|last      on this rx queue (default last)\n"
	"  --as-is             do not make the NIC ready (and undo it after),\n"
	"                      it is\n"
	"  --memory KIND       into this kind of memory (default udmabuf, "
	"without\n"
	"                      --nic host); \"devrx info\" lists them\n"
	"  --device NAME       of this device, DMA heap or vram layout\n"
	"  --size SIZE         of this size (default 64M)\n"
	"  --hugetlb           backed by huge pages\n"
	"  --chunk SIZE        in chunks of this size (default one page, "
	"without\n"
	"                      --nic 64K)\n"
	"  --chunk-max SIZE    ... or the next smaller one that can be had\n"
	"  --tier TIER         best, or exactly this one: zcrx-device, "
	"zcrx-host,\n"
	"                      without --nic recv, zcrx-copy\n"
	"  --listen [ADDR]:PORT  where peers connect (default [::]:9000)\n"
	"  --connections N     how many to receive (default 1)\n"
	"  --digest            SHA-256 of each connection\n"
	"  --crc32c            CRC-32C of one connection, by the Vulkan "
	"device\n"
	"                      that owns the memory\n"
	"  --verify SEED       check for the pattern of \"devrx send "
	"--pattern\"\n"
	"  --out FILE          write the bytes to FILE (FILE.0, FILE.1, ... "
	"for\n"
	"                      more than one connection)\n"
	"  --metrics FILE      keep the counters there as Prometheus text, "
	"anew\n"
	"                      each second\n"
	"  --timeout SECONDS   give up when nothing comes for so long\n"
	"  --cqe-mixed         smaller completion entries (Linux 6.18)\n"
	"  --cq-entries N      completion queue of N entries (default 4096)\n"
	"  --quiet             no progress, no summary\n"
	"  -j, --json          end with one JSON object on a line\n"
	"  -h, --help          this text\n";

enum {
	OPT_NIC = 256,
	OPT_QUEUE,
	OPT_AS_IS,
	OPT_MEMORY,
	OPT_DEVICE,
	OPT_SIZE,
	OPT_HUGETLB,
	OPT_CHUNK,
	OPT_CHUNK_MAX,
	OPT_TIER,
	OPT_LISTEN,
	OPT_CONNECTIONS,
	OPT_DIGEST,
	OPT_CRC32C,
	OPT_VERIFY,
	OPT_OUT,
	OPT_METRICS,
	OPT_TIMEOUT,
	OPT_CQE_MIXED,
	OPT_CQ_ENTRIES,
	OPT_QUIET,
};

static const struct option options[] = {
	{ "nic", required_argument, NULL, OPT_NIC },
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "as-is", no_argument, NULL, OPT_AS_IS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "hugetlb", no_argument, NULL, OPT_HUGETLB },
	{ "chunk", required_argument, NULL, OPT_CHUNK },
	{ "chunk-max", required_argument, NULL, OPT_CHUNK_MAX },
	{ "tier", required_argument, NULL, OPT_TIER },
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "digest", no_argument, NULL, OPT_DIGEST },
	{ "crc32c", no_argument, NULL, OPT_CRC32C },
	{ "verify", required_argument, NULL, OPT_VERIFY },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "metrics", required_argument, NULL, OPT_METRICS },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "cqe-mixed", no_argument, NULL, OPT_CQE_MIXED },
	{ "cq-entries", required_argument, NULL, OPT_CQ_ENTRIES },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* The options that take a word as it is. */
static void parse_word(int c, struct recv_opts *opts)
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
	case OPT_HUGETLB:
		opts->memory_flags |= DEVRX_MEMORY_F_HUGETLB;
		break;
	case OPT_DIGEST:
		opts->sink.digest = true;
		break;
	case OPT_CRC32C:
		opts->crc32c = true;
		break;
	case OPT_OUT:
		opts->sink.out = optarg;
		break;
	case OPT_METRICS:
		opts->metrics = optarg;
		break;
	case OPT_CQE_MIXED:
		opts->receiver_flags |= DEVRX_RECEIVER_F_CQE_MIXED;
		break;
	case OPT_QUIET:
		opts->quiet = true;
		break;
	case 'j':
		opts->json = true;
		break;
	default:
		break;
	}
}

/* The options whose value has to be understood; what was expected, or NULL. */
static const char *parse_value(int c, struct recv_opts *opts)
{
	uint64_t n = 0;

	switch (c) {
	case OPT_QUEUE:
		opts->queue_given = true;
		return arg_queue(optarg, &opts->queue) ? NULL : ARG_QUEUE_WANT;
	case OPT_SIZE:
		return arg_size(optarg, &opts->len) && opts->len ?
			       NULL :
			       "a size like 64M";
	case OPT_CHUNK:
	case OPT_CHUNK_MAX:
		if (!arg_size(optarg, &n) || !n || n > UINT32_MAX)
			return "a size like 4K";
		opts->chunk_len = (uint32_t)n;
		opts->receiver_flags &= ~DEVRX_RECEIVER_F_CHUNK_AT_MOST;
		if (c == OPT_CHUNK_MAX)
			opts->receiver_flags |= DEVRX_RECEIVER_F_CHUNK_AT_MOST;
		return NULL;
	case OPT_TIER:
		return arg_tier(optarg, &opts->tier) ? NULL : ARG_TIER_WANT;
	case OPT_LISTEN:
		return arg_address(optarg, opts->host, opts->port) ?
			       NULL :
			       "[ADDR]:PORT, a port from 0 to 65535";
	case OPT_CONNECTIONS:
		if (!arg_number(optarg, RECV_MAX_CONNECTIONS, &n) || !n)
			return "a number from 1 to 16384";
		opts->connections = (unsigned int)n;
		return NULL;
	case OPT_VERIFY:
		opts->sink.verify = true;
		return arg_number(optarg, UINT64_MAX, &opts->sink.seed) ?
			       NULL :
			       "a seed, a number";
	case OPT_TIMEOUT:
		if (!arg_number(optarg, 1000000, &n) || !n)
			return "seconds, 1 or more";
		opts->timeout = (unsigned int)n;
		return NULL;
	case OPT_CQ_ENTRIES:
		if (!arg_number(optarg, UINT32_MAX, &n) || !n)
			return "a number of entries";
		opts->cq_entries = (uint32_t)n;
		return NULL;
	default:
		parse_word(c, opts);
		return NULL;
	}
}

/* Two tiers are without a NIC, and all others with one. */
static int check_nic(struct recv_opts *opts)
{
	const bool copy = opts->tier == DEVRX_TIER_ZCRX_COPY;
	const bool alone = opts->tier == DEVRX_TIER_RECV || copy;

	if (!opts->memory)
		opts->memory = opts->nic ? "udmabuf" : "host";
	if (opts->nic)
		return alone ? arg_misuse("recv", "--tier %s is without --nic",
					  devrx_tier_name(opts->tier)) :
			       0;
	if (!alone && opts->tier != DEVRX_TIER_BEST)
		return arg_misuse("recv", "--tier %s needs --nic",
				  devrx_tier_name(opts->tier));
	if (opts->queue_given)
		return arg_misuse("recv", "--queue needs --nic");
	if (opts->as_is)
		return arg_misuse("recv", "--as-is needs --nic");
	if (opts->receiver_flags & DEVRX_RECEIVER_F_CQE_MIXED && !copy)
		return arg_misuse("recv", "--cqe-mixed needs --nic");
	return 0;
}

int recv_parse(int argc, char **argv, struct recv_opts *opts)
{
	const char *want;
	int c, rc;

	while ((c = arg_next("recv", argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		want = parse_value(c, opts);
		if (want)
			return arg_error("recv", arg_name(options, c), optarg,
					 want);
	}
	if (optind < argc)
		return arg_misuse("recv", "%s: not an option", argv[optind]);
	rc = check_nic(opts);
	if (rc)
		return rc;
	if (opts->crc32c && strcmp(opts->memory, "vulkan"))
		return arg_misuse("recv", "--crc32c is for --memory vulkan, "
					  "whose device computes it");
	if (opts->crc32c && opts->connections > 1)
		return arg_misuse("recv", "--crc32c is for one connection");
	return 0;
}
