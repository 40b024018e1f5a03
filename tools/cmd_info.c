// SPDX-License-Identifier: MIT
/* devrx info: what this machine can do, and what is missing. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <devrx/devrx.h>

#include "args.h"
#include "privilege.h"
#include "report.h"
#include "verbs.h"

static const char help[] =
	"usage: devrx info [--memory KIND [OPTION]...] [-j]\n"
	"\n"
	"Say what this machine can do, and what is missing.\n"
	"\n"
	"  --memory KIND       allocate a little of this kind; say where it "
	"is\n"
	"  --device NAME       of this device, DMA heap or vram layout\n"
	"  --size SIZE         so much (default 4M)\n"
	"  --hugetlb           backed by huge pages\n"
	"  -j, --json          one JSON object on a line instead\n"
	"  -h, --help          this text\n";

enum {
	OPT_MEMORY = 256,
	OPT_DEVICE,
	OPT_SIZE,
	OPT_HUGETLB,
};

static const struct option options[] = {
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "hugetlb", no_argument, NULL, OPT_HUGETLB },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const struct feature {
	uint32_t flag;
	const char *name;
	const char *since;
	const char *what;
} feature_names[] = {
	{ DEVRX_FEATURE_RECV_ZC, "recv-zc", "6.15", "zero-copy receive" },
	{ DEVRX_FEATURE_DMABUF_AREA, "dmabuf-area", "6.16",
	  "into dmabufs (can be asked from 6.19 on)" },
	{ DEVRX_FEATURE_CQE_MIXED, "cqe-mixed", "6.18",
	  "completion entries of two sizes" },
	{ DEVRX_FEATURE_FLUSH, "flush", "6.19", "flush of the refill ring" },
	{ DEVRX_FEATURE_IMPORT, "import", "6.19", "one queue, many rings" },
	{ DEVRX_FEATURE_LARGE_CHUNKS, "large-chunks", "7.0",
	  "chunks above a page" },
	{ DEVRX_FEATURE_NODEV, "nodev", "7.1", "copy mode without a NIC" },
	{ DEVRX_FEATURE_EVENTS, "events", "7.2", "events and copy counters" },
	{ DEVRX_FEATURE_ADD_AREA, "add-area", "7.3", "more areas later" },
};

#define NR_FEATURES (sizeof(feature_names) / sizeof(feature_names[0]))

struct info_run {
	struct devrx_memory_opts want;
	bool json;
	struct devrx_features features;
	enum cap_state net_admin;
	uint64_t memlock; /* bytes, UINT64_MAX for no limit */
	long skb_defer_max; /* packets, -1 where it is unknown */
	bool dmabuf_provider; /* one that can be had */
	struct devrx_cause missing;
	struct devrx_memory_info memory;
};

/* "host" registers by address; every other kind is a dmabuf. */
static bool is_dmabuf_kind(const struct devrx_provider *provider)
{
	return strcmp(provider->name, "host") != 0;
}

/*
 * A packet that was freed on another CPU than the one that received it waits on a list
 * of that one until it receives again; with it its chunks, and so the memory, whoever
 * had it and whether or not he lives.
 */
static long look_for_skb_defer(void)
{
	FILE *f = fopen("/proc/sys/net/core/skb_defer_max", "re");
	long max = -1;

	if (f && fscanf(f, "%ld", &max) != 1)
		max = -1;
	if (f)
		(void)fclose(f);
	return max;
}

static void look(struct info_run *run)
{
	const struct devrx_provider *p;
	struct devrx_cause cause;
	struct rlimit limit;

	run->net_admin = look_for_cap(CAP_NET_ADMIN_BIT);
	run->skb_defer_max = look_for_skb_defer();
	run->memlock = 0;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit))
		run->memlock = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX :
								 limit.rlim_cur;
	for (unsigned int i = 0; (p = devrx_provider_at(i)); i++) {
		if (is_dmabuf_kind(p) && !p->probe(&cause))
			run->dmabuf_provider = true;
	}
}

