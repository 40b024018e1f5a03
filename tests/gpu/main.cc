// SPDX-License-Identifier: MIT
/*
 * What needs an NVIDIA GPU and no NIC. Lines "ok NAME", "not ok NAME" and "skip
 * NAME: why", as the scripts of tests/unit.
 */
#include <cstdio>
#include <cstring>

#include <devrx/features.h>

#include "gpu/gpu.h"

namespace
{

void usage(FILE *to)
{
	fputs("usage: devrx-gpu-tests [--quick] [PART...]\n"
	      "       devrx-gpu-tests --bench [--json FILE]\n"
	      "       devrx-gpu-tests --machine\n"
	      "       devrx-gpu-tests --cpu SAMPLE FILE\n"
	      "\n"
	      "On the first NVIDIA GPU (CUDA_VISIBLE_DEVICES chooses another "
	      "one). Parts:\n"
	      "  export   memory of kind cuda: its dmabuf, its placement, what "
	      "is refused\n"
	      "  kernels  each device kernel, every byte against the CPU's\n"
	      "  ring     the device ring: a kernel that keeps running, and "
	      "launches\n"
	      "Without one: all of them.\n"
	      "\n"
	      "  --quick      shorter, for tools that slow the GPU down\n"
	      "  --bench      ratios and rates, with their limits\n"
	      "  --json FILE  and write them\n"
	      "  --machine    say what GPU, driver and kernel there are\n"
	      "  --cpu        print what a sample prints for the stream in a "
	      "file, made by the\n"
	      "               CPU; needs no GPU\n"
	      "\n"
	      "The exit code is 0 when all was right, 1 when something was "
	      "wrong, 2 for a\n"
	      "wrong call, 3 when only a limit of --bench was missed, 77 "
	      "without a GPU.\n",
	      to);
}

/* Linux's half: zcrx itself; a NIC for it is run.sh's business. */
void say_kernel()
{
	devrx_features features = {};
	devrx_cause cause = {};

	features.size = sizeof(features);
	if (devrx_features_probe(&features, &cause))
		printf("zcrx: unknown (%s)\n", cause.text);
	else if (!(features.flags & DEVRX_FEATURE_RECV_ZC))
		printf("zcrx: Linux %s has none\n", features.release);
	else
		printf("zcrx: Linux %s has it%s\n", features.release,
		       features.flags & DEVRX_FEATURE_DMABUF_AREA ?
			       ", with dmabuf areas" :
			       ", without dmabuf areas");
}

void say_gpu(const Gpu &gpu)
{
	printf("gpu: %s at %s, compute capability %d.%d, %d SMs\n"
	       "driver: CUDA %d.%d\n"
	       "dmabuf export: %s\n"
	       "writes of a NIC: %s\n",
	       gpu.name.c_str(), gpu.pci.c_str(), gpu.major, gpu.minor, gpu.sms,
	       gpu.driver / 1000, gpu.driver % 1000 / 10,
	       gpu.dmabuf ? "yes" : "no",
	       gpu.writes_ordering >= 100 ? "ordered for a running kernel" :
					    "to be flushed for a running "
					    "kernel");
}

} // namespace

int result_of(const std::string &name, const std::string &error)
{
	if (error.empty())
		printf("ok %s\n", name.c_str());
	else
		printf("# %s\nnot ok %s\n", error.c_str(), name.c_str());
	return !error.empty();
}

int main(int argc, char **argv)
{
	bool with_bench = false, everything = true, machine = false;
	bool with_export = false, with_kernels = false, with_ring = false;
	const char *json = nullptr;
	int failed = 0, rc;
	Gpu gpu;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			usage(stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--cpu") && i + 2 < argc)
			return print_sample(argv[i + 1], argv[i + 2]);
		if (!strcmp(argv[i], "--bench")) {
			with_bench = true;
		} else if (!strcmp(argv[i], "--quick")) {
			everything = false;
		} else if (!strcmp(argv[i], "--machine")) {
			machine = true;
		} else if (!strcmp(argv[i], "--json") && i + 1 < argc) {
			json = argv[++i];
		} else if (!strcmp(argv[i], "export")) {
			with_export = true;
		} else if (!strcmp(argv[i], "kernels")) {
			with_kernels = true;
		} else if (!strcmp(argv[i], "ring")) {
			with_ring = true;
		} else {
			usage(stderr);
			return 2;
		}
	}
	if (!with_export && !with_kernels && !with_ring)
		with_export = with_kernels = with_ring = true;
	setvbuf(stdout, nullptr, _IOLBF, 0);
	if (machine)
		say_kernel();
	rc = gpu.open();
	if (rc)
		return rc;
	if (machine) {
		say_gpu(gpu);
		return 0;
	}
	if (with_bench)
		return bench(gpu, json);
	if (with_export)
		failed |= check_export(gpu);
	if (with_kernels)
		failed |= check_kernels(gpu, everything);
	if (with_ring)
		failed |= check_ring(gpu, everything);
	return failed;
}
