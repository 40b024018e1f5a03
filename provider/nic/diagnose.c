// SPDX-License-Identifier: MIT
/*
 * Each precondition of a queue, whatever became of the one before it: where the kernel
 * stops at the first, a person wants to see them all.
 *
 * First those that the kernel asks for, in its order (__netif_mp_open_rxq(), 7.3); then
 * those that it does not ask for: a queue that is bound and gets nothing, or others'
 * traffic, which is lost in device memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <devrx/reserve.h>

#include "nic/look.h"
#include "nic/plan.h"
#include "nic/reservations.h"
#include "nic/setup.h"
#include "util/cause.h"

struct lines {
	devrx_check_fn fn;
	void *ctx;
	int failed;
};

static void say(struct lines *lines, enum devrx_check state, const char *id,
		const char *next, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void say(struct lines *lines, enum devrx_check state, const char *id,
		const char *next, const char *fmt, ...)
{
	struct devrx_cause line = { 0 };
	va_list args;

	(void)snprintf(line.id, sizeof(line.id), "%s", id);
	(void)snprintf(line.next, sizeof(line.next), "%s", next);
	va_start(args, fmt);
	(void)vsnprintf(line.text, sizeof(line.text), fmt, args);
	va_end(args);
	lines->failed += state == DEVRX_CHECK_FAIL;
	lines->fn(lines->ctx, state, &line);
}

/* A judge's no, or @fmt for its yes. */
#define JUDGED(lines, err, cause, id, ...)                                     \
	do {                                                                   \
		if (err)                                                       \
			say(lines, DEVRX_CHECK_FAIL, id, (cause)->next, "%s",  \
			    (cause)->text);                                    \
		else                                                           \
			say(lines, DEVRX_CHECK_PASS, id, "", __VA_ARGS__);     \
	} while (0)

static void check_split(struct lines *lines, const struct drx_look *look)
{
	struct devrx_cause cause;

	if (look->split_support != DRX_SPLIT_REPORTED) {
		say(lines, DEVRX_CHECK_UNKNOWN, "hds-off", "",
		    "whether headers are split from data is not told by %s",
		    look->split_support == DRX_SPLIT_UNKNOWN ? "this kernel" :
							       "the driver");
		return;
	}
	JUDGED(lines, drx_judge_split(look, &cause), &cause, "hds-off",
	       "headers are split from data");
	if (look->hds_thresh == UINT32_MAX)
		say(lines, DEVRX_CHECK_UNKNOWN, "hds-thresh", "",
		    "the driver tells no threshold of the split");
	else
		JUDGED(lines, drx_judge_thresh(look, &cause), &cause,
		       "hds-thresh", "packets of all lengths are split");
}

static void check_user(struct lines *lines, const struct drx_look *look)
{
	switch (look->user) {
	case DEVRX_QUEUE_USER_IO_URING:
	case DEVRX_QUEUE_USER_DEVMEM:
		say(lines, DEVRX_CHECK_FAIL, "queue-busy", "devrx status",
		    "rx queue %" PRIu32 " has %s's memory on it: end that "
		    "program, or take another queue",
		    look->index,
		    look->user == DEVRX_QUEUE_USER_DEVMEM ? "devmem" :
							    "io_uring");
		break;
	case DEVRX_QUEUE_USER_XSK:
		say(lines, DEVRX_CHECK_FAIL, "xsk-attached", "ss --xdp",
		    "an AF_XDP socket has rx queue %" PRIu32 ": end that "
		    "program, or take another queue",
		    look->index);
		break;
	case DEVRX_QUEUE_USER_NONE:
		say(lines, DEVRX_CHECK_PASS, "queue-busy", "",
		    "nobody has rx queue %" PRIu32, look->index);
		break;
	default:
		say(lines, DEVRX_CHECK_UNKNOWN, "queue-busy", "",
		    "who has rx queue %" PRIu32 " is not told%s", look->index,
		    look->up ? "" : " while the NIC is down");
	}
}

static void check_up(struct lines *lines, const struct drx_look *look)
{
	char next[96] = "";

	if (drx_nic_is_plain(look->ifname))
		(void)snprintf(next, sizeof(next), "ip link set dev %s up",
			       look->ifname);
	if (look->up)
		say(lines, DEVRX_CHECK_PASS, "nic-down", "", "NIC %s is up",
		    look->ifname);
	else
		say(lines, DEVRX_CHECK_FAIL, "nic-down", next,
		    "NIC %s is down, nothing will come", look->ifname);
}

/* What is left to do of the plan, as one command for all steps of @kind. */
static uint32_t commands(const struct drx_plan *plan, const char *ifname,
			 enum drx_step_kind kind, char *next, size_t len)
{
	char one[sizeof(((struct devrx_cause *)0)->next)];
	uint32_t nr = 0;
	size_t at = 0;
	int n;

	next[0] = '\0';
	for (uint32_t i = 0; i < plan->nr; i++) {
		const struct drx_step *step = &plan->steps[i];

		if (step->kind != kind ||
		    (kind == DRX_STEP_FEATURE &&
		     step->feature.which != DRX_FEATURE_NTUPLE))
			continue;
		n = drx_step_text(step, ifname, false, one, sizeof(one));
		/* Half a command would be worse than none. */
		if (n <= 0 || at + (size_t)n + 5 > len) {
			(void)snprintf(next, len, "devrx reserve --dry-run %s",
				       drx_nic_is_plain(ifname) ? ifname : "");
			return nr + 1;
		}
		at += (size_t)snprintf(next + at, len - at, "%s%s",
				       nr ? " && " : "", one);
		nr++;
	}
	return nr;
}

