// SPDX-License-Identifier: GPL-2.0
/*
 * Module and parent device. The module itself makes no ports (sn_link.c does,
 * on request), but the device below which all of them are. It is what makes
 * them look like hardware: memory providers attach to a network device's parent
 * and need its DMA mask.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "softnic.h"

static struct platform_device *sn_pdev;

static int sn_probe(struct platform_device *pdev)
{
	/* The platform bus's default is 32 bits, which would send a provider's
	 * memory through bounce buffers.
	 */
	return dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
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
 * Return: the device; it lives as long as the module.
 */
struct device *sn_parent(void)
{
	return &sn_pdev->dev;
}

static int sn_parent_init(void)
{
	int err;

	err = platform_driver_register(&sn_driver);
	if (err)
		return err;

	sn_pdev = platform_device_register_simple(SN_NAME, PLATFORM_DEVID_NONE,
						  NULL, 0);
	if (IS_ERR(sn_pdev)) {
		platform_driver_unregister(&sn_driver);
		return PTR_ERR(sn_pdev);
	}
	return 0;
}

static void sn_parent_exit(void)
{
	platform_device_unregister(sn_pdev);
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
