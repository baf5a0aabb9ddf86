#include <cmath>

#include "cells.hpp"
#include "commands.hpp"
#include "compare.hpp"
#include "errors.hpp"
#include "holes.hpp"
#include "input.hpp"
#include "mask.hpp"
#include "report.hpp"
#include "stopwatch.hpp"
#include "text.hpp"

namespace ct {
namespace {

/// What comparing an original with its compressed file has shown.
struct Comparison {
  ErrorMeter errors;
  uint64_t holes_wrong = 0;  ///< holes of the original that are not restored bit for bit
  uint64_t holes_extra = 0;  ///< valid values that would be overwritten by a hole
};

/// In storage order: what the mask restores is what the original holds.
template <class T>
void compare_holes(const Container& container, const ArrayView& original, const HoleRule<T>& rule,
                   Comparison& result) {
  const Cells<T> cells(original);
  PageDropper pages(original.data, true);
  const uint64_t total = container.header.info.values();
  uint64_t at = 0;
  const auto valid_until = [&](uint64_t end) {
    for (; at < end; ++at) {
      result.holes_wrong += rule.is_hole(cells.bits(at)) ? 1u : 0u;
      if (at % mask_chunk_values == 0) pages.used_up_to(at * sizeof(T));
    }
  };
  if (container.header.missing > 0) {
    const uint64_t holes =
        read_mask(container.mask, container.header.pattern_count, total, [&](const HoleRun& run) {
          valid_until(run.begin);
          for (uint64_t i = 0; i < run.count; ++i, ++at) {
            const BitsOf<T> bits = cells.bits(at);
            if (bits == static_cast<BitsOf<T>>(run.bits)) continue;
            (rule.is_hole(bits) ? result.holes_wrong : result.holes_extra) += 1u;
          }
        });
    if (holes != container.header.missing) {
      throw Error(Exit::corrupt,
                  "the mask is damaged: it does not hold as many holes as the header says");
    }
  }
  valid_until(total);
}

/// In zfp's order: decoded values are within the bound.
template <class T, unsigned D>
void compare_values(const Container& container, const ArrayView& original, const HoleRule<T>& rule,
                    ErrorMeter& errors) {
  const Cells<T> cells(original);
  PageDropper pages(original.data, true);
  BlockDecoder<T, D> decoder(container.zfp_payload());
  std::array<T, block_values<D>> decoded;
  for (BlockWalk<D> walk(container.header.coded); !walk.done(); walk.next()) {
    decoder.next(decoded.data());
    for_each_in_block<D>(walk.block(), walk.stride(), [&](uint64_t index, std::size_t at) {
      const BitsOf<T> bits = cells.bits(index);
      if (!rule.is_hole(bits)) errors.add(from_bits<T>(bits), decoded[at]);
    });
    pages.used_up_to(walk.passed() * sizeof(T));
  }
  decoder.finish();
}

template <class T>
Comparison compare(const Container& container, const ArrayView& original) {
  const Header& header = container.header;
  const Promise promise{header.stored != Stored::lossy, header.tolerance_requested};
  Comparison result{ErrorMeter(promise)};
  if (header.stored == Stored::raw) {
    const Cells<T> stored({header.info, container.payload});
    const Cells<T> cells(original);
    for (uint64_t i = 0; i < header.info.values(); ++i) {
      const bool same = cells.bits(i) == stored.bits(i);
      if (non_finite_bits<T>(cells.bits(i))) {
        result.holes_wrong += same ? 0u : 1u;
      } else {
        result.errors.add(cells.value(i), stored.value(i));
      }
    }
    return result;
  }
  HoleRule<T> rule;
  if (header.missing > 0)
    rule = HoleRule<T>::from_patterns(mask_patterns(container.mask, header.pattern_count));
  compare_holes<T>(container, original, rule, result);
  with_dims(header.coded.dims, [&](auto dims) {
    compare_values<T, dims()>(container, original, rule, result.errors);
  });
  return result;
}

void fill_report(Report& report, const Header& header, const Comparison& found, bool ok) {
  report.info = header.info;
  report.mode = header.mode;
  if (header.mode != Mode::reversible) report.tolerance_requested = header.tolerance_requested;
  if (header.mode == Mode::relative) report.relative_requested = header.relative_requested;
  report.tolerance_effective = header.tolerance_effective;
  report.max_abs_error = found.errors.max_abs();
  report.rmse = found.errors.rmse();
  if (found.errors.cells() > 0) {
    report.valid_min = header.valid_min;
    report.valid_max = header.valid_max;
  }
  report.bound_ok = ok;
  report.missing = header.missing;
  report.xxh3_original = header.original_hash;
  report.xxh3_payload = header.payload_hash;
  report.stored = stored_name(header.stored);
}

std::string what_is_wrong(const Header& header, const Comparison& found, bool same_hash) {
  std::string message;
  if (found.errors.violations() > 0) {
    message =
        std::to_string(found.errors.violations()) + " of " + std::to_string(found.errors.cells()) +
        " valid values are out, the worst by " + number(found.errors.max_abs()) + " where " +
        number(header.stored == Stored::lossy ? header.tolerance_requested : 0.0) + " is allowed";
  }
  if (found.holes_wrong + found.holes_extra > 0) {
    if (!message.empty()) message += "; ";
    message += std::to_string(found.holes_wrong) + " missing values are not restored and " +
               std::to_string(found.holes_extra) + " valid ones would be lost";
  }
  if (!same_hash) {
    if (!message.empty()) message += "; ";
    message += "the original is not the array that was compressed (its XXH3 differs)";
  }
  return message;
}

}  // namespace

void run(const VerifyOptions& options) {
  Stopwatch watch;
  Report report;
  report.command = "verify";
  const MappedFile file(options.compressed);
  const Container container = open_container(file.bytes());
  const Input original(options.original);
  const ArrayInfo& info = original.view().info;
  if (!(info == container.header.info)) {
    throw Error(Exit::bound_violated, "'" + original.name() + "' is " + describe(info) + ", but '" +
                                          options.compressed + "' holds " +
                                          describe(container.header.info) +
                                          ": compare the array that was compressed");
  }
  const bool same_hash = hash_mapped(original.view().data) == container.header.original_hash;
  watch.lap(report.read_s);
  const Comparison found = with_type(
      info.dtype, [&](auto zero) { return compare<decltype(zero)>(container, original.view()); });
  watch.lap(report.verify_s);
  const std::string wrong = what_is_wrong(container.header, found, same_hash);
  report.bytes_in = original.bytes();
  report.bytes_out = file.bytes().size;
  report.ratio = static_cast<double>(original.bytes()) / static_cast<double>(file.bytes().size);
  fill_report(report, container.header, found, wrong.empty());
  print_report(report);
  if (!wrong.empty()) throw Error(Exit::bound_violated, "bound violated: " + wrong);
}

}  // namespace ct
