#include "suspects.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cells.hpp"
#include "mapped_file.hpp"
#include "text.hpp"

namespace ct {
namespace {

constexpr std::size_t most_suspects = 8;
constexpr uint64_t pages_every = uint64_t{1} << 20;  // values between looks at the pages

}  // namespace

std::string Suspects::advice(uint64_t field_cells) const {
  std::string text;
  std::string flags;
  for (const Suspect& suspect : values) {
    if (!text.empty()) text += " and ";
    text += suspect.value + ", fills " + percent(suspect.count, field_cells) + " of the field";
    flags += " --fill-value " + suspect.value;
  }
  const std::string subject =
      values.size() == 1 ? "one value, " : std::to_string(values.size()) + " values stand out: ";
  return subject + text + "; if that is missing data, give it as" + flags;
}

template <class T>
Suspects find_suspects(const ArrayView& view, const HoleRule<T>& rule, double above,
                       bool drop_pages) {
  const Cells<T> cells(view);
  PageDropper pages(view.data, drop_pages);
  const uint64_t total = view.info.values();
  Suspects found;
  std::vector<std::pair<T, uint64_t>> counts;
  for (uint64_t i = 0; i < total; ++i) {
    if (i % pages_every == 0) pages.used_up_to(i * sizeof(T));
    const T value = cells.value(i);
    if (!(std::fabs(static_cast<double>(value)) > above) || rule.is_hole(bits_of(value))) continue;
    ++found.cells;
    const auto known =
        std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == value; });
    if (known != counts.end()) {
      ++known->second;
    } else if (counts.size() < most_suspects) {
      counts.emplace_back(value, 1);
    } else {
      found.too_many = true;
      break;
    }
  }
  std::sort(counts.begin(), counts.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [value, count] : counts) found.values.push_back({number(value), count});
  return found;
}

template <class T>
Extremes find_extremes(const ArrayView& view, const HoleRule<T>& rule, double low, double high,
                       bool drop_pages) {
  const Cells<T> cells(view);
  PageDropper pages(view.data, drop_pages);
  const uint64_t total = view.info.values();
  Extremes found;
  double next_low = high;
  double next_high = low;
  for (uint64_t i = 0; i < total; ++i) {
    if (i % pages_every == 0) pages.used_up_to(i * sizeof(T));
    const T cell = cells.value(i);
    if (rule.is_hole(bits_of(cell))) continue;
    const auto value = static_cast<double>(cell);
    found.low.count += value == low ? 1u : 0u;
    found.high.count += value == high ? 1u : 0u;
    if (value > low) next_low = std::min(next_low, value);
    if (value < high) next_high = std::max(next_high, value);
  }
  found.low.width_of_rest = high - next_low;
  found.high.width_of_rest = next_high - low;
  return found;
}

template Suspects find_suspects<float>(const ArrayView&, const HoleRule<float>&, double, bool);
template Suspects find_suspects<double>(const ArrayView&, const HoleRule<double>&, double, bool);
template Extremes find_extremes<float>(const ArrayView&, const HoleRule<float>&, double, double,
                                       bool);
template Extremes find_extremes<double>(const ArrayView&, const HoleRule<double>&, double, double,
                                        bool);

}  // namespace ct
