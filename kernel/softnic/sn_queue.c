// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a receive queue: its page pools, its NAPI, and the core's queue
 * management, by which a memory provider is bound and unbound.
 *
 * The NAPI and the wire belong to the queue's index and live from up to down.
 * A restart exchanges the pools only: stop the NAPI, take the old pools out, put
 * the new ones in, start the NAPI. All of it runs under the instance lock.
 */
#include <linux/log2.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>

#include "softnic.h"

static struct page_pool *sn_data_pool(struct sn_port *port,
				      struct netdev_queue_config *qcfg,
				      unsigned int idx)
{
	struct page_pool_params pp = {
		.order		= ilog2(qcfg->rx_page_size) - PAGE_SHIFT,
		.pool_size	= port->ring_size,
		.nid		= NUMA_NO_NODE,
		.dev		= port->dev->dev.parent,
		.dma_dir	= DMA_FROM_DEVICE,
		.max_len	= qcfg->rx_page_size,
		.netdev		= port->dev,
		.queue_idx	= idx,
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
	};

	/* Without header/data split the stack would be handed headers that it
	 * cannot read.
	 */
	if (port->hds)
		pp.flags |= PP_FLAG_ALLOW_UNREADABLE_NETMEM;

	return page_pool_create(&pp);
}

static struct page_pool *sn_page_pool(struct sn_port *port, unsigned int idx)
{
	struct page_pool_params pp = {
		.pool_size	= port->ring_size,
		.nid		= NUMA_NO_NODE,
		.dev		= port->dev->dev.parent,
		.dma_dir	= DMA_FROM_DEVICE,
		.netdev		= port->dev,
		.queue_idx	= idx,
	};

	return page_pool_create(&pp);
}

static int sn_pools_alloc(struct sn_port *port,
			  struct netdev_queue_config *qcfg,
			  struct sn_pools *pools, unsigned int idx)
{
	struct page_pool *data, *pages;

	data = sn_data_pool(port, qcfg, idx);
	if (IS_ERR(data))
		return PTR_ERR(data);

	if (page_pool_is_unreadable(data)) {
		pages = sn_page_pool(port, idx);
		if (IS_ERR(pages)) {
			page_pool_destroy(data);
			return PTR_ERR(pages);
		}
	} else {
		page_pool_get(data);
		pages = data;
	}

	pools->data = data;
	pools->pages = pages;
	return 0;
}

static void sn_pools_free(struct sn_pools *pools)
{
	page_pool_destroy(pools->pages);
	page_pool_destroy(pools->data);
	memset(pools, 0, sizeof(*pools));
}

static void sn_pools_attach(struct sn_rxq *rxq, struct sn_pools *pools)
{
	rxq->pools = *pools;
	page_pool_enable_direct_recycling(pools->data, &rxq->napi);
	page_pool_enable_direct_recycling(pools->pages, &rxq->napi);
}

/* The NAPI must be disabled before: freeing buffers may run on its CPU. */
static void sn_pools_detach(struct sn_rxq *rxq, struct sn_pools *pools)
{
	page_pool_disable_direct_recycling(rxq->pools.pages);
	page_pool_disable_direct_recycling(rxq->pools.data);
	*pools = rxq->pools;
	memset(&rxq->pools, 0, sizeof(rxq->pools));
}

static void sn_napi_start(struct sn_rxq *rxq)
{
	napi_enable_locked(&rxq->napi);

	/* Frames may have come while the NAPI could not be scheduled. */
	local_bh_disable();
	napi_schedule(&rxq->napi);
	local_bh_enable();
}

/**
 * sn_queue_up() - bring a receive queue to life
 * @port:	the port, its instance lock held
 * @idx:	the queue
 *
 * Return: 0 or a negative errno; then nothing has changed.
 */
int sn_queue_up(struct sn_port *port, unsigned int idx)
{
	struct sn_rxq *rxq = &port->rxq[idx];
	struct netdev_queue_config qcfg;
	struct sn_pools pools;
	int err;

	netdev_assert_locked(port->dev);

	netdev_queue_config(port->dev, idx, &qcfg);
	err = sn_pools_alloc(port, &qcfg, &pools, idx);
	if (err)
		return err;

	netif_napi_add_config_locked(port->dev, &rxq->napi, sn_poll, idx);
	sn_pools_attach(rxq, &pools);
	netif_queue_set_napi(port->dev, idx, NETDEV_QUEUE_TYPE_RX, &rxq->napi);
	netif_queue_set_napi(port->dev, idx, NETDEV_QUEUE_TYPE_TX, &rxq->napi);
	sn_napi_start(rxq);
	sn_wire_open(&rxq->wire);
	return 0;
}

