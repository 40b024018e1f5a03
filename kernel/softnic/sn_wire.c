// SPDX-License-Identifier: GPL-2.0
/*
 * The wire: a bounded queue of frames between the peer's transmit queues and
 * one receive queue. Any transmit queue may feed any wire, because steering
 * decides per frame; so a full wire remembers whom it has stopped and the
 * receiving side wakes exactly those.
 *
 * Everything is under the wire's lock, taken with bottom halves off: pushing
 * runs in ndo_start_xmit, popping in NAPI, opening and closing in process
 * context. No wake-up can be missed, since stopping and waking both happen with
 * the lock held.
 */
#include "softnic.h"

void sn_wire_init(struct sn_wire *wire)
{
	skb_queue_head_init(&wire->q);
}

/**
 * sn_wire_push() - put a frame on the way to a receive queue
 * @rxq:	the receive queue
 * @skb:	the frame; still the caller's when an error is returned
 * @txq:	the peer's transmit queue it comes from; stopped when the wire is full
 *
 * Schedules the receive queue's NAPI. That is harmless when the queue goes down
 * meanwhile: a disabled NAPI cannot be scheduled, and its memory lives as long as
 * the port.
 *
 * Context: bottom halves off.
 * Return: 1 when @txq was stopped, 0 when it was not, -ENETDOWN when there is
 * no such receive queue, -ENOBUFS when the wire is full.
 */
int sn_wire_push(struct sn_rxq *rxq, struct sk_buff *skb, unsigned int txq)
{
	struct net_device *sender = rxq->port->peer->dev;
	u32 limit = READ_ONCE(rxq->port->ring_size);
	struct sn_wire *wire = &rxq->wire;
	int ret = 0;

	spin_lock(&wire->q.lock);
	if (unlikely(!wire->live)) {
		ret = -ENETDOWN;
		goto unlock;
	}
	/* Each transmit queue is stopped by the frame that reaches the limit,
	 * so at most one frame of each can come on top of it.
	 */
	if (unlikely(skb_queue_len(&wire->q) >= limit + SN_MAX_QUEUES)) {
		wire->dropped++;
		ret = -ENOBUFS;
		goto unlock;
	}

	__skb_queue_tail(&wire->q, skb);
	if (unlikely(skb_queue_len(&wire->q) >= limit)) {
		__set_bit(txq, &wire->stopped);
		netif_tx_stop_queue(netdev_get_tx_queue(sender, txq));
		ret = 1;
	}
	spin_unlock(&wire->q.lock);

	napi_schedule(&rxq->napi);
	return ret;

unlock:
	spin_unlock(&wire->q.lock);
	return ret;
}

static void sn_wire_wake(struct sn_rxq *rxq)
{
	struct net_device *sender = rxq->port->peer->dev;
	struct sn_wire *wire = &rxq->wire;
	unsigned int i;

	lockdep_assert_held(&wire->q.lock);

	for_each_set_bit(i, &wire->stopped, SN_MAX_QUEUES)
		netif_tx_wake_queue(netdev_get_tx_queue(sender, i));
	wire->stopped = 0;
}

/**
 * sn_wire_take() - move all frames of a receive queue's wire to its batch
 * @rxq:	the receive queue
 *
 * Context: the queue's NAPI.
 */
void sn_wire_take(struct sn_rxq *rxq)
{
	struct sn_wire *wire = &rxq->wire;

	spin_lock(&wire->q.lock);
	skb_queue_splice_tail_init(&wire->q, &rxq->batch);
	if (unlikely(wire->stopped))
		sn_wire_wake(rxq);
	spin_unlock(&wire->q.lock);
}

void sn_wire_open(struct sn_wire *wire)
{
	spin_lock_bh(&wire->q.lock);
	wire->live = true;
	spin_unlock_bh(&wire->q.lock);
}

/**
 * sn_wire_close() - refuse frames from now on and drop those on the way
 * @rxq:	the receive queue, its NAPI disabled
 */
void sn_wire_close(struct sn_rxq *rxq)
{
	struct sn_wire *wire = &rxq->wire;

	spin_lock_bh(&wire->q.lock);
	wire->live = false;
	skb_queue_splice_tail_init(&wire->q, &rxq->batch);
	sn_wire_wake(rxq);
	spin_unlock_bh(&wire->q.lock);

	__skb_queue_purge_reason(&rxq->batch, SKB_DROP_REASON_QUEUE_PURGE);
}

/**
 * sn_wire_kick() - have a receive queue look at its wire again
 * @rxq:	the receive queue; need not exist
 */
void sn_wire_kick(struct sn_rxq *rxq)
{
	struct sn_wire *wire = &rxq->wire;

	spin_lock_bh(&wire->q.lock);
	if (wire->live)
		napi_schedule(&rxq->napi);
	spin_unlock_bh(&wire->q.lock);
}

u64 sn_wire_dropped(struct sn_wire *wire)
{
	u64 dropped;

	spin_lock_bh(&wire->q.lock);
	dropped = wire->dropped;
	spin_unlock_bh(&wire->q.lock);
	return dropped;
}
