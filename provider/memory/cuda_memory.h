/* SPDX-License-Identifier: MIT */
/* What the files of kind "cuda" share; cuda.c has the overview. */
#ifndef DRX_CUDA_MEMORY_H
#define DRX_CUDA_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/provider.h>

#include "memory/cuda_api.h"

/* One memory of kind "cuda", behind struct devrx_backing.priv. */
struct drx_cuda_memory {
	struct drx_cuda cu;
	void *ctx;
	bool retained; /* ctx is the device's primary one, and we hold it */
	int dev;
	char name[64];
	void *stream; /* our own, see cuda.c */
	uint64_t addr;
	uint64_t len;
	enum { DRX_CUDA_BORROWED, DRX_CUDA_MEMALLOC, DRX_CUDA_VMM } way;
	uint64_t buffer_id; /* CUDA's number of what is at addr; 0: has none */
	int writes_ordering;
	bool can_flush;
	/* cuda_upload.c */
	void **uploads; /* an event for each batch */
	unsigned int nr_uploads;
	void *pinned; /* what we have registered, or NULL */
};

/* ---- cuda_dl.c ---- */

/*
 * Load the driver and initialise it. 0, or a negative errno with the cause.
 * @cu is to be handed to drx_cuda_unload() where this succeeded.
 */
int drx_cuda_load(struct drx_cuda *cu, struct devrx_cause *cause);
void drx_cuda_unload(struct drx_cuda *cu);

/* ---- cuda_error.c ---- */

/* The errno for a CUresult: 0 for success, -EAGAIN for "not ready". */
int drx_cuda_errno(int result);
/* Fill in the cause for @call, which returned @result; return its errno. */
int drx_cuda_fail(const struct drx_cuda *cu, struct devrx_cause *cause,
		  int result, const char *call);

/* ---- cuda_device.c ---- */

/* The device that @name says, by index, UUID or PCI address. */
int drx_cuda_find_device(const struct drx_cuda *cu, const char *name, int *ret,
			 struct devrx_cause *cause);
/*
 * Choose m->dev and m->ctx: the primary context of @dev; with @dev < 0 the
 * thread's current context or, where there is none, the primary one of device 0.
 * Balanced by drx_cuda_put_context().
 */
int drx_cuda_get_context(struct drx_cuda_memory *m, int dev,
			 struct devrx_cause *cause);
void drx_cuda_put_context(struct drx_cuda_memory *m);
/* Make m->ctx current, and put back what was. Return a CUresult. */
int drx_cuda_enter(struct drx_cuda_memory *m);
void drx_cuda_leave(struct drx_cuda_memory *m);

/* ---- cuda_alloc.c: m->ctx is current ---- */

/* Allocate m->len bytes by m->way, which wants it in whole DRX_CUDA_UNITs. */
#define DRX_CUDA_UNIT (UINT64_C(2) << 20)
int drx_cuda_get_memory(struct drx_cuda_memory *m, struct devrx_cause *cause);
void drx_cuda_put_memory(struct drx_cuda_memory *m);

/* ---- cuda_export.c ---- */

/* Can @dev export dmabufs at all? Needs no context. */
int drx_cuda_check_device(const struct drx_cuda *cu, int dev,
			  struct devrx_cause *cause);
/*
 * Export m->addr and m->len, and fill in @ret but for priv; m->ctx is current.
 * The caller closes ret->dmabuf_fd.
 */
int drx_cuda_export(struct drx_cuda_memory *m, struct devrx_backing *ret,
		    struct devrx_cause *cause);
/*
 * The placement and its proof, where the dmabuf is of @exporter (NULL: nobody
 * knows).
 */
void drx_cuda_place(const struct drx_cuda_memory *m, const char *exporter,
		    struct devrx_backing *ret);

/* ---- cuda.c ---- */

/*
 * Load the driver and choose a context as drx_cuda_get_context() does, on the
 * device called @name, or NULL. drx_cuda_close() undoes it.
 */
int drx_cuda_open(struct drx_cuda_memory **ret, const char *name,
		  struct devrx_cause *cause);
void drx_cuda_close(struct drx_cuda_memory *m);
/* With the memory there and m->ctx current: export it and fill in @ret. */
int drx_cuda_finish(struct drx_cuda_memory *m, struct devrx_backing *ret,
		    struct devrx_cause *cause);
/*
 * Is what was at m->addr still there, and does the device still work? m->ctx is
 * current. A CUresult, or DRX_CU_FREED.
 */
#define DRX_CU_FREED (-1)
int drx_cuda_still_there(struct drx_cuda_memory *m);
/* The vtable's, for registered memory too. */
void drx_cuda_free(struct devrx_backing *backing);
int drx_cuda_read(struct devrx_backing *backing, uint64_t off, void *buf,
		  size_t len);
int drx_cuda_write(struct devrx_backing *backing, uint64_t off, const void *buf,
		   size_t len);

/* ---- cuda_register.c ---- */

/* Has @event passed? A CUresult; with @wait never DRX_CU_NOT_READY. m->ctx is
 * current. */
int drx_cuda_ask(const struct drx_cuda_memory *m, void *event, bool wait);

/* ---- cuda_upload.c: the vtable's, for registered memory too ---- */

int drx_cuda_upload_begin(struct devrx_backing *backing, const void *buf,
			  size_t len, unsigned int batches);
void drx_cuda_upload_end(struct devrx_backing *backing);
int drx_cuda_upload(struct devrx_backing *backing, uint64_t off,
		    const void *buf, size_t len);
int drx_cuda_upload_mark(struct devrx_backing *backing, unsigned int batch);
int drx_cuda_upload_wait(struct devrx_backing *backing, unsigned int batch,
			 int wait);

/* ---- cuda_gather.c: the vtable's, for registered memory too ---- */

int drx_cuda_gather_begin(struct devrx_backing *to, struct devrx_backing *from,
			  unsigned int batches, unsigned int spans,
			  void *stream, void **ret, char by[64],
			  struct devrx_cause *cause);
void drx_cuda_gather_end(void *state);
int drx_cuda_gather(void *state, const struct devrx_span *spans, unsigned int n,
		    unsigned int batch);
int drx_cuda_gather_wait(void *state, unsigned int batch, int wait);

/* ---- cuda_gather_image.c ---- */

/* The kernel for cuModuleLoadData(), or NULL. */
const void *drx_cuda_gather_image(void);

#endif /* DRX_CUDA_MEMORY_H */
