// SPDX-License-Identifier: MIT
/*
 * devrx._Client: a receiver, its memory, and the HTTP client on it. devrx/client.py
 * is what people use.
 *
 * A receiver is for the thread that opened it, so a client is too. The GIL is released
 * while it waits; progress() takes it again, about ten times a second, to hear of
 * signals.
 */
#include <errno.h>
#include <string.h>

#include "devrx_python.h"

struct client {
	PyObject_HEAD struct place place;
	unsigned long thread;
	struct devrx_memory *area;
	struct devrx_queue *queue;
	struct devrx_receiver *rx;
	struct devrx_http *http; /* NULL: closed */
	struct devrx_receiver_info info;
	uint16_t ports[DEVRX_HTTP_CONNECTIONS_MAX];
};

struct client_args {
	const char *device;
	const char *tier;
	const char *nic;
	const char *headers;
	unsigned int queue;
	int configure;
	unsigned long long area;
	struct devrx_http_opts http;
};

static bool parse_tier(const char *text, uint32_t *ret)
{
	uint32_t tier;

	*ret = DEVRX_TIER_BEST;
	if (!text || !strcmp(text, "best"))
		return true;
	for (tier = 1; strcmp(devrx_tier_name(tier), "unknown"); tier++)
		if (!strcmp(text, devrx_tier_name(tier))) {
			*ret = tier;
			return true;
		}
	PyErr_Format(PyExc_ValueError, "no tier is called %s", text);
	return false;
}

static int open_queue(struct client *c, const struct client_args *args,
		      struct devrx_cause *cause)
{
	struct devrx_queue_opts opts = DEVRX_QUEUE_OPTS_INIT;
	int err;

	if (!args->nic)
		return 0;
	err = devrx_http_ports(c->ports, args->http.connections, cause);
	if (err)
		return err;
	opts.ifname = args->nic;
	opts.index = args->queue;
	opts.cause = cause;
	if (args->configure) {
		opts.flags = DEVRX_QUEUE_F_CONFIGURE;
		opts.ports = c->ports;
		opts.nr_ports = args->http.connections;
	}
	return devrx_queue_reserve(&c->queue, &opts);
}

/* Without the GIL. */
static int open_all(struct client *c, const struct client_args *args,
		    uint32_t tier, struct devrx_cause *cause)
{
	struct devrx_receiver_opts ro = DEVRX_RECEIVER_OPTS_INIT;
	struct devrx_http_opts ho = args->http;
	int err;

	err = place_alloc(&c->area, &c->place, args->area, NULL, cause);
	if (!err)
		err = open_queue(c, args, cause);
	if (err)
		return err;
	ro.tier = tier;
	ro.cause = cause;
	err = devrx_receiver_open(&c->rx, c->area, c->queue, &ro);
	if (err)
		return err;
	c->info.size = sizeof(c->info);
	(void)devrx_receiver_info(c->rx, &c->info);
	ho.headers = args->headers;
	ho.cause = cause;
	if (args->nic) {
		ho.ports = c->ports;
		ho.nr_ports = ho.connections;
	}
	return devrx_http_open(&c->http, c->rx, c->area, &ho);
}

/* The area stays: buffers may be on its device. */
static void close_all(struct client *c)
{
	devrx_http_close(c->http);
	(void)devrx_receiver_close(c->rx, DEVRX_CLOSE_F_ABANDON);
	(void)devrx_queue_restore(c->queue);
	c->http = NULL;
	c->rx = NULL;
	c->queue = NULL;
}

static int client_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "device",
				 "tier",
				 "nic",
				 "queue",
				 "configure",
				 "area",
				 "connections",
				 "retries",
				 "request",
				 "connect_timeout_ms",
				 "idle_timeout_ms",
				 "redirects",
				 "headers",
				 NULL };
	struct client *c = (struct client *)self;
	struct devrx_cause cause = { 0 };
	struct client_args a = { .http = DEVRX_HTTP_OPTS_INIT };
	unsigned long long request;
	PyThreadState *save;
	uint32_t tier;
	int err;

	if (!PyArg_ParseTupleAndKeywords(
		    args, kwargs, "szzIpKIIKIIIz", names, &a.device, &a.tier,
		    &a.nic, &a.queue, &a.configure, &a.area,
		    &a.http.connections, &a.http.retries, &request,
		    &a.http.connect_timeout_ms, &a.http.idle_timeout_ms,
		    &a.http.redirects, &a.headers) ||
	    !place_parse(&c->place, a.device) || !parse_tier(a.tier, &tier))
		return -1;
	if (c->area) {
		PyErr_SetString(PyExc_TypeError, "it is open already");
		return -1;
	}
	a.http.request_len = request;
	c->thread = PyThread_get_thread_ident();
	save = PyEval_SaveThread();
	err = open_all(c, &a, tier, &cause);
	if (err)
		close_all(c);
	PyEval_RestoreThread(save);
	if (!err)
		return 0;
	(void)error_raise(state_of_type(Py_TYPE(self)), err, &cause);
	return -1;
}

