#include "restore.hpp"

#include "bytes.hpp"
#include "cells.hpp"
#include "mapped_file.hpp"
#include "mask.hpp"

namespace ct {
namespace {

template <class T>
void store(std::byte* out, uint64_t index, BitsOf<T> bits, bool swap) {
  if (swap) bits = byte_swapped(bits);
  std::memcpy(out + index * sizeof(T), &bits, sizeof bits);
}

/// A null `out` decodes without keeping anything.
template <class T, unsigned D>
void decode_all(const Container& container, std::byte* out, bool out_is_file) {
  const bool swap = container.header.info.big_endian;
  BlockDecoder<T, D> decoder(container.zfp_payload());
  std::array<T, block_values<D>> values;
  PageDropper pages({out, container.header.info.bytes()}, out_is_file);
  for (BlockWalk<D> walk(container.header.coded); !walk.done(); walk.next()) {
    decoder.next(values.data());
    if (out == nullptr) continue;
    for_each_in_block<D>(walk.block(), walk.stride(), [&](uint64_t index, std::size_t at) {
      store<T>(out, index, bits_of(values[at]), swap);
    });
    pages.used_up_to(walk.passed() * sizeof(T));
  }
  decoder.finish();
}

template <class T>
void put_holes_back(const Container& container, std::byte* out) {
  const Header& header = container.header;
  const uint64_t holes = read_mask(
      container.mask, header.pattern_count, header.info.values(), [&](const HoleRun& run) {
        for (uint64_t i = 0; out != nullptr && i < run.count; ++i) {
          store<T>(out, run.begin + i, static_cast<BitsOf<T>>(run.bits), header.info.big_endian);
        }
      });
  if (holes != header.missing)
    throw Error(Exit::corrupt,
                "the mask is damaged: it does not hold as many holes as the header says");
}

void walk_contents(const Container& container, std::byte* out, bool out_is_file) {
  const Header& header = container.header;
  if (header.stored == Stored::raw) return;
  with_type(header.info.dtype, [&](auto zero) {
    using T = decltype(zero);
    with_dims(header.coded.dims,
              [&](auto dims) { decode_all<T, dims()>(container, out, out_is_file); });
    if (header.missing > 0) put_holes_back<T>(container, out);
  });
}

}  // namespace

void check_contents(const Container& container) {
  walk_contents(container, nullptr, false);
}

void restore(const Container& container, std::byte* out, bool out_is_file) {
  if (container.header.stored == Stored::raw) {
    if (container.payload.size > 0)
      std::memcpy(out, container.payload.data, container.payload.size);
    return;
  }
  walk_contents(container, out, out_is_file);
}

}  // namespace ct
