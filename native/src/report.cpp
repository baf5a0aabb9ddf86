#include "report.hpp"

#include <unistd.h>
#include <zfp.h>

#include <cerrno>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "errors.hpp"
#include "text.hpp"

namespace ct {
namespace {

using nlohmann::ordered_json;

template <class T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

// JSON has no infinity and no NaN.
ordered_json or_null(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json hash_or_null(const std::optional<uint64_t>& value) {
  return value ? ordered_json(hex64(*value)) : ordered_json(nullptr);
}

/// This program's own peak. getrusage would also count what the parent had before exec.
uint64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  return 0;
}

std::optional<double> psnr_db(const Report& report) {
  if (!report.rmse || !report.valid_min || !report.valid_max) return std::nullopt;
  const double range = *report.valid_max - *report.valid_min;
  if (!(*report.rmse > 0.0) || !(range > 0.0)) return std::nullopt;
  return 20.0 * std::log10(range / *report.rmse);
}

// A path need not be UTF-8; JSON must be.
std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void print_text(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error(Exit::io, with_errno("cannot write to standard output"));
    at += static_cast<std::size_t>(n);
  }
}

void print_report(const Report& r) {
  ordered_json json;
  json["schema"] = "compress_task.report/1";
  json["command"] = r.command;
  json["dtype"] = r.info ? ordered_json(dtype_name(r.info->dtype)) : ordered_json(nullptr);
  json["shape"] = r.info ? ordered_json(r.info->shape) : ordered_json(nullptr);
  json["ratio"] = or_null(r.ratio);
  json["bytes_in"] = or_null(r.bytes_in);
  json["bytes_out"] = or_null(r.bytes_out);
  json["max_abs_error"] = or_null(r.max_abs_error);
  json["rmse"] = or_null(r.rmse);
  json["psnr_db"] = or_null(psnr_db(r));
  json["psnr_definition"] = "20*log10((max-min)/rmse) over valid cells; null when exact";
  json["mode"] = r.mode ? ordered_json(mode_name(*r.mode)) : ordered_json(nullptr);
  json["tolerance_requested"] = or_null(r.tolerance_requested);
  json["relative_tolerance_requested"] = or_null(r.relative_requested);
  json["tolerance_effective"] = or_null(r.tolerance_effective);
  json["bound_ok"] = or_null(r.bound_ok);
  json["missing"] = or_null(r.missing);
  json["xxh3_original"] = hash_or_null(r.xxh3_original);
  json["xxh3_payload"] = hash_or_null(r.xxh3_payload);
  json["xxh3_decoded"] = hash_or_null(r.xxh3_decoded);
  json["seconds"] = {{"read", r.read_s},
                     {"compress", r.compress_s},
                     {"decompress", r.decompress_s},
                     {"verify", r.verify_s},
                     {"write", r.write_s}};
  json["peak_rss_bytes"] = peak_rss_bytes();
  json["zfp_version"] = ZFP_VERSION_STRING;
  json["stream_word_bits"] = stream_word_bits;
  json["stored"] = or_null(r.stored);
  print_text(line_of(json));
}

std::string info_line(const Header& h, const std::string& path, uint64_t file_bytes) {
  ordered_json json;
  json["schema"] = "compress_task.info/1";
  json["file"] = path;
  json["format_version"] = 1;
  json["dtype"] = dtype_name(h.info.dtype);
  json["byte_order"] = h.info.big_endian ? "big" : "little";
  json["fortran_order"] = h.info.fortran_order;
  json["shape"] = h.info.shape;
  json["stored"] = stored_name(h.stored);
  json["mode"] = mode_name(h.mode);
  json["tolerance_requested"] =
      h.mode == Mode::reversible ? ordered_json(nullptr) : ordered_json(h.tolerance_requested);
  json["relative_tolerance_requested"] =
      h.mode == Mode::relative ? ordered_json(h.relative_requested) : ordered_json(nullptr);
  json["tolerance_effective"] = h.tolerance_effective;
  json["verified"] = h.verified;
  json["max_abs_error"] =
      h.verified ? or_null(std::optional(h.max_abs_error)) : ordered_json(nullptr);
  json["rmse"] = h.verified ? or_null(std::optional(h.rmse)) : ordered_json(nullptr);
  json["valid_min"] = or_null(std::optional(h.valid_min));
  json["valid_max"] = or_null(std::optional(h.valid_max));
  json["missing"] = h.missing;
  json["bytes_original"] = h.info.bytes();
  json["bytes_file"] = file_bytes;
  json["bytes_mask"] = h.mask_bytes;
  json["bytes_payload"] = h.payload_bytes;
  json["payload_offset"] = h.payload_offset();
  json["xxh3_original"] = hex64(h.original_hash);
  json["xxh3_payload"] = hex64(h.payload_hash);
  json["stream_word_bits"] = h.stream_word_bits;
  return line_of(json);
}

}  // namespace ct
