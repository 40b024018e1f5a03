// SPDX-License-Identifier: MIT
/*
 * PCI devices by their paths in sysfs: a device's directory lies in that of the bridge
 * above it.
 */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* PCI Express Base Specification: the extended capability "Access Control Services",
 * and of its control register P2P Request Redirect and P2P Completion Redirect. */
#define EXT_CAP_START 0x100
#define EXT_CAP_ACS 0x000d
#define ACS_CTRL 6
#define ACS_REDIRECT 0x000c
#define CONFIG_LEN 4096

static bool read_text(const char *path, char *ret, size_t len)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(ret, (int)len, f);

	if (f)
		(void)fclose(f);
	if (ok)
		ret[strcspn(ret, "\n")] = '\0';
	else
		ret[0] = '\0';
	return ok;
}

static unsigned long read_hex(const char *dir, const char *name)
{
	char path[PATH_MAX], text[32];

	(void)snprintf(path, sizeof(path), "%.3000s/%.64s", dir, name);
	return read_text(path, text, sizeof(text)) ? strtoul(text, NULL, 16) :
						     0;
}

/* "0000:03:00.0" */
static bool is_address(const char *text)
{
	unsigned int domain, bus, slot, function;
	int end = 0;

	return sscanf(text, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function,
		      &end) == 4 &&
	       !text[end] && end < 16;
}

/* The host bridge ("pci0000:00") and all that follows it. */
static bool read_way(struct pci_device *dev, char *path)
{
	char *save, *part = strtok_r(path, "/", &save);
	bool below = false;

	for (; part; part = strtok_r(NULL, "/", &save)) {
		below |= !strncmp(part, "pci", 3) && strchr(part, ':');
		if (!below)
			continue;
		if (dev->depth == PCI_DEPTH_MAX ||
		    (dev->depth && !is_address(part)) ||
		    strlen(part) >= sizeof(dev->way[0]))
			return false;
		memcpy(dev->way[dev->depth++], part, strlen(part) + 1);
	}
	return dev->depth > 1;
}

/* The second line is BAR 1: first byte, last byte, flags. */
static uint64_t read_bar1(const char *dir)
{
	char path[PATH_MAX], line[128];
	uint64_t start = 0, end = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%.4000s/resource", dir);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f) && fgets(line, sizeof(line), f) &&
	    sscanf(line, "%" SCNx64 " %" SCNx64, &start, &end) != 2)
		start = end = 0;
	if (f)
		(void)fclose(f);
	return end > start ? end - start + 1 : 0;
}

static int read_device(const char *dir, struct pci_device *ret)
{
	struct pci_device dev = { .numa_node = -1 };
	char path[PATH_MAX], real[PATH_MAX], text[32];

	if (!realpath(dir, real))
		return -ENODEV;
	(void)snprintf(path, sizeof(path), "%s", real);
	if (!read_way(&dev, path))
		return -ENODEV;
	memcpy(dev.address, dev.way[dev.depth - 1], sizeof(dev.address));
	(void)snprintf(path, sizeof(path), "%.4000s/numa_node", real);
	if (read_text(path, text, sizeof(text)))
		dev.numa_node = atoi(text);
	(void)snprintf(path, sizeof(path), "%.4000s/iommu_group/type", real);
	(void)read_text(path, dev.iommu, sizeof(dev.iommu));
	dev.bar1 = read_bar1(real);
	*ret = dev;
	return 0;
}

int pci_of_nic(const char *sysfs, const char *ifname, struct pci_device *ret)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%.3000s/class/net/%.64s/device",
		       sysfs, ifname);
	return read_device(path, ret);
}

/* A display controller, or a processing accelerator. */
static bool is_gpu(const char *dir, unsigned int vendor)
{
	const unsigned long class = read_hex(dir, "class") >> 16;

	return (class == 0x03 || class == 0x12) &&
	       read_hex(dir, "vendor") == vendor;
}

/* Bridges that both are below. */
static unsigned int shared(const struct pci_device *a,
			   const struct pci_device *b)
{
	unsigned int n = 0;

	while (n < a->depth && n < b->depth && !strcmp(a->way[n], b->way[n]))
		n++;
	return n;
}

enum pci_distance pci_distance(const struct pci_device *a,
			       const struct pci_device *b)
{
	const unsigned int n = shared(a, b);

	if (n)
		return n > 1 ? PCI_ONE_SWITCH : PCI_ONE_BRIDGE;
	return a->numa_node >= 0 && a->numa_node == b->numa_node ?
		       PCI_ONE_NODE :
		       PCI_FAR;
}

static bool is_nearer(const struct pci_device *from,
		      const struct pci_device *dev,
		      const struct pci_device *than)
{
	const enum pci_distance near = pci_distance(from, dev);
	const enum pci_distance far = pci_distance(from, than);

	return near < far ||
	       (near == far && shared(from, dev) > shared(from, than));
}

int pci_nearest_gpu(const char *sysfs, unsigned int vendor,
		    const struct pci_device *from, struct pci_device *ret)
{
	char path[PATH_MAX];
	struct pci_device dev;
	struct dirent *entry;
	int err = -ENODEV;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%.3000s/bus/pci/devices", sysfs);
	d = opendir(path);
	while (d && (entry = readdir(d))) {
		if (!is_address(entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%.3000s/bus/pci/devices/%s",
			       sysfs, entry->d_name);
		if (!is_gpu(path, vendor) || read_device(path, &dev))
			continue;
		if (err || is_nearer(from, &dev, ret))
			*ret = dev;
		err = 0;
	}
	if (d)
		(void)closedir(d);
	return err;
}

static unsigned int le16(const uint8_t *at)
{
	return at[0] | (unsigned int)at[1] << 8;
}

/* 1 where it redirects, 0, or -EACCES. */
static int bridge_redirects(const char *sysfs, const char *address)
{
	uint8_t config[CONFIG_LEN];
	char path[PATH_MAX];
	unsigned int at = EXT_CAP_START;
	size_t len = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%.3000s/bus/pci/devices/%s/config",
		       sysfs, address);
	f = fopen(path, "re");
	if (f) {
		len = fread(config, 1, sizeof(config), f);
		(void)fclose(f);
	}
	if (len <= EXT_CAP_START)
		return -EACCES;
	/* A list that runs in a circle has an end too. */
	for (int n = 0; n < 256 && at >= EXT_CAP_START && at + 8 <= len; n++) {
		if (le16(config + at) == EXT_CAP_ACS)
			return !!(le16(config + at + ACS_CTRL) & ACS_REDIRECT);
		at = le16(config + at + 2) >> 4 & 0xffc;
	}
	return 0;
}

static int way_redirects(const char *sysfs, const struct pci_device *dev,
			 unsigned int from, char ret[16])
{
	int rc = 0;

	/* The device itself is no bridge. */
	for (unsigned int i = from; !rc && i + 1 < dev->depth; i++) {
		rc = bridge_redirects(sysfs, dev->way[i]);
		if (rc > 0)
			memcpy(ret, dev->way[i], sizeof(dev->way[i]));
	}
	return rc;
}

int pci_redirects(const char *sysfs, const struct pci_device *a,
		  const struct pci_device *b, char ret[16])
{
	const unsigned int n = shared(a, b);
	int rc = way_redirects(sysfs, a, n ? n : 1, ret);

	return rc ? rc : way_redirects(sysfs, b, n ? n : 1, ret);
}
