// SPDX-License-Identifier: MIT
/*
 * What a CUresult means: one table from it to an errno, a cause and a sentence.
 * What is not in the table is "cuda-error" with CUDA's own name for it.
 *
 * Most errors of a device are sticky: every later call in the process returns
 * the same. Only a new process mends that, and the sentence says so.
 */
#include <errno.h>
#include <stddef.h>

#include "memory/cuda_memory.h"
#include "util/cause.h"

static const char new_process[] =
	"dmesg | grep NVRM  # then start the program anew";
static const char lost[] = "the device, or what ran on it, failed";

static const struct row {
	int result;
	int err;
	const char *id;
	const char *text;
	const char *next;
} rows[] = {
	{ DRX_CU_FREED, -ESTALE, "cuda-memory-freed",
	  "the memory was freed while it was registered", NULL },
	{ DRX_CU_INVALID_VALUE, -EINVAL, "cuda-error",
	  "the driver takes none of these values", NULL },
	{ DRX_CU_OUT_OF_MEMORY, -ENOMEM, "out-of-memory",
	  "the device has no memory left", "nvidia-smi -q -d MEMORY" },
	{ DRX_CU_NOT_INITIALIZED, -EPERM, "cuda-error",
	  "CUDA does not work in a process forked after it was used", NULL },
	{ DRX_CU_DEINITIALIZED, -ESHUTDOWN, "cuda-error",
	  "the driver is shutting down, because the process exits", NULL },
	{ DRX_CU_STUB_LIBRARY, -ENOENT, "cuda-missing",
	  "the toolkit's stub was loaded instead of the driver",
	  "ldd PROGRAM; echo $LD_LIBRARY_PATH  # leave out .../stubs" },
	{ DRX_CU_DEVICE_UNAVAILABLE, -EBUSY, "cuda-error",
	  "another process has the device for itself",
	  "nvidia-smi -q -d COMPUTE" },
	{ DRX_CU_NO_DEVICE, -ENODEV, "cuda-no-device",
	  "the driver sees no device", "nvidia-smi -L" },
	{ DRX_CU_INVALID_DEVICE, -ENODEV, "cuda-no-device",
	  "there is no such device", "nvidia-smi -L" },
	{ DRX_CU_INVALID_CONTEXT, -ESTALE, "cuda-context-destroyed",
	  "the context is no longer one", NULL },
	{ DRX_CU_ECC_UNCORRECTABLE, -EIO, "cuda-device-lost",
	  "the device's memory is faulty", new_process },
	{ DRX_CU_NVLINK_UNCORRECTABLE, -EIO, "cuda-device-lost", lost,
	  new_process },
	{ DRX_CU_CONTAINED, -EIO, "cuda-device-lost", lost, new_process },
	{ DRX_CU_OPERATING_SYSTEM, -EIO, "cuda-error",
	  "a system call failed inside the driver", NULL },
	{ DRX_CU_INVALID_HANDLE, -EINVAL, "cuda-error", "no such object",
	  NULL },
	{ DRX_CU_NOT_READY, -EAGAIN, "cuda-error", "not finished yet", NULL },
	{ DRX_CU_ILLEGAL_ADDRESS, -EIO, "cuda-device-lost",
	  "a kernel used an address that is none", new_process },
	{ DRX_CU_LAUNCH_TIMEOUT, -EIO, "cuda-device-lost",
	  "a kernel ran for too long", new_process },
	{ DRX_CU_CONTEXT_IS_DESTROYED, -ESTALE, "cuda-context-destroyed",
	  "the context was destroyed", NULL },
	{ DRX_CU_ASSERT, -EIO, "cuda-device-lost", "a kernel's assert failed",
	  new_process },
	{ DRX_CU_HARDWARE_STACK_ERROR, -EIO, "cuda-device-lost", lost,
	  new_process },
	{ DRX_CU_ILLEGAL_INSTRUCTION, -EIO, "cuda-device-lost", lost,
	  new_process },
	{ DRX_CU_MISALIGNED_ADDRESS, -EIO, "cuda-device-lost", lost,
	  new_process },
	{ DRX_CU_INVALID_ADDRESS_SPACE, -EIO, "cuda-device-lost", lost,
	  new_process },
	{ DRX_CU_INVALID_PC, -EIO, "cuda-device-lost", lost, new_process },
	{ DRX_CU_LAUNCH_FAILED, -EIO, "cuda-device-lost", lost, new_process },
	{ DRX_CU_NOT_PERMITTED, -EACCES, "cuda-error", "not permitted", NULL },
	{ DRX_CU_NOT_SUPPORTED, -EOPNOTSUPP, "cuda-error",
	  "this device or driver cannot do that", NULL },
	{ DRX_CU_SYSTEM_NOT_READY, -EAGAIN, "cuda-error",
	  "the machine is not ready; is the fabric manager running?",
	  "systemctl status nvidia-fabricmanager" },
	{ DRX_CU_SYSTEM_DRIVER_MISMATCH, -EOPNOTSUPP, "cuda-driver-old",
	  "libcuda and the kernel modules are of different releases",
	  "cat /proc/driver/nvidia/version  # then reboot, or reload the "
	  "modules" },
	{ DRX_CU_COMPAT_NOT_SUPPORTED_ON_DEVICE, -EOPNOTSUPP, "cuda-driver-old",
	  "the compatibility libcuda is not for this device", NULL },
	{ DRX_CU_STREAM_CAPTURE_UNSUPPORTED, -EBUSY, "cuda-error",
	  "the thread is capturing a graph", NULL },
	{ DRX_CU_EXTERNAL_DEVICE, -EIO, "cuda-device-lost", lost, new_process },
	{ DRX_CU_UNKNOWN, -EIO, "cuda-device-lost", lost, new_process },
};

/* What to do with a result that the table does not have. */
static const struct row other = { 0, -EIO, "cuda-error", "the driver failed",
				  NULL };

static const struct row *find(int result)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].result == result)
			return &rows[i];
	}
	return &other;
}

int drx_cuda_errno(int result)
{
	return result ? find(result)->err : 0;
}

int drx_cuda_fail(const struct drx_cuda *cu, struct devrx_cause *cause,
		  int result, const char *call)
{
	const struct row *row = find(result);
	const char *name = NULL;

	if (cu->GetErrorName(result, &name) || !name)
		name = "CUDA does not name it";
	return drx_fail(cause, row->err, row->id, row->next,
			"%s: %s (CUresult %d, %s)", call, row->text, result,
			name);
}
