// SPDX-License-Identifier: GPL-2.0
/*
 * Module and platform device: one pair of ports comes with the module. The
 * platform device is what makes the ports look like hardware: memory providers
 * attach to a network device's parent and need its DMA mask.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/rtnetlink.h>

#include "softnic.h"

struct sn_pair {
	struct net_device *end[2];
};

static int sn_pair_register(struct sn_pair *pair)
{
	int err;

	/* Both ends appear under one RTNL section: nobody can open the first
	 * before the second is there.
	 */
	rtnl_lock();
	err = register_netdevice(pair->end[0]);
	if (err)
		goto out;
	err = register_netdevice(pair->end[1]);
	if (err)
		unregister_netdevice(pair->end[0]);
out:
	rtnl_unlock();
	return err;
}

static int sn_pair_alloc(struct sn_pair *pair, struct device *parent)
{
	struct sn_port *a, *b;

	pair->end[0] = sn_netdev_alloc(parent, 0);
	if (!pair->end[0])
		return -ENOMEM;
	pair->end[1] = sn_netdev_alloc(parent, 1);
	if (!pair->end[1]) {
		free_netdev(pair->end[0]);
		return -ENOMEM;
	}

	a = netdev_priv(pair->end[0]);
	b = netdev_priv(pair->end[1]);
	a->peer = b;
	b->peer = a;
	return 0;
}

static void sn_pair_free(struct sn_pair *pair)
{
	free_netdev(pair->end[1]);
	free_netdev(pair->end[0]);
}

static int sn_probe(struct platform_device *pdev)
{
	struct sn_pair *pair;
	int err;

	/* The platform bus's default is 32 bits, which would send a provider's
	 * memory through bounce buffers.
	 */
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;

	pair = devm_kzalloc(&pdev->dev, sizeof(*pair), GFP_KERNEL);
	if (!pair)
		return -ENOMEM;

	err = sn_pair_alloc(pair, &pdev->dev);
	if (err)
		return err;
	err = sn_pair_register(pair);
	if (err) {
		sn_pair_free(pair);
		return err;
	}

	platform_set_drvdata(pdev, pair);
	return 0;
}

static void sn_remove(struct platform_device *pdev)
{
	struct sn_pair *pair = platform_get_drvdata(pdev);
	LIST_HEAD(list);

	/* Together, so that both are closed before either goes away. */
	rtnl_lock();
	unregister_netdevice_queue(pair->end[0], &list);
	unregister_netdevice_queue(pair->end[1], &list);
	unregister_netdevice_many(&list);
	rtnl_unlock();

	sn_pair_free(pair);
}

static struct platform_driver sn_driver = {
	.probe	= sn_probe,
	.remove	= sn_remove,
	.driver	= {
		.name	= SN_NAME,
	},
};

static struct platform_device *sn_pdev;

static int __init sn_init(void)
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

static void __exit sn_exit(void)
{
	platform_device_unregister(sn_pdev);
	platform_driver_unregister(&sn_driver);
}

module_init(sn_init);
module_exit(sn_exit);

MODULE_DESCRIPTION("Software NIC whose receive queues accept memory providers");
MODULE_AUTHOR("The devrx authors");
MODULE_LICENSE("GPL");
