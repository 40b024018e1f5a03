// SPDX-License-Identifier: MIT
/*
 * devrx.Buffer: bytes in a memory, one-dimensional and unsigned, for whoever speaks
 * DLPack, CUDA's array interface or, where the CPU has them, Python's buffers.
 *
 * The memory lives as long as anybody has the buffer or a tensor made of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devrx_python.h"
#include "dlpack.h"

struct buffer {
	PyObject_HEAD struct devrx_memory *mem;
	struct devrx_memory_info info;
	uint64_t len;
	PyObject *keep;
	int32_t device; /* its number, as CUDA counts them */
	int64_t shape; /* what DLPack's and Python's buffers point to */
};

struct devrx_memory *buffer_memory(PyObject *buffer, uint64_t *len)
{
	struct buffer *b = (struct buffer *)buffer;

	if (len)
		*len = b->len;
	return b->mem;
}

PyObject *buffer_new(struct module_state *state, struct devrx_memory *mem,
		     uint64_t len, const struct place *place, PyObject *keep)
{
	PyTypeObject *type = (PyTypeObject *)state->buffer_type;
	allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
	struct buffer *b = (struct buffer *)alloc(type, 0);

	if (!b) {
		(void)devrx_memory_free(mem);
		return NULL;
	}
	b->mem = mem;
	b->info.size = sizeof(b->info);
	(void)devrx_memory_info(mem, &b->info);
	b->len = len;
	b->shape = (int64_t)len;
	b->device = (int32_t)strtol(place->device, NULL, 10);
	Py_XINCREF(keep);
	b->keep = keep;
	return (PyObject *)b;
}

static void buffer_dealloc(PyObject *self)
{
	struct buffer *b = (struct buffer *)self;
	PyTypeObject *type = Py_TYPE(self);
	freefunc free_slot = (freefunc)PyType_GetSlot(type, Py_tp_free);

	(void)devrx_memory_free(b->mem);
	Py_CLEAR(b->keep);
	free_slot(self);
	Py_DECREF(type);
}

static bool is_cuda(const struct buffer *b)
{
	return !strcmp(b->info.kind, "cuda");
}

/* Which of DLPack's devices; -1 where it has none for it. */
static int32_t dlpack_device(const struct buffer *b, int32_t *id)
{
	*id = b->device;
	if (is_cuda(b))
		return kDLCUDA;
	*id = 0;
	return b->info.host_addr ? kDLCPU : -1;
}

static PyObject *no_address(const struct buffer *b)
{
	return PyErr_Format(PyExc_BufferError,
			    "memory of kind %s has no address that anybody "
			    "could be given",
			    b->info.kind);
}

static PyObject *buffer_dlpack_device(PyObject *self, PyObject *unused)
{
	struct buffer *b = (struct buffer *)self;
	int32_t id, type = dlpack_device(b, &id);

	(void)unused;
	return type < 0 ? no_address(b) : Py_BuildValue("ii", type, id);
}

struct export
{
	DLManagedTensor tensor;
	PyObject *buffer;
};

/* Any thread's, with or without the GIL. */
static void export_free(DLManagedTensor *tensor)
{
	struct export *e = tensor->manager_ctx;
	PyGILState_STATE gil = PyGILState_Ensure();

	Py_DECREF(e->buffer);
	PyMem_RawFree(e);
	PyGILState_Release(gil);
}

static void capsule_free(PyObject *capsule)
{
	DLManagedTensor *tensor;

	/* Who took it has given it another name. */
	if (!PyCapsule_IsValid(capsule, "dltensor"))
		return;
	tensor = PyCapsule_GetPointer(capsule, "dltensor");
	tensor->deleter(tensor);
}

static PyObject *buffer_dlpack(PyObject *self, PyObject *args, PyObject *kwargs)
{
	struct buffer *b = (struct buffer *)self;
	PyObject *capsule;
	struct export *e;
	int32_t id, type = dlpack_device(b, &id);

	/* stream, max_version, dl_device, copy: all bytes are there already, and what
	 * is handed out is the memory itself, in the version that all understand. */
	(void)args;
	(void)kwargs;
	if (type < 0)
		return no_address(b);
	e = PyMem_RawCalloc(1, sizeof(*e));
	if (!e)
		return PyErr_NoMemory();
	e->tensor.dl_tensor.data =
		is_cuda(b) ? (void *)(uintptr_t)b->info.device_addr :
			     b->info.host_addr;
	e->tensor.dl_tensor.device.device_type = type;
	e->tensor.dl_tensor.device.device_id = id;
	e->tensor.dl_tensor.ndim = 1;
	e->tensor.dl_tensor.dtype.code = kDLUInt;
	e->tensor.dl_tensor.dtype.bits = 8;
	e->tensor.dl_tensor.dtype.lanes = 1;
	e->tensor.dl_tensor.shape = &b->shape;
	e->tensor.manager_ctx = e;
	e->tensor.deleter = export_free;
	Py_INCREF(self);
	e->buffer = self;
	capsule = PyCapsule_New(&e->tensor, "dltensor", capsule_free);
	if (!capsule)
		export_free(&e->tensor);
	return capsule;
}

