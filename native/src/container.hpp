// The compressed file: header, mask, payload. docs/reference/compressed-format.md describes every byte.
#pragma once

#include <string>

#include "array.hpp"
#include "decode.hpp"

namespace ct {

enum class Stored : uint8_t { lossy = 1, reversible = 2, raw = 3 };
enum class Mode : uint8_t { tolerance = 1, relative = 2, reversible = 3 };

const char* stored_name(Stored stored);
const char* mode_name(Mode mode);

constexpr std::size_t container_header_bytes = 256;
constexpr std::size_t section_alignment = 64;

struct Header {
  ArrayInfo info;
  Stored stored = Stored::lossy;
  Mode mode = Mode::tolerance;
  bool verified = false;
  uint32_t stream_word_bits = 8;
  CodedShape coded;                  ///< dims is 0 when stored raw
  double tolerance_requested = 0.0;  ///< absolute; 0 in mode reversible
  double relative_requested = 0.0;
  double tolerance_effective = 0.0;
  double max_abs_error = 0.0;  ///< measured, if verified
  double rmse = 0.0;
  double valid_min = 0.0;
  double valid_max = 0.0;
  uint64_t missing = 0;
  uint32_t pattern_count = 0;
  uint64_t mask_bytes = 0;
  uint64_t payload_bytes = 0;
  uint64_t mask_hash = 0;
  uint64_t payload_hash = 0;
  uint64_t original_hash = 0;

  [[nodiscard]] uint64_t payload_offset() const {
    const uint64_t end = container_header_bytes + mask_bytes;
    return (end + section_alignment - 1) / section_alignment * section_alignment;
  }
};

std::array<std::byte, container_header_bytes> serialize(const Header& header);

/// A compressed file whose every checksum holds.
struct Container {
  Header header;
  Bytes mask;
  Bytes payload;

  [[nodiscard]] Payload zfp_payload() const;
};

/// Throws Exit::corrupt when the file is foreign, truncated, padded or damaged, and
/// Exit::unsupported when it is of a later version.
Container open_container(Bytes file);

}  // namespace ct
