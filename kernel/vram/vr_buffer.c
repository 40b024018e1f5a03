// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers: pages got for a layout, and put into an order.
 *
 * The order is what makes a layout a promise. The allocator likes to hand out
 * neighbours, which an IOMMU or a curious importer may join; so the pieces are
 * sorted by address, and the odd ones come first, then the even ones. A piece
 * is never followed by the one behind it.
 */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/topology.h>

#include "vram.h"

/**
 * vr_piece_len() - the piece of a layout
 * @layout:	enum devrx_vram_layout
 * @len:	bytes of the whole buffer
 *
 * Return: bytes, or 0 for a layout that there is not.
 */
u64 vr_piece_len(u32 layout, u64 len)
{
	switch (layout) {
	case DEVRX_VRAM_LAYOUT_PAGE:
		return PAGE_SIZE;
	case DEVRX_VRAM_LAYOUT_64K:
		return max_t(u64, SZ_64K, PAGE_SIZE);
	case DEVRX_VRAM_LAYOUT_1M:
		return SZ_1M;
	case DEVRX_VRAM_LAYOUT_BLOCK:
		return len;
	default:
		return 0;
	}
}

static struct page *vr_block_alloc(unsigned long nr_pages)
{
	struct page *page;
	unsigned long i;

	page = alloc_contig_pages(nr_pages, GFP_KERNEL | __GFP_NOWARN,
				  numa_mem_id(), NULL);
	for (i = 0; page && i < nr_pages; i++) {
		clear_highpage(page + i);
		cond_resched();
	}
	return page;
}

/* Not compound pages: the copy engine may cross from one into the next. */
static struct page *vr_piece_alloc(const struct vr_buffer *buf)
{
	if (buf->layout == DEVRX_VRAM_LAYOUT_BLOCK)
		return vr_block_alloc(buf->len >> PAGE_SHIFT);
	return alloc_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN |
			   __GFP_RETRY_MAYFAIL, get_order(buf->piece_len));
}

static void vr_piece_free(const struct vr_buffer *buf, struct page *page)
{
	if (buf->layout == DEVRX_VRAM_LAYOUT_BLOCK)
		free_contig_range(page_to_pfn(page), buf->len >> PAGE_SHIFT);
	else
		__free_pages(page, get_order(buf->piece_len));
}

static void vr_pieces_free(struct vr_buffer *buf, unsigned int nr)
{
	while (nr--) {
		vr_piece_free(buf, buf->pieces[nr]);
		cond_resched();
	}
	kvfree(buf->pieces);
}

static int vr_pieces_alloc(struct vr_buffer *buf, u32 flags)
{
	unsigned int i, fail_at = buf->nr_pieces;
	int err;

	if (flags & DEVRX_VRAM_F_FAIL_ALLOC)
		fail_at /= 2;

	buf->pieces = kvcalloc(buf->nr_pieces, sizeof(*buf->pieces),
			       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!buf->pieces)
		return -ENOMEM;

	for (i = 0; i < buf->nr_pieces; i++) {
		err = -EINTR;
		if (fatal_signal_pending(current))
			goto err_free_pieces;
		err = -ENOMEM;
		if (i == fail_at) {
			vr_stat_add(VR_INJECTED, 1);
			goto err_free_pieces;
		}
		buf->pieces[i] = vr_piece_alloc(buf);
		if (!buf->pieces[i])
			goto err_free_pieces;
		cond_resched();
	}
	return 0;

err_free_pieces:
	vr_pieces_free(buf, i);
	return err;
}

static int vr_cmp_pages(const void *a, const void *b)
{
	unsigned long pa = page_to_pfn(*(struct page *const *)a);
	unsigned long pb = page_to_pfn(*(struct page *const *)b);

	return cmp_int(pa, pb);
}

