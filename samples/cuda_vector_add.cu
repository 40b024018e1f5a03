/* SPDX-License-Identifier: MIT */
/* out[i] = a[i] + b[i] for i from @from to before @to: the kernel that everybody
 * has written once. The host part is cuda_vector_add.c. */
extern "C" __global__ void vector_add(const float *a, const float *b,
				      float *out, unsigned long long from,
				      unsigned long long to)
{
	const unsigned long long step =
		(unsigned long long)gridDim.x * blockDim.x;

	for (unsigned long long i =
		     from + (unsigned long long)blockIdx.x * blockDim.x +
		     threadIdx.x;
	     i < to; i += step)
		out[i] = a[i] + b[i];
}
