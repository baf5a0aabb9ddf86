#include "container.hpp"

#include <algorithm>
#include <cmath>

#include "errors.hpp"
#include "hash.hpp"
#include "mask.hpp"
#include "text.hpp"

namespace ct {
namespace {

// The first byte is not ASCII and the line ends follow, so that a transfer in text mode shows.
constexpr std::array<unsigned char, 8> magic{0x89, 'H', 'P', 'C', 'Z', '\r', '\n', 0x1a};
constexpr uint16_t version = 1;
constexpr std::size_t checksum_offset = container_header_bytes - 8;

[[noreturn]] void corrupt(const std::string& what) {
  throw Error(Exit::corrupt, what);
}

/// Walks over the header's fields; the same walk writes and reads, so the two cannot differ.
class FieldWriter {
 public:
  explicit FieldWriter(std::byte* to) : to_(to) {}
  template <class T>
  void field(std::size_t offset, T& value) {
    std::memcpy(to_ + offset, &value, sizeof value);
  }

 private:
  std::byte* to_;
};

class FieldReader {
 public:
  explicit FieldReader(const std::byte* from) : from_(from) {}
  template <class T>
  void field(std::size_t offset, T& value) {
    std::memcpy(&value, from_ + offset, sizeof value);
  }

 private:
  const std::byte* from_;
};

/// The header as it lies in the file.
struct RawHeader {
  std::array<unsigned char, 8> magic{};
  uint16_t version = 0;
  uint16_t header_bytes = 0;
  uint8_t dtype = 0, big_endian = 0, fortran_order = 0, ndim = 0;
  std::array<uint64_t, 4> shape{};
  uint8_t stored = 0, mode = 0, coded_ndim = 0, verified = 0;
  uint32_t stream_word_bits = 0;
  std::array<uint64_t, 4> coded{};
  uint32_t pattern_count = 0;
  uint64_t checksum = 0;
};

template <class Fields>
void walk(Fields fields, RawHeader& raw, Header& header) {
  fields.field(0, raw.magic);
  fields.field(8, raw.version);
  fields.field(10, raw.header_bytes);
  fields.field(12, raw.dtype);
  fields.field(13, raw.big_endian);
  fields.field(14, raw.fortran_order);
  fields.field(15, raw.ndim);
  fields.field(16, raw.shape);
  fields.field(48, raw.stored);
  fields.field(49, raw.mode);
  fields.field(50, raw.coded_ndim);
  fields.field(51, raw.verified);
  fields.field(52, raw.stream_word_bits);
  fields.field(56, raw.coded);
  fields.field(88, header.tolerance_requested);
  fields.field(96, header.relative_requested);
  fields.field(104, header.tolerance_effective);
  fields.field(112, header.max_abs_error);
  fields.field(120, header.rmse);
  fields.field(128, header.valid_min);
  fields.field(136, header.valid_max);
  fields.field(144, header.missing);
  fields.field(152, header.mask_bytes);
  fields.field(160, header.payload_bytes);
  fields.field(168, header.mask_hash);
  fields.field(176, header.payload_hash);
  fields.field(184, header.original_hash);
  fields.field(192, raw.pattern_count);
}

void check(bool holds, const char* field) {
  if (!holds)
    corrupt(std::string("the header is damaged: its field '") + field + "' makes no sense");
}

void take_array(const RawHeader& raw, Header& header) {
  check(raw.dtype == 1 || raw.dtype == 2, "dtype");
  check(raw.big_endian <= 1, "big_endian");
  check(raw.fortran_order <= 1, "fortran_order");
  check(raw.ndim >= 1 && raw.ndim <= 4, "ndim");
  header.info.dtype = static_cast<Dtype>(raw.dtype);
  header.info.big_endian = raw.big_endian == 1;
  header.info.fortran_order = raw.fortran_order == 1;
  header.info.shape.assign(raw.shape.begin(), raw.shape.begin() + raw.ndim);
  check(
      std::all_of(raw.shape.begin() + raw.ndim, raw.shape.end(), [](uint64_t n) { return n == 0; }),
      "shape");
  check(size_is_sane(header.info.shape), "shape");
}

void take_coding(const RawHeader& raw, Header& header) {
  check(raw.stored >= 1 && raw.stored <= 3, "stored");
  check(raw.mode >= 1 && raw.mode <= 3, "mode");
  check(raw.verified <= 1, "verified");
  header.stored = static_cast<Stored>(raw.stored);
  header.mode = static_cast<Mode>(raw.mode);
  header.verified = raw.verified == 1;
  header.stream_word_bits = raw.stream_word_bits;
  header.pattern_count = raw.pattern_count;
  if (header.stored == Stored::raw) {
    check(raw.coded_ndim == 0, "coded_ndim");
    check(std::all_of(raw.coded.begin(), raw.coded.end(), [](uint64_t n) { return n == 0; }),
          "coded_shape");
    return;
  }
  const auto word = raw.stream_word_bits;
  check(word == 8 || word == 16 || word == 32 || word == 64, "stream_word_bits");
  header.coded = coded_shape(header.info, true);
  check(raw.coded_ndim == header.coded.dims, "coded_ndim");
  for (unsigned i = 0; i < 4; ++i)
    check(raw.coded[i] == (i < header.coded.dims ? header.coded.n[i] : 0), "coded_shape");
  check(header.info.values() > 0, "shape");
  if (header.stored == Stored::lossy) {
    const double effective = header.tolerance_effective;
    check(std::isfinite(effective) && effective > 0.0, "tolerance_effective");
    check(effective == effective_tolerance(effective), "tolerance_effective");
    check(effective <= header.tolerance_requested, "tolerance_requested");
  }
}

void check_sizes(const Header& header, std::size_t file_size) {
  const bool has_mask = header.mask_bytes > 0;
  check(header.mask_bytes < file_size && header.payload_bytes <= file_size, "mask_bytes");
  check(has_mask == (header.missing > 0) && has_mask == (header.pattern_count > 0), "missing");
  check(header.missing <= header.info.values(), "missing");
  const uint64_t expected = header.payload_offset() + header.payload_bytes;
  if (expected != file_size) {
    corrupt("the file has " + std::to_string(file_size) + " bytes where " +
            std::to_string(expected) + " are needed: it is " +
            (file_size < expected ? "truncated" : "padded"));
  }
  if (header.stored == Stored::raw) {
    check(!has_mask, "mask_bytes");
    check(header.payload_bytes == header.info.bytes(), "payload_bytes");
  }
}

void check_part(Bytes part, uint64_t hash, const char* name) {
  if (xxh3(part) != hash)
    corrupt(std::string("the ") + name + " is damaged: its checksum does not match");
}

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.data, bytes.data + bytes.size,
                     [](std::byte b) { return b == std::byte{0}; });
}