/* Odd ones first, then the even ones: see the top. */
static int vr_scatter(struct vr_buffer *buf)
{
	unsigned int i, odd = buf->nr_pieces / 2;
	struct page **order;

	if (buf->nr_pieces < 2)
		return 0;

	order = kvcalloc(buf->nr_pieces, sizeof(*order),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!order)
		return -ENOMEM;

	sort_nonatomic(buf->pieces, buf->nr_pieces, sizeof(*buf->pieces),
		       vr_cmp_pages, NULL);
	for (i = 0; i < buf->nr_pieces; i++)
		order[i % 2 ? i / 2 : odd + i / 2] = buf->pieces[i];

	kvfree(buf->pieces);
	buf->pieces = order;
	return 0;
}

static void vr_shuffle(struct vr_buffer *buf, u64 seed)
{
	struct rnd_state rnd;
	unsigned int i, other;

	prandom_seed_state(&rnd, seed);
	for (i = buf->nr_pieces; i > 1; i--) {
		other = prandom_u32_state(&rnd) % i;
		swap(buf->pieces[i - 1], buf->pieces[other]);
	}
}

/* A GPU has what it has: take @len bytes of it. */
static bool vr_reserve(u64 len)
{
	if (atomic64_add_return(len, &vr_stats[VR_BYTES]) <= vr_capacity)
		return true;
	vr_stat_add(VR_BYTES, -(s64)len);
	return false;
}

/**
 * vr_buffer_alloc() - memory of a layout, zeroed
 * @args:	what user space asked for, checked
 *
 * Return: a buffer for vr_buffer_free(), or an ERR_PTR().
 */
struct vr_buffer *vr_buffer_alloc(const struct devrx_vram_alloc *args)
{
	struct vr_buffer *buf;
	int err;

	err = vr_fault(VR_FAULT_ALLOC, 0);
	if (err)
		return ERR_PTR(err);
	if (!vr_reserve(args->len))
		return ERR_PTR(-ENOMEM);

	buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf) {
		err = -ENOMEM;
		goto err_unreserve;
	}
	buf->layout = args->layout;
	buf->len = args->len;
	buf->piece_len = vr_piece_len(args->layout, args->len);
	buf->nr_pieces = buf->len / buf->piece_len;
	buf->attach_errno = args->attach_errno;
	buf->map_errno = args->map_errno;
	init_rwsem(&buf->lock);

	err = vr_pieces_alloc(buf, args->flags);
	if (err)
		goto err_free_buffer;
	err = vr_scatter(buf);
	if (err)
		goto err_free_pieces;
	if (args->flags & DEVRX_VRAM_F_SHUFFLE)
		vr_shuffle(buf, args->seed);

	vr_stat_add(VR_BUFFERS, 1);
	return buf;

err_free_pieces:
	vr_pieces_free(buf, buf->nr_pieces);
err_free_buffer:
	kfree(buf);
err_unreserve:
	vr_stat_add(VR_BYTES, -(s64)args->len);
	return ERR_PTR(err);
}

/**
 * vr_buffer_free() - give the memory back
 * @buf:	a buffer that nobody uses any more
 */
void vr_buffer_free(struct vr_buffer *buf)
{
	vr_stat_add(VR_BUFFERS, -1);
	vr_stat_add(VR_BYTES, -(s64)buf->len);
	vr_pieces_free(buf, buf->nr_pieces);
	kfree(buf);
}

/**
 * vr_buffer_neighbours() - how well it is scattered
 * @buf:	the buffer
 *
 * Return: how many pieces are followed by the one that lies behind them.
 */
unsigned int vr_buffer_neighbours(const struct vr_buffer *buf)
{
	unsigned long step = buf->piece_len >> PAGE_SHIFT;
	unsigned int i, n = 0;

	for (i = 1; i < buf->nr_pieces; i++)
		if (page_to_pfn(buf->pieces[i - 1]) + step ==
		    page_to_pfn(buf->pieces[i]))
			n++;
	return n;
}
