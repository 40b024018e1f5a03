// SPDX-License-Identifier: MIT
/*
 * Why the kernel refused a registration.
 *
 * The kernel registers in this order (io_register_zcrx() and
 * zcrx_register_netdev(), linux/io_uring/zcrx.c, 7.3) and answers each step
 * with a bare errno: capability, ring, refill region, NIC, its DMA device, the
 * area (pinned or attached), the queue, the driver's restart. What netlink can
 * see is looked at again first; what is left follows from the errno.
 */
#include "zcrx/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nic/nic.h"
#include "util/cause.h"
#include "zcrx/ifq.h"

/* Has this thread @cap in its effective set? */
static bool has_cap(unsigned int cap)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &hdr, data))
		return false;
	return data[cap / 32].effective & (1u << (cap % 32));
}

/* @need: bytes that @call wants to lock. */
static int explain_memlock(uint64_t need, const char *call,
			   struct devrx_cause *cause)
{
	struct rlimit limit;

	if (has_cap(CAP_IPC_LOCK) || getrlimit(RLIMIT_MEMLOCK, &limit) ||
	    limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > 4 * need)
		return drx_fail_os(cause, -ENOMEM, call);
	return drx_fail(cause, -ENOMEM, "memlock", "ulimit -l unlimited",
			"%s wants %" PRIu64 " KiB of locked memory, "
			"and RLIMIT_MEMLOCK is %" PRIu64 " KiB for all of this "
			"user's rings",
			call, need >> 10, (uint64_t)limit.rlim_cur >> 10);
}

/*
 * Host areas, and the refill ring of any area, are charged to RLIMIT_MEMLOCK
 * unless the ring's creator has CAP_IPC_LOCK (linux/io_uring/io_uring.c).
 */
static int explain_nomem(const struct drx_area *area, struct devrx_cause *cause)
{
	uint64_t chunks = area->reg.len / area->chunk_len;
	uint64_t need =
		drx_ifq_rq_entries(chunks) * sizeof(struct drx_zcrx_rqe);

	if (area->tier != DEVRX_TIER_ZCRX_DEVICE)
		need += area->reg.len;
	return explain_memlock(need, "registering the area", cause);
}

static int explain_busy(const struct devrx_queue_info *info,
			struct devrx_cause *cause)
{
	if (info->user == DEVRX_QUEUE_USER_XSK)
		return drx_fail(cause, -EBUSY, "xsk-attached",
				"end that program, or take another queue",
				"queue %" PRIu32 " of %s has an AF_XDP socket",
				info->index, info->ifname);
	return drx_fail(cause, -EBUSY, "attach-refused", NULL,
			"the exporter of the dmabuf is busy and refused the "
			"NIC %s",
			info->ifname);
}

static int explain_exist(const struct devrx_queue_info *info,
			 struct devrx_cause *cause)
{
	static const char *const users[] = {
		[DEVRX_QUEUE_USER_UNKNOWN] = "another memory provider",
		[DEVRX_QUEUE_USER_NONE] = "a provider that just went",
		[DEVRX_QUEUE_USER_IO_URING] = "another io_uring",
		[DEVRX_QUEUE_USER_DEVMEM] = "devmem TCP",
		[DEVRX_QUEUE_USER_XSK] = "an AF_XDP socket",
	};

	return drx_fail(cause, -EEXIST, "queue-busy",
			"end that program, or take another queue",
			"queue %" PRIu32 " of %s still belongs to %s",
			info->index, info->ifname, users[info->user]);
}

static int explain_opnotsupp(const struct drx_area *area,
			     const struct devrx_queue_info *info,
			     struct devrx_cause *cause)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	if (area->chunk_len > page)
		return drx_fail(cause, -EOPNOTSUPP, "chunk-unsupported",
				"leave the chunk length at 0",
				"chunks of %" PRIu32 " bytes: driver %s of %s "
				"offers %" PRIu32 " only, or no queue at all",
				area->chunk_len, info->driver, info->ifname,
				page);
	if (area->tier == DEVRX_TIER_ZCRX_DEVICE)
		return drx_fail(cause, -EOPNOTSUPP, "nic-unsupported",
				"take another NIC or memory of kind udmabuf",
				"driver %s of %s offers no queue to memory "
				"providers, or the dmabuf's exporter serves no "
				"NIC",
				info->driver, info->ifname);
	return drx_fail(cause, -EOPNOTSUPP, "nic-unsupported",
			"take another NIC",
			"driver %s of %s offers no queue to memory providers",
			info->driver, info->ifname);
}

