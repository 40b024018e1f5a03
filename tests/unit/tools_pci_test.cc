// SPDX-License-Identifier: MIT
/* The way between two PCI devices, from trees like /sys that say what they say. */
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include "pci.h"
}

namespace
{

/* Host bridge 00 has a switch (02) below root port 01: a NIC at 03, a GPU at 04; and
 * root port 02 with a GPU at 05. Host bridge 80 of the same node has a GPU at 81, one of
 * node 1 has one at c1.
 */
class Pci : public testing::Test
{
      protected:
	void SetUp() override
	{
		char name[] = "/tmp/devrx-pci-XXXXXX";

		ASSERT_NE(mkdtemp(name), nullptr);
		root = name;
		dirs("bus/pci/devices");
		dirs("class/net/eth0");
		const std::string port = "devices/pci0000:00/0000:00:01.0";
		const std::string down = port + "/0000:01:00.0";
		bridge(port);
		bridge(down);
		bridge(down + "/0000:02:00.0");
		bridge(down + "/0000:02:01.0");
		nic = down + "/0000:02:00.0/0000:03:00.0";
		gpu_near = down + "/0000:02:01.0/0000:04:00.0";
		device(nic, "0x020000", "0x15b3", 0);
		device(gpu_near, "0x030200", "0x10de", 0);
		bridge("devices/pci0000:00/0000:00:02.0");
		device("devices/pci0000:00/0000:00:02.0/0000:05:00.0",
		       "0x030000", "0x10de", 0);
		bridge("devices/pci0000:80/0000:80:01.0");
		device("devices/pci0000:80/0000:80:01.0/0000:81:00.0",
		       "0x030000", "0x10de", 0);
		bridge("devices/pci0000:c0/0000:c0:01.0");
		device("devices/pci0000:c0/0000:c0:01.0/0000:c1:00.0",
		       "0x120000", "0x10de", 1);
		ASSERT_EQ(symlink(("../../../" + nic).c_str(),
				  (root + "/class/net/eth0/device").c_str()),
			  0);
	}

	void TearDown() override
	{
		EXPECT_EQ(system(("rm -r " + root).c_str()), 0);
	}

	void dirs(const std::string &path)
	{
		for (size_t at = 0; at != std::string::npos;) {
			at = path.find('/', at + 1);
			(void)mkdir((root + "/" + path.substr(0, at)).c_str(),
				    0700);
		}
	}

	void put(const std::string &path, const std::string &text)
	{
		std::ofstream(root + "/" + path, std::ios::binary) << text;
	}

	void device(const std::string &path, const char *kind,
		    const char *vendor, int node)
	{
		const std::string address = path.substr(path.rfind('/') + 1);

		dirs(path);
		put(path + "/class", std::string(kind) + "\n");
		put(path + "/vendor", std::string(vendor) + "\n");
		put(path + "/numa_node", std::to_string(node) + "\n");
		put(path + "/resource",
		    "0x00000000f6000000 0x00000000f6ffffff 0x0000000000040200\n"
		    "0x0000380000000000 0x00003803ffffffff "
		    "0x000000000014220c\n");
		ASSERT_EQ(
			symlink(("../../../" + path).c_str(),
				(root + "/bus/pci/devices/" + address).c_str()),
			0);
	}

	/* With a configuration of which ACS is the second extended capability. */
	void bridge(const std::string &path, unsigned ctrl = 0)
	{
		std::string config(4096, '\0');

		if (access((root + "/" + path).c_str(), F_OK))
			device(path, "0x060400", "0x8086", 0);
		/* Advanced error reporting, next at 0x148. */
		config[0x100] = 1;
		config[0x102] = char(0x81);
		config[0x103] = 0x14;
		config[0x148] = 0x0d;
		config[0x14a] = 1;
		config[0x14e] = char(ctrl);
		put(path + "/config", config);
	}

	pci_device at(const char *address)
	{
		pci_device dev = {};

		/* As a NIC's device: the only way in. */
		(void)unlink((root + "/class/net/eth0/device").c_str());
		EXPECT_EQ(
			symlink((root + "/bus/pci/devices/" + address).c_str(),
				(root + "/class/net/eth0/device").c_str()),
			0);
		EXPECT_EQ(pci_of_nic(root.c_str(), "eth0", &dev), 0);
		return dev;
	}

