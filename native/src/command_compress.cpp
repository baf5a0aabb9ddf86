#include <algorithm>
#include <cstdio>
#include <limits>

#include "cells.hpp"
#include "commands.hpp"
#include "encode.hpp"
#include "errors.hpp"
#include "hash.hpp"
#include "input.hpp"
#include "output_file.hpp"
#include "report.hpp"
#include "scan.hpp"
#include "stopwatch.hpp"
#include "suspects.hpp"
#include "text.hpp"

namespace ct {
namespace {

template <class T>
class Compressor {
 public:
  Compressor(const CompressOptions& options, const Input& input)
      : options_(options),
        input_(input),
        view_(input.view()),
        rule_(HoleRule<T>::from_fill_values(options.fill_values)),
        out_(options.output) {}

  void run() {
    prepare_header();
    scan_input();
    if (view_.info.values() == 0 || mask_overflowed_) {
      refuse_bare(mask_overflowed_ ? "too many different missing values" : "an empty array");
      store_raw();
    } else {
      store(chosen_coding());
    }
    finish();
  }

 private:
  void prepare_header() {
    header_.info = view_.info;
    header_.mode = options_.mode;
    header_.stream_word_bits = static_cast<uint32_t>(stream_word_bits);
    report_.command = "compress";
    report_.info = view_.info;
    report_.mode = options_.mode;
    report_.bytes_in = input_.bytes();
    if (!options_.bare) {
      const std::array<std::byte, container_header_bytes> room{};
      out_.append({room.data(), room.size()});
    }
  }

  void scan_input() {
    Stopwatch watch;
    Hasher mask_hash;
    MaskWriter mask([&](Bytes bytes) {
      if (options_.bare) return;
      mask_hash.update(bytes);
      out_.append(bytes);
    });
    scan_ = scan<T>(view_, rule_, mask, input_.is_file());
    mask.finish();
    mask_overflowed_ = mask.overflowed();
    if (scan_.missing > 0 && !mask_overflowed_ && !options_.bare) {
      header_.missing = scan_.missing;
      header_.pattern_count = static_cast<uint32_t>(mask.patterns().size());
      header_.mask_bytes = out_.position() - container_header_bytes;
      header_.mask_hash = mask_hash.digest();
    } else {
      drop_mask();
    }
    header_.original_hash = scan_.hash;
    header_.valid_min = scan_.min;
    header_.valid_max = scan_.max;
    refuse_missing();
    watch.lap(report_.read_s);
  }

  void drop_mask() {
    if (!options_.bare) out_.truncate(container_header_bytes);
    header_.missing = 0;
    header_.pattern_count = 0;
    header_.mask_bytes = 0;
    header_.mask_hash = xxh3({});
  }

  void refuse_missing() const {
    if (scan_.missing == 0 || !(options_.missing_fails || options_.bare)) return;
    throw Error(Exit::unsupported,
                "'" + input_.name() + "' has " + std::to_string(scan_.missing) +
                    " missing values (" + percent(scan_.missing, view_.info.values()) +
                    " of the field: NaN, infinite or a --fill-value), which " +
                    (options_.bare ? "a plain zfp stream cannot hold: leave out --bare"
                                   : "--missing fail forbids: use --missing mask"));
  }

  void refuse_bare(const char* what) const {
    if (options_.bare)
      throw Error(Exit::unsupported,
                  std::string("a plain zfp stream cannot hold ") + what + ": leave out --bare");
  }

  Coding chosen_coding() {
    if (options_.mode == Mode::reversible) return {true, 0.0};
    double tolerance = options_.bound;
    if (options_.mode == Mode::relative) {
      header_.relative_requested = options_.bound;
      report_.relative_requested = options_.bound;
      const double width = scan_.max * options_.bound - scan_.min * options_.bound;
      tolerance = std::min(width, std::numeric_limits<double>::max());
    }
    header_.tolerance_requested = tolerance;
    report_.tolerance_requested = tolerance;
    // A constant field has no range: nothing may change.
    if (tolerance == 0.0) return {true, 0.0};
    if (!keepable(tolerance)) return {true, 0.0};
    return {false, tolerance};
  }