static void check_traffic(struct lines *lines, const struct drx_plan *plan,
			  const struct devrx_queue_opts *opts,
			  const char *ifname)
{
	char next[sizeof(((struct devrx_cause *)0)->next)];
	uint32_t nr;

	if (commands(plan, ifname, DRX_STEP_CHANNELS, next, sizeof(next))) {
		say(lines, DEVRX_CHECK_FAIL, "queue-alone", next,
		    "NIC %s has one rx queue only, and all other traffic needs "
		    "one too",
		    ifname);
		return;
	}
	if (commands(plan, ifname, DRX_STEP_RSS, next, sizeof(next)))
		say(lines, DEVRX_CHECK_FAIL, "rss-shared", next,
		    "RSS leads other traffic to rx queue %" PRIu32 ", which "
		    "would be lost in device memory",
		    plan->queue);
	else
		say(lines, DEVRX_CHECK_PASS, "rss-shared", "",
		    "RSS leaves rx queue %" PRIu32 " out", plan->queue);
	if (!opts->nr_ports)
		return;
	if (commands(plan, ifname, DRX_STEP_FEATURE, next, sizeof(next)))
		say(lines, DEVRX_CHECK_FAIL, "ntuple-off", next,
		    "flow rules of NIC %s are switched off", ifname);
	else
		say(lines, DEVRX_CHECK_PASS, "ntuple-off", "",
		    "flow rules are switched on");
	nr = commands(plan, ifname, DRX_STEP_RULE, next, sizeof(next));
	if (nr)
		say(lines, DEVRX_CHECK_FAIL, "port-unsteered", next,
		    "%" PRIu32 " flow rule%s missing that lead%s the port to "
		    "rx queue %" PRIu32,
		    nr, nr == 1 ? " is" : "s are", nr == 1 ? "s" : "",
		    plan->queue);
	else
		say(lines, DEVRX_CHECK_PASS, "port-unsteered", "",
		    "flow rules lead the port to rx queue %" PRIu32,
		    plan->queue);
}

static int check_steering(struct lines *lines,
			  const struct devrx_queue_opts *opts,
			  const struct drx_look *look)
{
	const struct drx_want want = { .index = look->index,
				       .ports = opts->ports,
				       .nr_ports = opts->nr_ports };
	struct devrx_cause cause = { 0 };
	struct drx_setup *setup;
	struct drx_plan plan;
	int ret;

	ret = drx_setup_read(&setup, look->ifindex, opts->cause);
	if (ret)
		return ret;
	ret = drx_plan_make(&plan, setup, &want, &cause);
	drx_setup_free(setup);
	if (ret == -ENOMEM)
		return drx_fail_os(opts->cause, ret, "devrx_queue_diagnose");
	if (ret) {
		say(lines, DEVRX_CHECK_FAIL, cause.id, cause.next, "%s",
		    cause.text);
		return 0;
	}
	check_traffic(lines, &plan, opts, look->ifname);
	drx_plan_free(&plan);
	return 0;
}

int devrx_queue_diagnose(const struct devrx_queue_opts *opts, uint32_t flags,
			 devrx_check_fn fn, void *ctx)
{
	struct lines lines = { .fn = fn, .ctx = ctx };
	struct devrx_cause cause = { 0 };
	struct devrx_queue_opts own;
	struct drx_look look;
	int ret;

	ret = drx_queue_opts_get(&own, opts);
	if (ret)
		return ret;
	if (!fn || flags & ~DEVRX_CHECK_F_PCI)
		return drx_fail(own.cause, -EINVAL, "opts-invalid",
				"give a function, and DEVRX_CHECK_F_PCI or 0",
				"unknown flags %#" PRIx32
				" to devrx_queue_diagnose(), or no function",
				flags);
	ret = drx_look_read(&look, own.ifname, 0, own.index, &cause);
	if (ret && ret != -ENODEV) {
		if (own.cause)
			*own.cause = cause;
		return ret;
	}
	JUDGED(&lines, ret, &cause, "nic-missing", "NIC %s, driver %s%s%s",
	       look.ifname, look.driver[0] ? look.driver : "unknown",
	       look.bus[0] ? ", a device on bus " : "", look.bus);
	if (ret)
		return lines.failed;
	if (flags & DEVRX_CHECK_F_PCI)
		JUDGED(&lines, drx_look_judge_pci(&look, &cause), &cause,
		       "nic-not-pci", "it is a PCI device");
	ret = drx_judge_support(&look, &cause);
	JUDGED(&lines, ret, &cause, "nic-unsupported",
	       "its driver knows header split");
	if (ret)
		return lines.failed;
	ret = drx_judge_range(&look, &cause);
	JUDGED(&lines, ret, &cause,
	       cause.id[0] && ret ? cause.id : "queue-range",
	       "rx queue %" PRIu32 " of %" PRIu32, look.index, look.nr_queues);
	check_split(&lines, &look);
	JUDGED(&lines, drx_judge_xdp(&look, &cause), &cause, "xdp-attached",
	       "no XDP program is attached");
	if (!ret) {
		check_user(&lines, &look);
		/* Of a leased queue that is its NIC's affair. */
		if (strcmp(look.driver, "netkit") != 0)
			ret = check_steering(&lines, &own, &look);
		if (ret)
			return ret;
	}
	check_up(&lines, &look);
	return lines.failed;
}