/* The first thing that stands between this machine and zcrx-device. */
static void find_missing(struct info_run *run)
{
	struct devrx_cause *missing = &run->missing;
	uint32_t flags = run->features.flags;

	if (!(flags & DEVRX_FEATURE_RECV_ZC))
		cause_set(missing, "zcrx-missing",
			  "boot Linux 6.19 or newer with CONFIG_IO_URING_ZCRX",
			  "Linux %s has no zero-copy receive",
			  run->features.release);
	else if (!(flags & DEVRX_FEATURE_DMABUF_AREA))
		cause_set(missing, "no-dmabuf-area", "boot Linux 6.19 or newer",
			  "Linux %s does not say that it takes dmabufs",
			  run->features.release);
	else if (!run->dmabuf_provider)
		cause_set(missing, "no-dmabuf-memory",
			  "see the providers' next steps in devrx info",
			  "no kind of memory that is a dmabuf can be had here");
	else if (run->net_admin == CAP_ONLY_IN_USER_NAMESPACE)
		cause_set(missing, "cap-net-admin",
			  "run it outside of the container's user namespace",
			  "CAP_NET_ADMIN counts only in the initial user "
			  "namespace");
	else if (run->net_admin == CAP_NO)
		cause_set(missing, "cap-net-admin",
			  "run it as root, or: setcap cap_net_admin+ep PROGRAM",
			  "this process does not have CAP_NET_ADMIN");
}

static void print_features(const struct info_run *run)
{
	const struct devrx_features *f = &run->features;
	char len[HUMAN_LEN];

	printf("kernel      Linux %s\n", f->release);
	for (size_t i = 0; i < NR_FEATURES; i++)
		printf("%-11s %-4s%-13s since Linux %-5s %s\n",
		       i ? "" : "features",
		       f->flags & feature_names[i].flag ? "yes" : "no",
		       feature_names[i].name, feature_names[i].since,
		       feature_names[i].what);
	if (f->max_area_len)
		printf("area        %s at most\n",
		       human_bytes(len, (double)f->max_area_len));
}

static void print_providers(void)
{
	const struct devrx_provider *p;

	for (unsigned int i = 0; (p = devrx_provider_at(i)); i++) {
		struct devrx_cause cause = { 0 };
		int rc = p->probe(&cause);

		printf("%-11s %-4s%-13s %s\n", i ? "" : "memory",
		       rc ? "no" : "yes", p->name, p->summary);
		if (rc)
			printf("%30s%s\n", "",
			       cause.text[0] ? cause.text : strerror(-rc));
		if (rc && cause.next[0])
			printf("%30snext: %s\n", "", cause.next);
	}
}

static const char *cap_phrase(enum cap_state state)
{
	switch (state) {
	case CAP_YES:
		return "yes";
	case CAP_ONLY_IN_USER_NAMESPACE:
		return "only in a user namespace, which is not enough";
	default:
		return "no";
	}
}

static void print_human(const struct info_run *run)
{
	const struct devrx_memory_info *mem = &run->memory;
	char len[HUMAN_LEN];

	print_features(run);
	print_providers();
	printf("privilege   CAP_NET_ADMIN: %s\n", cap_phrase(run->net_admin));
	printf("memlock     %s\n",
	       run->memlock == UINT64_MAX ?
		       "unlimited" :
		       human_bytes(len, (double)run->memlock));
	if (run->skb_defer_max > 0)
		printf("after exit  memory can stay pinned until the CPUs that "
		       "had its packets receive again, or its sockets close: "
		       "skb_defer_max is %ld\n%-12snext: sysctl "
		       "net.core.skb_defer_max=0\n",
		       run->skb_defer_max, "");
	else if (!run->skb_defer_max)
		printf("after exit  memory stays pinned until its sockets "
		       "close: skb_defer_max is 0\n");
	if (run->missing.text[0])
		printf("zcrx-device not yet: %s\n%-12snext: %s\n",
		       run->missing.text, "", run->missing.next);
	else
		printf("zcrx-device nothing is missing but a NIC queue: devrx "
		       "recv --nic NIC\n");
	if (!mem->kind)
		return;
	printf("allocated   %s of %s: %s\n", human_bytes(len, (double)mem->len),
	       mem->kind, placement_phrase(mem->placement));
	printf("placement   %s: %s\n", devrx_placement_name(mem->placement),
	       mem->proof);
	printf("reachable   %s, %s\n",
	       mem->host_addr ? "mapped for the CPU" : "not for the CPU",
	       mem->dmabuf_fd >= 0 ? "a dmabuf" : "no dmabuf");
}

