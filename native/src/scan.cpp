#include "scan.hpp"

#include <algorithm>
#include <limits>

#include "cells.hpp"
#include "hash.hpp"
#include "mapped_file.hpp"

namespace ct {
namespace {

constexpr std::size_t lanes =
    8;  // independent minima and maxima, so that the compiler can use SIMD

template <class T>
struct Range {
  T low[lanes];
  T high[lanes];
  Range() {
    std::fill(low, low + lanes, std::numeric_limits<T>::infinity());
    std::fill(high, high + lanes, -std::numeric_limits<T>::infinity());
  }
  void add(std::size_t lane, T v) {
    low[lane] = v < low[lane] ? v : low[lane];
    high[lane] = v > high[lane] ? v : high[lane];
  }
};

template <class T>
bool any_hole(const T* values, std::size_t count, const HoleRule<T>& rule) {
  using Bits = BitsOf<T>;
  Bits found = 0;
  for (std::size_t i = 0; i < count; ++i) {
    found |= static_cast<Bits>((bits_of(values[i]) & exponent_mask<T>) == exponent_mask<T>);
  }
  for (const Bits sentinel : rule.sentinels()) {
    for (std::size_t i = 0; i < count; ++i)
      found |= static_cast<Bits>(bits_of(values[i]) == sentinel);
  }
  return found != 0;
}

template <class T>
void widen(Range<T>& range, const T* values, std::size_t count) {
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::size_t lane = 0; lane < lanes; ++lane) range.add(lane, values[i + lane]);
  }
  for (; i < count; ++i) range.add(0, values[i]);
}

}  // namespace

template <class T>
Scan scan(const ArrayView& view, const HoleRule<T>& rule, MaskWriter& mask, bool drop_pages) {
  const Cells<T> cells(view);
  const uint64_t total = view.info.values();
  Hasher hasher;
  Range<T> range;
  Scan result;
  PageDropper pages(view.data, drop_pages);
  std::vector<T> copy(mask_chunk_values);
  std::vector<uint8_t> hole(mask_chunk_values);
  std::vector<uint64_t> bits(mask_chunk_values);
  for (uint64_t base = 0; base < total; base += mask_chunk_values) {
    const std::size_t count = std::min(mask_chunk_values, total - base);
    hasher.update(view.data.part(base * sizeof(T), count * sizeof(T)));
    const T* values = copy.data();
    if (const T* direct = cells.direct()) {
      values = direct + base;
    } else {
      for (std::size_t i = 0; i < count; ++i) copy[i] = cells.value(base + i);
    }
    if (!any_hole(values, count, rule)) {
      widen(range, values, count);
      mask.add_valid_chunk();
    } else {
      for (std::size_t i = 0; i < count; ++i) {
        bits[i] = bits_of(values[i]);
        hole[i] = rule.is_hole(bits_of(values[i])) ? 1 : 0;
        if (hole[i] == 0) range.add(0, values[i]);
      }
      mask.add_chunk(hole.data(), bits.data(), count);
      result.missing += static_cast<uint64_t>(
          std::count(hole.begin(), hole.begin() + static_cast<std::ptrdiff_t>(count), uint8_t{1}));
    }
    pages.used_up_to((base + count) * sizeof(T));
  }
  result.hash = hasher.digest();
  result.valid = total - result.missing;
  if (result.valid > 0) {
    result.min = static_cast<double>(*std::min_element(range.low, range.low + lanes));
    result.max = static_cast<double>(*std::max_element(range.high, range.high + lanes));
  }
  return result;
}

template Scan scan<float>(const ArrayView&, const HoleRule<float>&, MaskWriter&, bool);
template Scan scan<double>(const ArrayView&, const HoleRule<double>&, MaskWriter&, bool);

}  // namespace ct