static void sn_queue_quiesce(struct sn_port *port, unsigned int idx,
			     struct sn_pools *pools)
{
	struct sn_rxq *rxq = &port->rxq[idx];

	napi_disable_locked(&rxq->napi);
	sn_wire_close(rxq);
	sn_pools_detach(rxq, pools);
	netif_queue_set_napi(port->dev, idx, NETDEV_QUEUE_TYPE_TX, NULL);
	netif_queue_set_napi(port->dev, idx, NETDEV_QUEUE_TYPE_RX, NULL);
	__netif_napi_del_locked(&rxq->napi);
}

/**
 * sn_queues_down() - end the life of some receive queues
 * @port:	the port, its instance lock held
 * @from:	first queue
 * @to:		one behind the last
 */
void sn_queues_down(struct sn_port *port, unsigned int from, unsigned int to)
{
	struct sn_pools pools[SN_MAX_QUEUES];
	unsigned int i;

	netdev_assert_locked(port->dev);

	for (i = from; i < to; i++)
		sn_queue_quiesce(port, i, &pools[i]);

	/* Required after __netif_napi_del(); once for all of them. */
	synchronize_net();

	for (i = from; i < to; i++)
		sn_pools_free(&pools[i]);
}

static void sn_default_qcfg(struct net_device *dev,
			    struct netdev_queue_config *qcfg)
{
	qcfg->rx_page_size = PAGE_SIZE;
}

static int sn_validate_qcfg(struct net_device *dev,
			    struct netdev_queue_config *qcfg,
			    struct netlink_ext_ack *extack)
{
	if (!is_power_of_2(qcfg->rx_page_size) ||
	    qcfg->rx_page_size < PAGE_SIZE ||
	    qcfg->rx_page_size > SN_RX_PAGE_SIZE_MAX) {
		NL_SET_ERR_MSG_MOD(extack,
				   "rx page size must be a power of two from the page size to 2 MiB");
		return -EINVAL;
	}
	return 0;
}

static int sn_queue_mem_alloc(struct net_device *dev,
			      struct netdev_queue_config *qcfg,
			      void *mem, int idx)
{
	struct sn_port *port = netdev_priv(dev);

	if (sn_fault_take(&port->faults.fail_alloc))
		return -ENOMEM;
	return sn_pools_alloc(port, qcfg, mem, idx);
}

static void sn_queue_mem_free(struct net_device *dev, void *mem)
{
	sn_pools_free(mem);
}

static int sn_queue_start(struct net_device *dev,
			  struct netdev_queue_config *qcfg, void *mem, int idx)
{
	struct sn_port *port = netdev_priv(dev);
	struct sn_rxq *rxq = &port->rxq[idx];

	netdev_assert_locked(dev);

	/* The core then starts the queue again with the memory it had. */
	if (sn_fault_take(&port->faults.fail_start))
		return -EIO;

	sn_pools_attach(rxq, mem);
	sn_napi_start(rxq);
	return 0;
}

static int sn_queue_stop(struct net_device *dev, void *mem, int idx)
{
	struct sn_port *port = netdev_priv(dev);
	struct sn_rxq *rxq = &port->rxq[idx];

	netdev_assert_locked(dev);

	napi_disable_locked(&rxq->napi);
	sn_pools_detach(rxq, mem);
	return 0;
}

const struct netdev_queue_mgmt_ops sn_queue_mgmt_ops = {
	.ndo_queue_mem_size	= sizeof(struct sn_pools),
	.ndo_queue_mem_alloc	= sn_queue_mem_alloc,
	.ndo_queue_mem_free	= sn_queue_mem_free,
	.ndo_queue_start	= sn_queue_start,
	.ndo_queue_stop		= sn_queue_stop,
	.ndo_default_qcfg	= sn_default_qcfg,
	.ndo_validate_qcfg	= sn_validate_qcfg,
	.supported_params	= QCFG_RX_PAGE_SIZE,
};