static void json_memory(struct json *j, const struct devrx_memory_info *mem)
{
	json_open(j, "memory", '{');
	json_str(j, "kind", mem->kind);
	json_u64(j, "bytes", mem->len);
	json_str(j, "placement", devrx_placement_name(mem->placement));
	json_str(j, "proof", mem->proof);
	json_bool(j, "dmabuf", mem->dmabuf_fd >= 0);
	json_bool(j, "cpu_mapped", mem->host_addr);
	json_close(j, '}');
}

static int print_json(const struct info_run *run,
		      const struct devrx_cause *cause, int err)
{
	const struct devrx_provider *p;
	struct json j;

	json_begin(&j);
	json_str(&j, "version", devrx_version());
	json_str(&j, "kernel", run->features.release);
	json_open(&j, "features", '{');
	for (size_t i = 0; i < NR_FEATURES; i++)
		json_bool(&j, feature_names[i].name,
			  run->features.flags & feature_names[i].flag);
	json_close(&j, '}');
	json_u64(&j, "max_area", run->features.max_area_len);
	json_open(&j, "providers", '[');
	for (unsigned int i = 0; (p = devrx_provider_at(i)); i++) {
		struct devrx_cause why = { 0 };
		int rc = p->probe(&why);

		json_open(&j, NULL, '{');
		json_str(&j, "name", p->name);
		json_str(&j, "summary", p->summary);
		json_bool(&j, "usable", !rc);
		if (rc)
			json_cause(&j, &why, rc);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_bool(&j, "cap_net_admin", run->net_admin == CAP_YES);
	if (run->memlock == UINT64_MAX)
		json_null(&j, "memlock");
	else
		json_u64(&j, "memlock", run->memlock);
	if (run->skb_defer_max < 0)
		json_null(&j, "skb_defer_max");
	else
		json_u64(&j, "skb_defer_max", (uint64_t)run->skb_defer_max);
	json_str(&j, "missing",
		 run->missing.text[0] ? run->missing.text : NULL);
	if (run->memory.kind)
		json_memory(&j, &run->memory);
	else
		json_null(&j, "memory");
	json_open(&j, "errors", '[');
	if (err) {
		json_open(&j, NULL, '{');
		json_cause(&j, cause, err);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	return json_print(&j, "info");
}

/* 0, an exit code, or -1 where help was asked for. */
static int parse(int argc, char **argv, struct info_run *run)
{
	int c;

	while ((c = arg_next("info", argc, argv, options)) != -1) {
		switch (c) {
		case OPT_MEMORY:
			run->want.kind = optarg;
			break;
		case OPT_DEVICE:
			run->want.device = optarg;
			break;
		case OPT_SIZE:
			if (!arg_size(optarg, &run->want.len) || !run->want.len)
				return arg_error("info", "size", optarg,
						 "a size like 4M");
			break;
		case OPT_HUGETLB:
			run->want.flags |= DEVRX_MEMORY_F_HUGETLB;
			break;
		case 'j':
			run->json = true;
			break;
		case 'h':
			return -1;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind < argc)
		return arg_misuse("info", "%s: not an option", argv[optind]);
	if (!run->want.kind && (run->want.device || run->want.flags))
		return arg_misuse("info", "--memory KIND is missing");
	return 0;
}

int cmd_info(int argc, char **argv)
{
	struct info_run run = { .want = DEVRX_MEMORY_OPTS_INIT };
	struct devrx_memory *memory = NULL;
	struct devrx_cause cause = { 0 };
	int rc, out;

	run.want.len = 4u << 20;
	rc = parse(argc, argv, &run);
	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(help, stdout);
		return report_flush("info");
	}
	run.features.size = sizeof(run.features);
	rc = devrx_features_probe(&run.features, &cause);
	if (rc) {
		report_cause("info", &cause, rc);
		return EXIT_ENVIRONMENT;
	}
	look(&run);
	find_missing(&run);
	run.want.cause = &cause;
	if (run.want.kind)
		rc = devrx_memory_alloc(&memory, &run.want);
	if (memory) {
		run.memory.size = sizeof(run.memory);
		rc = devrx_memory_info(memory, &run.memory);
	}
	out = 0;
	if (run.json)
		out = print_json(&run, &cause, rc);
	else
		print_human(&run);
	if (!out)
		out = report_flush("info");
	if (rc)
		report_cause("info", &cause, rc);
	(void)devrx_memory_free(memory);
	return out ? out : rc ? EXIT_ENVIRONMENT : 0;
}
