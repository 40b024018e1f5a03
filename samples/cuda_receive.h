/* SPDX-License-Identifier: MIT */
/* The receiver of the CUDA samples: one TCP connection, and launches over it. */
#ifndef CUDA_RECEIVE_H
#define CUDA_RECEIVE_H

#include <devrx/devrx.h>

#include "cuda_device.h"

/*
 * Starts what is to be done with a batch, on the stream. @args has its records and
 * the memory's address; @end is the stream's position behind it.
 */
typedef int (*cuda_work)(void *sample, const struct devrx_kernel_args *args,
			 uint64_t end);

/*
 * Receive one connection to TCP port @port into @mem: on the last queue of @nic, or
 * where that is "-" by way of sockets (tier recv), which needs neither a NIC nor a
 * privilege. At the return all that was started has ended. 0 or a negative errno, with @cause where devrx knows it.
 */
int cuda_receive(struct cuda *cu, struct devrx_memory *mem, const char *nic,
		 const char *port, cuda_work work, void *sample,
		 struct devrx_cause *cause);

#endif
