/* SPDX-License-Identifier: MIT */
/* A URL of scheme http, cut into what a request needs. */
#ifndef DRX_HTTP_URL_H
#define DRX_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/http.h>

struct drx_url {
	char host[256]; /* without brackets */
	char authority[272]; /* host and port as Host: has them */
	uint16_t port;
	char path[DEVRX_HTTP_URL_MAX]; /* with the query */
};

/* Return 0, -EINVAL ("http-url"), or -EPROTONOSUPPORT ("http-tls"). */
int drx_url_parse(struct drx_url *ret, const char *url,
		  struct devrx_cause *cause);
/* Where @location leads to from @base; errors as above. */
int drx_url_follow(struct drx_url *ret, const struct drx_url *base,
		   const char *location, struct devrx_cause *cause);
bool drx_url_same_origin(const struct drx_url *a, const struct drx_url *b);
/* As one string. */
void drx_url_print(char ret[DEVRX_HTTP_URL_MAX], const struct drx_url *url);

#endif /* DRX_HTTP_URL_H */