static int explain_rest(int err, const struct drx_area *area,
			const struct devrx_queue_info *info,
			struct devrx_cause *cause)
{
	if (area->tier == DEVRX_TIER_ZCRX_DEVICE)
		return drx_fail(cause, err, "attach-refused",
				"try memory of kind udmabuf",
				"the kernel could not attach the dmabuf to %s: "
				"%s",
				info->ifname, strerror(-err));
	return drx_fail_os(cause, err, "IORING_REGISTER_ZCRX_IFQ");
}

int drx_explain_no_cap(struct devrx_cause *cause)
{
	return drx_fail(cause, -EPERM, "cap-net-admin",
			"run as root, or with AmbientCapabilities="
			"CAP_NET_ADMIN",
			"zero-copy receive needs CAP_NET_ADMIN in the initial "
			"user namespace");
}

int drx_explain_register(int err, const struct devrx_queue *q,
			 const struct drx_area *area, struct devrx_cause *cause)
{
	struct devrx_queue_info info = { .size = sizeof(info) };

	if (err == -EPROTO)
		return drx_fail(cause, err, "zcrx-layout",
				"report it with the output of devrx info",
				"the kernel told a layout of the refill ring "
				"that its region does not hold");
	if (err == -EPERM)
		return drx_explain_no_cap(cause);
	if (err == -ENOMEM)
		return explain_nomem(area, cause);
	if (area->tier == DEVRX_TIER_ZCRX_COPY)
		return drx_fail_os(cause, err, "IORING_REGISTER_ZCRX_IFQ");
	if (q && drx_queue_check(q, false, cause) == err)
		return err;
	if (!q || devrx_queue_info(q, &info))
		memcpy(info.ifname, "the NIC", sizeof("the NIC"));

	switch (err) {
	case -EEXIST:
		return explain_exist(&info, cause);
	case -EBUSY:
		return explain_busy(&info, cause);
	case -EOPNOTSUPP:
		return explain_opnotsupp(area, &info, cause);
	case -ERANGE:
		return drx_fail(cause, err, "chunk-refused",
				"ask for smaller chunks, or for huge pages",
				"chunks of %" PRIu32 " bytes: the memory lies "
				"in smaller pieces, or driver %s of %s has a "
				"lower limit",
				area->chunk_len, info.driver, info.ifname);
	case -EINVAL:
		return drx_fail(cause, err, "zcrx-einval", NULL,
				"the kernel refused the registration on queue "
				"%" PRIu32
				" of %s and does not say why; header "
				"split and queue look right, so driver %s or "
				"the dmabuf's length it is",
				info.index, info.ifname, info.driver);
	case -ENODATA:
		return drx_fail(cause, err, "no-provider-adopted",
				"ethtool -G NIC tcp-data-split on hds-thresh 0",
				"driver %s of %s restarted the queue without "
				"taking the memory: its header split is off",
				info.driver, info.ifname);
	case -ENETDOWN:
	case -EAGAIN:
		return drx_fail(cause, err, "nic-down", "ip link set NIC up",
				"driver %s wants %s up before a queue is taken",
				info.driver, info.ifname);
	default:
		return explain_rest(err, area, &info, cause);
	}
}

int drx_explain_setup(int err, struct devrx_cause *cause)
{
	switch (err) {
	case -EPERM:
	case -EACCES:
		return drx_fail(cause, -EPERM, "io-uring-disabled",
				"sysctl kernel.io_uring_disabled=0",
				"io_uring is forbidden here, by "
				"kernel.io_uring_disabled or a seccomp filter");
	case -ENOSYS:
		return drx_fail(cause, err, "io-uring-missing", NULL,
				"this kernel has no io_uring");
	default:
		return drx_fail_os(cause, err, "io_uring_setup");
	}
}

static int fail_too_old(struct devrx_cause *cause)
{
	return drx_fail(cause, -EOPNOTSUPP, "recv-missing",
			"boot Linux 6.1 or later",
			"this kernel has not all of io_uring that tier recv "
			"needs: IORING_SETUP_DEFER_TASKRUN, multishot "
			"receives, rings of provided buffers");
}

int drx_explain_recv_setup(int err, struct devrx_cause *cause)
{
	return err == -EINVAL ? fail_too_old(cause) :
				drx_explain_setup(err, cause);
}

int drx_explain_buffers(int err, uint64_t len, struct devrx_cause *cause)
{
	switch (err) {
	case -EINVAL:
		return fail_too_old(cause);
	case -ENOMEM:
		return explain_memlock(len, "registering the buffers", cause);
	default:
		return drx_fail_os(cause, err, "IORING_REGISTER_PBUF_RING");
	}
}
