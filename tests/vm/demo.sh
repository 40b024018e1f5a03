#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# In the guest: one file, sent by an ordinary program, lands in a dmabuf; of kind
# vulkan, where a compute shader reads it. Then a web server has it, and devrx get
# fetches it into its place.
#
# ./run demo calls it. From the environment: DEVRX_DEMO_FILE (path here),
# DEVRX_DEMO_NAME (what the user called it), DEVRX_DEMO_SHA256 (of sha256sum,
# outside), DEVRX_DEMO_MEMORY (kind, or empty), DEVRX_DEMO_JSON (1 or 0).
set -euo pipefail

here=$(dirname -- "${BASH_SOURCE[0]}")
devrx=$here/../../build/dev/tools/devrx
ip=/usr/sbin/ip
file=${DEVRX_DEMO_FILE:?} name=${DEVRX_DEMO_NAME:-} want=${DEVRX_DEMO_SHA256:?}
memory=${DEVRX_DEMO_MEMORY:-vulkan} json=${DEVRX_DEMO_JSON:-0}
name=${name:-$file}
shader=()
[[ $memory != vulkan ]] || shader=(--crc32c)
tmp=$(mktemp -d)
receiver='' server=''

finish() {
	[[ -z $receiver ]] || kill "$receiver" 2>/dev/null || true
	[[ -z $server ]] || kill "$server" 2>/dev/null || true
	rm -rf "$tmp"
	"$here/link.sh" down
}
trap finish EXIT

die() {
	echo "demo: $*" >&2
	exit 1
}

# One member of a JSON object in $tmp/json, or $2; objects do not nest in it.
member() {
	sed -nE "s/.*\"$1\": (\"([^\"]*)\"|([^,}]*))[,}].*/\2\3/p" "$tmp/${2:-json}"
}

placed() {
	$ip netns exec rx ethtool -S softnic1 |
		awk '$1 == "rx_placed_bytes:" { print $2 }'
}

size=$(stat -Lc %s -- "$file")
cat <<END

  1. Linux $(uname -r) has booted in a VM. Two network namespaces, "peer" and
     "rx", are joined by a pair of software NICs (module devrx_softnic). What a
     real NIC does by DMA, this one does by a copy that it counts and times;
     everything else is the ordinary kernel: TCP, header split, flow steering,
     io_uring zero-copy receive, dmabuf.
END
"$here/link.sh" up
[[ $memory != vram ]] || insmod "${DEVRX_MODULES:?}/vram/devrx_vram.ko"

# Compiling for lavapipe takes the emulated CPU 10 s: what the driver made last time
# is brought along. Its cache is mapped, which /out cannot be; one part is two files
# to copy instead of a hundred.
export MESA_SHADER_CACHE_DIR=$tmp/shaders MESA_DISK_CACHE_DATABASE_NUM_PARTS=1
[[ $memory != vulkan ]] || cp -R /out "$MESA_SHADER_CACHE_DIR"

before=$(placed)
$ip netns exec rx "$devrx" recv --nic softnic1 --queue 3 --memory "$memory" \
	--size 32M --listen :9000 --digest "${shader[@]}" --json --timeout 280 \
	>"$tmp/out" 2>"$tmp/err" &
receiver=$!
for ((i = 0; i < 2400; i++)); do
	! grep -q ready "$tmp/err" || break
	kill -0 "$receiver" 2>/dev/null || break
	sleep 0.05
done
if ! grep -q ready "$tmp/err"; then
	cat "$tmp/err" >&2
	die "the receiver did not start"
fi
cat <<END

  2. In "rx":    devrx recv --nic softnic1 --queue 3 --memory $memory --digest ${shader[@]}
     has allocated 32 MiB of memory of kind $memory, registered it as the zcrx
     area of queue 3, and listens on port 9000.