static void client_dealloc(PyObject *self)
{
	struct client *c = (struct client *)self;
	PyTypeObject *type = Py_TYPE(self);
	freefunc free_slot = (freefunc)PyType_GetSlot(type, Py_tp_free);
	PyThreadState *save;

	save = PyEval_SaveThread();
	close_all(c);
	(void)devrx_memory_free(c->area);
	PyEval_RestoreThread(save);
	free_slot(self);
	Py_DECREF(type);
}

/* May this thread use it now? */
static bool usable(const struct client *c)
{
	if (!c->http) {
		PyErr_SetString(PyExc_ValueError, "the client is closed");
		return false;
	}
	if (c->thread != PyThread_get_thread_ident()) {
		PyErr_SetString(PyExc_RuntimeError,
				"a client is for the thread that made it; "
				"make one in each thread");
		return false;
	}
	return true;
}

static PyObject *client_close(PyObject *self, PyObject *unused)
{
	struct client *c = (struct client *)self;
	PyThreadState *save;

	(void)unused;
	if (c->http && !usable(c))
		return NULL;
	save = PyEval_SaveThread();
	close_all(c);
	PyEval_RestoreThread(save);
	Py_RETURN_NONE;
}

/* ---- fetching ---- */

struct progress {
	PyObject *function; /* NULL for none */
	PyThreadState *thread; /* saved while the GIL is not held */
	bool raised;
};

static int on_progress(void *arg, uint64_t done, uint64_t len)
{
	struct progress *p = arg;
	PyObject *result;

	PyEval_RestoreThread(p->thread);
	p->raised = PyErr_CheckSignals() != 0;
	if (!p->raised && p->function) {
		result = PyObject_CallFunction(p->function, "KK",
					       (unsigned long long)done,
					       (unsigned long long)len);
		p->raised = !result;
		Py_XDECREF(result);
	}
	p->thread = PyEval_SaveThread();
	return p->raised;
}

static PyObject *result_dict(const struct devrx_http_result *r)
{
	const PY_LONG_LONG total =
		r->total == DEVRX_HTTP_UNKNOWN ? -1 : (PY_LONG_LONG)r->total;
	PyObject *dict = Py_BuildValue(
		"{s:L,s:K,s:I,s:O,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:s}", "total",
		total, "done", (unsigned long long)r->done, "status", r->status,
		"ranges",
		r->flags & DEVRX_HTTP_RESULT_RANGES ? Py_True : Py_False,
		"requests", r->requests, "retries", r->retries, "connections",
		r->connections, "redirects", r->redirects, "etag", r->etag,
		"modified", r->modified, "gathered_by", r->gathered_by, "url",
		r->url);

	if (dict && total < 0 && PyDict_SetItemString(dict, "total", Py_None)) {
		Py_DECREF(dict);
		return NULL;
	}
	return dict;
}

/* Fetch into get->to, or look; the result, or NULL with an exception. */
static PyObject *fetch(struct client *c, const char *url,
		       struct devrx_http_request *get, PyObject *function)
{
	struct devrx_http_result result = { .size = sizeof(result) };
	struct progress progress = { .function = function };
	struct devrx_cause cause = { 0 };
	int err;

	get->progress = on_progress;
	get->arg = &progress;
	get->cause = &cause;
	progress.thread = PyEval_SaveThread();
	err = devrx_http_get(c->http, url, get, &result);
	PyEval_RestoreThread(progress.thread);
	if (err)
		return error_raise(state_of_type(Py_TYPE((PyObject *)c)), err,
				   &cause);
	return result_dict(&result);
}

static PyObject *client_head(PyObject *self, PyObject *args)
{
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	const char *url;

	if (!PyArg_ParseTuple(args, "sI", &url, &get.deadline_ms) ||
	    !usable((struct client *)self))
		return NULL;
	return fetch((struct client *)self, url, &get, NULL);
}

