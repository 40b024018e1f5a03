// SPDX-License-Identifier: GPL-2.0
/*
 * The copy that stands for the DMA: from the frame's fragments to the buffers of
 * a received skb. Either side may be memory of a provider, for which the kernel
 * need not have a struct page; then the DMA address is the only handle. Nothing
 * else in the module touches such memory.
 */
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <net/page_pool/helpers.h>

#include "softnic.h"

/* The CPU's address of a provider's chunk. The parent device is not behind an
 * IOMMU and its mask admits all memory, so DMA addresses are physical ones.
 *
 * Return: NULL when the memory is not the CPU's to touch, for example that of a
 * PCI device.
 */
static void *sn_chunk_address(netmem_ref netmem, unsigned int off)
{
	phys_addr_t phys;

	phys = dma_to_phys(sn_parent(),
			   page_pool_get_dma_addr_netmem(netmem)) + off;
	return pfn_valid(PHYS_PFN(phys)) ? phys_to_virt(phys) : NULL;
}

/* Pages of an ordinary fragment may be in highmem. */
static void sn_copy_pages(const skb_frag_t *frag, unsigned int off, void *to,
			  unsigned int len)
{
	u32 p_off, p_len, copied;
	struct page *p;
	void *from;

	skb_frag_foreach_page(frag, skb_frag_off(frag) + off, len,
			      p, p_off, p_len, copied) {
		from = kmap_local_page(p);
		memcpy(to + copied, from + p_off, p_len);
		kunmap_local(from);
	}
}

/* Return: false when the fragment is not the CPU's to read. */
static bool sn_copy_frag(const skb_frag_t *frag, unsigned int off, void *to,
			 unsigned int len)
{
	netmem_ref netmem = skb_frag_netmem(frag);
	void *from;

	if (!netmem_is_net_iov(netmem)) {
		sn_copy_pages(frag, off, to, len);
		return true;
	}

	from = sn_chunk_address(netmem, skb_frag_off(frag) + off);
	if (unlikely(!from))
		return false;
	memcpy(to, from, len);
	return true;
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
	const struct skb_shared_info *shinfo = skb_shinfo(cur->skb);
	const skb_frag_t *frag;
	unsigned int size, n;

	for (; len; to += n, len -= n) {
		if (cur->frag > shinfo->nr_frags)
			return SN_RX_DROP_BAD;

		frag = cur->frag ? &shinfo->frags[cur->frag - 1] : NULL;
		size = frag ? skb_frag_size(frag) : skb_headlen(cur->skb);
		n = min(len, size - cur->off);
		if (!frag)
			memcpy(to, cur->skb->data + cur->off, n);
		else if (unlikely(!sn_copy_frag(frag, cur->off, to, n)))
			return SN_RX_DROP_UNREACHABLE;

		cur->off += n;
		if (cur->off == size) {
			cur->frag++;
			cur->off = 0;
		}
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
	struct skb_shared_info *shinfo = skb_shinfo(skb);
	unsigned int i, off, len;
	netmem_ref netmem;
	void *to;
	int drop;

	for (i = 0; i < shinfo->nr_frags; i++) {
		netmem = skb_frag_netmem(&shinfo->frags[i]);
		off = skb_frag_off(&shinfo->frags[i]);
		len = skb_frag_size(&shinfo->frags[i]);

		to = netmem_address(netmem);
		if (to)
			to += off;
		else
			to = sn_chunk_address(netmem, off);
		if (unlikely(!to))
			return SN_RX_DROP_UNREACHABLE;

		drop = sn_copy(cur, to, len);
		if (unlikely(drop))
			return drop;
		if (netmem_is_net_iov(netmem))
			page_pool_dma_sync_netmem_for_cpu(pool, netmem, off,
							  len);
	}
	return 0;
}
