// SPDX-License-Identifier: MIT
/*
 * Device memory as a dmabuf, the refusals, and the proof of where it is.
 *
 * The mapping is the driver's default: through the PCI BAR or, on a GPU with a
 * coherent link, as memory of the CPU's, which any NIC reaches. The flag for the
 * BAR on such a GPU (CUDA 12.8) makes a dmabuf that attaches only to a NIC of the
 * GPU's own IOMMU group, and nobody knows the NIC yet: NVIDIA's kernel modules
 * call it for direct connections only (osapi.c, RmDmabufGetClientAndDevice()).
 *
 * The proof of device memory has two halves: CUDA says that the pointer is device
 * memory and not managed, and the kernel says that NVIDIA's driver exported
 * it, which holds what it exports where it is. One alone proves nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "memory/cuda_memory.h"
#include "memory/dmabuf.h"
#include "util/cause.h"

/* 0 also where the driver is too old to know the attribute. */
static int attribute(const struct drx_cuda *cu, int dev, int attr)
{
	int value = 0;

	return cu->DeviceGetAttribute(&value, attr, dev) ? 0 : value;
}

/* Kernel modules whose source is closed export no dmabufs. */
static bool modules_are_closed(void)
{
	FILE *f = fopen("/proc/driver/nvidia/version", "re");
	char line[256];
	bool closed;

	if (!f)
		return false;
	closed = fgets(line, sizeof(line), f) && strstr(line, "NVRM version") &&
		 !strstr(line, "Open Kernel Module");
	(void)fclose(f);
	return closed;
}

/* The errno of "no dmabufs", with the reason that can be found. */
static int fail_unsupported(const struct drx_cuda *cu, int dev,
			    struct devrx_cause *cause, const char *what)
{
	char name[64] = "?";

	(void)cu->DeviceGetName(name, sizeof(name), dev);
	name[sizeof(name) - 1] = '\0';
	if (modules_are_closed())
		return drx_fail(cause, -EOPNOTSUPP, "cuda-closed-modules",
				"cat /proc/driver/nvidia/version  # then "
				"install the open kernel modules",
				"%s: the loaded kernel modules of NVIDIA are "
				"the closed ones, which export no dmabuf of "
				"%s",
				what, name);
	if (!attribute(cu, dev, DRX_CU_ATTR_RDMA))
		return drx_fail(cause, -EOPNOTSUPP, "cuda-rdma-unsupported",
				NULL,
				"%s: %s has no GPUDirect RDMA, so no other "
				"device may write into it",
				what, name);
	return drx_fail(cause, -EOPNOTSUPP, "cuda-dmabuf-unsupported",
			"nvidia-smi  # a newer driver, with open kernel "
			"modules, on Linux 5.12 or newer",
			"%s: %s, with this driver and kernel, exports no "
			"dmabufs",
			what, name);
}

int drx_cuda_check_device(const struct drx_cuda *cu, int dev,
			  struct devrx_cause *cause)
{
	if (attribute(cu, dev, DRX_CU_ATTR_DMA_BUF))
		return 0;
	return fail_unsupported(cu, dev, cause, "DMA_BUF_SUPPORTED is 0");
}

/* The length of the BAR through which others see the memory; 0: unknown. */
static uint64_t bar1_len(const struct drx_cuda_memory *m)
{
	uint64_t start = 0, end = 0;
	char addr[32], path[96];
	FILE *f;
	int i;

	if (m->cu.DeviceGetPCIBusId(addr, sizeof(addr), m->dev))
		return 0;
	addr[sizeof(addr) - 1] = '\0';
	/* The kernel writes it in lower case, the driver does as it likes. */
	for (i = 0; addr[i]; i++) {
		if (addr[i] >= 'A' && addr[i] <= 'F')
			addr[i] += 'a' - 'A';
	}
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		       addr);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* A line for each BAR: start, end, flags. */
	if (fscanf(f, "%*x %*x %*x %" SCNx64 " %" SCNx64, &start, &end) != 2)
		end = 0;
	(void)fclose(f);
	return end > start ? end - start + 1 : 0;
}

/* A dmabuf of more than the BAR can be had, but no NIC can be given it. */
static int check_bar1(const struct drx_cuda_memory *m,
		      struct devrx_cause *cause)
{
	uint64_t len;