	std::string root, nic, gpu_near;
};

TEST_F(Pci, OfANic)
{
	pci_device dev = {};

	ASSERT_EQ(pci_of_nic(root.c_str(), "eth0", &dev), 0);
	EXPECT_STREQ(dev.address, "0000:03:00.0");
	EXPECT_EQ(dev.depth, 5u);
	EXPECT_STREQ(dev.way[0], "pci0000:00");
	EXPECT_EQ(dev.numa_node, 0);
	EXPECT_STREQ(dev.iommu, "");
	EXPECT_EQ(dev.bar1, UINT64_C(16) << 30);
	dirs(nic + "/iommu_group");
	put(nic + "/iommu_group/type", "DMA-FQ\n");
	ASSERT_EQ(pci_of_nic(root.c_str(), "eth0", &dev), 0);
	EXPECT_STREQ(dev.iommu, "DMA-FQ");
	EXPECT_EQ(pci_of_nic(root.c_str(), "eth1", &dev), -ENODEV);
}

TEST_F(Pci, ThatIsNone)
{
	pci_device dev = {};

	dirs("devices/platform/softnic");
	dirs("class/net/soft0");
	ASSERT_EQ(symlink("../../../devices/platform/softnic",
			  (root + "/class/net/soft0/device").c_str()),
		  0);
	EXPECT_EQ(pci_of_nic(root.c_str(), "soft0", &dev), -ENODEV);
	/* A sub-function's own bus lies below a PCI device. */
	dirs(nic + "/mlx5_core.sf.2");
	dirs("class/net/sf0");
	ASSERT_EQ(symlink(("../../../" + nic + "/mlx5_core.sf.2").c_str(),
			  (root + "/class/net/sf0/device").c_str()),
		  0);
	EXPECT_EQ(pci_of_nic(root.c_str(), "sf0", &dev), -ENODEV);
}

TEST_F(Pci, Distances)
{
	const pci_device from = at("0000:03:00.0");
	const pci_device one_switch = at("0000:04:00.0");
	const pci_device one_bridge = at("0000:05:00.0");
	const pci_device one_node = at("0000:81:00.0");
	const pci_device other = at("0000:c1:00.0");

	EXPECT_EQ(pci_distance(&from, &one_switch), PCI_ONE_SWITCH);
	EXPECT_EQ(pci_distance(&from, &one_bridge), PCI_ONE_BRIDGE);
	EXPECT_EQ(pci_distance(&from, &one_node), PCI_ONE_NODE);
	EXPECT_EQ(pci_distance(&from, &other), PCI_FAR);
	pci_device unknown = from, also = one_node;
	unknown.numa_node = also.numa_node = -1;
	EXPECT_EQ(pci_distance(&unknown, &also), PCI_FAR);
}

TEST_F(Pci, NearestGpu)
{
	const pci_device from = at("0000:03:00.0");
	pci_device gpu = {};

	ASSERT_EQ(pci_nearest_gpu(root.c_str(), PCI_VENDOR_NVIDIA, &from, &gpu),
		  0);
	EXPECT_STREQ(gpu.address, "0000:04:00.0");
	/* Without that one. */
	put(gpu_near + "/vendor", "0x1002\n");
	ASSERT_EQ(pci_nearest_gpu(root.c_str(), PCI_VENDOR_NVIDIA, &from, &gpu),
		  0);
	EXPECT_STREQ(gpu.address, "0000:05:00.0");
	/* An accelerator is one too. */
	const pci_device far = at("0000:c0:01.0");
	ASSERT_EQ(pci_nearest_gpu(root.c_str(), PCI_VENDOR_NVIDIA, &far, &gpu),
		  0);
	EXPECT_STREQ(gpu.address, "0000:c1:00.0");
	EXPECT_EQ(pci_nearest_gpu(root.c_str(), 0x1234, &from, &gpu), -ENODEV);
	EXPECT_EQ(pci_nearest_gpu("/no/such/tree", PCI_VENDOR_NVIDIA, &from,
				  &gpu),
		  -ENODEV);
}

TEST_F(Pci, Acs)
{
	const std::string down = "devices/pci0000:00/0000:00:01.0/0000:01:00.0";
	const pci_device from = at("0000:03:00.0");
	const pci_device gpu = at("0000:04:00.0");
	char where[16] = "";

	EXPECT_EQ(pci_redirects(root.c_str(), &from, &gpu, where), 0);
	/* Above both it makes no difference, nor does another bit. */
	bridge(down, 0x0c);
	bridge(down + "/0000:02:00.0", 0x11);
	EXPECT_EQ(pci_redirects(root.c_str(), &from, &gpu, where), 0);
	for (unsigned ctrl : { 0x04u, 0x08u }) {
		bridge(down + "/0000:02:01.0", ctrl);
		EXPECT_EQ(pci_redirects(root.c_str(), &from, &gpu, where), 1);
		EXPECT_STREQ(where, "0000:02:01.0");
	}
	bridge(down + "/0000:02:01.0");
	/* What others than root see of it. */
	put(down + "/0000:02:00.0/config", std::string(64, '\0'));
	EXPECT_EQ(pci_redirects(root.c_str(), &from, &gpu, where), -EACCES);
	/* A list that runs in a circle. */
	std::string circle(4096, '\0');
	circle[0x100] = 1;
	circle[0x103] = 0x10;
	put(down + "/0000:02:00.0/config", circle);
	EXPECT_EQ(pci_redirects(root.c_str(), &from, &gpu, where), 0);
}

} /* namespace */
