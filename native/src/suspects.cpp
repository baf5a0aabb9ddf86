#include "suspects.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cells.hpp"
#include "text.hpp"

namespace ct {
namespace {

constexpr std::size_t most_suspects = 8;

}  // namespace

std::string Suspects::advice(uint64_t field_cells) const {
  std::string text;
  std::string flags;
  for (const Suspect& suspect : values) {
    if (!text.empty()) text += " and ";
    text += suspect.value + ", fills " + percent(suspect.count, field_cells) + " of the field";
    flags += " --fill-value " + suspect.value;
  }
  const std::string subject = values.size() == 1 ? "one value, " : std::to_string(values.size()) + " values stand out: ";
  return subject + text + "; if that is missing data, give it as" + flags;
}

template <class T>
Suspects find_suspects(const ArrayView& view, const HoleRule<T>& rule, double above) {
  const Cells<T> cells(view);
  const uint64_t total = view.info.values();
  Suspects found;
  std::vector<std::pair<T, uint64_t>> counts;
  for (uint64_t i = 0; i < total; ++i) {
    const T value = cells.value(i);
    if (!(std::fabs(static_cast<double>(value)) > above) || rule.is_hole(bits_of(value))) continue;
    ++found.cells;
    const auto known = std::find_if(counts.begin(), counts.end(), [&](const auto& c) { return c.first == value; });
    if (known != counts.end()) {
      ++known->second;
    } else if (counts.size() < most_suspects) {
      counts.emplace_back(value, 1);
    } else {
      found.too_many = true;
      break;
    }
  }
  std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [value, count] : counts) found.values.push_back({number(value), count});
  return found;
}

template <class T>
RestOfRange rest_of_range(const ArrayView& view, const HoleRule<T>& rule, double low, double high) {
  const Cells<T> cells(view);
  const uint64_t total = view.info.values();
  RestOfRange result;
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  for (uint64_t i = 0; i < total; ++i) {
    const T cell = cells.value(i);
    if (rule.is_hole(bits_of(cell))) continue;
    const auto value = static_cast<double>(cell);
    if (value == low || value == high) {
      ++result.extremes;
      continue;
    }
    ++result.rest;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  if (result.rest > 0) result.width = most - least;
  return result;
}

template Suspects find_suspects<float>(const ArrayView&, const HoleRule<float>&, double);
template Suspects find_suspects<double>(const ArrayView&, const HoleRule<double>&, double);
template RestOfRange rest_of_range<float>(const ArrayView&, const HoleRule<float>&, double, double);
template RestOfRange rest_of_range<double>(const ArrayView&, const HoleRule<double>&, double, double);

}  // namespace ct
