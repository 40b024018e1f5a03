// SPDX-License-Identifier: MIT
/*
 * URLs, as far as a request needs them (RFC 3986, RFC 9110 4.2).
 *
 * Nothing that could end a line or a word gets into a request: a URL with a space or a
 * control character is none.
 */
#include "deliver/http_url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/cause.h"

static int fail(struct devrx_cause *cause, const char *url, const char *why)
{
	return drx_fail(cause, -EINVAL, "http-url", NULL, "\"%.160s\" %s", url,
			why);
}

/* "host", "host:8080", "[::1]:8080" */
static const char *get_authority(struct drx_url *ret, const char *at,
				 size_t len)
{
	const char *end = at + len, *host = at, *host_end, *digits;
	unsigned int port = 80;
	const bool six = len && *at == '[';

	if (memchr(at, '@', len))
		return "has a user's name in it, which is not supported";
	if (six) {
		host++;
		host_end = memchr(at, ']', len);
		digits = host_end ? host_end + 1 : NULL;
	} else {
		host_end = memchr(at, ':', len);
		digits = host_end ? host_end : end;
		host_end = digits;
	}
	if (!host_end || host_end == host ||
	    (size_t)(host_end - host) >= sizeof(ret->host))
		return "has no host, or one that is too long";
	for (at = host; at < host_end; at++)
		if (!isalnum((unsigned char)*at) &&
		    !strchr(six ? ":.%" : "-._~", *at))
			return "has a host that is none";
	if (digits < end) {
		if (*digits++ != ':' || digits == end || end - digits > 5)
			return "has a port that is none";
		for (port = 0; digits < end; digits++) {
			if (!isdigit((unsigned char)*digits))
				return "has a port that is none";
			port = port * 10 + (unsigned int)(*digits - '0');
		}
		if (!port || port > UINT16_MAX)
			return "has a port that is none";
	}
	memcpy(ret->host, host, (size_t)(host_end - host));
	ret->host[host_end - host] = '\0';
	ret->port = (uint16_t)port;
	(void)snprintf(ret->authority, sizeof(ret->authority),
		       port == 80 ? "%s%s%s" : "%s%s%s:%u", six ? "[" : "",
		       ret->host, six ? "]" : "", port);
	return NULL;
}

/* What is behind the authority: path and query, without the fragment. */
static const char *get_path(struct drx_url *ret, const char *at)
{
	const size_t len = strcspn(at, "#");

	if (len + 2 > sizeof(ret->path))
		return "is too long";
	(void)snprintf(ret->path, sizeof(ret->path), "%s%.*s",
		       *at == '/' ? "" : "/", (int)len, at);
	return NULL;
}

static bool clean(const char *url)
{
	for (; *url; url++)
		if ((unsigned char)*url <= ' ' || *url == 0x7f)
			return false;
	return true;
}

int drx_url_parse(struct drx_url *ret, const char *url,
		  struct devrx_cause *cause)
{
	const char *why = NULL, *at;
	size_t len;

	if (!clean(url))
		return fail(cause, url, "has a space or a control character");
	if (strlen(url) >= DEVRX_HTTP_URL_MAX)
		return fail(cause, url, "is too long");
	if (!strncasecmp(url, "https://", 8))
		return drx_fail(cause, -EPROTONOSUPPORT, "http-tls",
				"use an http:// URL, or a proxy on this "
				"machine that ends TLS",
				"\"%.160s\" wants TLS, which would be undone "
				"by the CPU: the NIC cannot",
				url);
	if (strncasecmp(url, "http://", 7))
		return fail(cause, url, "does not begin with http://");
	at = url + 7;
	len = strcspn(at, "/?#");
	why = get_authority(ret, at, len);
	if (!why)
		why = get_path(ret, at + len);
	return why ? fail(cause, url, why) : 0;
}

int drx_url_follow(struct drx_url *ret, const struct drx_url *base,
		   const char *location, struct devrx_cause *cause)
{
	char url[2 * DEVRX_HTTP_URL_MAX + 300];
	const char *slash, *query;
	int keep = 0;

	if (strstr(location, "://") &&
	    strcspn(location, ":") < strcspn(location, "/?#"))
		return drx_url_parse(ret, location, cause);
	if (!strncmp(location, "//", 2)) {
		(void)snprintf(url, sizeof(url), "http:%s", location);
		return drx_url_parse(ret, url, cause);
	}
	query = strchr(base->path, '?');
	if (!query)
		query = base->path + strlen(base->path);
	if (location[0] == '?') {
		keep = (int)(query - base->path);
	} else if (location[0] != '/') {
		slash = memrchr(base->path, '/', (size_t)(query - base->path));
		keep = slash ? (int)(slash + 1 - base->path) : 0;
	}
	(void)snprintf(url, sizeof(url), "http://%s%.*s%s", base->authority,
		       keep, base->path, location);
	return drx_url_parse(ret, url, cause);
}

bool drx_url_same_origin(const struct drx_url *a, const struct drx_url *b)
{
	return a->port == b->port && !strcasecmp(a->host, b->host);
}

void drx_url_print(char ret[DEVRX_HTTP_URL_MAX], const struct drx_url *url)
{
	(void)snprintf(ret, DEVRX_HTTP_URL_MAX, "http://%.280s%.1740s",
		       url->authority, url->path);
}