static PyObject *buffer_cuda_interface(PyObject *self, void *unused)
{
	struct buffer *b = (struct buffer *)self;

	(void)unused;
	if (!is_cuda(b)) {
		PyErr_Format(PyExc_AttributeError,
			     "memory of kind %s is not CUDA's", b->info.kind);
		return NULL;
	}
	return Py_BuildValue("{s:(K),s:s,s:(KO),s:i,s:O}", "shape",
			     (unsigned long long)b->len, "typestr", "|u1",
			     "data", (unsigned long long)b->info.device_addr,
			     Py_False, "version", 3, "stream", Py_None);
}

static int buffer_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
	struct buffer *b = (struct buffer *)self;

	if (b->info.host_addr)
		return PyBuffer_FillInfo(view, self, b->info.host_addr,
					 (Py_ssize_t)b->len, 0, flags);
	view->obj = NULL;
	(void)no_address(b);
	return -1;
}

static PyObject *buffer_tobytes(PyObject *self, PyObject *args,
				PyObject *kwargs)
{
	static char *names[] = { "offset", "length", NULL };
	struct buffer *b = (struct buffer *)self;
	unsigned long long offset = 0, len = UINT64_MAX;
	struct devrx_cause cause = { 0 };
	PyObject *bytes;
	int err;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|KK", names, &offset,
					 &len))
		return NULL;
	if (offset > b->len)
		return PyErr_Format(PyExc_IndexError,
				    "offset %llu is behind the last of %llu "
				    "bytes",
				    offset, (unsigned long long)b->len);
	if (len > b->len - offset)
		len = b->len - offset;
	bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
	if (!bytes)
		return NULL;
	err = devrx_memory_read(b->mem, offset, PyBytes_AsString(bytes), len);
	if (!err)
		return bytes;
	Py_DECREF(bytes);
	return error_raise(state_of_type(Py_TYPE(self)), err, &cause);
}

static PyObject *buffer_get(PyObject *self, void *what)
{
	struct buffer *b = (struct buffer *)self;

	switch (*(const char *)what) {
	case 'n':
		return PyLong_FromUnsignedLongLong(b->len);
	case 'k':
		return PyUnicode_FromString(b->info.kind);
	case 'a':
		return PyLong_FromUnsignedLongLong(b->info.device_addr);
	case 'p':
		return PyUnicode_FromString(
			devrx_placement_name(b->info.placement));
	default:
		return PyUnicode_FromString(b->info.proof);
	}
}

static Py_ssize_t buffer_length(PyObject *self)
{
	return (Py_ssize_t)((struct buffer *)self)->len;
}

static PyObject *buffer_repr(PyObject *self)
{
	struct buffer *b = (struct buffer *)self;

	return PyUnicode_FromFormat("<devrx.Buffer of %llu bytes, %s>",
				    (unsigned long long)b->len, b->info.kind);
}

static PyMethodDef buffer_methods[] = {
	{ "__dlpack__", (PyCFunction)(void (*)(void))buffer_dlpack,
	  METH_VARARGS | METH_KEYWORDS,
	  "The bytes as a DLPack capsule; nothing is copied." },
	{ "__dlpack_device__", buffer_dlpack_device, METH_NOARGS,
	  "DLPack's device type and number." },
	{ "tobytes", (PyCFunction)(void (*)(void))buffer_tobytes,
	  METH_VARARGS | METH_KEYWORDS,
	  "tobytes(offset=0, length=None): a copy for the host." },
	{ 0 },
};

static PyGetSetDef buffer_getset[] = {
	{ "nbytes", buffer_get, NULL, "how many bytes", "n" },
	{ "kind", buffer_get, NULL, "kind of memory", "k" },
	{ "device_address", buffer_get, NULL, "address for its device, or 0",
	  "a" },
	{ "placement", buffer_get, NULL,
	  "\"device\" or \"host\" where that is proved, else \"unknown\"",
	  "p" },
	{ "proof", buffer_get, NULL, "how the placement was proved", "r" },
	{ "__cuda_array_interface__", buffer_cuda_interface, NULL, NULL, NULL },
	{ 0 },
};

static PyType_Slot buffer_slots[] = {
	{ Py_tp_doc, "Bytes in a memory, for torch.from_dlpack() and others." },
	{ Py_tp_dealloc, buffer_dealloc },
	{ Py_tp_repr, buffer_repr },
	{ Py_tp_methods, buffer_methods },
	{ Py_tp_getset, buffer_getset },
	{ Py_mp_length, buffer_length },
	{ Py_bf_getbuffer, buffer_getbuffer },
	{ 0 },
};

PyType_Spec buffer_spec = {
	.name = "devrx.Buffer",
	.basicsize = sizeof(struct buffer),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = buffer_slots,
};
