// libFuzzer target: what `info` and `decompress` do with a compressed file, and what `compress`
// does with a .npy header. Built by `make fuzz-native`.

#include <cstdlib>
#include <memory>
#include <vector>

#include "container.hpp"
#include "errors.hpp"
#include "hash.hpp"
#include "npy.hpp"
#include "report.hpp"
#include "restore.hpp"

namespace {

constexpr uint64_t most_output_bytes = uint64_t{1} << 22;
constexpr std::size_t header_bytes = ct::container_header_bytes;

void open_and_restore(ct::Bytes file) {
  const ct::Container container = ct::open_container(file);
  const std::string line = ct::info_line(container.header, "fuzz", file.size);
  if (line.empty() || line.back() != '\n') std::abort();
  const uint64_t size = container.header.info.bytes();
  if (size > most_output_bytes) return;
  const std::string npy = ct::npy_header(container.header.info);
  // Exactly as long as the array, so that one byte too many is seen.
  const std::unique_ptr<std::byte[]> out(new std::byte[size]);
  ct::restore(container, out.get(), false);
}

template <class T>
T get(const uint8_t* data, std::size_t offset) {
  T value;
  std::memcpy(&value, data + offset, sizeof value);
  return value;
}

template <class T>
void put(uint8_t* data, std::size_t offset, T value) {
  std::memcpy(data + offset, &value, sizeof value);
}

/// Makes lengths and checksums hold again, so that mutations reach what lies behind them.
void repair(uint8_t* data, std::size_t size) {
  if (size < header_bytes) return;
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  uint64_t mask = get<uint64_t>(data, 152);
  if (mask > size - header_bytes) mask %= size - header_bytes + 1;
  uint64_t offset = (header_bytes + mask + 63) / 64 * 64;
  if (offset > size) {
    mask = 0;
    offset = header_bytes;
  }
  std::memset(data + header_bytes + mask, 0, offset - header_bytes - mask);
  put<uint64_t>(data, 152, mask);
  put<uint64_t>(data, 160, size - offset);
  put<uint64_t>(data, 168, ct::xxh3({bytes + header_bytes, mask}));
  put<uint64_t>(data, 176, ct::xxh3({bytes + offset, size - offset}));
  put<uint64_t>(data, header_bytes - 8, ct::xxh3({bytes, header_bytes - 8}));
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(uint8_t* data, std::size_t size, std::size_t most);

extern "C" std::size_t LLVMFuzzerCustomMutator(uint8_t* data, std::size_t size, std::size_t most,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, most);
  if (seed % 8 != 0 && (size == 0 || data[0] == 0x89)) repair(data, size);
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  // A copy of its own: aligned as a mapped file is, and no byte longer.
  const std::unique_ptr<std::byte[]> copy(new std::byte[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const ct::Bytes file{copy.get(), size};
  try {
    if (size > 0 && data[0] == 0x93) {
      ct::parse_npy(file, "fuzz");
    } else {
      open_and_restore(file);
    }
  } catch (const ct::Error& error) {
    const bool expected = error.code() == ct::Exit::corrupt ||
                          error.code() == ct::Exit::unsupported ||
                          error.code() == ct::Exit::unreadable;
    if (!expected) std::abort();
  }
  return 0;
}
