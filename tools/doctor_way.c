// SPDX-License-Identifier: MIT
/*
 * devrx doctor, the surroundings: the way from the NIC to the memory, and what is left
 * behind. What costs, or surprises, and refuses nothing but for the GPU's own limits.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "pci.h"

/* A number in a file, or @otherwise. */
static long read_long(const char *path, long otherwise)
{
	FILE *f = fopen(path, "re");
	long n = otherwise;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = otherwise;
	if (f)
		(void)fclose(f);
	return n;
}

/* NVIDIA's open kernel modules export dmabufs, the closed ones do not. */
static void check_modules(struct doctor *doctor)
{
	struct devrx_cause line;
	char text[256] = "";
	FILE *f = fopen("/proc/driver/nvidia/version", "re");
	const bool loaded = f && fgets(text, sizeof(text), f);

	if (f)
		(void)fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (!loaded)
		cause_set(&line, "cuda-closed-modules", "nvidia-smi",
			  "NVIDIA's kernel modules are not loaded");
	else if (strstr(text, "Open Kernel Module"))
		cause_set(&line, "cuda-closed-modules", NULL, "%s", text);
	else
		cause_set(&line, "cuda-closed-modules",
			  "install NVIDIA's open kernel modules",
			  "its closed kernel modules export no dmabufs: %s",
			  text);
	doctor_say(doctor,
		   !loaded			      ? DEVRX_CHECK_UNKNOWN :
		   strstr(text, "Open Kernel Module") ? DEVRX_CHECK_PASS :
							DEVRX_CHECK_FAIL,
		   &line);
}

static const char *distance_phrase(enum pci_distance distance)
{
	switch (distance) {
	case PCI_ONE_SWITCH:
		return "below one root port, the shortest way";
	case PCI_ONE_BRIDGE:
		return "of one host bridge: data goes through the CPU's PCIe";
	case PCI_ONE_NODE:
		return "of one NUMA node: data goes through the CPU";
	default:
		return "not of one NUMA node: data goes from one CPU to "
		       "another";
	}
}

/* From the NIC to the GPU that is nearest to it. */
static void check_way(struct doctor *doctor, const struct pci_device *nic)
{
	struct pci_device gpu;
	struct devrx_cause line;
	char bridge[16] = "", len[HUMAN_LEN];
	int rc;

	if (pci_nearest_gpu("/sys", PCI_VENDOR_NVIDIA, nic, &gpu)) {
		cause_set(&line, "pci-path", "lspci -nn",
			  "there is no NVIDIA GPU on the PCI bus");
		doctor_say(doctor, DEVRX_CHECK_UNKNOWN, &line);
		return;
	}
	cause_set(&line, "pci-path", NULL, "NIC %s and GPU %s are %s",
		  nic->address, gpu.address,
		  distance_phrase(pci_distance(nic, &gpu)));
	doctor_say(doctor, DEVRX_CHECK_PASS, &line);
	rc = pci_redirects("/sys", nic, &gpu, bridge);
	if (rc > 0)
		cause_set(&line, "pci-acs",
			  "switch ACS off for bridges in the firmware, or boot "
			  "with pci=disable_acs_redir=",
			  "bridge %s sends what is for the GPU by way of the "
			  "CPU first (ACS): slower",
			  bridge);
	else
		cause_set(&line, "pci-acs", rc ? "run it as root" : NULL,
			  rc ? "whether bridges redirect (ACS) cannot be read" :
			       "no bridge between them redirects (ACS)");
	doctor_say(doctor, rc < 0 ? DEVRX_CHECK_UNKNOWN : DEVRX_CHECK_PASS,
		   &line);
	cause_set(&line, "iommu", NULL,
		  "the IOMMU's domain is %s for the NIC, "
		  "%s for the GPU",
		  nic->iommu[0] ? nic->iommu : "none",
		  gpu.iommu[0] ? gpu.iommu : "none");
	doctor_say(doctor, DEVRX_CHECK_PASS, &line);
	cause_set(&line, "cuda-bar1", NULL,
		  "the GPU shows %s to other devices (BAR1)",
		  human_bytes(len, (double)gpu.bar1));
	doctor_say(doctor,
		   !gpu.bar1			 ? DEVRX_CHECK_UNKNOWN :
		   gpu.bar1 < doctor->memory.len ? DEVRX_CHECK_FAIL :
						   DEVRX_CHECK_PASS,
		   &line);
}

/* With one NUMA node there is nothing to choose. */
static void check_numa(struct doctor *doctor, const struct pci_device *nic)
{
	struct devrx_cause line;

	if (access("/sys/devices/system/node/node1", F_OK)) {
		doctor_pass(doctor, "numa", "there is one NUMA node only");
		return;
	}
	if (!nic || nic->numa_node < 0)
		cause_set(&line, "numa", NULL,
			  "the NIC's NUMA node is not told");
	else
		cause_set(&line, "numa", NULL,
			  "the NIC is on NUMA node %d: run the receiver there "
			  "(numactl -N %d)",
			  nic->numa_node, nic->numa_node);
	doctor_say(doctor,
		   !nic || nic->numa_node < 0 ? DEVRX_CHECK_UNKNOWN :
						DEVRX_CHECK_PASS,
		   &line);
}

/* What costs, or surprises, and refuses nothing. */
void doctor_surroundings(struct doctor *doctor)
{
	const long defer = read_long("/proc/sys/net/core/skb_defer_max", -1);
	struct devrx_cause line;
	struct pci_device nic;
	int rc;

	if (doctor->queue.ifname) {
		rc = pci_of_nic("/sys", doctor->queue.ifname, &nic);
		check_numa(doctor, rc ? NULL : &nic);
		if (!rc && !strcmp(doctor->memory.kind, "cuda"))
			check_way(doctor, &nic);
	}
	if (!strcmp(doctor->memory.kind, "cuda"))
		check_modules(doctor);
	if (defer > 0)
		cause_set(&line, "skb-defer", "sysctl net.core.skb_defer_max=0",
			  "after its end memory can stay pinned until the "
			  "CPUs that had its packets receive again "
			  "(skb_defer_max is %ld)",
			  defer);
	else
		cause_set(&line, "skb-defer", NULL,
			  "memory is not kept by CPUs that are idle");
	if (defer >= 0)
		doctor_say(doctor, DEVRX_CHECK_PASS, &line);
}