	/* With a coherent link the mapping does not use the BAR. */
	if (attribute(&m->cu, m->dev, DRX_CU_ATTR_HOST_PAGE_TABLES))
		return 0;
	len = bar1_len(m);
	if (!len || m->len <= len)
		return 0;
	return drx_fail(cause, -EFBIG, "cuda-bar1",
			"nvidia-smi -q | grep -A3 BAR1  # then switch on "
			"Resizable BAR (Above 4G Decoding) in the firmware",
			"%" PRIu64 " bytes were asked for; %s shows other "
			"devices %" PRIu64 " (BAR1)",
			m->len, m->name, len);
}

/* Is it device memory, by CUDA's word? */
static bool is_device_pointer(const struct drx_cuda_memory *m)
{
	unsigned int type = 0;
	int managed = 0;

	if (m->cu.PointerGetAttribute(&type, DRX_CU_POINTER_MEMORY_TYPE,
				      m->addr) ||
	    m->cu.PointerGetAttribute(&managed, DRX_CU_POINTER_IS_MANAGED,
				      m->addr))
		return false;
	return type == DRX_CU_MEMORYTYPE_DEVICE && !managed;
}

void drx_cuda_place(const struct drx_cuda_memory *m, const char *exporter,
		    struct devrx_backing *ret)
{
	static const char *const ways[] = {
		[DRX_CUDA_BORROWED] = "registered",
		[DRX_CUDA_MEMALLOC] = "cuMemAlloc",
		[DRX_CUDA_VMM] = "cuMemCreate",
	};
	const char *way = ways[m->way];

	if (!exporter) {
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.40s, %s: the exporter's name cannot be read "
			       "from /proc",
			       m->name, way);
	} else if (drx_dmabuf_host_only(exporter)) {
		ret->placement = DEVRX_PLACEMENT_HOST;
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.40s, %s: exporter %s, which has only host "
			       "memory",
			       m->name, way, exporter);
	} else if (strcmp(exporter, DRX_DMABUF_NVIDIA) != 0) {
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.40s, %s: exporter %.24s, which is not "
			       "NVIDIA's",
			       m->name, way, exporter);
	} else if (!is_device_pointer(m)) {
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.40s, %s: CUDA does not call it device memory",
			       m->name, way);
	} else {
		ret->placement = DEVRX_PLACEMENT_DEVICE;
		(void)snprintf(ret->proof, sizeof(ret->proof),
			       "%.40s, %s: device memory to CUDA, exporter %s",
			       m->name, way, exporter);
	}
}

int drx_cuda_export(struct drx_cuda_memory *m, struct devrx_backing *ret,
		    struct devrx_cause *cause)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int result, fd = -1, err;
	char exporter[40];

	if (m->addr % page || m->len % page)
		return drx_fail(cause, -EINVAL, "cuda-unaligned", NULL,
				"%" PRIu64 " bytes at 0x%" PRIx64 " are not "
				"whole pages of %" PRIu64,
				m->len, m->addr, page);
	result = m->cu.MemGetHandleForAddressRange(&fd, m->addr, m->len,
						   DRX_CU_RANGE_DMA_BUF_FD, 0);
	if (result == DRX_CU_NOT_SUPPORTED)
		return fail_unsupported(&m->cu, m->dev, cause,
					"cuMemGetHandleForAddressRange");
	if (result == DRX_CU_INVALID_VALUE)
		return drx_fail(cause, -EINVAL, "cuda-range", NULL,
				"the driver exports no dmabuf of %" PRIu64
				" bytes at 0x%" PRIx64 ": they are not all "
				"of allocations that it can export",
				m->len, m->addr);
	if (result)
		return drx_cuda_fail(&m->cu, cause, result,
				     "cuMemGetHandleForAddressRange");
	err = check_bar1(m, cause);
	/* The driver's promise, and ours whatever it does. */
	if (!err && fcntl(fd, F_SETFD, FD_CLOEXEC))
		err = drx_fail_os(cause, -errno, "fcntl(FD_CLOEXEC)");
	if (err) {
		(void)close(fd);
		return err;
	}
	ret->len = m->len;
	ret->device_addr = m->addr;
	ret->dmabuf_fd = fd;
	drx_cuda_place(m,
		       drx_dmabuf_exporter(fd, exporter, sizeof(exporter)) ?
			       NULL :
			       exporter,
		       ret);
	return 0;
}
