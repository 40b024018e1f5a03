/* SPDX-License-Identifier: MIT */
/*
 * kernel/cuda/stream.cuh for Vulkan: a stream read by way of its records, a
 * unit of WORDS words at a time; the includer defines WORDS as 1 or 4. "Warps"
 * are 32 invocations that take a part of the stream together; nothing depends
 * on the subgroups that they really run in.
 *
 * Memory is reached by its address, so there is no limit to the range of a
 * buffer, and only in words: 8 and 16 bit storage is not asked for. A load may
 * touch the up to 3 bytes beside a fragment that share its word.
 *
 * Records and received memory are coherent: not kept in a cache that does not
 * see the writes of other devices. Nothing is read twice.
 */
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require

#define LANES 32u
#define BLOCK 256u
#define WARPS (BLOCK / LANES)
#define UNIT (4u * WORDS)

#define U8 0u
#define U16 1u
#define BF16 2u
#define F16 3u
#define F32 4u

layout(local_size_x = 256) in;

/* struct devrx_kernel_args */
layout(push_constant, std430) uniform Args {
	uint64_t records;
	uint64_t source;
	uint64_t result; /* out is a word of the language */
	uint64_t before;
	uint nr_records;
	uint from;
	uint to;
	uint scale; /* of a float the bits, as they are */
	uint bias;
	uint reserved;
} args;

/* struct devrx_desc */
layout(buffer_reference, std430, buffer_reference_align = 16)
coherent readonly buffer Record {
	uint source;
	uint bytes; /* length, which GLSL has for itself */
	uint64_t destination;
};

layout(buffer_reference, std430, buffer_reference_align = 4)
coherent readonly buffer Received {
	uint word;
};

/* Results: ours alone while the kernel runs. */
layout(buffer_reference, std430, buffer_reference_align = 4)
buffer Result {
	uint word;
};

struct Cursor {
	uint64_t bias;
	uint at;
	uint64_t begin;
	uint64_t end; /* positions of record at */
	uint64_t src; /* address of its first byte */
};
Cursor cursor;

uint lane()
{
	return gl_LocalInvocationID.x % LANES;
}

uint warp()
{
	return gl_LocalInvocationID.x / LANES;
}

void go(uint i)
{
	Record record = Record(args.records + uint64_t(i) * 16ul);

	cursor.at = i;
	cursor.begin = cursor.bias + record.destination;
	cursor.end = cursor.begin + uint64_t(record.bytes);
	cursor.src = args.source + uint64_t(record.source);
}

/* The last record from at on that begins at pos or before, else at. */
void find(uint64_t pos)
{
	uint low = cursor.at;
	uint high = args.nr_records;

	while (high - low > 1u) {
		uint middle = low + (high - low) / 2u;
		Record record = Record(args.records + uint64_t(middle) * 16ul);

		if (cursor.bias + record.destination <= pos)
			low = middle;
		else
			high = middle;
	}
	go(low);
}

/* To the record of pos, mostly this one or the next; in a hole, next to it. */
void advance(uint64_t pos)
{
	if (pos < cursor.end || cursor.at + 1u == args.nr_records)
		return;
	go(cursor.at + 1u);
	if (pos >= cursor.end)
		find(pos);
}

uint load(uint64_t addr)
{
	return Received(addr).word;
}

/* The unit at pos; in mask a bit for each byte that the records have. */
void fetch(uint64_t pos, out uint unit[WORDS], out uint mask)
{
	advance(pos);
	mask = (1u << UNIT) - 1u;
	if (pos >= cursor.begin && pos + UNIT <= cursor.end) {
		uint64_t addr = cursor.src + (pos - cursor.begin);
		int bits = 8 * (int(addr) & 3);
		uint words[WORDS + 1];

		addr &= ~3ul;
		for (int i = 0; i < WORDS; i++)
			words[i] = load(addr + 4ul * i);
		words[WORDS] = bits == 0 ? 0u : load(addr + 4ul * WORDS);
		for (int i = 0; i < WORDS; i++)
			unit[i] = bits == 0 ? words[i] :
				  words[i] >> bits | words[i + 1] << (32 - bits);
		return;
	}
	mask = 0u;
	for (int i = 0; i < WORDS; i++) {
		unit[i] = 0u;
		for (int byte = 0; byte < 4; byte++, pos++) {
			uint64_t addr;

			advance(pos);
			if (pos < cursor.begin || pos >= cursor.end)
				continue;
			addr = cursor.src + (pos - cursor.begin);
			unit[i] |= (load(addr & ~3ul) >> 8 * (int(addr) & 3) & 255u)
				   << 8 * byte;
			mask |= 1u << (4 * i + byte);
		}
	}
}

/* This warp's part of the stream, in positions, whole tiles; and the stream. */
struct Part {
	uint64_t first;
	uint64_t last;
	uint64_t begin;
	uint64_t end;
};

/* There is at least one record. */
Part part_of(uint64_t bias, uint tile)
{
	uint64_t warps = uint64_t(gl_NumWorkGroups.x) * WARPS;
	uint64_t number = uint64_t(gl_WorkGroupID.x) * WARPS + warp();
	uint64_t first, last, each;
	Part part;

	cursor.bias = bias;
	go(args.nr_records - 1u);
	part.end = cursor.end;
	go(0u);
	part.begin = cursor.begin;

	first = part.begin / tile;
	last = (part.end + tile - 1u) / tile;
	each = (last - first + warps - 1u) / warps;
	part.first = min(first + number * each, last);
	part.last = min(part.first + each, last);
	part.first *= tile;
	part.last *= tile;
	if (part.first < part.last)
		find(part.first);
	return part;
}

/*
 * The bits of mask within a word of results. Beside them may be what others
 * write at the same time.
 */
void store(uint64_t addr, uint value, uint mask)
{
	if (mask == 0xffffffffu) {
		Result(addr).word = value;
	} else if (mask != 0u) {
		atomicAnd(Result(addr).word, ~mask);
		atomicOr(Result(addr).word, value & mask);
	}
}

/* To a 64-bit number, without 64-bit atomics. */
void add_to(uint64_t addr, uint64_t value)
{
	uint low = uint(value);
	uint high = uint(value >> 32);

	if (low != 0u && atomicAdd(Result(addr).word, low) > ~low)
		high++;
	if (high != 0u)
		atomicAdd(Result(addr + 4ul).word, high);
}