  /// False when only lossless storage can keep the bound, and is allowed.
  bool keepable(double tolerance) {
    if (options_.mode == Mode::relative && !range_is_credible(tolerance)) return false;
    const double resolution =
        static_cast<double>(std::numeric_limits<T>::epsilon()) * scan_.max_abs();
    if (tolerance >= resolution) return true;
    const std::string found =
        "tolerance " + number(tolerance) + " is finer than " + dtype_name(view_.info.dtype) +
        " resolves at the largest magnitude, " + number(static_cast<T>(scan_.max_abs()));
    if (goes_lossless(found)) return false;
    const double most = tolerance / static_cast<double>(std::numeric_limits<T>::epsilon());
    const Suspects suspects = find_suspects<T>(view_, rule_, most, input_.is_file());
    if (suspects.look_like_fill_values()) {
      violate("bound violated: " + found + "; " + suspects.advice(view_.info.values()));
    }
    throw Error(Exit::usage, found + "; needed is at least " + number(resolution) +
                                 ", or --reversible, or --on-violation lossless");
  }

  /// A range that an undeclared fill value spans makes a tolerance that allows almost anything:
  /// one end of it repeats, and all other values lie within a small part of it.
  bool range_is_credible(double tolerance) {
    const Extremes extremes =
        find_extremes<T>(view_, rule_, scan_.min, scan_.max, input_.is_file());
    const double range = scan_.max - scan_.min;
    const auto suspicious = [&](const Extreme& end) {
      return end.count > 1 && end.width_of_rest > 0.0 && end.width_of_rest <= range / 10.0 &&
             end.width_of_rest <= tolerance * 10.0;
    };
    for (const auto& [end, value] :
         {std::pair{extremes.low, scan_.min}, std::pair{extremes.high, scan_.max}}) {
      if (!suspicious(end)) continue;
      const std::string found = "the relative tolerance comes to " + number(tolerance) +
                                ", but all other values span only " + number(end.width_of_rest);
      if (goes_lossless(found)) return false;
      Suspects one;
      one.values = {{number(static_cast<T>(value)), end.count}};
      violate("bound violated: " + found + "; " + one.advice(view_.info.values()));
    }
    return true;
  }

  bool goes_lossless(const std::string& why) const {
    if (options_.lossless_on_violation)
      std::fprintf(stderr, "compress_task: %s; storing losslessly\n", why.c_str());
    return options_.lossless_on_violation;
  }

  [[noreturn]] void violate(const std::string& message) {
    report_.bound_ok = false;
    finish_report();
    print_report(report_);
    throw Error(Exit::bound_violated, message);
  }

  void store(Coding coding) {
    const uint64_t whole = view_.info.bytes();
    for (;;) {
      if (!options_.bare && header_.mask_bytes + 1 >= whole) return store_raw();
      pad_to_payload();
      const Encoded encoded =
          encode_once(coding, options_.bare ? UINT64_MAX : whole - header_.mask_bytes - 1);
      if (encoded.too_large) return store_raw();
      if (encoded.errors.violations() == 0) return accept(coding, encoded);
      if (!options_.lossless_on_violation) refuse(encoded, coding);
      if (coding.reversible) {
        refuse_bare("this array losslessly");
        return store_raw();
      }
      goes_lossless("the bound does not hold (error " + number(encoded.errors.max_abs()) + ")");
      coding = {true, 0.0};
    }
  }

  void pad_to_payload() {
    if (options_.bare) return out_.truncate(0);
    const std::array<std::byte, section_alignment> zeros{};
    out_.truncate(container_header_bytes + header_.mask_bytes);
    out_.append({zeros.data(), header_.payload_offset() - out_.position()});
  }

  Encoded encode_once(const Coding& coding, uint64_t most_bytes) {
    EncodeJob job{view_, coded_shape(view_.info, !options_.bare), coding};
    if (!fits_zfp_header(job.shape))
      throw Error(Exit::unsupported, "zfp cannot hold the shape " + shape_text(view_.info.shape));
    job.has_holes = scan_.missing > 0;
    job.verify = options_.verify;
    job.stop_at_violation = options_.lossless_on_violation;
    job.drop_pages = input_.is_file();
    job.most_bytes = most_bytes;
    header_.coded = job.shape;
    Encoded encoded = encode<T>(job, rule_, [this](Bytes bytes) { out_.append(bytes); });
    report_.compress_s += encoded.compress_s;
    report_.verify_s += encoded.verify_s;
    report_.write_s += encoded.write_s;
    return encoded;
  }

