// SPDX-License-Identifier: MIT
/* The public headers as a C++17 program writes them. */
#include <devrx/devrx.h>

devrx_memory_opts header_use_memory_cxx();
devrx_queue_opts header_use_queue_cxx();
devrx_receiver_opts header_use_receiver_cxx();

devrx_memory_opts header_use_memory_cxx()
{
	devrx_memory_opts opts = DEVRX_MEMORY_OPTS_INIT;

	return opts;
}

devrx_queue_opts header_use_queue_cxx()
{
	devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;

	return opts;
}

devrx_receiver_opts header_use_receiver_cxx()
{
	devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;

	return opts;
}
