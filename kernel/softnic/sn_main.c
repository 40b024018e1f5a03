// SPDX-License-Identifier: GPL-2.0
/*
 * Module and parent device. The module itself makes no ports (sn_link.c does,
 * on request), but the device below which all of them are. It is what makes
 * them look like hardware: memory providers attach to a network device's parent
 * and need its DMA mask.
 *
 * The device stays when the module goes, as hardware does when its driver goes:
 * devmem TCP unmaps a dmabuf when user space lets go of it, which may be long
 * after the NIC has gone, and holds no reference to the device that it was
 * mapped for. The next load finds the device again.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "softnic.h"

static struct device *sn_device;

static int sn_probe(struct platform_device *pdev)
{
	/* The platform bus's default is 32 bits, which would send a provider's
	 * memory through bounce buffers.
	 */
	int err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));

	/* Nor is there a limit to the pieces that a provider's memory is in. */
	if (!err)
		dma_set_max_seg_size(&pdev->dev, UINT_MAX);
	return err;
}

/* Ports stay below the device as long as the module is loaded, so nobody may
 * take the driver away from it.
 */
static struct platform_driver sn_driver = {
	.probe	= sn_probe,
	.driver	= {
		.name			= SN_NAME,
		.suppress_bind_attrs	= true,
	},
};

/**
 * sn_parent() - the device that memory is mapped for
 *
 * Return: the device; it outlives the module.
 */
struct device *sn_parent(void)
{
	return sn_device;
}

static int sn_parent_init(void)
{
	struct platform_device *pdev;
	int err;

	err = platform_driver_register(&sn_driver);
	if (err)
		return err;

	sn_device = bus_find_device_by_name(&platform_bus_type, NULL, SN_NAME);
	if (sn_device)
		return 0;

	pdev = platform_device_register_simple(SN_NAME, PLATFORM_DEVID_NONE,
					       NULL, 0);
	if (IS_ERR(pdev)) {
		platform_driver_unregister(&sn_driver);
		return PTR_ERR(pdev);
	}
	sn_device = get_device(&pdev->dev);
	return 0;
}

static void sn_parent_exit(void)
{
	put_device(sn_device);
	platform_driver_unregister(&sn_driver);
}

static int __init sn_init(void)
{
	int err;

	err = sn_parent_init();
	if (err)
		return err;

	sn_debugfs_init();
	err = sn_link_init();
	if (err) {
		sn_debugfs_exit();
		sn_parent_exit();
	}
	return err;
}

static void __exit sn_exit(void)
{
	sn_link_exit();
	sn_debugfs_exit();
	sn_parent_exit();
}

module_init(sn_init);
module_exit(sn_exit);

MODULE_DESCRIPTION("Software NIC whose receive queues accept memory providers");
MODULE_AUTHOR("The devrx authors");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("NETDEV_INTERNAL"); /* netdev_rx_queue_restart() */