END
if ((${#shader[@]})); then
	cat <<END
     The Vulkan device is Mesa's lavapipe, which is the CPU: its memory is host
     memory, and its compute shaders are threads. The calls are a GPU's: a dmabuf
     that the driver exports, shaders on fragments where they lie, and chunks that
     go back to the NIC behind a timeline semaphore.
END
fi
cat <<END

  3. In "peer":  nc 10.77.0.2 9000 < $name
     an ordinary program sends $size bytes over TCP.
END
$ip netns exec peer nc -N 10.77.0.2 9000 <"$file" || die "nc failed"
if ! wait "$receiver"; then
	receiver=''
	cat "$tmp/err" >&2
	die "the receiver failed"
fi
receiver=''
[[ $memory != vulkan ]] || cp -R "$MESA_SHADER_CACHE_DIR/." /out
tail -n 1 "$tmp/out" >"$tmp/json"
on_nic=$(($(placed) - before))

bytes=$(member bytes) zero_copy=$(member bytes_zero_copy)
tier=$(member tier) digest=$(member digest) crc=$(member crc32c) crc_by=$(member crc32c_by)
want_crc=null
((${#shader[@]} == 0)) || want_crc=$(rhash -p '%{crc32c}' "$file")
verified=false
if [[ $digest == "$want" && $crc == "$want_crc" && $bytes == "$size" ]] &&
	((on_nic >= zero_copy)); then
	verified=true
fi
cat <<END

  4. What happened:
       tier        $tier
       memory      $(member memory), placement $(member placement): $(member proof)
       received    $bytes bytes in $(member fragments) fragments
       zero copy   $zero_copy bytes; copied by the kernel: $(member bytes_copied)
       NIC placed  $on_nic bytes into the area (ethtool -S softnic1)
END
if ((${#shader[@]})); then
	cat <<END
       CRC-32C     $crc  by a compute shader on $crc_by
       rhash       $want_crc  $name
END
fi
cat <<END
       SHA-256     $digest  as it lies in the memory
       sha256sum   $want  $name
END

cat >"$tmp/nginx.conf" <<END
user root; daemon off; pid $tmp/nginx.pid; worker_processes 1; events {}
http {
	access_log off; sendfile on;
	client_body_temp_path $tmp; proxy_temp_path $tmp; fastcgi_temp_path $tmp;
	uwsgi_temp_path $tmp; scgi_temp_path $tmp;
	server { listen 10.77.0.1:80; location = /file { alias "$file"; } }
}
END
$ip netns exec peer /usr/sbin/nginx -e "$tmp/nginx.err" -c "$tmp/nginx.conf" &
server=$!
for ((i = 0; i < 2400; i++)); do
	! nc_open=$($ip netns exec rx nc -z 10.77.0.1 80 2>&1) || break
	kill -0 "$server" 2>/dev/null || {
		cat "$tmp/nginx.err" >&2
		die "nginx did not start: $nc_open"
	}
	sleep 0.05
done
cat <<END

  5. In "peer" an nginx that knows nothing of all this serves the file. In "rx":
         devrx get http://10.77.0.1/file --nic softnic1 --queue 3 --memory $memory
     asks for its ranges over 4 connections. They land as before, and the device
     gathers them into one buffer, where they belong.
END
$ip netns exec rx "$devrx" get http://10.77.0.1/file --nic softnic1 --queue 3 \
	--memory "$memory" --area 32M --request 1M --digest --json --quiet --deadline 280 \
	>"$tmp/get" || die "devrx get failed"
kill "$server" 2>/dev/null
wait "$server" || true
server=''
got=$(member digest get)
[[ $got == "$want" && $(member bytes get) == "$size" ]] || verified=false
cat <<END
       tier        $(member tier get)
       fetched     $(member bytes get) bytes by $(member requests get) requests over $(member connections get) connections
       copied      $(member bytes_copied get) bytes on their way into the area
       gathered    by $(member gathered_by get)
       SHA-256     $got  as it lies in the buffer
END
if [[ $verified == true ]]; then
	printf '\n  Every byte of it is right.\n\n'
else
	printf '\n  THE BYTES ARE NOT RIGHT.\n\n'
fi
if ((json)); then
	printf '{"kernel": "%s", "tier": "%s", "memory": "%s", "placement": "%s", ' \
		"$(member kernel)" "$tier" "$(member memory)" "$(member placement)"
	printf '"bytes": %s, "bytes_zero_copy": %s, "bytes_copied": %s, ' \
		"$bytes" "$zero_copy" "$(member bytes_copied)"
	printf '"fragments": %s, "connections": %s, "seconds": %s, ' \
		"$(member fragments)" "$(member connections)" "$(member seconds)"
	printf '"digest": "%s", ' "$digest"
	if ((${#shader[@]})); then
		printf '"crc32c": "%s", "crc32c_by": "%s", ' "$crc" "$crc_by"
	else
		printf '"crc32c": null, "crc32c_by": null, '
	fi
	printf '"get_tier": "%s", "get_bytes": %s, "get_bytes_copied": %s, "get_connections": %s, ' \
		"$(member tier get)" "$(member bytes get)" "$(member bytes_copied get)" \
		"$(member connections get)"
	printf '"get_digest": "%s", "gathered_by": "%s", ' "$got" "$(member gathered_by get)"
	printf '"verified": %s}\n' "$verified"
fi
[[ $verified == true ]]