void check_magic(Bytes file) {
  const std::size_t seen = std::min(file.size, magic.size());
  if (file.size >= 3 && std::memcmp(file.data, "zfp", 3) == 0) {
    corrupt(
        "this is a plain zfp stream, which has no checksums: decompress it with 'zfp -h -z FILE -o "
        "OUT'");
  }
  if (seen == 0 || std::memcmp(file.data, magic.data(), seen) != 0) {
    corrupt("this is not a file that compress_task wrote: it does not begin with its magic");
  }
  if (file.size < container_header_bytes) corrupt("the file is truncated within its header");
}

}  // namespace

const char* stored_name(Stored stored) {
  constexpr std::array<const char*, 4> names{"", "lossy", "reversible", "raw"};
  return names[static_cast<std::size_t>(stored)];
}

const char* mode_name(Mode mode) {
  constexpr std::array<const char*, 4> names{"", "tolerance", "relative-tolerance", "reversible"};
  return names[static_cast<std::size_t>(mode)];
}

std::array<std::byte, container_header_bytes> serialize(const Header& header) {
  std::array<std::byte, container_header_bytes> bytes{};
  RawHeader raw;
  Header copy = header;
  raw.magic = magic;
  raw.version = version;
  raw.header_bytes = container_header_bytes;
  raw.dtype = static_cast<uint8_t>(header.info.dtype);
  raw.big_endian = header.info.big_endian ? 1 : 0;
  raw.fortran_order = header.info.fortran_order ? 1 : 0;
  raw.ndim = static_cast<uint8_t>(header.info.shape.size());
  std::copy(header.info.shape.begin(), header.info.shape.end(), raw.shape.begin());
  raw.stored = static_cast<uint8_t>(header.stored);
  raw.mode = static_cast<uint8_t>(header.mode);
  raw.verified = header.verified ? 1 : 0;
  raw.coded_ndim = static_cast<uint8_t>(header.coded.dims);
  raw.stream_word_bits = header.stream_word_bits;
  raw.pattern_count = header.pattern_count;
  std::copy(header.coded.n.begin(), header.coded.n.begin() + header.coded.dims, raw.coded.begin());
  walk(FieldWriter(bytes.data()), raw, copy);
  const uint64_t checksum = xxh3({bytes.data(), checksum_offset});
  std::memcpy(bytes.data() + checksum_offset, &checksum, sizeof checksum);
  return bytes;
}

Payload Container::zfp_payload() const {
  return {payload,
          header.info.dtype,
          header.coded,
          {header.stored == Stored::reversible, header.tolerance_effective},
          header.stream_word_bits};
}

Container open_container(Bytes file) {
  check_magic(file);
  uint64_t checksum = 0;
  std::memcpy(&checksum, file.data + checksum_offset, sizeof checksum);
  if (xxh3(file.part(0, checksum_offset)) != checksum) {
    corrupt("the header is damaged: its checksum does not match");
  }
  RawHeader raw;
  Container container;
  Header& header = container.header;
  walk(FieldReader(file.data), raw, header);
  if (raw.version != version || raw.header_bytes != container_header_bytes) {
    throw Error(Exit::unsupported, "the file is of format version " + std::to_string(raw.version) +
                                       "; this program reads version 1: use a newer one");
  }
  take_array(raw, header);
  take_coding(raw, header);
  check(all_zero(file.part(196, checksum_offset - 196)), "reserved");
  check_sizes(header, file.size);
  container.mask = file.part(container_header_bytes, header.mask_bytes);
  container.payload = file.part(header.payload_offset(), header.payload_bytes);
  const uint64_t mask_end = container_header_bytes + header.mask_bytes;
  check(all_zero(file.part(mask_end, header.payload_offset() - mask_end)), "padding");
  check_part(container.mask, header.mask_hash, "mask");
  check_part(container.payload, header.payload_hash, "payload");
  if (header.stored != Stored::raw) check_plausible_size(container.zfp_payload());
  return container;
}

}  // namespace ct
