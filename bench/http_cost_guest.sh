#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: the ways of http_cost.sh, a line for each and each length on standard
# output: WAY MIB REAL USER SYSTEM COPY, the latter four in seconds, of which one is 1e9
# instructions; COPY is the softnic's, which stands for DMA.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ip=/usr/sbin/ip
mib=$1
tmp=$(mktemp -d /tmp/http-cost-XXXXXX)
# What runs while it counts is read from memory, not over 9p.
cp "$here/../build/dev/tools/devrx" "$tmp/"
finish() {
	[[ ! -e $tmp/pid ]] || kill "$(<"$tmp/pid")" || true
	while [[ -e $tmp/pid ]]; do sleep 0.05; done
	"$here/../tests/vm/link.sh" down
	rm -rf "$tmp"
}
trap finish EXIT
"$here/../tests/vm/link.sh" up
head -c "$mib"M /dev/urandom >"$tmp/$mib"
head -c $((mib / 4))M "$tmp/$mib" >"$tmp/$((mib / 4))"
want=$(sha256sum <"$tmp/$mib")
cat >"$tmp/nginx.conf" <<END
user root; pid $tmp/pid; worker_processes 1; events {}
http {
	access_log off; sendfile on;
	client_body_temp_path $tmp; proxy_temp_path $tmp; fastcgi_temp_path $tmp;
	uwsgi_temp_path $tmp; scgi_temp_path $tmp;
	server { listen 10.77.0.1:80; root $tmp; }
}
END
$ip netns exec peer /usr/sbin/nginx -e "$tmp/error" -c "$tmp/nginx.conf"
echo 1024 >/sys/module/udmabuf/parameters/size_limit_mb

cat >"$tmp/by_urllib.py" <<'END'
import sys, urllib.request
data = urllib.request.urlopen(sys.argv[1]).read()
copy = bytearray(len(data))
memoryview(copy)[:] = data
END
get_zcrx() { "$tmp/devrx" get "$url" --nic softnic1 --queue 3 --memory udmabuf --quiet; }
get_recv() { "$tmp/devrx" get "$url" --memory udmabuf --quiet; }
get_host() { "$tmp/devrx" get "$url" --memory host --quiet; }
with_curl() { curl -sS -o "$tmp/got" "$url" && cp "$tmp/got" "$tmp/copy"; }
with_urllib() { python3 "$tmp/by_urllib.py" "$url"; }

export -f get_zcrx get_recv get_host with_curl with_urllib
export tmp
copy_ns() {
	$ip netns exec rx ethtool -S softnic1 | awk '$1 == "rx_copy_ns:" { print $2 }'
}
TIMEFORMAT='%3R %3U %3S'
for way in get_zcrx get_recv with_curl get_host with_urllib; do
	for n in $((mib / 4)) "$mib"; do
		export url=http://10.77.0.1/$n
		$ip netns exec rx bash -c "$way"
		[[ $way != with_curl || $n != "$mib" ]] ||
			[[ $(sha256sum <"$tmp/copy") == "$want" ]]
		rm -f "$tmp/got" "$tmp/copy"
		# The cheapest of three: what else there is to do then is chance.
		name=${way#with_}
		for _ in 1 2 3; do
			before=$(copy_ns)
			cost=$({ time $ip netns exec rx bash -c "$way" >&2; } 2>&1)
			echo "${name/_/-} $n $cost $(awk "BEGIN { print ($(copy_ns) - $before) / 1e9 }")"
			rm -f "$tmp/got" "$tmp/copy"
		done | sort -k 3,3n | head -n 1
	done
done