  void accept(const Coding& coding, const Encoded& encoded) {
    header_.stored = coding.reversible ? Stored::reversible : Stored::lossy;
    header_.tolerance_effective = coding.reversible ? 0.0 : effective_tolerance(coding.tolerance);
    header_.verified = options_.verify;
    header_.payload_bytes = encoded.bytes;
    header_.payload_hash = encoded.hash;
    if (!options_.verify) return;
    header_.max_abs_error = encoded.errors.max_abs();
    header_.rmse = encoded.errors.rmse();
    report_.bound_ok = true;
  }

  [[noreturn]] void refuse(const Encoded& encoded, const Coding& coding) {
    report_.max_abs_error = encoded.errors.max_abs();
    report_.rmse = encoded.errors.rmse();
    report_.tolerance_effective = coding.reversible ? 0.0 : effective_tolerance(coding.tolerance);
    std::string message =
        "bound violated: " + std::to_string(encoded.errors.violations()) + " of " +
        std::to_string(encoded.errors.cells()) + " valid values are out, the worst by " +
        number(encoded.errors.max_abs()) + " where " + number(coding.tolerance) + " is allowed";
    const Suspects suspects =
        find_suspects<T>(view_, rule_, std::nextafter(scan_.max_abs(), 0.0), input_.is_file());
    if (suspects.look_like_fill_values()) {
      message += "; " + suspects.advice(view_.info.values());
    } else {
      message += "; the largest magnitude is " + number(static_cast<T>(scan_.max_abs())) +
                 ": use a larger tolerance, --reversible, or --on-violation lossless";
    }
    violate(message);
  }

  void store_raw() {
    Stopwatch watch;
    refuse_bare("an array without compressing it");
    drop_mask();
    header_.coded = CodedShape{};
    header_.stored = Stored::raw;
    header_.tolerance_effective = 0.0;
    header_.max_abs_error = 0.0;
    header_.rmse = 0.0;
    header_.verified = true;
    Hasher hasher;
    constexpr std::size_t slice = std::size_t{1} << 20;
    for (std::size_t at = 0; at < view_.data.size; at += slice) {
      const Bytes bytes = view_.data.part(at, std::min(slice, view_.data.size - at));
      hasher.update(bytes);
      out_.append(bytes);
    }
    header_.payload_bytes = view_.data.size;
    header_.payload_hash = hasher.digest();
    if (header_.payload_hash != header_.original_hash) {
      throw Error(Exit::unreadable,
                  "'" + input_.name() + "' changed while it was being read: run again");
    }
    report_.bound_ok = true;
    watch.lap(report_.write_s);
  }

  void finish() {
    Stopwatch watch;
    if (!options_.bare) {
      const auto bytes = serialize(header_);
      out_.rewrite(0, {bytes.data(), bytes.size()});
    }
    report_.bytes_out = out_.position();
    out_.commit();
    watch.lap(report_.write_s);
    report_.ratio =
        static_cast<double>(*report_.bytes_in) / static_cast<double>(*report_.bytes_out);
    if (header_.verified) {
      report_.max_abs_error = header_.max_abs_error;
      report_.rmse = header_.rmse;
    }
    report_.tolerance_effective = header_.tolerance_effective;
    report_.xxh3_payload = header_.payload_hash;
    report_.stored = stored_name(header_.stored);
    finish_report();
    print_report(report_);
  }

  void finish_report() {
    if (scan_.valid > 0) {
      report_.valid_min = scan_.min;
      report_.valid_max = scan_.max;
    }
    report_.missing = scan_.missing;
    report_.xxh3_original = scan_.hash;
  }

  const CompressOptions& options_;
  const Input& input_;
  const ArrayView& view_;
  HoleRule<T> rule_;
  OutputFile out_;
  Scan scan_;
  bool mask_overflowed_ = false;
  Header header_;
  Report report_;
};

}  // namespace

void run(const CompressOptions& options) {
  if (!options.input.generate) refuse_same_file(options.input.path, options.output);
  const Input input(options.input);
  with_type(input.view().info.dtype,
            [&](auto zero) { Compressor<decltype(zero)>(options, input).run(); });
}

}  // namespace ct
