// The one line of JSON on stdout.
#pragma once

#include <optional>
#include <string>

#include "container.hpp"

namespace ct {

/// Schema "compress_task.report/1". What does not apply is null.
struct Report {
  std::string command;
  std::optional<ArrayInfo> info;
  std::optional<uint64_t> bytes_in;
  std::optional<uint64_t> bytes_out;
  std::optional<double> ratio;
  std::optional<Mode> mode;
  std::optional<double> max_abs_error;
  std::optional<double> rmse;
  std::optional<double> valid_min;
  std::optional<double> valid_max;
  std::optional<double> tolerance_requested;
  std::optional<double> relative_requested;
  std::optional<double> tolerance_effective;
  std::optional<bool> bound_ok;
  std::optional<uint64_t> missing;
  std::optional<uint64_t> xxh3_original;
  std::optional<uint64_t> xxh3_payload;
  std::optional<uint64_t> xxh3_decoded;
  std::optional<std::string> stored;
  double read_s = 0.0;
  double compress_s = 0.0;
  double decompress_s = 0.0;
  double verify_s = 0.0;
  double write_s = 0.0;
};

/// Prints the line. Throws Exit::io when stdout cannot take it.
void print_report(const Report& report);
/// One line of JSON, schema "compress_task.info/1".
std::string info_line(const Header& header, const std::string& path, uint64_t file_bytes);
/// Writes text to stdout. Throws Exit::io.
void print_text(const std::string& text);

}  // namespace ct
