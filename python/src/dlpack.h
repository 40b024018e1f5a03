/* SPDX-License-Identifier: MIT */
/*
 * DLPack's structures, those of version 0.8 that every consumer understands, with the
 * names and values of its own header (https://dmlc.github.io/dlpack).
 */
#ifndef DEVRX_PYTHON_DLPACK_H
#define DEVRX_PYTHON_DLPACK_H

#include <stdint.h>

enum { kDLCPU = 1, kDLCUDA = 2 };
enum { kDLInt = 0, kDLUInt = 1 };

typedef struct {
	int32_t device_type;
	int32_t device_id;
} DLDevice;

typedef struct {
	uint8_t code;
	uint8_t bits;
	uint16_t lanes;
} DLDataType;

typedef struct {
	void *data;
	DLDevice device;
	int32_t ndim;
	DLDataType dtype;
	int64_t *shape;
	int64_t *strides; /* NULL: compact */
	uint64_t byte_offset;
} DLTensor;

typedef struct DLManagedTensor {
	DLTensor dl_tensor;
	void *manager_ctx;
	void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;

#endif /* DEVRX_PYTHON_DLPACK_H */