/* get(url, place, length, first, deadline_ms, progress): buffer and result. */
static PyObject *client_get(PyObject *self, PyObject *args)
{
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	struct client *c = (struct client *)self;
	struct module_state *state = state_of_type(Py_TYPE(self));
	struct devrx_cause cause = { 0 };
	struct devrx_memory *mem = NULL;
	unsigned long long len, first;
	PyObject *function, *result, *buffer;
	const char *url, *name;
	PyThreadState *save;
	struct place place;
	bool same;
	int err;

	if (!PyArg_ParseTuple(args, "ssKKIO", &url, &name, &len, &first,
			      &get.deadline_ms, &function) ||
	    !place_parse(&place, name) || !usable(c))
		return NULL;
	same = !strcmp(place.kind, c->place.kind) &&
	       !strcmp(place.device, c->place.device);
	save = PyEval_SaveThread();
	err = place_alloc(&mem, &place, len, same ? c->area : NULL, &cause);
	PyEval_RestoreThread(save);
	if (err)
		return error_raise(state, err, &cause);
	get.to = mem;
	get.first = first;
	get.len = len;
	if (!len) { /* nothing to ask for */
		result = Py_None;
		Py_INCREF(result);
	} else {
		result = fetch(c, url, &get,
			       function == Py_None ? NULL : function);
	}
	if (!result) {
		(void)devrx_memory_free(mem);
		return NULL;
	}
	buffer = buffer_new(state, mem, len, &place, self);
	if (buffer)
		return Py_BuildValue("NN", buffer, result);
	Py_DECREF(result);
	return NULL;
}

/* into(url, buffer, offset, first, length, deadline_ms, progress): the result. */
static PyObject *client_into(PyObject *self, PyObject *args)
{
	struct devrx_http_request get = DEVRX_HTTP_REQUEST_INIT;
	struct client *c = (struct client *)self;
	struct module_state *state = state_of_type(Py_TYPE(self));
	unsigned long long offset, first, len;
	PyObject *buffer, *function;
	const char *url;
	uint64_t room;

	if (!PyArg_ParseTuple(args, "sO!KKKIO", &url, state->buffer_type,
			      &buffer, &offset, &first, &len, &get.deadline_ms,
			      &function) ||
	    !usable(c))
		return NULL;
	get.to = buffer_memory(buffer, &room);
	/* Memory is whole pages; the buffer's bytes are fewer. */
	if (offset > room || len > room - offset)
		return PyErr_Format(PyExc_ValueError,
				    "%llu bytes at %llu do not fit into a "
				    "buffer of %llu",
				    len, offset, (unsigned long long)room);
	get.to_offset = offset;
	get.first = first;
	get.len = len;
	return fetch(c, url, &get, function == Py_None ? NULL : function);
}

static PyObject *client_info(PyObject *self, void *what)
{
	struct client *c = (struct client *)self;

	if (*(const char *)what == 't')
		return PyUnicode_FromString(devrx_tier_name(c->info.tier));
	if (*(const char *)what == 'c')
		return PyBool_FromLong(!c->http);
	return PyUnicode_FromString(c->info.reason);
}

static PyObject *client_stats(PyObject *self, PyObject *unused)
{
	struct devrx_receiver_stats s = { .size = sizeof(s) };
	struct client *c = (struct client *)self;

	(void)unused;
	if (!usable(c))
		return NULL;
	(void)devrx_receiver_stats(c->rx, &s);
	return Py_BuildValue("{s:K,s:K,s:K}", "bytes",
			     (unsigned long long)s.bytes, "bytes_copied",
			     (unsigned long long)s.bytes_copied, "fragments",
			     (unsigned long long)s.fragments);
}

static PyMethodDef client_methods[] = {
	{ "head", client_head, METH_VARARGS, NULL },
	{ "get", client_get, METH_VARARGS, NULL },
	{ "into", client_into, METH_VARARGS, NULL },
	{ "stats", client_stats, METH_NOARGS, NULL },
	{ "close", client_close, METH_NOARGS, NULL },
	{ 0 },
};

static PyGetSetDef client_getset[] = {
	{ "tier", client_info, NULL, NULL, "t" },
	{ "reason", client_info, NULL, NULL, "r" },
	{ "closed", client_info, NULL, NULL, "c" },
	{ 0 },
};

static PyType_Slot client_slots[] = {
	{ Py_tp_init, client_init },
	{ Py_tp_dealloc, client_dealloc },
	{ Py_tp_methods, client_methods },
	{ Py_tp_getset, client_getset },
	{ 0 },
};

PyType_Spec client_spec = {
	.name = "devrx._devrx.Client",
	.basicsize = sizeof(struct client),
	.flags = Py_TPFLAGS_DEFAULT,
	.slots = client_slots,
};
