// SPDX-License-Identifier: MIT
/*
 * What the running kernel can do, asked of it.
 *
 * IORING_REGISTER_QUERY (Linux 6.18) needs no ring and no privilege. Kernels
 * from 6.15 on are asked by IORING_REGISTER_PROBE whether they do RECV_ZC. The
 * zcrx query came with 6.19; from 6.16 to 6.18 the release has to tell that
 * dmabuf areas are there.
 */
#include "zcrx/features.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <liburing.h>

#include "util/cause.h"
#include "util/opts.h"

#define GIB (UINT64_C(1) << 30)

/* The refill ring's header before any kernel told: one page is always enough,
 * the registration returns the true offsets. */
#define RQ_HDR_UNKNOWN 4096u

uint64_t drx_max_area_len(unsigned int major, unsigned int minor,
			  unsigned int patch)
{
	if (major < 7 || (major == 7 && minor < 2))
		return GIB;
	if (major == 7 && (minor == 2 || (minor == 3 && patch < 2)))
		return 4 * GIB;
	return 1024 * GIB;
}

uint32_t drx_feature_flags(const struct drx_query_opcode *opcode,
			   const struct drx_query_zcrx *zcrx)
{
	uint32_t flags = 0;

	if (opcode && (opcode->ring_setup_flags & DRX_IORING_SETUP_CQE_MIXED))
		flags |= DEVRX_FEATURE_CQE_MIXED;
	if (!zcrx)
		return flags;
	if (zcrx->area_flags & DRX_ZCRX_AREA_DMABUF)
		flags |= DEVRX_FEATURE_DMABUF_AREA;
	if (zcrx->nr_ctrl_opcodes > DRX_ZCRX_CTRL_FLUSH_RQ)
		flags |= DEVRX_FEATURE_FLUSH;
	if (zcrx->register_flags & DRX_ZCRX_REG_IMPORT)
		flags |= DEVRX_FEATURE_IMPORT;
	if (zcrx->features & DRX_ZCRX_FEATURE_RX_PAGE_SIZE)
		flags |= DEVRX_FEATURE_LARGE_CHUNKS;
	if (zcrx->register_flags & DRX_ZCRX_REG_NODEV)
		flags |= DEVRX_FEATURE_NODEV;
	if (zcrx->features & DRX_ZCRX_FEATURE_EVENT)
		flags |= DEVRX_FEATURE_EVENTS;
	if (zcrx->nr_ctrl_opcodes > DRX_ZCRX_CTRL_ADD_AREA)
		flags |= DEVRX_FEATURE_ADD_AREA;
	return flags;
}

/* One query; false where the kernel does not know it. */
static bool query(uint32_t op, void *data, size_t size)
{
	struct drx_query_hdr hdr = {
		.query_data = (uintptr_t)data,
		.query_op = op,
		.size = (uint32_t)size,
	};

	memset(data, 0, size);
	if (io_uring_register((unsigned int)-1, DRX_IORING_REGISTER_QUERY, &hdr,
			      0))
		return false;
	return hdr.result == 0;
}

/*
 * Does the kernel do RECV_ZC? The probe also tells a kernel that knows the
 * number but was built without CONFIG_IO_URING_ZCRX, which no query does.
 */
static int probe_opcode(bool *known, struct devrx_cause *cause)
{
	struct io_uring_probe *probe;
	struct io_uring ring;
	int err;

	err = io_uring_queue_init(2, &ring, 0);
	if (err == -ENOSYS)
		return drx_fail(cause, err, "io-uring-missing", NULL,
				"this kernel has no io_uring");
	if (err == -EPERM || err == -EACCES)
		return drx_fail(cause, -EPERM, "io-uring-disabled",
				"sysctl kernel.io_uring_disabled=0",
				"io_uring is forbidden here, by "
				"kernel.io_uring_disabled or a seccomp filter");
	if (err)
		return drx_fail_os(cause, err, "io_uring_setup");
	probe = io_uring_get_probe_ring(&ring);
	*known = probe &&
		 io_uring_opcode_supported(probe, (int)DRX_IORING_OP_RECV_ZC);
	io_uring_free_probe(probe);
	io_uring_queue_exit(&ring);
	return 0;
}

int devrx_features_probe(struct devrx_features *ret, struct devrx_cause *cause)
{
	struct devrx_features own = { .rq_hdr_size = RQ_HDR_UNKNOWN,
				      .rq_hdr_align = RQ_HDR_UNKNOWN };
	unsigned int major = 0, minor = 0, patch = 0;
	struct drx_query_opcode opcode;
	struct drx_query_zcrx zcrx;
	struct utsname uts;
	bool recv_zc = false;
	int err;

	if (!ret)
		return drx_fail(cause, -EINVAL, "opts-invalid", NULL,
				"no struct devrx_features given");
	err = probe_opcode(&recv_zc, cause);
	if (err)
		return err;
	(void)uname(&uts); /* fails only for a bad pointer */
	(void)snprintf(own.release, sizeof(own.release), "%.63s", uts.release);
	(void)sscanf(uts.release, "%u.%u.%u", &major, &minor, &patch);
	own.max_area_len = drx_max_area_len(major, minor, patch);

	if (query(DRX_QUERY_OPCODES, &opcode, sizeof(opcode)))
		own.flags = drx_feature_flags(&opcode, NULL);
	if (recv_zc)
		own.flags |= DEVRX_FEATURE_RECV_ZC;
	if (query(DRX_QUERY_ZCRX, &zcrx, sizeof(zcrx))) {
		own.flags |= drx_feature_flags(NULL, &zcrx);
		if (zcrx.rq_hdr_size) {
			own.rq_hdr_size = zcrx.rq_hdr_size;
			own.rq_hdr_align = zcrx.rq_hdr_alignment;
		}
	} else if (recv_zc && (major > 6 || (major == 6 && minor >= 16))) {
		own.flags |= DEVRX_FEATURE_DMABUF_AREA;
	}
	err = drx_info_put(ret, &own, sizeof(own),
			   sizeof(struct devrx_features));
	if (err)
		return drx_fail(cause, err, "opts-invalid", NULL,
				"struct devrx_features has no valid size");
	return 0;
}
