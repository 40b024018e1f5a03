/* SPDX-License-Identifier: MIT */
/*
 * Which way data takes between two PCI devices, from sysfs.
 *
 * @sysfs is "/sys", or a tree like it in a test.
 */
#ifndef DEVRX_TOOLS_PCI_H
#define DEVRX_TOOLS_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_VENDOR_NVIDIA 0x10de
#define PCI_DEPTH_MAX 16

struct pci_device {
	char address[16]; /* "0000:03:00.0" */
	/* From the host bridge to the device. */
	char way[PCI_DEPTH_MAX][16];
	unsigned int depth;
	int numa_node; /* -1: not told */
	char iommu[16]; /* "DMA-FQ", "identity", ...; "": none */
	uint64_t bar1; /* bytes, 0: none */
};

enum pci_distance {
	PCI_ONE_SWITCH, /* below one root port */
	PCI_ONE_BRIDGE, /* of one host bridge: through the CPU */
	PCI_ONE_NODE, /* of two host bridges of one NUMA node */
	PCI_FAR, /* from one NUMA node to another, or it is not told */
};

/* The NIC's device: 0, or -ENODEV where it is no PCI device. */
int pci_of_nic(const char *sysfs, const char *ifname, struct pci_device *ret);
/* The display device or accelerator of @vendor that is nearest to @from; -ENODEV where
 * there is none. */
int pci_nearest_gpu(const char *sysfs, unsigned int vendor,
		    const struct pci_device *from, struct pci_device *ret);

enum pci_distance pci_distance(const struct pci_device *a,
			       const struct pci_device *b);

/*
 * Do bridges between the two send what is for the other up to the root first (ACS)?
 * 1 with the first such bridge in @ret, 0, or -EACCES where their configuration cannot
 * be read, which needs root.
 */
int pci_redirects(const char *sysfs, const struct pci_device *a,
		  const struct pci_device *b, char ret[16]);

#endif /* DEVRX_TOOLS_PCI_H */
