// SPDX-License-Identifier: MIT
/*
 * Kind "cuda" and the machine around the driver: no driver, an old one, no
 * permission, closed kernel modules, a small BAR. Each in a process of its own.
 */
#include "memory_cuda_support.h"

#include <cstdlib>
#include <vector>

using namespace memory_support;

namespace
{

/* In a child: @text is the file @path, on an empty file system over @over. */
bool Show(Outcome &out, const char *over, const char *path, const char *text)
{
	std::string dir = path;

	if (mount("none", over, "tmpfs", 0, "mode=755"))
		return CannotDo(out, "mount of a private directory");
	for (size_t i = strlen(over) + 1;
	     (i = dir.find('/', i + 1)) != dir.npos;)
		(void)mkdir(dir.substr(0, i).c_str(), 0755);
	if (!WriteFile(path, text))
		return CannotDo(out, path);
	return true;
}

constexpr const char *version_file = "/proc/driver/nvidia/version";
constexpr const char *open_modules =
	"NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06\n"
	"GCC version:  gcc version 14.2.0\n";
constexpr const char *closed_modules =
	"NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01\n"
	"GCC version:  gcc version 14.2.0\n";
constexpr const char *pci_file = "/sys/bus/pci/devices/fa4e:00:00.0/resource";
/* BAR 1 is 16 MiB. */
constexpr const char *small_bar =
	"0x00000000de000000 0x00000000deffffff 0x0000000000040200\n"
	"0x0000000070000000 0x0000000070ffffff 0x000000000014220c\n"
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n";

class CudaMachine : public Cuda
{
      protected:
	/* Allocate @len in a child after @prepare has changed its machine. */
	template <typename Fn>
	Outcome Try(const char *script, uint64_t len, Fn prepare)
	{
		return InChild([&](Outcome &out) {
			devrx_memory_opts opts = Good("cuda", &out.cause);
			devrx_memory *mem = nullptr;

			if (!PrivateDev(out) || !prepare(out))
				return;
			fake.script(script);
			opts.len = len;
			out.rc = devrx_memory_alloc(&mem, &opts);
		});
	}
};

TEST_F(CudaMachine, NoPermissionOnTheNode)
{
	Outcome out = Try("backing=memfd cuInit=100", Unit, [](Outcome &o) {
		return WriteFile("/dev/nvidiactl", "") &&
		       !chmod("/dev/nvidiactl", 0) && ObeyFileModes(o);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EACCES);
	EXPECT_STREQ(out.cause.id, "cuda-access");
}

/* With the permission the driver's own word counts. */
TEST_F(CudaMachine, PermissionAndStillNoDevice)
{
	Outcome out = Try("backing=memfd cuInit=100", Unit, [](Outcome &) {
		return WriteFile("/dev/nvidiactl", "");
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -ENODEV);
	EXPECT_STREQ(out.cause.id, "cuda-no-device");
}

TEST_F(CudaMachine, ClosedKernelModules)
{
	for (const char *script :
	     { "backing=memfd attr124=0", "backing=none" }) {
		Outcome out = Try(script, Unit, [](Outcome &o) {
			return Show(o, "/proc/driver", version_file,
				    closed_modules);
		});

		if (out.skip[0])
			GTEST_SKIP() << out.skip;
		EXPECT_EQ(out.rc, -EOPNOTSUPP);
		EXPECT_STREQ(out.cause.id, "cuda-closed-modules");
	}
}

TEST_F(CudaMachine, OpenKernelModulesAreNotBlamed)
{
	Outcome out = Try("backing=memfd attr124=0", Unit, [](Outcome &o) {
		return Show(o, "/proc/driver", version_file, open_modules);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, -EOPNOTSUPP);
	EXPECT_STREQ(out.cause.id, "cuda-dmabuf-unsupported");
}

struct BarCase {
	const char *name;
	const char *script;
	uint64_t len;
	int want;
};

const BarCase bars[] = {
	{ "AllOfIt", "backing=memfd", 16 << 20, 0 },
	{ "MoreThanItHas", "backing=memfd", (16 << 20) + 1, -EFBIG },
	{ "MoreByACoherentLink", "backing=memfd attr100=1", (16 << 20) + 1, 0 },
};

class CudaBar : public CudaMachine, public testing::WithParamInterface<BarCase>
{
};

TEST_P(CudaBar, LimitsWhatANicCanReach)
{
	Outcome out = Try(GetParam().script, GetParam().len, [](Outcome &o) {
		return Show(o, "/sys/bus/pci", pci_file, small_bar);
	});

	if (out.skip[0])
		GTEST_SKIP() << out.skip;
	EXPECT_EQ(out.rc, GetParam().want) << out.cause.text;
	EXPECT_STREQ(out.cause.id, GetParam().want ? "cuda-bar1" : "");
}

INSTANTIATE_TEST_SUITE_P(All, CudaBar, testing::ValuesIn(bars),
			 [](const auto &i) {
				 return std::string(i.param.name);
			 });

/* ---- Another driver, or none: in a fresh process, see Alone() ---- */

/* Run the disabled test @name of this program with libraries from @dir. */
int Alone(const char *name, const char *dir)
{
	const std::string filter =
		std::string("--gtest_filter=CudaAlone.DISABLED_") + name;
	int status = -1;
	const pid_t pid = fork();

	if (!pid) {
		(void)freopen("/dev/null", "w", stdout);
		(void)setenv("LD_LIBRARY_PATH", dir, 1);
		execl("/proc/self/exe", "memory_test", filter.c_str(),
		      "--gtest_also_run_disabled_tests", nullptr);
		_exit(125);
	}
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(CudaAlone, DISABLED_NoDriver)
{
	devrx_cause cause = {};

	if (void *lib = dlopen("libcuda.so.1", RTLD_NOW)) {
		dlclose(lib);
		GTEST_SKIP() << "this machine has a CUDA driver";
	}
	ExpectRefused(Good("cuda", &cause), -ENOENT, "cuda-missing");
	EXPECT_EQ(devrx_provider_find("cuda")->probe(&cause), -ENOENT);
	EXPECT_EQ(devrx_cuda_register(nullptr, 4096, 4096, nullptr), -ENOENT);
}

TEST(CudaAlone, DISABLED_WithoutGetProcAddress)
{
	devrx_cause cause = {};
	devrx_memory_opts opts = Good("cuda", &cause);
	devrx_memory *mem = nullptr;
	char byte = 1;

	ASSERT_EQ(devrx_memory_alloc(&mem, &opts), 0) << cause.text;
	EXPECT_EQ(devrx_memory_read(mem, 0, &byte, 1), 0);
	EXPECT_EQ(devrx_memory_free(mem), 0);
}

TEST(CudaMachineAlone, NoDriver)
{
	const int rc = Alone("NoDriver", "/nonexistent");

	if (rc == 77)
		GTEST_SKIP() << "this machine has a CUDA driver";
	EXPECT_EQ(rc, 0);
}

TEST(CudaMachineAlone, DriverWithoutGetProcAddressIsFoundByItsSymbols)
{
	EXPECT_EQ(Alone("WithoutGetProcAddress", DEVRX_FAKE_CUDA_DIR "-old"),
		  0);
}

} // namespace
