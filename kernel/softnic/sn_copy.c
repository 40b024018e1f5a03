// SPDX-License-Identifier: GPL-2.0
/*
 * The copy that stands for the DMA: from the frame's fragments to the buffers of
 * a received skb. Either side may be memory of a provider, for which the kernel
 * need not have a struct page; then the DMA address is the only handle. Nothing
 * else in the module touches such memory.
 */
#include <linux/dma-direct.h>
#include <net/page_pool/helpers.h>

#include "softnic.h"

/* The CPU's address of a buffer. Ordinary pages always have one, as there is no
 * highmem on a 64-bit machine. For a provider's chunk it follows from the DMA
 * address: the parent device is not behind an IOMMU and its mask admits all
 * memory, so DMA addresses are physical ones.
 *
 * Return: NULL when the memory is not the CPU's to touch, for example that of a
 * PCI device.
 */
static void *sn_address(netmem_ref netmem, unsigned int off)
{
	phys_addr_t phys;

	if (!netmem_is_net_iov(netmem))
		return netmem_address(netmem) + off;

	phys = dma_to_phys(sn_parent(),
			   page_pool_get_dma_addr_netmem(netmem)) + off;
	return pfn_valid(PHYS_PFN(phys)) ? phys_to_virt(phys) : NULL;
}

/* The piece at hand has been read; go on to the next fragment. */
static int sn_next_frag(struct sn_cursor *cur)
{
	const struct skb_shared_info *shinfo = skb_shinfo(cur->skb);
	const skb_frag_t *frag;

	if (cur->frag == shinfo->nr_frags)
		return SN_RX_DROP_BAD;

	frag = &shinfo->frags[cur->frag++];
	cur->at = sn_address(skb_frag_netmem(frag), skb_frag_off(frag));
	cur->left = skb_frag_size(frag);
	return cur->at ? 0 : SN_RX_DROP_UNREACHABLE;
}

/**
 * sn_copy() - read on in a frame
 * @cur:	where to read; moves on
 * @to:		where to
 * @len:	how much
 *
 * Return: 0, or the counter of the reason to drop the frame: it ends early or
 * lies in memory that the CPU cannot read.
 */
int sn_copy(struct sn_cursor *cur, void *to, unsigned int len)
{
	unsigned int n;
	int drop;

	for (; len; to += n, len -= n) {
		if (!cur->left) {
			drop = sn_next_frag(cur);
			if (unlikely(drop))
				return drop;
		}

		n = min(len, cur->left);
		memcpy(to, cur->at, n);
		cur->at += n;
		cur->left -= n;
	}
	return 0;
}

/**
 * sn_fill() - fill the buffers of a received skb from a frame
 * @skb:	the skb, its fragments from @pool
 * @cur:	where to read; moves on
 * @pool:	owner of the buffers
 *
 * Return: 0, or the counter of the reason to drop the frame.
 */
int sn_fill(struct sk_buff *skb, struct sn_cursor *cur, struct page_pool *pool)
{
	const skb_frag_t *frag = skb_shinfo(skb)->frags;
	const skb_frag_t *end = frag + skb_shinfo(skb)->nr_frags;
	netmem_ref netmem;
	void *to;
	int drop;

	for (; frag < end; frag++) {
		netmem = skb_frag_netmem(frag);
		to = sn_address(netmem, skb_frag_off(frag));
		if (unlikely(!to))
			return SN_RX_DROP_UNREACHABLE;

		drop = sn_copy(cur, to, skb_frag_size(frag));
		if (unlikely(drop))
			return drop;
		if (netmem_is_net_iov(netmem))
			page_pool_dma_sync_netmem_for_cpu(pool, netmem,
							  skb_frag_off(frag),
							  skb_frag_size(frag));
	}
	return 0;
}
