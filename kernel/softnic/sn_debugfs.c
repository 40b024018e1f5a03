// SPDX-License-Identifier: GPL-2.0
/*
 * Faults on request, for tests of the programs above: a directory for each port,
 * devrx_softnic/PORT, where PORT is what /sys/class/net/NAME/dev_port says. All
 * of it is 0 to begin with, and 0 again means well. See docs/softnic.md.
 */
#include <linux/debugfs.h>
#include <linux/netdevice.h>
#include <net/netdev_lock.h>
#include <net/netdev_rx_queue.h>

#include "softnic.h"

static struct dentry *sn_debugfs_root;

static int sn_stopped_get(void *data, u64 *mask)
{
	struct sn_port *port = data;

	*mask = READ_ONCE(port->faults.stopped_queues);
	return 0;
}

/* A queue that goes on finds its frames on the wire. */
static int sn_stopped_set(void *data, u64 mask)
{
	struct sn_port *port = data;
	unsigned int i;

	if (mask >= BIT(SN_MAX_QUEUES))
		return -EINVAL;

	WRITE_ONCE(port->faults.stopped_queues, mask);
	for (i = 0; i < SN_MAX_QUEUES; i++)
		if (!(mask & BIT(i)))
			sn_wire_kick(&port->rxq[i]);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(sn_stopped_fops, sn_stopped_get, sn_stopped_set,
			 "0x%llx\n");

/* A queue's memory is exchanged while it works, as a driver does for itself when
 * it has to be reset. Who takes the NIC away has the lock, and waits for us.
 */
static int sn_restart_set(void *data, u64 idx)
{
	struct sn_port *port = data;
	struct net_device *dev = port->dev;
	int err;

	if (!netdev_trylock(dev))
		return -EAGAIN;
	if (!netif_running(dev))
		err = -ENETDOWN;
	else if (idx >= dev->real_num_rx_queues)
		err = -EINVAL;
	else
		err = netdev_rx_queue_restart(dev, idx);
	netdev_unlock(dev);
	return err;
}

DEFINE_DEBUGFS_ATTRIBUTE(sn_restart_fops, NULL, sn_restart_set, "%llu\n");

/**
 * sn_debugfs_add() - make a port's directory
 * @port:	the port, its dev_port known
 */
void sn_debugfs_add(struct sn_port *port)
{
	struct sn_faults *f = &port->faults;
	char name[8];

	snprintf(name, sizeof(name), "%u", port->dev->dev_port);
	f->dir = debugfs_create_dir(name, sn_debugfs_root);
	debugfs_create_u32("linear_head", 0600, f->dir, &f->linear_head);
	debugfs_create_u32("drop_every", 0600, f->dir, &f->drop_every);
	debugfs_create_bool("payload_in_pages", 0600, f->dir,
			    &f->payload_in_pages);
	debugfs_create_atomic_t("no_chunk", 0600, f->dir, &f->no_chunk);
	debugfs_create_atomic_t("fail_alloc", 0600, f->dir, &f->fail_alloc);
	debugfs_create_atomic_t("fail_start", 0600, f->dir, &f->fail_start);
	debugfs_create_file_unsafe("stopped_queues", 0600, f->dir, port,
				   &sn_stopped_fops);
	debugfs_create_file_unsafe("restart_queue", 0200, f->dir, port,
				   &sn_restart_fops);
}

/* Waits for who is reading or writing there. */
void sn_debugfs_remove(struct sn_port *port)
{
	debugfs_remove(port->faults.dir);
}

void __init sn_debugfs_init(void)
{
	sn_debugfs_root = debugfs_create_dir(SN_NAME, NULL);
}

void sn_debugfs_exit(void)
{
	debugfs_remove(sn_debugfs_root);
}
