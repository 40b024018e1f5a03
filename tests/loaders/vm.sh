#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: a safetensors file of 128 MiB, from an unmodified nginx in the other
# namespace, by zcrx-device into memory of each kind; every tensor as the safetensors
# package reads it from disk. /share has the file and what is expected of it.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$here/../..
ip=/usr/sbin/ip
tmp=$(mktemp -d)
rc=0

"$here/../vm/link.sh" up || exit 1
# 64 MiB is what a udmabuf may have by itself.
echo 1024 >/sys/module/udmabuf/parameters/size_limit_mb
cat >"$tmp/nginx.conf" <<END
user root; pid $tmp/pid; worker_processes 2; events {}
http {
	access_log off; sendfile on;
	client_body_temp_path $tmp; proxy_temp_path $tmp; fastcgi_temp_path $tmp;
	uwsgi_temp_path $tmp; scgi_temp_path $tmp;
	server { listen 10.77.0.1:80; root /share; }
}
END
$ip netns exec peer /usr/sbin/nginx -e "$tmp/error" -c "$tmp/nginx.conf" || exit 1

export PYTHONPATH=$top/build/loaders/site PYTHONDONTWRITEBYTECODE=1
for device in udmabuf vulkan cuda; do
	env=()
	# A driver that runs the kernels' source on the CPU.
	[[ $device != cuda ]] || env=(LD_LIBRARY_PATH="$top/build/dev/tests/fakes/libcuda" DEVRX_FAKE_CUDA=backing=udmabuf)
	$ip netns exec rx env "${env[@]}" python3 "$here/vm.py" \
		http://10.77.0.1/model.safetensors /share/model.json "$device" || rc=1
done
kill "$(<"$tmp/pid")"
while [[ -e $tmp/pid ]]; do sleep 0.05; done
"$here/../vm/link.sh" down || rc=1
rm -rf "$tmp"
exit "$rc"
