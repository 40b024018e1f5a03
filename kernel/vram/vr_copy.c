// SPDX-License-Identifier: GPL-2.0
/*
 * The copy engine: the only way for user space to the bytes.
 *
 * It is synchronous, and a copy that runs keeps a revocation waiting: once that
 * has returned nothing is copied any more. Copies of one buffer may run at the
 * same time, ordered by nothing, as on a GPU with several engines.
 */
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "vram.h"

/* No sum is formed, so none can wrap. */
static bool vr_in_range(const struct vr_buffer *buf, u64 off, u64 len)
{
	return off <= buf->len && len <= buf->len - off;
}

static int vr_copy_begin(struct vr_buffer *buf, u64 off, u64 len)
{
	int err;

	if (!vr_in_range(buf, off, len))
		return -ERANGE;
	err = down_read_killable(&buf->lock);
	if (err)
		return err;
	if (buf->revoked) {
		up_read(&buf->lock);
		return -ENODEV;
	}
	return 0;
}

static void vr_copy_end(struct vr_buffer *buf)
{
	up_read(&buf->lock);
}

/* What can be done at @off in one go: no further than the piece, and not so
 * much that nobody else runs.
 */
static void *vr_step(const struct vr_buffer *buf, u64 off, u64 len, size_t *n)
{
	u64 in_piece = off % buf->piece_len;

	*n = min3(buf->piece_len - in_piece, len, (u64)SZ_64K);
	return page_address(buf->pieces[off / buf->piece_len]) + in_piece;
}

static int vr_pause(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * vr_copy_out() - copy to user space
 * @buf:	the buffer
 * @off:	where from, in bytes
 * @to:		where to
 * @len:	bytes
 *
 * Return: 0, -ERANGE, -ENODEV after a revocation, -EFAULT, -EINTR.
 */
int vr_copy_out(struct vr_buffer *buf, u64 off, void __user *to, u64 len)
{
	void *from;
	size_t n;
	int err;

	err = vr_copy_begin(buf, off, len);
	if (err)
		return err;
	for (; len && !err; off += n, to += n, len -= n) {
		from = vr_step(buf, off, len, &n);
		if (copy_to_user(to, from, n)) {
			err = -EFAULT;
			break;
		}
		vr_stat_add(VR_READ_BYTES, n);
		err = vr_pause();
	}
	vr_copy_end(buf);
	return err;
}

/**
 * vr_copy_in() - copy from user space
 * @buf:	the buffer
 * @off:	where to, in bytes
 * @from:	where from
 * @len:	bytes
 *
 * Return: as vr_copy_out().
 */
int vr_copy_in(struct vr_buffer *buf, u64 off, const void __user *from,
	       u64 len)
{
	void *to;
	size_t n;
	int err;

	err = vr_copy_begin(buf, off, len);
	if (err)
		return err;
	for (; len && !err; off += n, from += n, len -= n) {
		to = vr_step(buf, off, len, &n);
		if (copy_from_user(to, from, n)) {
			err = -EFAULT;
			break;
		}
		vr_stat_add(VR_WRITTEN_BYTES, n);
		err = vr_pause();
	}
	vr_copy_end(buf);
	return err;
}

/* Fill @n bytes at @to, the first of which is byte @done of the whole fill. */
static void vr_fill_step(u8 *to, size_t n, u32 value, u64 done)
{
	for (; n && (unsigned long)to % sizeof(u32); n--)
		*to++ = value >> 8 * (done++ % sizeof(u32));

	/* From here on words are aligned; the value is turned instead. */
	value = ror32(value, 8 * (done % sizeof(u32)));
	memset32((u32 *)to, (__force u32)cpu_to_le32(value), n / sizeof(u32));
	to += n - n % sizeof(u32);
	for (n %= sizeof(u32); n; n--, value >>= 8)
		*to++ = value;
}

/**
 * vr_fill() - repeat a word over a range
 * @buf:	the buffer
 * @off:	where, in bytes
 * @len:	bytes
 * @value:	its lowest byte comes first
 *
 * Return: 0, -ERANGE, -ENODEV after a revocation, -EINTR.
 */
int vr_fill(struct vr_buffer *buf, u64 off, u64 len, u32 value)
{
	u64 done = 0;
	size_t n;
	void *to;
	int err;

	err = vr_copy_begin(buf, off, len);
	if (err)
		return err;
	for (; done < len && !err; done += n) {
		to = vr_step(buf, off + done, len - done, &n);
		vr_fill_step(to, n, value, done);
		vr_stat_add(VR_FILLED_BYTES, n);
		err = vr_pause();
	}
	vr_copy_end(buf);
	return err;
}

/**
 * vr_revoke() - let nobody have the memory any more
 * @buf:	the buffer
 *
 * Return: 0, also when it was revoked before, or -EINTR.
 */
int vr_revoke(struct vr_buffer *buf)
{
	int err = down_write_killable(&buf->lock);

	if (err)
		return err;
	WRITE_ONCE(buf->revoked, true);
	up_write(&buf->lock);
	return 0;
}
