# SPDX-License-Identifier: MIT
# The table, the JSON and the verdict of softnic_cost.sh, from its runs:
# SEED PAIR STREAM MTU MIB NS COPY_NS PLACED PAGED. A ratio is formed within one
# boot, against the cheaper of that boot's veths; then come the seeds' least,
# median and greatest.
{
	key = $3 " " $4 " " $5
	total = $6 / $5
	copy = $7 / $5
	if (!(key in seen)) {
		seen[key] = 1
		keys[++nr_keys] = key
	}
	if ($2 ~ /^veth/ && (!((key, $1) in veth) || total < veth[key, $1]))
		veth[key, $1] = total
	if (!(($2, key) in n) && !($2 in known)) {
		known[$2] = 1
		pairs[++nr_pairs] = $2
	}
	i = ++n[$2, key]
	seed_of[$2, key, i] = $1
	totals[$2, key, i] = total
	copies[$2, key, i] = copy
	bytes = $5 * 1048576
	# Acknowledgements and the last small segments may not be in pages.
	if ($2 == "bound" && $8 < bytes * 0.99 || ($2 == "softnic" || $2 == "split") && $9 < bytes * 0.99) {
		print "softnic_cost: " $2 ": the payload is not where it should be: " $0 >"/dev/stderr"
		wrong = 1
	}
}

# Sort the values in v[1..n]; after it v[1] is least, v[n] greatest.
function sort(v, n, i, j, x) {
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
}
function median(v, n) { return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2 }
function triple(v, n, format) { return sprintf(format " " format " " format, v[1], median(v, n), v[n]) }

END {
	if (!nr_keys) {
		print "softnic_cost: nothing was measured" >"/dev/stderr"
		exit 1
	}
	printf "Linux %s, QEMU %s; thousands of instructions per MiB, the whole machine\n", kernel, qemu
	printf "%-9s %5s %4s %-9s %20s %8s %20s %17s\n", "stream", "MTU", "MiB", "pair",
		"total: min med max", "copy", "rest: min med max", "rest / veth"
	for (k = 1; k <= nr_keys; k++) {
		key = keys[k]
		for (p = 1; p <= nr_pairs; p++) {
			pair = pairs[p]
			if (!((pair, key) in n))
				continue
			m = n[pair, key]
			for (i = 1; i <= m; i++) {
				t[i] = totals[pair, key, i] / 1000
				c[i] = copies[pair, key, i] / 1000
				r[i] = t[i] - c[i]
				q[i] = r[i] * 1000 / veth[key, seed_of[pair, key, i]]
				split(key, f, " ")
				out = out sprintf("%s\n  {\"seed\": %d, \"pair\": \"%s\", \"stream\": \"%s\", \"mtu\": %d, \"mib\": %d, \"total\": %.0f, \"copy\": %.0f, \"rest\": %.0f, \"ratio\": %.4f}",
					out == "" ? "" : ",", seed_of[pair, key, i], pair, f[1], f[2], f[3],
					t[i] * 1000, c[i] * 1000, r[i] * 1000, q[i])
			}
			sort(t, m); sort(c, m); sort(r, m); sort(q, m)
			printf "%-9s %5d %4d %-9s %20s %8.1f %20s %17s\n", f[1], f[2], f[3], pair,
				triple(t, m, "%.0f"), median(c, m), triple(r, m, "%.0f"), triple(q, m, "%.3f")
			if (f[1] == "large" && pair !~ /^veth/) {
				ok = q[m] <= limit
				verdict = verdict (ok ? "ok " : "not ok ") pair ", MTU " f[2] ", " f[3] " MiB: at most " limit " veths\n"
				wrong = wrong || !ok
			}
		}
	}
	printf "%s", verdict
	if (json != "")
		printf "{\"kernel\": \"%s\", \"qemu\": \"%s\", \"unit\": \"instructions per MiB\", \"limit\": %s, \"runs\": [%s\n]}\n", kernel, qemu, limit, out >json
	exit wrong
}
